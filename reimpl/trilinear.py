r"""Convolution, transposed convolution and weight gradient: one trilinear form.

    T(x, w, y) = Σ y[n,g,o,m] · w[g,o,c,k] · x[n,g,c, s·m + d·k − p]   over n, g, o, c, m, k

with one argument left out at a time:

    correlate(x, w) -> y   the convolution             Y = W X
    spread(y, w)    -> x   the transposed convolution  X = Wᵀ Y
    relate(x, y)    -> w   the weight gradient         W = Y Xᵀ

so the backward of each is written with the other two, and every order of derivative exists. The
right column is the same in matrices, one per group: X holds the columns that the windows gather.
How they are computed is a plan's affair: :mod:`reimpl.columns` at once, :mod:`reimpl.slabs` row by
row, where a group is one channel :mod:`reimpl.taps` or :mod:`reimpl.blocks`. They agree to the bit
on exact numbers.

Letters: N samples, G groups, C input and O output channels of a group, L grid, M positions,
K taps. Tensors: x (N, G, C, *L), w (G, O, C, *K), y (N, G, O, *M). Complex numbers: T is linear
without conjugation, so a gradient meets the conjugate of what its argument was multiplied with.

vmap is a relabelling: a batch in both arguments is more groups, a batch in one of them is more of
the one axis that the other lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from torch import Tensor

from reimpl import blocks, columns, slabs, taps
from reimpl.finite import all_finite
from reimpl.function import Differentiable, call, unviewed
from reimpl.layout import several_in_one
from reimpl.windows import Windows

Gradients = tuple[Tensor | None, Tensor | None, None]
_X, _W, _Y = "NGC", "GOC", "NGO"  # the leading axes of the three tensors, by letter


def correlate(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """y[n,g,o,m] = Σ_{c,k} w[g,o,c,k] · x[n,g,c, s·m + d·k − p]."""
    return call(_Correlate, _DualCorrelate, x, w, windows)


def spread(y: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """x[n,g,c,l] = Σ_{o,m,k : s·m + d·k − p = l} w[g,o,c,k] · y[n,g,o,m]."""
    return call(_Spread, _DualSpread, y, w, windows)


def relate(x: Tensor, y: Tensor, windows: Windows) -> Tensor:
    """w[g,o,c,k] = Σ_{n,m} y[n,g,o,m] · x[n,g,c, s·m + d·k − p]."""
    return call(_Relate, _DualRelate, x, y, windows)


# From as many bytes on it costs more to write all columns to memory than to loop over samples.
LARGE = 1 << 20


def _plan(a: Tensor, b: Tensor, w: Sequence[int], windows: Windows) -> Any:
    """The module that computes the product of both for ``w`` of that shape."""
    N, (G, O, C) = a.shape[0], w[:3]
    if several_in_one(a) or several_in_one(b):
        return columns  # the vmap of ``is_grads_batched`` knows too few primitives for the others
    if N * G * C * prod(windows.kernel + windows.positions) * a.element_size() < LARGE:
        return columns
    if O == C == 1:
        return taps if taps.suit(windows) or not all_finite(a, b) else blocks
    return slabs


class _Bilinear(Differentiable):
    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Windows], _output: Tensor) -> None:
        a, b, ctx.windows = inputs
        ctx.save_for_backward(a, b)
        ctx.save_for_forward(a, b)


class _Correlate(_Bilinear):
    @staticmethod
    def forward(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
        return _plan(x, w, w.shape, windows).correlate(x, w, windows)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Gradients:
        (x, w), (need_x, need_w, _) = ctx.saved_tensors, ctx.needs_input_grad
        gx = spread(gy, w.conj(), ctx.windows) if need_x else None
        gw = relate(x.conj(), gy, ctx.windows) if need_w else None
        return gx, gw, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, w: Tensor, windows: Windows) -> Any:
        return _relabelled(correlate, (_X, _W, _Y), info, in_dims, x, w, windows)


class _Spread(_Bilinear):
    @staticmethod
    def forward(y: Tensor, w: Tensor, windows: Windows) -> Tensor:
        return _plan(y, w, w.shape, windows).spread(y, w, windows)

    @staticmethod
    def backward(ctx: Any, gx: Tensor) -> Gradients:
        (y, w), (need_y, need_w, _) = ctx.saved_tensors, ctx.needs_input_grad
        gy = correlate(gx, w.conj(), ctx.windows) if need_y else None
        gw = relate(gx, y.conj(), ctx.windows) if need_w else None
        return gy, gw, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, y: Tensor, w: Tensor, windows: Windows) -> Any:
        return _relabelled(spread, (_Y, _W, _X), info, in_dims, y, w, windows)


class _Relate(_Bilinear):
    @staticmethod
    def forward(x: Tensor, y: Tensor, windows: Windows) -> Tensor:
        G, C = x.shape[1:3]
        return _plan(x, y, (G, y.shape[2], C), windows).relate(x, y, windows)

    @staticmethod
    def backward(ctx: Any, gw: Tensor) -> Gradients:
        (x, y), (need_x, need_y, _) = ctx.saved_tensors, ctx.needs_input_grad
        gx = spread(y.conj(), gw, ctx.windows) if need_x else None
        gy = correlate(x.conj(), gw, ctx.windows) if need_y else None
        return gx, gy, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, y: Tensor, windows: Windows) -> Any:
        return _relabelled(relate, (_X, _Y, _W), info, in_dims, x, y, windows)


# Forward mode is the product rule. Dynamo refuses a Function that has a jvp, so it sits in
# subclasses that are left aside while compiling.


class _DualCorrelate(_Correlate):
    @staticmethod
    def forward(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
        return unviewed(_Correlate.forward(x, w, windows))

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, dw: Tensor, _: None) -> Tensor:
        return _product_rule(correlate, ctx, dx, dw)


class _DualSpread(_Spread):
    @staticmethod
    def forward(y: Tensor, w: Tensor, windows: Windows) -> Tensor:
        return unviewed(_Spread.forward(y, w, windows))

    @staticmethod
    def jvp(ctx: Any, dy: Tensor, dw: Tensor, _: None) -> Tensor:
        return _product_rule(spread, ctx, dy, dw)


class _DualRelate(_Relate):
    @staticmethod
    def forward(x: Tensor, y: Tensor, windows: Windows) -> Tensor:
        return unviewed(_Relate.forward(x, y, windows))

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, dy: Tensor, _: None) -> Tensor:
        return _product_rule(relate, ctx, dx, dy)


def _product_rule(product: Any, ctx: Any, da: Tensor, db: Tensor) -> Tensor:
    """d(a·b) = da·b + a·db; autograd makes a missing tangent zero."""
    a, b = ctx.saved_tensors
    return product(da, b, ctx.windows) + product(a, db, ctx.windows)


def _relabelled(
    product: Any,
    axes: tuple[str, str, str],
    info: Any,
    in_dims: Any,
    a: Tensor,
    b: Tensor,
    windows: Windows,
) -> tuple[Tensor, int]:
    """``product`` over a vmapped axis: fold it into one of the axes, multiply, take it out."""
    in_a, in_b, in_out = axes
    dim_a, dim_b, *_ = in_dims
    if dim_a is not None and dim_b is not None:
        letter = "G"
    else:
        here, there = (in_a, in_b) if dim_b is None else (in_b, in_a)
        (letter,) = set(here) - set(there)
    if dim_a is not None:
        a = _fold(a, dim_a, in_a.index(letter))
    if dim_b is not None:
        b = _fold(b, dim_b, in_b.index(letter))
    out, axis, B = product(a, b, windows), in_out.index(letter), info.batch_size
    # An empty mapped axis leaves nothing to divide.
    shape = (*out.shape[:axis], B, out.shape[axis] // max(B, 1), *out.shape[axis + 1 :])
    return out.reshape(shape), axis


def _fold(t: Tensor, dim: int, axis: int) -> Tensor:
    """``t`` with its axis ``dim`` made the outer part of ``axis``."""
    t = t.movedim(dim, axis)
    return t.reshape(*t.shape[:axis], t.shape[axis] * t.shape[axis + 1], *t.shape[axis + 2 :])
