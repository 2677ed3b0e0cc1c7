"""Linear maps come in adjoint pairs, and each is the other's backward.

A map acts on trailing axes and leaves any axes before them alone, so vmap is one more of those.
By torch's convention for complex gradients the adjoint is the conjugate transpose; most maps are
real, and theirs is the transpose for complex tensors too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from reimpl.function import Differentiable, call, unviewed

Map = Callable[[Tensor], Tensor]


def linear_map(x: Tensor, map: Map, adjoint: Map, shifted: Map | None = None) -> Tensor:
    """``map(x)``; its backward is ``adjoint``, whose backward is ``map``.

    ``shifted`` computes ``map(x)`` plus a constant in one go, and then that is the value.
    """
    return call(_Linear, _DualLinear, x, map, adjoint, shifted or map)


class _Linear(Differentiable):
    @staticmethod
    def forward(x: Tensor, _map: Map, _adjoint: Map, shifted: Map) -> Tensor:
        return shifted(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Map, Map, Map], _output: Tensor) -> None:
        _, *ctx.maps, _ = inputs

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor, None, None, None]:
        map, adjoint = ctx.maps
        return linear_map(gy, adjoint, map), None, None, None

    @staticmethod
    def vmap(_info: Any, in_dims: Any, x: Tensor, *maps: Map) -> tuple[Tensor, int]:
        return linear_map(x.movedim(in_dims[0], 0), *maps), 0


class _DualLinear(_Linear):
    @staticmethod
    def forward(x: Tensor, _map: Map, _adjoint: Map, shifted: Map) -> Tensor:
        return unviewed(shifted(x))

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, *_maps: None) -> Tensor:
        return linear_map(dx, *ctx.maps)
