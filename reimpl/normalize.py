r"""Normalization of vectors to p-norm one.

    y = x / d,   d = max(n, ε),   n = ‖x‖ₚ = (Σ |x|^p)^(1/p)

The norm's gradient u has the dual norm one (for n ≥ ε; below, d is constant). The derivatives are
written in the outputs y and n, which stay attached to the graph:

    u = sgn(x) |y|^(p−1)            for p = ∞: sgn(x) where |x| = n, shared among ties
    forward    dn = Re Σ u* dx,     dy = (dx − y dn) / d
    backward   gx = gy/d + u · (gn − Re Σ y* gy / d)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import COMPLEX, REALS, Ints, accumulator
from reimpl.autocast import autocasted
from reimpl.function import Differentiable, call


def normalize(
    input: Tensor,
    p: float = 2.0,
    dim: int | Sequence[int] = 1,
    eps: float = 1e-12,
    out: Tensor | None = None,
) -> Tensor:
    r"""Divide each vector along ``dim`` by its p-norm, or by eps if that is larger.

    y = x / max(‖x‖ₚ, ε)

    p may be any number: ∞ takes the largest modulus, −∞ the smallest, 0 counts what is not zero.
    eps is rounded to the input's dtype: in float16 the default is zero, and a row of zeros gives
    NaN (#32137). The gradient at a zero vector is gy/ε. With ``out`` the result is written there.

    Shapes:
        input and output (*L); dim names one axis or several, none of them means all.

    Backward: gx = (gy − u Re Σ y* gy) / ‖x‖ₚ, u the norm's gradient; gy/ε below eps.

    Raises:
        IndexError: an axis that the input has not.
        RuntimeError: an axis named twice; the extreme or a negative power of no elements; integers;
            an ``out`` that cannot hold the result, or a gradient asked for with ``out``.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html

    >>> normalize(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    p = 2.0 if p is None else _power(p)
    eps = arguments.number("normalize", "eps", eps)
    (input,) = autocasted("linalg_vector_norm", input)
    axes = _check(input, p, dim, out)
    x = input.to(accumulator(input.dtype))
    x = x if input.dim() else x.reshape(1)
    least = torch.full((), eps, dtype=input.dtype, device=input.device).to(x.dtype).real
    y, _ = call(_Normalize, _DualNormalize, x, least, p, axes)
    y = y.clone() if y.requires_grad else y  # the caller may write to it, and it is saved
    y = y.reshape(input.shape).to(input.dtype)
    return y if out is None else torch.sub(y.detach(), 0, out=out)


def _norm(x: Tensor, p: float, axes: Ints) -> Tensor:
    size = x.abs()
    if math.isinf(p):
        return size.amax(axes, keepdim=True) if p > 0 else size.amin(axes, keepdim=True)
    if p == 0:
        return (size != 0).sum(axes, keepdim=True).to(size.dtype)
    if all(x.shape[axis] == 1 for axis in axes):
        return size  # exactly, as torch has it
    return size.pow(p).sum(axes, keepdim=True).pow(1 / p)


def _gradient(x: Tensor, y: Tensor, n: Tensor, p: float, axes: Ints) -> Tensor:
    """The norm's gradient u, where the norm is n and y = x/n."""
    if p == 2:
        return y
    sign = x.sgn() if x.is_complex() else x.sign()
    if math.isinf(p):
        chosen = ((x.abs() == n) | x.isnan()).to(n.dtype)
        return sign * (chosen / chosen.sum(axes, keepdim=True))
    size = y.abs()
    return sign * size.masked_fill((size == 0) | (n == 0), 1).pow(p - 1)


def _has_no_slope_at_zero(p: float) -> bool:
    """Whether torch's norm is flat there; for p = 1 and 2 its formulas are NaN if eps is 0."""
    return 1 < p < math.inf and p != 2


class _Normalize(Differentiable):
    """(y, n) from x."""

    @staticmethod
    def forward(x: Tensor, least: Tensor, p: float, axes: Ints) -> tuple[Tensor, Tensor]:
        n = _norm(x, p, axes)
        return x / n.clamp_min(least), n

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        x, least, ctx.p, ctx.axes = inputs
        ctx.save_for_backward(x, least, *output)
        ctx.save_for_forward(x, least, *output)

    @staticmethod
    def backward(ctx: Any, gy: Tensor, gn: Tensor) -> tuple[Tensor, None, None, None]:
        x, least, y, n = ctx.saved_tensors
        d = n.clamp_min(least)
        if ctx.p == 0:  # a number of entries: flat, whatever gn is
            return gy / d, None, None, None
        u = _gradient(x, y, n, ctx.p, ctx.axes)
        gn = gn - (y.conj() * gy).real.sum(ctx.axes, keepdim=True) / d
        if _has_no_slope_at_zero(ctx.p):
            gn = gn.masked_fill(n == 0, 0)
        return gy / d + u * torch.where(n >= least, gn, 0), None, None, None

    @staticmethod
    def vmap(_info: Any, in_dims: Any, x: Tensor, least: Tensor, p: float, axes: Ints) -> Any:
        axes = tuple([axis + 1 for axis in axes])
        x = x.movedim(in_dims[0], 0)
        return call(_Normalize, _DualNormalize, x, least, p, axes), (0, 0)


class _DualNormalize(_Normalize):
    @staticmethod
    def jvp(ctx: Any, dx: Tensor, *_: None) -> tuple[Tensor, Tensor]:
        x, least, y, n = ctx.saved_tensors
        if ctx.p == 0:
            return dx / n.clamp_min(least), torch.zeros_like(n)
        u = _gradient(x, y, n, ctx.p, ctx.axes)
        dn = (u.conj() * dx).real.sum(ctx.axes, keepdim=True)
        dn = torch.where(n >= least, dn, 0)
        return (dx - y * dn) / n.clamp_min(least), dn


def _power(p: Any) -> Any:
    """The power as a number; torch raises a RuntimeError for anything else."""
    try:
        return arguments.number("normalize", "p", p)
    except TypeError as error:
        raise RuntimeError(str(error)) from None


def _check(input: Tensor, p: float, dim: int | Sequence[int] | None, out: Tensor | None) -> Ints:
    """The axes of the vectors."""
    op = "normalize"
    arguments.tensor(op, "input", input)
    if not (out is None or isinstance(out, Tensor)):
        raise RuntimeError(f"{op}: out must be a Tensor or None, got {out!r}")
    arguments.dtype_among(op, input, (*REALS, *COMPLEX))
    named = () if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    rank = max(input.dim(), 1)  # a number is a vector of one
    for axis in named:
        if not -rank <= arguments.integer(op, "dim", axis) < rank:
            raise IndexError(f"{op}: dim must be from {-rank} to {rank - 1}, got {dim}")
    axes = tuple([axis % rank for axis in named]) or tuple(range(rank))
    if len(set(axes)) < len(axes):
        raise RuntimeError(f"{op}: dim must name each axis once, got {dim}")
    if input.dim() and (p < 0 or math.isinf(p)) and 0 in [input.shape[axis] for axis in axes]:
        raise RuntimeError(
            f"{op}: input must have elements along dim={dim} with p={p}, got {tuple(input.shape)}"
        )
    if out is not None:
        _check_out(op, input, out)
    return axes


def _check_out(op: str, input: Tensor, out: Tensor) -> None:
    if torch.is_grad_enabled() and (input.requires_grad or out.requires_grad):
        raise RuntimeError(f"{op}: out must be None where a gradient is wanted, got a Tensor")
    if not torch.can_cast(input.dtype, out.dtype):
        raise RuntimeError(f"{op}: out must hold {input.dtype}, got {out.dtype}")
    arguments.same_device(op, input, "out", out)
