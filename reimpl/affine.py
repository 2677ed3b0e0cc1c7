"""A scale and a shift that are constant along some axes: y = a·x + b.

Frozen statistics with weight and bias, and convolution's bias. The backward is

    gx = a·gy,   ga = Σ x·gy,   gb = Σ gy     summed over the axes along which a and b are constant

and linear again in each of its arguments, so it exists to every order.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from reimpl.arguments import Ints
from reimpl.function import Differentiable, call


def affine(x: Tensor, a: Tensor | None, b: Tensor | None, axes: Ints) -> Tensor:
    """``a·x + b``; ``a`` and ``b`` have ``x``'s rank and size one along ``axes``.

    Without either it is a copy: the caller may write to the result, ``x`` may be saved for later.
    """
    if a is None and b is None:
        return x.clone() if x.requires_grad else x
    return call(_Affine, _DualAffine, x, a, b, axes)


def per_channel(x: Tensor, a: Tensor | None, b: Tensor | None) -> Tensor:
    """``a[c]·x[n, c, *l] + b[c]`` in ``x``'s dtype."""
    shape = (1, -1, *(1,) * (x.dim() - 2))
    a, b = shaped(x.dtype, shape, a, b)
    return affine(x, a, b, (0, *range(2, x.dim())))


def shaped(dtype: torch.dtype, shape: Ints, *parameters: Tensor | None) -> list[Tensor | None]:
    """The parameters in the given dtype and shape."""
    return [t if t is None else t.to(dtype).reshape(shape) for t in parameters]


class _Affine(Differentiable):
    @staticmethod
    def forward(x: Tensor, a: Tensor | None, b: Tensor | None, _axes: Ints) -> Tensor:
        if a is not None and b is not None:
            return torch.addcmul(b, x, a)
        return x + b if b is not None else x * cast(Tensor, a)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, _output: Tensor) -> None:
        x, a, _, ctx.axes = inputs
        ctx.save_for_backward(x if a is not None else None, a)
        ctx.save_for_forward(x if a is not None else None, a)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
        x, a = ctx.saved_tensors
        need_x, need_a, need_b, _ = ctx.needs_input_grad
        gx = affine(gy, a if a is None else a.conj(), None, ctx.axes) if need_x else None
        ga = (gy * x.conj()).sum(ctx.axes, keepdim=True) if need_a else None
        gb = gy.sum(ctx.axes, keepdim=True) if need_b else None
        return gx, ga, gb, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Any, a: Any, b: Any, axes: Ints) -> tuple[Tensor, int]:
        size = info.batch_size
        x, a, b = (lead(t, dim, size) for t, dim in zip((x, a, b), in_dims[:3], strict=True))
        return affine(x, a, b, tuple([axis + 1 for axis in axes])), 0


class _DualAffine(_Affine):
    @staticmethod
    def jvp(ctx: Any, dx: Any, da: Any, db: Any, _axes: None) -> Tensor:
        x, a = ctx.saved_tensors
        dy = affine(dx, a, None, ctx.axes)
        dy = dy if da is None else dy + affine(x, da, None, ctx.axes)
        return dy if db is None else dy + db


def lead(t: Tensor | None, dim: int | None, size: int) -> Tensor | None:
    """``t`` with the vmapped axis in front, of full size."""
    if t is None:
        return None
    return t.expand(size, *t.shape) if dim is None else t.movedim(dim, 0)
