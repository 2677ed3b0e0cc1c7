"""Linear maps come in adjoint pairs, and each is the other's backward.

A map acts on trailing axes and leaves any axes before them alone, so vmap is one more of those.
Both maps are real: the adjoint is the transpose, for complex tensors too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from reimpl.function import Differentiable

Map = Callable[[Tensor], Tensor]


def linear_map(x: Tensor, map: Map, adjoint: Map) -> Tensor:
    """``map(x)``; its backward is ``adjoint``, whose backward is ``map``."""
    return (_Linear if torch.compiler.is_compiling() else _DualLinear).apply(x, map, adjoint)


class _Linear(Differentiable):
    @staticmethod
    def forward(x: Tensor, map: Map, _adjoint: Map) -> Tensor:
        return map(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Map, Map], _output: Tensor) -> None:
        _, *ctx.maps = inputs

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor, None, None]:
        map, adjoint = ctx.maps
        return linear_map(gy, adjoint, map), None, None

    @staticmethod
    def vmap(_info: Any, in_dims: Any, x: Tensor, map: Map, adjoint: Map) -> tuple[Tensor, int]:
        return linear_map(x.movedim(in_dims[0], 0), map, adjoint), 0


class _DualLinear(_Linear):
    @staticmethod
    def jvp(ctx: Any, dx: Tensor, _map: None, _adjoint: None) -> Tensor:
        return linear_map(dx, *ctx.maps)
