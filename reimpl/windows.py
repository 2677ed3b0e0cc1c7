"""Sliding windows: where each output position looks, as one strided view.

Position m and tap k meet the grid of size L at ``s·m + d·k − p``: stride s, dilation d, padding p
in front. What lies outside the grid is zero. Letters: L sizes of the grid, M positions, K taps,
E the extent of the padded grid; an asterisk stands for one of them per spatial axis.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from reimpl.arguments import Ints
from reimpl.layout import strideable


def fitting(size: int, kernel: int, stride: int, dilation: int) -> int:
    """How many windows fit into ``size`` entries: ⌊(L − d(K−1) − 1) / s⌋ + 1; below 1 if none."""
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def spanned(positions: int, kernel: int, stride: int, dilation: int) -> int:
    """How many entries that many windows span: s(M−1) + d(K−1) + 1."""
    return stride * (positions - 1) + dilation * (kernel - 1) + 1


FAR = 2**31  # steps from here on, which meet nothing


def near(count: int, step: int) -> int:
    """The step between ``count`` taps or windows; any will do for a single one, a far one not."""
    return 1 if count == 1 and step >= FAR else step


class Windows(NamedTuple):
    """The geometry of all windows over a grid.

    ``positions`` is stored, not derived: a transposed convolution may ask for an output_padding
    that reaches or exceeds the stride (when it is below the dilation), and then it uses fewer
    windows than its own output could hold. Padding behind the grid is whatever they overhang.
    """

    size: Ints  # *L
    positions: Ints  # *M
    kernel: Ints  # *K
    stride: Ints
    padding: Ints  # in front
    dilation: Ints

    @property
    def nearby(self) -> Windows:
        """The same windows; far strides and dilations, which need not fit in 64 bits, are gone."""
        return self._replace(
            stride=tuple(map(near, self.positions, self.stride)),
            dilation=tuple(map(near, self.kernel, self.dilation)),
        )

    @property
    def reach(self) -> Ints:
        """Extent of the padded grid that some window touches."""
        geometry = zip(self.positions, self.kernel, self.stride, self.dilation, strict=True)
        return tuple([spanned(m, k, s, d) for m, k, s, d in geometry])

    @property
    def extent(self) -> Ints:
        """Extent of the padded grid: what windows touch, and all of the grid itself."""
        sizes = zip(self.reach, self.padding, self.size, strict=True)
        return tuple([max(e, p + l) for e, p, l in sizes])

    def meetings(self, axis: int) -> list[tuple[int, slice, slice]]:
        """(tap, positions where it meets the grid, what it meets there) for the taps of an axis."""
        l, m, K, s, p, d = (field[axis] for field in self)
        met = []
        for k in range(K):
            first, end = max(0, -((d * k - p) // s)), min(m, (l - 1 - d * k + p) // s + 1)
            if first < end:
                start = s * first + d * k - p
                stop = start + s * (end - first - 1) + 1
                met.append((k, slice(first, end), slice(start, stop, s)))
        return met

    def padded(self, x: Tensor) -> Tensor:
        """``x`` with zeros around it, as far as windows reach."""
        pad = []
        for l, p, e in zip(self.size[::-1], self.padding[::-1], self.reach[::-1], strict=True):
            pad += [p, max(0, e - p - l)]
        return torch.constant_pad_nd(x, pad) if any(pad) else x

    def gather(self, x: Tensor) -> Tensor:
        """The windows of ``x``, a strided view of the padded grid.

        (N, G, C, *L) -> (G, C, *K, N, *M)
        """
        x = strideable(self.padded(x))
        (n, g, c, *steps), (N, G, C) = x.stride(), x.shape[:3]
        taps = [d * t for d, t in zip(self.dilation, steps, strict=True)]
        moves = [s * t for s, t in zip(self.stride, steps, strict=True)]
        shape = (G, C, *self.kernel, N, *self.positions)
        return x.as_strided(shape, (g, c, *taps, n, *moves))

    def scatter(self, cols: Tensor) -> Tensor:
        """The adjoint of :meth:`gather`: every window adds its entries to the grid.

        Each tap writes on a sheet of its own, where no two windows collide, and the sheets are
        summed: one strided copy and one sum, with no product with zero that would spread NaN.

        (G, C, *K, N, *M) -> (N, G, C, *L)
        """
        rank = len(self.size)
        G, C, N = *cols.shape[:2], cols.shape[2 + rank]
        E = self.extent
        sheets = cols.new_zeros(*self.kernel, N, G, C, *E)
        step = sheets.stride()
        sheet, (n, g, c, *steps) = step[:rank], step[rank:]
        taps = [h + d * t for h, d, t in zip(sheet, self.dilation, steps, strict=True)]
        moves = [s * t for s, t in zip(self.stride, steps, strict=True)]
        sheets.as_strided(cols.shape, (g, c, *taps, n, *moves)).copy_(cols)
        # dtype: a sum of small integers would widen to int64, torch's convolution wraps.
        x = sheets.view(prod(self.kernel), N, G, C, *E).sum(0, dtype=cols.dtype)
        return self.cropped(x).contiguous()

    def cropped(self, x: Tensor) -> Tensor:
        """The grid within the padded one, a view: (N, G, C, *E) -> (N, G, C, *L)."""
        for axis, (p, l) in enumerate(zip(self.padding, self.size, strict=True), start=3):
            x = x.narrow(axis, p, l)
        return x
