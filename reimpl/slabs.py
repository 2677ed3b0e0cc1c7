"""The three products of :mod:`reimpl.trilinear` frugally: one sample and one kernel row at a time.

Windows are gathered along all spatial axes but the first. The rows of such a slab lie one after
the other, so what tap k of the first axis meets in all its positions is one stretch of the slab,
with nothing copied, and the products of the taps add up in place. With a stride s, tap k meets
every s-th row: there is a slab for each remainder of d·k modulo s.

Letters and shapes as in :mod:`reimpl.trilinear`, K and M now those of the first axis, R rows of a
slab, A positions of the other axes and B taps of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor

from reimpl.windows import Windows


def correlate(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """y[n] = Σ_k w[k] · slab[n, rows that k meets]."""
    N, G, O = x.shape[0], *w.shape[:2]
    taps = _by_rows(w)
    y = x.new_empty(N, G, O, *windows.positions)
    for n in range(N):
        sample, whole, started = windows.padded(x[n : n + 1]), y[n].flatten(2), False
        for phase, met in _phases(windows):
            slab = _slab(sample, phase, windows)
            for k, stretch in met:
                whole.baddbmm_(taps[k], slab[..., stretch], beta=int(started))
                started = True
    return y


def relate(x: Tensor, y: Tensor, windows: Windows) -> Tensor:
    """w[k] = Σ_n y[n] · slab[n, rows that k meets]ᵀ."""
    N, G, C = x.shape[:3]
    O, (K, *inner) = y.shape[2], windows.kernel
    w = x.new_zeros(K, G, O, C * prod(inner))
    for n in range(N):
        sample, whole = windows.padded(x[n : n + 1]), y[n].reshape(G, O, -1)
        for phase, met in _phases(windows):
            slab = _slab(sample, phase, windows)
            for k, stretch in met:
                w[k].baddbmm_(whole, slab[..., stretch].mT)
    w = w.view(K, G, O, C, *inner).movedim(0, 3)
    return w.clone(memory_format=torch.contiguous_format)


def spread(y: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """slab[n, rows that k meets] = Σ_k w[k]ᵀ · y[n], each added to the grid where it lies."""
    N, G, O = y.shape[:3]
    C, size, s, p = w.shape[2], windows.size[0], windows.stride[0], windows.padding[0]
    taps = _by_rows(w).mT
    rest = [windows.meetings(axis) for axis in range(1, len(windows.size))]
    x = y.new_zeros(N, G, C, *windows.size)
    for n in range(N):
        whole = y[n].reshape(G, O, -1)
        for phase, met in _phases(windows):
            R = (windows.reach[0] - phase - 1) // s + 1
            slab = y.new_zeros(G, taps.shape[2], R * prod(windows.positions[1:]))
            for k, stretch in met:
                slab[..., stretch].baddbmm_(taps[k], whole)
            slab = slab.view(G, C, *windows.kernel[1:], R, *windows.positions[1:])
            # Row r of the slab is row phase + s·r − p of the grid.
            first, end = max(0, -((phase - p) // s)), min(R, (size - 1 - phase + p) // s + 1)
            if first >= end:
                continue
            start = phase + s * first - p
            grid = x[n][:, :, start : start + s * (end - first - 1) + 1 : s]
            for tap in product(*rest):
                there: Any = (..., *(l for _, _, l in tap))
                here: Any = (*(k for k, _, _ in tap), slice(first, end), *(m for _, m, _ in tap))
                grid[there].add_(slab[(..., *here)])
    return x


def _by_rows(w: Tensor) -> Tensor:
    """One matrix per tap of the first axis and group: (G, O, C, K, …) -> (K, G, O, C·B)."""
    G, O, _, K = w.shape[:4]
    return w.movedim(3, 0).reshape(K, G, O, -1)


def _phases(windows: Windows) -> Iterator[tuple[int, list[tuple[int, slice]]]]:
    """(remainder, [(tap, its stretch of that slab), …]), where there are any taps."""
    A, M, s, d = (
        prod(windows.positions[1:]),
        windows.positions[0],
        windows.stride[0],
        windows.dilation[0],
    )
    for phase in range(s):
        met = []
        for k in range(windows.kernel[0]):
            row, remainder = divmod(d * k, s)
            if remainder == phase:
                met.append((k, slice(row * A, (row + M) * A)))
        if met:
            yield phase, met


def _slab(sample: Tensor, phase: int, windows: Windows) -> Tensor:
    """Every s-th row of a padded sample, windows of the other axes gathered: (G, C·B, R·A)."""
    x = sample[0, :, :, phase :: windows.stride[0]]
    (G, C, R), (g, c, r, *steps) = x.shape[:3], x.stride()
    taps = [d * t for d, t in zip(windows.dilation[1:], steps, strict=True)]
    moves = [s * t for s, t in zip(windows.stride[1:], steps, strict=True)]
    K, M = windows.kernel[1:], windows.positions[1:]
    cols = x.as_strided((G, C, *K, R, *M), (g, c, *taps, r, *moves), x.storage_offset())
    return cols.reshape(G, C * prod(K), R * prod(M))
