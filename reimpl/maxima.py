r"""Maxima of windows along trailing axes, and where they are.

Windows are products of intervals, one per axis: tap k of window m looks at start(m) + d·k. Taps
before number ``lead``(m), in front of the grid or of a window shorter than others, see nothing. Of
equal maxima the first in row-major order counts, of several NaN the last.

    y[m] = max_k x[start(m) + d·k],   place[m] = where that is,   dy[m] = dx[place[m]]

The value needs no place, and has one only where a derivative is asked for. Axis by axis, the last
one first, a later tap is chosen if it is larger or NaN. Taps come in rising order, so the number of
the one chosen last is the largest number chosen: a running maximum of small integers, which is much
faster than a choice between places. Small tensors have all their taps written out instead: a
constant number of calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import inf, prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reimpl.function import differentiated
from reimpl.layout import split
from reimpl.selection import gather

# Up to so many taps in all it is faster to write them out.
SMALL = 1 << 13
# Bytes of input that are pooled at a time: what a core keeps at hand.
BLOCK = 1 << 20


class Regular(NamedTuple):
    """The windows along one axis of size l: tap k of window m looks at s·m + d·k − p."""

    l: int
    m: int
    k: int
    s: int
    p: int = 0
    d: int = 1

    def start(self, device: torch.device) -> Tensor:
        """Where tap 0 of every window looks, (M)."""
        return torch.arange(-self.p, self.s * self.m - self.p, self.s, device=device)

    @property
    def lead(self) -> list[int]:
        """The first tap of each window that is not in front of the grid."""
        starts = range(-self.p, self.s * self.m - self.p, self.s)
        return [max(0, -(start // self.d)) for start in starts]

    @property
    def misses(self) -> bool:
        """Whether some window has no tap inside the grid."""
        return any(start % self.d >= self.l for start in range(-self.p, 0, self.s)[: self.m])

    def padded(self, x: Tensor, axis: int, outside: float) -> Tensor:
        """``x`` as far as windows reach."""
        behind = self.s * (self.m - 1) + self.d * (self.k - 1) + 1 - self.p - self.l
        if not self.p and behind <= 0:
            return x
        return torch.constant_pad_nd(x, (0, 0) * (-1 - axis) + (self.p, max(0, behind)), outside)

    def taps(self, x: Tensor, axis: int, outside: float) -> list[Tensor]:
        """What each tap sees in every window: views of the padded tensor."""
        x, reach = self.padded(x, axis, outside), self.s * (self.m - 1) + 1
        strided = [x.narrow(axis, self.d * k, reach) for k in range(self.k)]
        if self.s == 1:
            return strided
        index: Any = (..., slice(None, None, self.s), *(slice(None),) * (-1 - axis))
        return [tap[index] for tap in strided]

    def windows(self, x: Tensor, axis: int, outside: float) -> Tensor:
        """All taps of all windows, a view with one more axis at the end."""
        x = self.padded(x, axis, outside).unfold(axis, self.d * (self.k - 1) + 1, self.s)
        x = x.narrow(axis - 1, 0, self.m)
        return x if self.d == 1 else x[..., :: self.d]


@cache
def _equal_parts(l: int, m: int) -> list[tuple[int, int]]:
    """First and end of each window, ⌊i·l/m⌋ and ⌈(i+1)·l/m⌉."""
    return [(i * l // m, -(-(i + 1) * l // m)) for i in range(m)]


class Adaptive(NamedTuple):
    """The windows along one axis from ⌊m·L/M⌋ up to ⌈(m+1)·L/M⌉, all as long as the longest.

    A shorter one begins in front of its first entry, where its taps see nothing.
    """

    l: int
    m: int
    d: int = 1

    @property
    def k(self) -> int:
        """The length of the longest."""
        return max((end - first for first, end in _equal_parts(self.l, self.m)), default=1)

    def start(self, device: torch.device) -> Tensor:
        """Where tap 0 of every window looks, (M)."""
        return _integers([end - self.k for _, end in _equal_parts(self.l, self.m)], device)

    @property
    def lead(self) -> list[int]:
        """The first tap of each window that is its own."""
        return [self.k - (end - first) for first, end in _equal_parts(self.l, self.m)]

    @property
    def misses(self) -> bool:
        """Every window holds something."""
        return False

    def taps(self, x: Tensor, axis: int, outside: float) -> list[Tensor]:
        """What each tap sees in every window."""
        start, lead = self.start(x.device), _integers(self.lead, x.device)
        seen = []
        for k in range(self.k):
            tap = x.index_select(axis, (start + k).clamp_min(0))
            if k < max(self.lead, default=0):
                tap = tap.masked_fill((lead > k).view(-1, *(1,) * (-1 - axis)), outside)
            seen.append(tap)
        return seen

    def windows(self, x: Tensor, axis: int, outside: float) -> Tensor:
        """All taps of all windows, with one more axis at the end."""
        K, ends = range(self.k), [end for _, end in _equal_parts(self.l, self.m)]
        sources = [max(0, end - self.k + k) for k in K for end in ends]
        seen = x.index_select(axis, _integers(sources, x.device))
        seen = split(seen, axis, self.k, self.m).movedim(axis - 1, -1)
        if not any(self.lead):
            return seen
        in_front = torch.tensor([[k < lead for k in K] for lead in self.lead], device=x.device)
        return seen.masked_fill(in_front.view(self.m, *(1,) * (-1 - axis), self.k), outside)


def _integers(values: list[int], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.int64, device=device)


Looks = Sequence[Regular | Adaptive]


def maxima(x: Tensor, looks: Looks) -> Tensor:
    """The maximum of every window, (*, *L) -> (*, *M); of one that sees nothing the lowest."""
    if differentiated(x):
        return chosen(x, places(x.detach(), looks), looks)
    return _values(x, looks)


def chosen(x: Tensor, place: Tensor, looks: Looks) -> Tensor:
    """The same from the places: what lies there, the lowest where a window sees nothing."""
    rank, missing = len(looks), _missing(looks, x.device)
    place = place if missing is None else place.masked_fill(missing, 0)
    y = gather(x.flatten(-rank), place.flatten(-rank)).view(place.shape)
    return y if missing is None else y.masked_fill(missing, lowest(x))


def places(x: Tensor, looks: Looks) -> Tensor:
    """Where each maximum lies, counted row by row through *L: (*, *L) -> (*, *M).

    Without a number above the lowest that is the first place in the grid, or would be.
    """
    if _is_small(x, looks):
        code = _codes_at_once(x, looks)
    else:
        code = _by_blocks(_codes_by_axis, x, looks, _narrow(looks))
    offsets = base = torch.zeros((), dtype=torch.int64, device=x.device)
    size = 1  # of the axes behind
    for behind, look in enumerate(reversed(looks)):
        ones = (1,) * behind
        taps = torch.arange(look.k, device=x.device) * (size * look.d)
        offsets = taps.view(-1, *ones) + offsets
        base = (look.start(x.device) * size).view(-1, *ones) + base
        size *= look.l
    return offsets.flatten().index_select(0, code.flatten().long()).view(code.shape) + base


def lowest(x: Tensor) -> float:
    """What is below all numbers."""
    return -inf if x.is_floating_point() else torch.iinfo(x.dtype).min


def _is_small(x: Tensor, looks: Looks) -> bool:
    rank = len(looks)
    return x.shape[:-rank].numel() * prod([look.m * look.k for look in looks]) <= SMALL


def _written_out(x: Tensor, looks: Looks) -> Tensor:
    """All taps of all windows: (*, *M, *K)."""
    outside = lowest(x)
    for look in looks:
        x = look.windows(x, -len(looks), outside)
    return x


def _values(x: Tensor, looks: Looks) -> Tensor:
    if _is_small(x, looks):
        return _written_out(x, looks).amax(tuple(range(-len(looks), 0)))
    return _by_blocks(_values_by_axis, x, looks, x.dtype)


def _values_by_axis(x: Tensor, looks: Looks) -> Tensor:
    outside = lowest(x)
    for n in range(1, len(looks) + 1):
        # Copied first: the kernel of maximum is slow on steps, that of a copy is not.
        first, *others = looks[-n].taps(x, -n, outside)
        x = first.contiguous()
        for tap in others:
            x = torch.maximum(x, tap.contiguous())
    return x.clone() if all(look.k == 1 for look in looks) else x  # it may be the input still


def _by_blocks(
    pool: Callable[[Tensor, Looks], Tensor], x: Tensor, looks: Looks, dtype: torch.dtype
) -> Tensor:
    """``pool`` of ``x``, as many channels at a time as fit: (*, *L) -> (*, *M)."""
    lead, L = x.shape[: -len(looks)], x.shape[-len(looks) :]
    rows = max(1, BLOCK // max(1, L.numel() * x.element_size()))
    if lead.numel() <= rows:
        return pool(x, looks)
    y = x.new_empty((lead.numel(), *[look.m for look in looks]), dtype=dtype)
    for block, pooled in zip(x.reshape(-1, *L).split(rows), y.split(rows), strict=True):
        pooled.copy_(pool(block, looks))
    return y.view(*lead, *y.shape[1:])


def _codes_at_once(x: Tensor, looks: Looks) -> Tensor:
    """The number of the tap that holds each maximum, from all taps written out."""
    taps = _written_out(x, looks).flatten(-len(looks))
    best = taps.amax(-1, keepdim=True)
    code = (taps == best).view(torch.uint8).argmax(-1)  # the first
    if x.is_floating_point():
        last = taps.shape[-1] - 1 - taps.isnan().flip(-1).view(torch.uint8).argmax(-1)
        code = torch.where(best.squeeze(-1).isnan(), last, code)
    return _not_before(code, looks)


def _codes_by_axis(x: Tensor, looks: Looks) -> Tensor:
    """Likewise, by running maxima of numbers of taps, axis by axis."""
    narrow, outside, count, code = _narrow(looks), lowest(x), 1, None
    for n in range(1, len(looks) + 1):
        look, axis = looks[-n], -n
        first, *others = look.taps(x, axis, outside)
        # The number so far is that of a tap along the axes behind.
        behind = [0] * look.k if code is None else look.taps(code, axis, 0)
        x = first.contiguous()
        code = torch.zeros_like(x, dtype=narrow) + behind[0]
        code = _not_before(code, looks[-n:])
        for k, tap in enumerate(others, start=1):
            tap = tap.contiguous()
            later = (tap > x) | tap.isnan() if x.is_floating_point() else tap > x
            code = torch.maximum(code, later.to(narrow) * (behind[k] + k * count))
            x = torch.maximum(x, tap)
        count *= look.k
    assert code is not None
    return code


def _narrow(looks: Looks) -> torch.dtype:
    """What holds the number of a tap."""
    return torch.uint8 if prod([look.k for look in looks]) <= 256 else torch.int32


def _not_before(code: Tensor, looks: Looks) -> Tensor:
    """At least the number of the first tap that may be chosen."""
    if not any(any(look.lead) for look in looks):
        return code
    least = torch.zeros((), dtype=torch.int64, device=code.device)
    for look in looks:
        least = look.k * least.unsqueeze(-1) + _integers(look.lead, code.device)
    return torch.maximum(code, least.to(code.dtype))


def _missing(looks: Looks, device: torch.device) -> Tensor | None:
    """Which windows lie in the padding, the grid between their dilated taps; None if none does."""
    missing: Tensor | None = None
    for behind, look in enumerate(reversed(looks)):
        if look.misses:
            first = look.start(device) + look.d * _integers(look.lead, device)
            beyond = (first >= look.l).view(-1, *(1,) * behind)
            missing = beyond if missing is None else missing | beyond
    return missing
