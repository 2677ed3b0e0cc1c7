"""Selection at given indices and its adjoint: what a maximum and its inverse both stand on.

Along the last axis, with i an index for every m, and the leading axes carried along:

    gather       y[m] = x[i(m)]
    scatter_add  x[l] = Σ_{m: i(m) = l} y[m]
    overwrite    x[l] = y[m] for the last m with i(m) = l, or zero

The first two are each other's backward. The third is the second wherever no index occurs twice,
and as in torch its backward is ``gather`` even where one does (#80204).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from reimpl.arguments import accumulator
from reimpl.function import Differentiable, call


def gather(x: Tensor, i: Tensor) -> Tensor:
    """The elements of ``x`` at ``i``: (*, L), (*, M) -> (*, M)."""
    return _selection(x, i, None, False)


def scatter_add(y: Tensor, i: Tensor, size: int) -> Tensor:
    """Zeros, with ``y`` added at ``i``: (*, M), (*, M) -> (*, size)."""
    return _selection(y, i, size, False)


def overwrite(y: Tensor, i: Tensor, size: int) -> Tensor:
    """Zeros, with ``y`` written at ``i``: (*, M), (*, M) -> (*, size)."""
    return _selection(y, i, size, True)


def _selection(x: Tensor, i: Tensor, size: int | None, last: bool) -> Tensor:
    return call(_Selection, _DualSelection, x, i, size, last)


class _Selection(Differentiable):
    """``gather`` without a size; with one its adjoint, or ``overwrite`` if the last one wins."""

    @staticmethod
    def forward(x: Tensor, i: Tensor, size: int | None, last: bool) -> Tensor:
        if size is None:
            return x.gather(-1, i)
        shape = (*x.shape[:-1], size)
        if last:
            return x.new_zeros(shape).scatter_(-1, i, x)
        dtype = accumulator(x.dtype)  # 16-bit sums are rounded once
        return x.new_zeros(shape, dtype=dtype).scatter_add_(-1, i, x.to(dtype)).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int | None, bool], _: Tensor) -> None:
        x, i, *ctx.kind = inputs
        ctx.adjoint = x.shape[-1] if ctx.kind[0] is None else None
        ctx.save_for_backward(i)
        ctx.save_for_forward(i)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor, None, None, None]:
        (i,) = ctx.saved_tensors
        return _selection(gy, i, ctx.adjoint, False), None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, i: Tensor, *kind: Any) -> tuple[Tensor, int]:
        x, i = (
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip((x, i), in_dims[:2], strict=True)
        )
        return _selection(x, i, *kind), 0


class _DualSelection(_Selection):
    @staticmethod
    def jvp(ctx: Any, dx: Tensor, *_: None) -> Tensor:
        (i,) = ctx.saved_tensors
        return _selection(dx, i, *ctx.kind)
