"""The three products of :mod:`reimpl.trilinear` for groups of one channel each.

Such a group is a product by a vector, which is limited by memory. Taking T neighbouring positions
of the last axis together makes it a product by a matrix: the T positions are as many output
channels, which share longer windows of J = s(T−1) + d(K−1) + 1 entries and a kernel with the taps
w[k] at s·t + d·k, zeros between. That is a convolution like any other, for :mod:`reimpl.slabs`.

Letters as there; M positions along the last axis, in ⌈M/T⌉ blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reimpl import slabs
from reimpl.windows import Windows, spanned

T = 8  # more positions share more of their windows, and multiply by more zeros


def correlate(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """The blocks' outputs, laid out in a line."""
    y = slabs.correlate(x, _banded(w, windows), _blocked(windows))
    N, G, OT, *M, blocks = y.shape
    line = y.new_empty(N, G, OT // T, *M, blocks * T)
    line.unflatten(-1, (blocks, T)).copy_(y.unflatten(2, (-1, T)).movedim(3, -1))
    end = windows.positions[-1]
    if end == blocks * T:
        return line
    return line[..., :end].clone(memory_format=torch.contiguous_format)


def spread(y: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """Every block spreads its T outputs at once."""
    return slabs.spread(_in_blocks(y, windows), _banded(w, windows), _blocked(windows))


def relate(x: Tensor, y: Tensor, windows: Windows) -> Tensor:
    """The gradient of the kernel with zeros, its diagonals added up."""
    w = slabs.relate(x, _in_blocks(y, windows), _blocked(windows))
    return _band(w.unflatten(1, (-1, T)), windows).sum(2, dtype=w.dtype)


def _blocked(windows: Windows) -> Windows:
    """The windows of the blocks."""
    k, s, d = windows.kernel[-1], windows.stride[-1], windows.dilation[-1]
    return windows._replace(
        positions=(*windows.positions[:-1], -(-windows.positions[-1] // T)),
        kernel=(*windows.kernel[:-1], spanned(T, k, s, d)),
        stride=(*windows.stride[:-1], s * T),
        dilation=(*windows.dilation[:-1], 1),
    )


def _banded(w: Tensor, windows: Windows) -> Tensor:
    """The kernel of the blocks: (G, O, C, *K) -> (G, O·T, C, …, J)."""
    G, O, C = w.shape[:3]
    wide = w.new_zeros(G, O, T, C, *_blocked(windows).kernel)
    _band(wide, windows).copy_(w.unsqueeze(2))
    return wide.flatten(1, 2)


def _band(wide: Tensor, windows: Windows) -> Tensor:
    """Where the taps stand in it, a view: (G, O, T, C, …, J) -> (G, O, T, C, *K)."""
    g, o, t, c, *steps, j = wide.stride()
    step = (g, o, t + windows.stride[-1] * j, c, *steps, windows.dilation[-1] * j)
    return wide.as_strided((*wide.shape[:4], *windows.kernel), step)


def _in_blocks(y: Tensor, windows: Windows) -> Tensor:
    """T neighbours as channels: (N, G, O, *M) -> (N, G, O·T, …, ⌈M/T⌉), with zeros at the end."""
    missing = -windows.positions[-1] % T
    y = torch.constant_pad_nd(y, (0, missing)) if missing else y
    return y.unflatten(-1, (-1, T)).movedim(-1, 3).flatten(2, 3)
