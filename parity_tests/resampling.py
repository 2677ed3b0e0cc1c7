"""Interpolation, linear and cubic, as a sum of weighted samples along each axis in turn.

The analysis computes its weights from the formula, since what torch computes them by is fused into
its kernels. A weight is a function of the distance to a source coordinate, which rounds; a sum with
these weights rounds as any other.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

A = -0.75  # Keys's parameter, as torch has it
EXACT_BITS = 14  # as many fractional bits of a weight leave room for a sum in single precision


def linear(t: Tensor) -> Tensor:
    """The weight of a sample at the distance t."""
    return (1 - t.abs()).clamp_min(0)


def cubic(t: Tensor) -> Tensor:
    """Keys's cubic convolution."""
    t = t.abs()
    near = ((A + 2) * t - (A + 3)) * t * t + 1
    far = ((t - 5) * t + 8) * t * A - 4 * A
    return torch.where(t <= 1, near, torch.where(t < 2, far, 0.0))


@dataclass(frozen=True)
class Axis:
    """The samples that each of m outputs takes of n along one axis, and their weights."""

    n: int
    index: Tensor  # (m, taps)
    weight: Tensor
    rounding: float  # of a weight, absolutely
    moved: tuple[Tensor, ...]  # by how much weights change where the coordinate rounds
    bits: int | None  # of the weights' fractions, if they are certainly exact

    @property
    def moduli(self) -> Tensor:
        """What the addends are at most."""
        return self.weight.abs() + self.rounding * (self.weight != 0)

    @property
    def rounds(self) -> bool:
        """Whether there is a product to round: not where samples are copied."""
        return bool(((self.weight != 0) & (self.weight != 1)).any())

    def addends(self, *, backward: bool) -> Tensor:
        """How many addends each result has."""
        there = (self.weight != 0).double()
        if not backward:
            return there.sum(1)
        return there.new_zeros(self.n).index_add_(0, self.index.flatten(), there.flatten())


@functools.lru_cache(256)
def axis(kind: str, n: int, m: int, align: bool, scale: float | None, unit: float) -> Axis:
    """How torch resamples an axis of n to m samples, computing coordinates with roundoff ``unit``.

    A coordinate takes three roundings, of numbers no larger than it is before a half is subtracted.
    Two more are of its fraction, as v + (w - v)*fraction rounds it.
    """
    kernel, radius, rounding = KERNELS[kind]
    ratio = 1 / scale if scale else n / m
    if align:
        ratio = (n - 1) / (m - 1) if m > 1 else 0.0
    half = 0.0 if align else 0.5
    source = (torch.arange(m, dtype=torch.float64).unsqueeze(-1) + half) * ratio - half
    if kind == "linear":
        source = source.clamp_min(0)
    # One sample more on either side, for a coordinate that rounds to beyond an integer.
    samples = source.floor() + torch.arange(-radius, radius + 2)
    weight, bits = kernel(source - samples), exact_bits(kind, ratio, align=align)
    moved: tuple[Tensor, ...] = ()
    if bits is None:
        off = unit * (3 * (source.abs() + half) + 2 * (source - source.floor()))
        moved = tuple(kernel(source + d - samples) - weight for d in (-off, off))
    used = sum((w != 0).any(0) for w in (weight, *moved)) > 0
    index = samples.clamp(0, n - 1).long()
    exact = 0.0 if bits is not None else rounding * unit
    return Axis(n, index[:, used], weight[:, used], exact, tuple(w[:, used] for w in moved), bits)


# The kernel, how far it reaches, and how many units a weight's own evaluation may be off.
KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], int, float]] = {
    "linear": (linear, 1, 0.0),
    "cubic": (cubic, 2, 8.0),
}


def exact_bits(kind: str, ratio: float, *, align: bool) -> int | None:
    """The fractional bits of the weights, if these take no rounding in single precision."""
    bits = ratio.as_integer_ratio()[1].bit_length() - 1 + (not align)
    bits = bits if kind == "linear" else 3 * bits + 2
    return bits if bits <= EXACT_BITS else None


def along(x: Tensor, dim: int, a: Axis, weights: Tensor, *, backward: bool) -> Tensor:
    """The sums along one axis, or the adjoint of these, with the weights given.

    A sample of weight zero takes no part, be it infinite.
    """
    finite, shape = bool(x.isfinite().all()), (-1, *(1,) * (x.dim() - 1 - dim))
    total: Any = x.new_zeros(*x.shape[:dim], a.n, *x.shape[dim + 1 :]) if backward else 0
    for index, weight in zip(a.index.T, weights.T, strict=True):
        w = weight.view(shape)
        addend = w * (x if backward else x.index_select(dim, index))
        if not finite:
            addend = addend.masked_fill(w == 0, 0)
        total = total.index_add_(dim, index, addend) if backward else total + addend
    return total


@dataclass(frozen=True)
class Resampling:
    """Interpolation along the last axes, or its adjoint."""

    axes: Sequence[Axis]
    backward: bool

    def weighted(self, x: Tensor, weights: Sequence[Tensor], *, but: int | None = None) -> Tensor:
        """The sums along all axes but one, perhaps."""
        for i, (a, weight) in enumerate(zip(self.axes, weights, strict=True)):
            if i != but:
                x = along(x, x.dim() - len(self.axes) + i, a, weight, backward=self.backward)
        return x

    def moved(self, x: Tensor) -> Any:
        """How far results are off where the coordinates are: of each axis, at its worst."""
        total: Any = 0.0
        for i, a in enumerate(self.axes):
            if not a.moved:
                continue
            others = self.weighted(x, [b.weight for b in self.axes], but=i)
            dim = x.dim() - len(self.axes) + i
            if self.backward:
                either = torch.maximum(*(w.abs() for w in a.moved))
                total = total + along(others.abs(), dim, a, either, backward=True)
            else:  # of an output all weights move together
                sums = (along(others, dim, a, w, backward=False).abs() for w in a.moved)
                total = total + torch.maximum(*sums)
        return total + self.moved_twice(x)

    def moved_twice(self, x: Tensor) -> Any:
        """The same where coordinates of two axes and more are off: tiny, but not zero.

        A sample that is met only so has a weight of two such moves at most, in four ways at most.
        """
        moving = [w.abs() for a in self.axes for w in a.moved]
        if len(moving) < 4:  # two of each axis
            return 0.0
        most = max(float(w.amax()) if w.numel() else 0.0 for w in moving)
        met = [torch.stack((a.weight, *a.moved)).abs().amax(0).sign() for a in self.axes]
        return 4 * most**2 * self.weighted(x.abs(), met)

    def addends(self) -> list[Tensor]:
        """How many addends each result has along each axis, to be broadcast."""
        counts = [a.addends(backward=self.backward) for a in self.axes]
        return [c.view(-1, *(1,) * (len(counts) - 1 - i)) for i, c in enumerate(counts)]
