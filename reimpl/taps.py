"""The three products of :mod:`reimpl.trilinear` for groups of one channel each, tap by tap.

    y = Σ_k w[k] · x_k,   x_k += w[k] · y,   w[k] = Σ x_k · y

where x_k is what tap k meets: a view of the padded grid. One pass over memory per tap, so for few
taps, and for steps of one along the last axis, where views are read in stretches; and whatever
there is if :mod:`reimpl.blocks`, which multiplies by more zeros, meets numbers that are not finite.
As many channels at a time as the cache holds. Letters and shapes as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor

from reimpl.windows import Windows

MOST = 16  # taps; :mod:`reimpl.blocks` passes over memory once for more of them
BLOCK = 1 << 21  # bytes of the grid


def suit(windows: Windows) -> bool:
    """Whether there are few enough taps, read in stretches."""
    return windows.stride[-1] == 1 and prod(windows.kernel) <= MOST


def correlate(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """Y = Σ_k w[k] · x_k."""
    x = windows.padded(x)
    y = x.new_empty(*x.shape[:3], *windows.positions)
    for channels in _blocks(x):
        sums = y[:, channels].zero_()
        for k, met in _met(x[:, channels], windows):
            sums.addcmul_(met, _tap(w[channels], k))
    return y


def spread(y: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """x_k += w[k] · y for every k."""
    x = y.new_zeros(*y.shape[:3], *windows.extent)
    for channels in _blocks(x):
        for k, met in _met(x[:, channels], windows):
            met.addcmul_(y[:, channels], _tap(w[channels], k))
    return windows.cropped(x).clone(memory_format=torch.contiguous_format)


def relate(x: Tensor, y: Tensor, windows: Windows) -> Tensor:
    """w[k] = Σ x_k · y."""
    x = windows.padded(x)
    w = x.new_empty(x.shape[1], prod(windows.kernel))
    axes = (0, *range(2, x.dim()))
    for channels in _blocks(x):
        for k, met in _met(x[:, channels], windows):
            w[channels, k] = (met * y[:, channels]).sum(axes, dtype=x.dtype)
    return w.view(-1, 1, 1, *windows.kernel)


def _blocks(x: Tensor) -> Iterator[slice]:
    """Channels whose grids are a block together."""
    step = max(1, BLOCK // max(1, x.shape[0] * x.shape[2:].numel() * x.element_size()))
    return (slice(g, g + step) for g in range(0, x.shape[1], step))


def _met(x: Tensor, windows: Windows) -> Iterator[tuple[int, Tensor]]:
    """The number of every tap, and what it meets in all positions."""
    for number, k in enumerate(product(*map(range, windows.kernel))):
        steps = zip(k, windows.positions, windows.stride, windows.dilation, strict=True)
        met: Any = (..., *(slice(d * i, d * i + s * (m - 1) + 1, s) for i, m, s, d in steps))
        yield number, x[met]


def _tap(w: Tensor, k: int) -> Tensor:
    """One number per channel: (G, 1, 1, *K) -> (G, 1, …)."""
    rank = w.dim() - 2
    return w.flatten(3)[..., k].view(-1, *(1,) * rank)
