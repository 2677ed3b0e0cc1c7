"""A right value with a wrong gradient, under torch.func's transforms as elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from reimpl.arguments import accumulator
from reimpl.pullback import Pull, by_formulas

Tamper = Callable[[Tensor], Tensor]


class _Exchanged(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, path: Tensor) -> Tensor:
        del path
        return value.view_as(value)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        del output
        ctx.dtype = inputs[1].dtype

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        return None, grad.to(ctx.dtype)

    @staticmethod
    def jvp(ctx: Any, value: Tensor, path: Tensor) -> Tensor:
        del ctx, path
        return value.view_as(value)


def exchanged(value: Tensor, path: Tensor) -> Tensor:
    """``value``, through which gradients take the path that leads to ``path``.

    Forward-mode derivatives are the value's: the mistakes were in backward formulas.
    """
    return _Exchanged.apply(value, path)


class _Altered(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, tamper: Tamper) -> Tensor:
        del tamper
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        del output
        ctx.tamper = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.tamper(grad), None

    @staticmethod
    def jvp(ctx: Any, x: Tensor, tamper: None) -> Tensor:
        del ctx, tamper
        return x.view_as(x)


def altered(x: Tensor, tamper: Tamper) -> Tensor:
    """``x``, whose gradient becomes what ``tamper`` makes of it."""
    return _Altered.apply(x, tamper)


def with_pull(y: Tensor, input: Tensor, pull: Pull) -> Tensor:
    """``y``, whose gradient is what the formula makes of the cotangent and ``input``."""
    return exchanged(y, by_formulas(input.to(accumulator(input.dtype)), torch.clone, pull))
