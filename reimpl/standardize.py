r"""Standardization over chosen axes, the heart of every normalization.

    z = (x − μ) · r,   r = (σ² + ε)^(−1/2),   μ = ⟨x⟩,   σ² = ⟨(x − μ)²⟩

where ⟨·⟩ is the mean over the chosen axes, of n entries. The variance takes a second pass over
the data: ⟨x²⟩ − ⟨x⟩² would cancel when the mean is large beside the spread (Chan, Golub and
LeVeque 1983). The derivatives are written in the outputs z and r, which stay attached to the
graph, so they can be differentiated again:

    forward    dz = r · (dx − ⟨dx⟩ − z ⟨z dx⟩),   dr = −r² ⟨z dx⟩
    backward   gx = r · (gz − ⟨gz⟩ − z ⟨z gz⟩) − z r² gr / n

Without centring μ is 0, and the terms ⟨dx⟩ and ⟨gz⟩ are dropped: that is division by the root mean
square. There x may be complex; σ² is then a mean of squares, not of moduli, and the map has a
complex derivative, so that the backward takes the conjugates of z and r.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from reimpl.arguments import Ints
from reimpl.function import Differentiable


class Standardized(NamedTuple):
    """What :func:`standardize` returns; all but ``z`` keep the reduced axes with size one."""

    z: Tensor
    r: Tensor
    mean: Tensor  # without derivative, as is var: they feed running statistics
    var: Tensor


def standardize(x: Tensor, axes: Ints, eps: float, *, centred: bool = True) -> Standardized:
    """``x`` with mean zero (if ``centred``) and, but for ``eps``, mean square one over ``axes``."""
    function = _Standardize if torch.compiler.is_compiling() else _DualStandardize
    return Standardized(*function.apply(x, axes, eps, centred))


class _Standardize(Differentiable):
    @staticmethod
    def forward(
        x: Tensor, axes: Ints, eps: float, centred: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean = x.mean(axes, keepdim=True) if centred else None
        x = x if mean is None else x - mean
        var = x.square().mean(axes, keepdim=True)
        r = (var + eps).rsqrt()
        return x * r, r, torch.zeros_like(var) if mean is None else mean, var

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Ints, float, bool], output: Any) -> None:
        z, r, mean, var = output
        _, ctx.axes, _, ctx.centred = inputs
        ctx.save_for_backward(z, r)
        ctx.save_for_forward(z, r)
        ctx.mark_non_differentiable(mean, var)

    @staticmethod
    def backward(ctx: Any, gz: Tensor, gr: Tensor, *_: Any) -> tuple[Tensor, None, None, None]:
        z, r = [t.conj() for t in ctx.saved_tensors]
        n = z.numel() // max(1, r.numel())
        inner = _mean(z * gz, ctx) + r * gr / max(1, n)
        return r * (_centred(gz, ctx) - z * inner), None, None, None

    @staticmethod
    def vmap(_info: Any, in_dims: Any, x: Tensor, axes: Ints, eps: float, centred: bool) -> Any:
        axes = tuple([a + 1 for a in axes])
        found = standardize(x.movedim(in_dims[0], 0), axes, eps, centred=centred)
        return tuple(found), (0, 0, 0, 0)


class _DualStandardize(_Standardize):
    @staticmethod
    def jvp(ctx: Any, dx: Tensor, *_: None) -> Any:
        z, r = ctx.saved_tensors
        inner = _mean(z * dx, ctx)
        return r * (_centred(dx, ctx) - z * inner), -r.square() * inner, None, None


def _mean(t: Tensor, ctx: Any) -> Tensor:
    return t.mean(ctx.axes, keepdim=True)


def _centred(t: Tensor, ctx: Any) -> Tensor:
    return t - _mean(t, ctx) if ctx.centred else t
