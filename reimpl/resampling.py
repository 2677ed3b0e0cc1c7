r"""Resampling an axis: a sparse matrix, given by its entries, and its transpose.

Every mode of interpolation takes along each axis, for output position o, a few input positions j
with weights that depend on the sizes alone:

    y[o] = Σ_j a[o, j] · x[j]        backward: gx[j] = Σ_o a[o, j] · gy[o]

The zeros between the entries are multiplied only where all numbers are finite: 0 · ∞ is NaN, and a
NaN must not reach positions that do not depend on it. With output position o at u on the axis of
the input,

    u = (o + ½)·s − ½,  s = in/out or 1/scale_factor;  aligned corners: u = o·s, s = (in−1)/(out−1)

    select      j = ⌊o·s⌋, or to be exact ⌊u + ½⌋
    interpolate a[o, j] = k(j − u) for the taps j around u; beyond the edges stands the edge
    filter      a[o, j] = k((j − u)/max(s, 1)) / Σ: downwards the kernel widens, against aliasing

with a kernel k of half-width h: a triangle (h = 1), Keys's cubic (h = 2) or Lanczos's (h = 3).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import ceil, pi, prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from reimpl.finite import all_finite
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
        """The u of every output position, rounded once: infinities tell 10⁻¹⁷ from 0."""
        half, step = Fraction(0 if self.corners else 1, 2), Fraction(self.step)
        u = [float((o + half) * step - half) for o in range(self.out)]
        return torch.tensor(u, dtype=torch.float64, device="cpu")


class Entries(NamedTuple):
    """The matrix: ``weight`` at row ``target`` and column ``source``, or all rows in turn, with 1.

    A row ``out`` is no row: entries there only fill up the windows that are narrower than others.
    """

    source: Tensor
    target: Tensor | None = None
    weight: Tensor | None = None
    matrix: Tensor | None = None  # all of it, where it is small


class Kernel(NamedTuple):
    """A function that vanishes outside −h … h."""

    function: Callable[[Tensor], Tensor]
    half: int


def remembered(make: Callable[..., Entries]) -> Callable[..., Entries]:
    """``make``, but once for the same arguments: an axis's entries depend on numbers alone.

    They are made beneath all modes, and neither kept nor taken where transforms or a compiler put
    something in the place of tensors.
    """

    @lru_cache(maxsize=256)
    def made(*arguments: Any) -> Entries:
        with _disable_current_modes(), torch.inference_mode(False):
            return make(*arguments)

    def get(*arguments: Any) -> Entries:
        traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        return (make if traced else made)(*arguments)

    return get


def resample(x: Tensor, dim: int, axis: Axis, entries: Entries) -> Tensor:
    """``x`` with the axis ``dim`` (counted from the end) resampled."""
    source, target, weight, matrix = entries
    if target is None or weight is None:
        source = source.to(x.device)
        return linear_map(
            x,
            lambda t: t.index_select(dim, source),
            lambda t: _added(t, dim, source, axis.size),
        )
    if x.dtype == torch.uint8:
        return _resample_bytes(x, dim, axis, source, target, weight)
    source, target, weight = (t.to(x.device) for t in (source, target, weight.to(x.dtype)))
    a = None if matrix is None else matrix.to(x.device, x.dtype)

    def forward(t: Tensor) -> Tensor:
        if a is not None and all_finite(t):
            return _along(t, dim, a)
        return _carry(t, dim, source, target, weight, axis.out)

    def adjoint(t: Tensor) -> Tensor:
        if a is not None and all_finite(t):
            return _along(t, dim, a.t())
        return _carry(t, dim, target, source, weight, axis.size)

    return linear_map(x, forward, adjoint)


# Up to so many columns and rows the whole matrix multiplies faster than its entries alone.
DENSE = 128, 2048


def _matrix(axis: Axis, source: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """All of it: (out, in)."""
    a = weight.new_zeros(axis.out + 1, axis.size + 1)
    a.index_put_((target, source), weight, accumulate=True)
    return a[: axis.out, : axis.size]


def _along(x: Tensor, dim: int, a: Tensor) -> Tensor:
    """The product of the matrix with the axis ``dim``, sample by sample: to the bit alike."""
    x = x if dim == -2 else x.movedim(dim, -1)
    N, *inner, rows, size = x.shape
    if dim == -2:
        y = torch.bmm(a.expand(N * prod(inner), *a.shape), x.reshape(N * prod(inner), rows, size))
        return y.view(N, *inner, a.shape[0], size)
    y = torch.bmm(x.reshape(N, prod(inner) * rows, size), a.t().expand(N, *a.t().shape))
    return y.view(N, *inner, rows, a.shape[0]).movedim(-1, dim)


def _added(y: Tensor, dim: int, source: Tensor, n: int) -> Tensor:
    """Every position of ``y`` added to where it was taken from, of ``n``."""
    shape = list(y.shape)
    shape[dim] = n
    return y.new_zeros(shape).index_add_(dim, source, y)


def _carry(x: Tensor, dim: int, start: Tensor, end: Tensor, weight: Tensor, n: int) -> Tensor:
    """Add weight·x[start] to position ``end`` of an axis of size ``n``."""
    # An entry outside the matrix is read from anywhere and added to a row that is dropped.
    rows = x.movedim(dim, 0).index_select(0, start.clamp_max(x.shape[dim] - 1))
    rows = rows * weight.view(-1, *(1,) * (x.dim() - 1))
    return _added(rows, 0, end, n + 1)[:n].movedim(0, dim)


def _resample_bytes(
    x: Tensor, dim: int, axis: Axis, source: Tensor, target: Tensor, weight: Tensor
) -> Tensor:
    """Images of bytes: the weights are multiples of 2⁻ᵇ, and every axis rounds to bytes.

    b is the most that leaves the largest weight below 2¹⁵·2⁻ᵇ. All sums are exact in double.
    """
    a = _matrix(axis, source, target, weight)
    units = 2.0 ** torch.arange(1, 23, device="cpu")
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
    step = torch.tensor(axis.step, dtype=working, device="cpu").double()
    if exact:
        u = (o + 0.5) * step if small else _rounded((o + 0.5) * step - 0.5, working) + 0.5
    elif small and axis.out in (axis.size, 2 * axis.size):
        u = o * axis.size / axis.out
    else:
        u = o * step
    source = u.float().floor().long().clamp(0, axis.size - 1)  # floorf() again
    return Entries(source)


def _rounded(u: Tensor, working: torch.dtype) -> Tensor:
    return u.to(working).double().clamp_min(0)


def interpolate(axis: Axis, kernel: Kernel) -> Entries:
    """The 2h taps around u, those beyond the edges taken from the edge."""
    u = axis.positions()
    if kernel.half == 1:
        u = _range(axis.out) if axis.size == axis.out else u.clamp_min(0)
    first = u.float().floor().double().clamp_max(axis.size - 1)  # torch's floorf() takes a float
    fraction = (u - first).clamp(0, 1)
    taps = torch.arange(1 - kernel.half, kernel.half + 1, device="cpu")
    source = (first.long().unsqueeze(1) + taps).clamp(0, axis.size - 1)
    if kernel.half == 1 and axis.size == axis.out:
        source = source[:, :1].expand(-1, 2)
    if kernel.half == 1:  # the triangle, whose 1 − (1 − t) would lose what is left of a tiny t
        return _rows(axis, source, torch.stack((1 - fraction, fraction), 1))
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
    return torch.arange(n, dtype=torch.float64, device="cpu")


def _windows(low: Tensor, high: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The positions low, low + 1, …, ``most`` of them, and which of them are below high."""
    source = low.unsqueeze(1) + torch.arange(most, device="cpu")
    return source, source < high.unsqueeze(1)


def _rows(axis: Axis, source: Tensor, weight: Tensor, inside: Tensor | None = None) -> Entries:
    """Row o of the matrix from row o of the taps."""
    target = torch.arange(axis.out, device="cpu").unsqueeze(1).expand(source.shape)
    if inside is not None:
        target = target.where(inside, axis.out)
        source = source.where(inside, axis.size)
    source, target, weight = source.reshape(-1), target.reshape(-1), weight.reshape(-1)
    small = axis.size <= DENSE[0] and axis.out <= DENSE[1]
    return Entries(source, target, weight, _matrix(axis, source, target, weight) if small else None)


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
