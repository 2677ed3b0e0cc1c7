r"""Resampling an axis: a sparse matrix, given by its entries, and its transpose.

Every mode of interpolation takes along each axis, for output position o, a few input positions j
with weights that depend on the sizes alone:

    y[o] = Σ_j a[o, j] · x[j]        backward: gx[j] = Σ_o a[o, j] · gy[o]

Only entries are multiplied, never the zeros between them: 0 · ∞ is NaN, and a NaN must not reach
positions that do not depend on it. With output position o at u on the axis of the input,

    u = (o + ½)·s − ½,  s = in/out or 1/scale_factor;  aligned corners: u = o·s, s = (in−1)/(out−1)

    select      j = ⌊o·s⌋, or to be exact ⌊u + ½⌋
    interpolate a[o, j] = k(j − u) for the taps j around u; beyond the edges stands the edge
    filter      a[o, j] = k((j − u)/max(s, 1)) / Σ: downwards the kernel widens, against aliasing

with a kernel k of half-width h: a triangle (h = 1), Keys's cubic (h = 2) or Lanczos's (h = 3).
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, pi
from typing import NamedTuple

import torch
from torch import Tensor

from reimpl.linear_map import linear_map


class Axis(NamedTuple):
    """What one axis is resampled from and to; ``scale`` is the factor the caller insists on."""

    size: int
    out: int
    scale: float | None = None
    corners: bool = False

    @property
    def step(self) -> float:
        """The distance s of two output positions on the axis of the input."""
        if self.corners:
            return (self.size - 1) / (self.out - 1) if self.out > 1 else 0.0
        return 1 / self.scale if self.scale and self.scale > 0 else self.size / self.out

    def positions(self) -> Tensor:
        """The u of every output position."""
        o = _range(self.out)
        return o * self.step if self.corners else (o + 0.5) * self.step - 0.5


class Entries(NamedTuple):
    """The matrix: ``weight`` (None: 1) at row ``target`` and column ``source``.

    A row ``out`` is no row: entries there only fill up the windows that are narrower than others.
    """

    source: Tensor
    target: Tensor
    weight: Tensor | None


class Kernel(NamedTuple):
    """A function that vanishes outside −h … h."""

    function: Callable[[Tensor], Tensor]
    half: int


def resample(x: Tensor, dim: int, axis: Axis, entries: Entries) -> Tensor:
    """``x`` with the axis ``dim`` (counted from the end) resampled."""
    source, target, weight = entries
    if weight is not None and x.dtype == torch.uint8:
        return _resample_bytes(x, dim, axis, source, target, weight)
    source, target = source.to(x.device), target.to(x.device)
    weight = None if weight is None else weight.to(x.device, x.dtype)

    def forward(t: Tensor) -> Tensor:
        return _carry(t, dim, source, target, weight, axis.out)

    def adjoint(t: Tensor) -> Tensor:
        return _carry(t, dim, target, source, weight, axis.size)

    return linear_map(x, forward, adjoint)


def _carry(
    x: Tensor, dim: int, start: Tensor, end: Tensor, weight: Tensor | None, n: int
) -> Tensor:
    """Add weight·x[start] to position ``end`` of an axis of size ``n``."""
    rows = x.movedim(dim, 0)
    # An entry outside the matrix is read from anywhere and added to a row that is dropped.
    rows = rows.index_select(0, start.clamp_max(x.shape[dim] - 1))
    if weight is not None:
        rows = rows * weight.view(-1, *(1,) * (x.dim() - 1))
    sums = rows.new_zeros(n + 1, *rows.shape[1:]).index_add_(0, end, rows)
    return sums[:n].movedim(0, dim)


def _resample_bytes(
    x: Tensor, dim: int, axis: Axis, source: Tensor, target: Tensor, weight: Tensor
) -> Tensor:
    """Images of bytes: the weights are multiples of 2⁻ᵇ, and every axis rounds to bytes.

    b is the most that leaves the largest weight below 2¹⁵·2⁻ᵇ. All sums are exact in double.
    """
    a = torch.zeros(axis.out + 1, axis.size + 1, dtype=torch.float64)
    a.index_put_((target, source), weight, accumulate=True)
    a = a[: axis.out, : axis.size]
    units = 2.0 ** torch.arange(1, 23)
    unit = 2.0 ** ((a.amax() * units + 0.5).floor() < 2**15).sum()
    a = (a.abs() * unit + 0.5).floor() / unit * a.sign()
    y = x.double().movedim(dim, -1) @ a.T.to(x.device)
    return (y + 0.5).floor().clamp(0, 255).to(torch.uint8).movedim(-1, dim)


def select(axis: Axis, *, exact: bool, single: bool, small: bool) -> Entries:
    """The nearest input position; near ties are decided by rounding, in torch's two ways.

    For small images torch has a kernel of its own. It knows the sizes in and 2·in, whatever the
    scale (#121390), and does not follow the detour through u.
    """
    o, working = _range(axis.out), torch.float32 if single else torch.float64
    step = torch.tensor(axis.step, dtype=working).double()
    if exact:
        u = (o + 0.5) * step if small else _rounded((o + 0.5) * step - 0.5, working) + 0.5
    elif small and axis.out in (axis.size, 2 * axis.size):
        u = o * axis.size / axis.out
    else:
        u = o * step
    source = u.float().floor().long().clamp(0, axis.size - 1)  # floorf() again
    return Entries(source, torch.arange(axis.out), None)


def _rounded(u: Tensor, working: torch.dtype) -> Tensor:
    return u.to(working).double().clamp_min(0)


def interpolate(axis: Axis, kernel: Kernel) -> Entries:
    """The 2h taps around u, those beyond the edges taken from the edge."""
    u = axis.positions()
    if kernel.half == 1:
        u = _range(axis.out) if axis.size == axis.out else u.clamp_min(0)
    first = u.float().floor().double().clamp_max(axis.size - 1)  # torch's floorf() takes a float
    fraction = (u - first).clamp(0, 1)
    taps = torch.arange(1 - kernel.half, kernel.half + 1)
    source = (first.long().unsqueeze(1) + taps).clamp(0, axis.size - 1)
    if kernel.half == 1 and axis.size == axis.out:
        source = source[:, :1].expand(-1, 2)
    return _rows(axis, source, kernel.function(taps - fraction.unsqueeze(1)))


def filter(axis: Axis, kernel: Kernel) -> Entries:
    """All taps under the kernel, widened where the output is coarser, their weights adding to 1."""
    width = max(axis.step, 1.0)
    reach = kernel.half * width
    centre = (_range(axis.out) + 0.5) * axis.step
    low = (centre - reach + 0.5).long().clamp_min(0)
    high = (centre + reach + 0.5).long().clamp_max(axis.size)
    source, inside = _windows(low, high, 2 * ceil(reach) + 1)
    weight = kernel.function((source - centre.unsqueeze(1) + 0.5) / width) * inside
    return _rows(axis, source, weight / weight.sum(1, keepdim=True), inside)


def _range(n: int) -> Tensor:
    # On the CPU, and in double precision: the same weights on every device.
    return torch.arange(n, dtype=torch.float64)


def _windows(low: Tensor, high: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The positions low, low + 1, …, ``most`` of them, and which of them are below high."""
    source = low.unsqueeze(1) + torch.arange(most)
    return source, source < high.unsqueeze(1)


def _rows(axis: Axis, source: Tensor, weight: Tensor, inside: Tensor | None = None) -> Entries:
    """Row o of the matrix from row o of the taps."""
    target = torch.arange(axis.out).unsqueeze(1).expand(source.shape)
    if inside is not None:
        target = target.where(inside, axis.out)
        source = source.where(inside, axis.size)
    return Entries(source.reshape(-1), target.reshape(-1), weight.reshape(-1))


def _triangle(t: Tensor) -> Tensor:
    return (1 - t.abs()).clamp_min(0)


def _cubic(a: float) -> Callable[[Tensor], Tensor]:
    """R. Keys, "Cubic convolution interpolation for digital image processing", 1981."""

    def k(t: Tensor) -> Tensor:
        t = t.abs()
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        return near.where(t < 1, far.where(t < 2, 0.0))

    return k


def _lanczos(t: Tensor) -> Tensor:
    return (_sinc(t) * _sinc(t / 3)).where(t.abs() < 3, 0.0)


def _sinc(t: Tensor) -> Tensor:
    angle = (pi * t).where(t != 0, 1.0)
    return (angle.sin() / angle).where(t != 0, 1.0)


LINEAR = Kernel(_triangle, 1)
CUBIC = Kernel(_cubic(-0.75), 2)  # as OpenCV's
KEYS = Kernel(_cubic(-0.5), 2)  # as Pillow's, for filtering
LANCZOS = Kernel(_lanczos, 3)
