"""The three products of :mod:`reimpl.trilinear` at once: all windows side by side in one matrix.

A constant number of calls, which is what counts for small tensors; the columns take K times the
memory of the grid. Letters and shapes as there.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from reimpl.windows import Windows


def correlate(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """Y = W X."""
    y = _taps(w) @ _columns(x, windows)  # (G, O, N·M)
    y = y.reshape(*w.shape[:2], x.shape[0], *windows.positions)  # (G, O, N, *M)
    return _fresh(y.movedim(2, 0))  # (N, G, O, *M)


def spread(y: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """X = Wᵀ Y, and the columns added up where they came from."""
    cols = _taps(w).transpose(1, 2) @ _rows(y)  # (G, C·K, N·M)
    G, _, *taps = w.shape
    return windows.scatter(cols.reshape(G, *taps, y.shape[0], *windows.positions))


def relate(x: Tensor, y: Tensor, windows: Windows) -> Tensor:
    """W = Y Xᵀ."""
    w = _rows(y) @ _columns(x, windows).transpose(1, 2)  # (G, O, C·K)
    return _fresh(w.reshape(*y.shape[1:3], x.shape[2], *windows.kernel))  # (G, O, C, *K)


def _columns(x: Tensor, windows: Windows) -> Tensor:
    """The matrices X: (N, G, C, *L) -> (G, C·K, N·M)."""
    cols = windows.gather(x)  # (G, C, *K, N, *M)
    G, C = cols.shape[:2]
    return cols.reshape(G, C * prod(windows.kernel), x.shape[0] * prod(windows.positions))


def _rows(y: Tensor) -> Tensor:
    """The matrices Y: (N, G, O, *M) -> (G, O, N·M)."""
    N, G, O, *M = y.shape
    return y.movedim(0, 2).reshape(G, O, N * prod(M))


def _taps(w: Tensor) -> Tensor:
    """The matrices W: (G, O, C, *K) -> (G, O, C·K)."""
    G, O, *taps = w.shape
    return w.reshape(G, O, prod(taps))


def _fresh(t: Tensor) -> Tensor:
    """A copy: forward-mode AD cannot put its tangent on an output that is a view."""
    return t.clone(memory_format=torch.contiguous_format)
