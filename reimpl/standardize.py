r"""Standardization over chosen axes, the heart of every normalization.

    z = (x − μ) · r,   r = (σ² + ε)^(−1/2),   μ = ⟨x⟩,   σ² = ⟨(x − μ)²⟩

where ⟨·⟩ is the mean over the chosen axes, of n entries. The variance takes a second pass over
the data: ⟨x²⟩ − ⟨x⟩² would cancel when the mean is large beside the spread (Chan, Golub and
LeVeque 1983). The derivatives are written in the outputs z and r, which stay attached to the
graph, so they can be differentiated again:

    forward    dz = r · (dx − ⟨dx⟩ − z ⟨z dx⟩),   dr = −r² ⟨z dx⟩
    backward   gx = r · (gz − ⟨gz⟩ − z ⟨z gz⟩) − z r² gr / n
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


def standardize(x: Tensor, axes: Ints, eps: float) -> Standardized:
    """``x`` with mean zero and (but for ``eps``) variance one over ``axes``."""
    function = _Standardize if torch.compiler.is_compiling() else _DualStandardize
    return Standardized(*function.apply(x, axes, eps))


class _Standardize(Differentiable):
    @staticmethod
    def forward(x: Tensor, axes: Ints, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean = x.mean(axes, keepdim=True)
        centred = x - mean
        var = centred.square().mean(axes, keepdim=True)
        r = (var + eps).rsqrt()
        return centred * r, r, mean, var

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Ints, float], output: Any) -> None:
        z, r, mean, var = output
        _, ctx.axes, _ = inputs
        ctx.save_for_backward(z, r)
        ctx.save_for_forward(z, r)
        ctx.mark_non_differentiable(mean, var)

    @staticmethod
    def backward(ctx: Any, gz: Tensor, gr: Tensor, *_: Any) -> tuple[Tensor, None, None]:
        z, r = ctx.saved_tensors
        n = z.numel() // max(1, r.numel())
        inner = _mean(z * gz, ctx) + r * gr / max(1, n)
        return r * (gz - _mean(gz, ctx) - z * inner), None, None

    @staticmethod
    def vmap(_info: Any, in_dims: Any, x: Tensor, axes: Ints, eps: float) -> Any:
        axes = tuple([a + 1 for a in axes])
        return tuple(standardize(x.movedim(in_dims[0], 0), axes, eps)), (0, 0, 0, 0)


class _DualStandardize(_Standardize):
    @staticmethod
    def jvp(ctx: Any, dx: Tensor, _axes: None, _eps: None) -> Any:
        z, r = ctx.saved_tensors
        inner = _mean(z * dx, ctx)
        return r * (dx - _mean(dx, ctx) - z * inner), -r.square() * inner, None, None


def _mean(t: Tensor, ctx: Any) -> Tensor:
    return t.mean(ctx.axes, keepdim=True)
