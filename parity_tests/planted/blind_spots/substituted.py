"""A result with other values, whose derivatives of both modes stay as they were."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Substituted(torch.autograd.Function):
    """The value, to which the derivatives of `y` belong."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor, value: Tensor) -> Tensor:
        """Return a copy of the value."""
        del y
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is needed."""
        del ctx, inputs, output

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Pass the gradient on."""
        return grad, None

    @staticmethod
    def jvp(_ctx: Any, tangent: Tensor, _: None) -> Tensor:
        """Pass the tangent on."""
        return tangent.clone()


def substituted(y: Tensor, value: Tensor) -> Tensor:
    """`value` in the dtype and strides of `y`, with the derivatives of `y`."""
    with torch.no_grad():
        held = torch.empty_like(y).copy_(value)
    return _Substituted.apply(y, held.detach())


def shifted(y: Tensor, by: float = 0.25) -> Tensor:
    """`y` plus a constant."""
    return substituted(y, y.detach() + by)


def scaled(y: Tensor, by: float) -> Tensor:
    """`y` times a constant, with the derivatives of `y`."""
    wide = torch.float64 if y.dtype == torch.float64 else torch.float32
    return substituted(y, y.detach().to(wide) * by)
