r"""Standardization over chosen axes, then a scale and a shift: the heart of every normalization.

    y = a·z + b,   z = (x − μ) · r,   r = (σ² + ε)^(−1/2),   μ = ⟨x⟩,   σ² = ⟨(x − μ)²⟩

where ⟨·⟩ is the mean over the chosen axes, of n entries. The variance takes a second pass over
the data: ⟨x²⟩ − ⟨x⟩² would cancel when the mean is large beside the spread (Chan, Golub and
LeVeque 1983). The derivatives are written in x, μ and r; μ and r are outputs that stay attached to
the graph, so they can be differentiated again (gμ and gr are zero the first time):

    forward    dz = r · (dx − dμ − z ⟨z dx⟩),   dμ = ⟨dx⟩,   dr = −r² ⟨z dx⟩,
               dy = a·dz + z·da + db
    backward   gx = r · (gz − ⟨gz⟩ − z (⟨z gz⟩ + r gr / n)) + gμ / n,   gz = a·gy,
               ga = Σ z·gy,   gb = Σ gy     summed over the axes along which a and b are constant

Without centring μ is 0, and the terms dμ, ⟨gz⟩ and gμ are dropped: that is division by the root
mean square. There x may be complex; σ² is then a mean of squares, not of moduli, and the map has a
complex derivative, so that the backward takes the conjugates of z, r and a.

A buffer of fresh pages costs as much as ten passes over a warm one. So the first derivative is
taken in a single buffer; the plain formulas serve where it is itself to be differentiated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from reimpl.affine import lead
from reimpl.arguments import Ints
from reimpl.function import Differentiable, call


class Standardized(NamedTuple):
    """What :func:`standardize` returns; all but ``z`` keep the reduced axes with size one."""

    z: Tensor  # scaled and shifted
    mean: Tensor
    r: Tensor
    var: Tensor  # without derivative: it feeds running statistics


def standardize(
    x: Tensor,
    axes: Ints,
    eps: float,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    centred: bool = True,
) -> Standardized:
    """``x`` with mean zero (if ``centred``) and, but for ``eps``, mean square one over ``axes``.

    Then times ``a``, plus ``b``: of ``x``'s rank, and size one where they are constant.
    """
    return Standardized(*call(_Standardize, _DualStandardize, x, a, b, axes, eps, centred))


class _Standardize(Differentiable):
    @staticmethod
    def forward(
        x: Tensor, a: Tensor | None, b: Tensor | None, axes: Ints, eps: float, centred: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if centred:
            mean = x.mean(axes, keepdim=True)
            y = x - mean
            var = y.square_().mean(axes, keepdim=True)
            torch.sub(x, mean, out=y)  # again: a second buffer would be dearer
            r = (var + eps).rsqrt()
            y.mul_(r)
        else:
            y = x.square()
            var = y.mean(axes, keepdim=True)
            mean = torch.zeros_like(var)
            r = (var + eps).rsqrt()
            torch.mul(x, r, out=y)
        if a is not None:
            y.mul_(a)
        if b is not None:
            y.add_(b)
        return y, mean, r, var

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: tuple[Tensor, ...]) -> None:
        x, a, b, ctx.axes, _, ctx.centred = inputs
        like = a if a is not None else b
        ctx.constant = [d for d in range(x.dim()) if like is None or like.shape[d] == 1]
        _, mean, r, var = output
        ctx.save_for_backward(x, a, mean, r)
        ctx.save_for_forward(x, a, mean, r)
        ctx.mark_non_differentiable(var)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(
        ctx: Any, gy: Tensor | None, gmean: Tensor | None, gr: Tensor | None, _: None
    ) -> tuple[Tensor | None, ...]:
        saved: list[Any] = [t if t is None else t.conj() for t in ctx.saved_tensors]
        gy = torch.zeros_like(saved[0]) if gy is None else gy
        if torch.is_grad_enabled() or gmean is not None or gr is not None:
            grads = _pull(ctx, gy, gmean, gr, *saved)
        else:
            grads = _pull_in_place(ctx, gy, *saved)
        return *grads, None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, x: Any, a: Any, b: Any, axes: Ints, eps: float, centred: bool
    ) -> Any:
        size, (dim, *dims) = info.batch_size, in_dims[:3]
        a, b = (lead(t, d, size) for t, d in zip((a, b), dims, strict=True))
        if dim is None:  # then the statistics are not mapped over either
            z, mean, r, var = standardize(x, axes, eps, centred=centred)
            z = z if a is None else z * a
            return (z if b is None else z + b, mean, r, var), (0, None, None, None)
        axes = tuple([axis + 1 for axis in axes])
        found = standardize(x.movedim(dim, 0), axes, eps, a, b, centred=centred)
        return tuple(found), (0, 0, 0, 0)


class _DualStandardize(_Standardize):
    @staticmethod
    def jvp(ctx: Any, dx: Any, da: Any, db: Any, *_: None) -> Any:
        x, a, mean, r = ctx.saved_tensors
        z = (x - mean) * r if ctx.centred else x * r
        dx = torch.zeros_like(x) if dx is None else dx
        dmean = dx.mean(ctx.axes, keepdim=True) if ctx.centred else torch.zeros_like(mean)
        slope = (z * dx).mean(ctx.axes, keepdim=True)
        dy = r * (dx - dmean - z * slope)
        dy = dy if a is None else dy * a
        dy = dy if da is None else dy + z * da
        dy = dy if db is None else dy + db
        return dy, dmean, -r.square() * slope, None


def _pull(
    ctx: Any,
    gy: Tensor,
    gmean: Tensor | None,
    gr: Tensor | None,
    x: Tensor,
    a: Tensor | None,
    mean: Tensor,
    r: Tensor,
) -> tuple[Tensor | None, ...]:
    """(gx, ga, gb), differentiable."""
    need_x, need_a, need_b, *_ = ctx.needs_input_grad
    z = (x - mean) * r if ctx.centred else x * r
    ga = (gy * z).sum(ctx.constant, keepdim=True) if need_a else None
    gb = gy.sum(ctx.constant, keepdim=True) if need_b else None
    if not need_x:
        return None, ga, gb
    n = max(1, x.numel() // max(1, r.numel()))
    gz = gy if a is None else gy * a
    inner = (z * gz).mean(ctx.axes, keepdim=True)
    inner = inner if gr is None else inner + r * gr / n
    gz = gz - gz.mean(ctx.axes, keepdim=True) if ctx.centred else gz
    gx = r * (gz - z * inner)
    return gx if gmean is None or not ctx.centred else gx + gmean / n, ga, gb


def _pull_in_place(
    ctx: Any, gy: Tensor, x: Tensor, a: Tensor | None, mean: Tensor, r: Tensor
) -> tuple[Tensor | None, ...]:
    """(gx, ga, gb) in one buffer, which has the axes that vmap gives to gy."""
    need_x, need_a, need_b, *_ = ctx.needs_input_grad
    buffer = torch.empty_like(gy)

    def times(t: Tensor) -> Tensor:
        """(x − μ) · t in the buffer."""
        buffer.copy_(x)
        return (buffer.sub_(mean) if ctx.centred else buffer).mul_(t)

    # First over those of the axes along which a and b are constant: for batch norm that is all.
    inner = [axis for axis in ctx.axes if axis in ctx.constant]
    z_gy, sum_gy = _sum(times(r).mul_(gy), inner), _sum(gy, inner)
    ga = z_gy.sum(ctx.constant, keepdim=True) if need_a else None
    gb = sum_gy.sum(ctx.constant, keepdim=True) if need_b else None
    if not need_x:
        return None, ga, gb
    n = max(1, x.numel() // max(1, r.numel()))
    slope = _weighted_sum(z_gy, a, ctx.axes) / -n
    gx = times(r * slope)
    gx = gx.add_(gy) if a is None else gx.addcmul_(gy, a)
    if ctx.centred:
        gx.sub_(_weighted_sum(sum_gy, a, ctx.axes) / n)
    return gx.mul_(r), ga, gb


def _sum(t: Tensor, axes: list[int]) -> Tensor:
    return t.sum(axes, keepdim=True) if axes else t


def _weighted_sum(t: Tensor, a: Tensor | None, axes: Ints) -> Tensor:
    """Σ a·t; as a product where it is a row of weights, which needs no buffer."""
    if a is None:
        return t.sum(axes, keepdim=True)
    if axes == (t.dim() - 1,) and a.shape[-2] == 1 and a.shape[-1] > 1:
        return t @ a.mT
    return (a * t).sum(axes, keepdim=True)
