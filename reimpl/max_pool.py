r"""Max pooling over windows that lie at regular steps, or that adapt to the size of the output.

First the place of every window's maximum is found; it has no derivative. The value then is a
selection at that place (see :mod:`reimpl.selection`), and so is every derivative of it.

Of equal maxima the first in row-major order counts, of several NaN the last. Windows are products
of intervals, so the search goes axis by axis, the last axis first: the maxima of the rows, then
the maximum of these, which keeps both orders. What lies outside the grid is never chosen.

Letters: N samples, C channels, *L input and *M output positions, *K taps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import INTEGERS, REALS
from reimpl.layout import arrange, looks_channels_last
from reimpl.pooling import pooled_input, pooled_windows
from reimpl.selection import gather

Size = int | Sequence[int]
Pooled = Tensor | tuple[Tensor, Tensor]


def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Max pooling over one axis; see :func:`max_pool2d`. Integers go with ``return_indices`` only.

    >>> max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 2.0, 0.0]]), 2, ceil_mode=True)
    tensor([[3., 2., 0.]])
    """
    geometry = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool1d", 1, input, geometry, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Maximum of every window; with ``return_indices`` also where in its channel it lies.

    y[n,c,m] = max_k x[n,c, s·m + d·k − p], with nothing outside the input; the index counts
    row by row through *L. Equal maxima: the first; several NaN: the last. A window without any
    input, which dilation allows, gives −∞ (the least integer), and an index that may lie outside.

    Shapes:
        input (N, C, *L) or (C, *L), output and int64 indices (N, C, *M) or (C, *M);
        M = ⌊(L + 2p − d(K−1) − 1) / s⌋ + 1, rounded up with ``ceil_mode``, then less a window
        that would start behind the input. Without a stride windows are one kernel apart.

    Backward: every cotangent goes to its window's maximum and adds up there.

    Raises:
        RuntimeError: geometry out of range, among it p > K/2 (#152152); an empty channel or axis.
        NotImplementedError: bool and complex.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html

    >>> max_pool2d(torch.tensor([[[1.0, 2.0, 0.0], [4.0, 4.0, 5.0]]]), 2, 1, return_indices=True)
    (tensor([[[4., 5.]]]), tensor([[[3, 5]]]))
    """
    geometry = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool2d", 2, input, geometry, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Max pooling over three axes; see :func:`max_pool2d`.

    >>> max_pool3d(torch.arange(8.0).view(1, 2, 2, 2), 2, return_indices=True)
    (tensor([[[[7.]]]]), tensor([[[[7]]]]))
    """
    geometry = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool3d", 3, input, geometry, return_indices)


def adaptive_max_pool1d(input: Tensor, output_size: Size, return_indices: bool = False) -> Pooled:
    """Max pooling to a given length; see :func:`adaptive_max_pool2d`.

    >>> adaptive_max_pool1d(torch.tensor([[1.0, 5.0, 2.0, 3.0, 4.0]]), 2)
    tensor([[5., 4.]])
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False
) -> Pooled:
    """Maximum of M windows that cover the input evenly: from ⌊m·L/M⌋ up to ⌈(m+1)·L/M⌉.

    Shapes:
        input (N, C, *L) or (C, *L), output and int64 indices (N, C, *M) or (C, *M), with M as
        ``output_size`` says; None (for an axis of two or three) keeps L.

    Backward: every cotangent goes to its window's maximum and adds up there.

    Raises:
        RuntimeError: an input that is empty but in its first axis, a negative size.
        NotImplementedError: an input that is not floating point.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html

    >>> adaptive_max_pool2d(torch.arange(9.0).view(1, 3, 3), (2, None), return_indices=True)
    (tensor([[[3., 4., 5.],
             [6., 7., 8.]]]), tensor([[[3, 4, 5],
             [6, 7, 8]]]))
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(
    input: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False
) -> Pooled:
    """Max pooling to a given size of three axes; see :func:`adaptive_max_pool2d`.

    >>> adaptive_max_pool3d(torch.arange(27.0).view(1, 3, 3, 3), 1)
    tensor([[[[26.]]]])
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


def _max_pool(
    op: str, rank: int, input: Tensor, geometry: tuple[Any, ...], return_indices: bool
) -> Pooled:
    pooled_input(op, rank, input)
    alone = rank == 1 and not return_indices  # torch has a kernel of its own for this
    arguments.dtype_among(op, input, REALS if alone else (*REALS, *INTEGERS))
    windows = pooled_windows(op, tuple(input.shape[-rank:]), *geometry)
    channels_last = not alone and _channels_last(input, rank)
    axes = [_Regular(*axis) for axis in zip(*windows, strict=True)]
    return _pool(input, axes, channels_last, return_indices)


def _adaptive_max_pool(
    op: str, rank: int, input: Tensor, output_size: Any, return_indices: bool
) -> Pooled:
    arguments.tensor(op, "input", input)
    if input.dim() not in (rank + 1, rank + 2) or 0 in input.shape[1:]:
        raise RuntimeError(
            f"{op}: input must have {rank + 2} axes, or {rank + 1} without a batch, all but the "
            f"first not empty, got {tuple(input.shape)}"
        )
    arguments.dtype_among(op, input, REALS)
    L = tuple(input.shape[-rank:])
    if rank > 1 and isinstance(output_size, (tuple, list)):
        if len(output_size) != rank:
            error = ValueError if len(output_size) >= input.dim() else RuntimeError
            raise error(f"{op}: output_size must be one or {rank} ints, got {output_size}")
        output_size = [l if m is None else m for l, m in zip(L, output_size, strict=True)]
    M = arguments.per_axis(op, "output_size", output_size, rank, 0)
    axes = [
        _Adaptive(l, m) if m == 0 or l % m else _Regular(l, m, l // m, l // m)
        for l, m in zip(L, M, strict=True)
    ]
    return _pool(input, axes, rank < 3 and _channels_last(input, rank), return_indices)


def _channels_last(x: Tensor, rank: int) -> bool:
    """Whether torch takes ``x`` for channels last; one axis is two, the first of size one."""
    if rank == 3 and x.dim() == 4:  # the only kernel that knows the layout without a batch
        return not x.is_contiguous() and x.movedim(0, -1).is_contiguous()
    x = x.unsqueeze(-2) if rank == 1 else x
    return x.dim() == max(rank, 2) + 2 and looks_channels_last(x)


class _Regular(NamedTuple):
    """The windows along one axis: tap k of window m looks at s·m + d·k − p."""

    l: int
    m: int
    k: int
    s: int
    p: int = 0
    d: int = 1

    def positions(self, device: torch.device) -> list[Tensor]:
        """Where each tap looks in every window, (M); the first not in front of the grid."""
        start = torch.arange(self.m, device=device) * self.s - self.p
        first = torch.where(start < 0, start.remainder(self.d), start)
        return [first, *[start + self.d * k for k in range(1, self.k)]]

    @property
    def misses(self) -> bool:
        """Whether some window has no tap inside the grid."""
        return any(start % self.d >= self.l for start in range(-self.p, 0, self.s)[: self.m])

    def taps(self, x: Tensor, axis: int, outside: float) -> list[Tensor]:
        """What each tap sees in every window: views of the padded tensor."""
        behind = self.s * (self.m - 1) + self.d * (self.k - 1) + 1 - self.p - self.l
        if self.p or behind > 0:
            x = torch.constant_pad_nd(x, (0, 0) * (-1 - axis) + (self.p, max(0, behind)), outside)
        windows = x.unfold(axis, self.d * (self.k - 1) + 1, self.s).narrow(axis - 1, 0, self.m)
        return [windows[..., self.d * k] for k in range(self.k)]


class _Adaptive(NamedTuple):
    """The windows along one axis from ⌊m·L/M⌋ up to ⌈(m+1)·L/M⌉.

    A window shorter than others looks at its last element again, which changes no maximum.
    """

    l: int
    m: int

    def positions(self, device: torch.device) -> list[Tensor]:
        """Where each tap looks in every window, (M)."""
        start = torch.arange(self.m + 1, device=device) * self.l
        first = start[:-1].div(self.m, rounding_mode="floor")
        last = (start[1:] - 1).div(self.m, rounding_mode="floor")
        return [torch.minimum(first + k, last) for k in range(self.l // max(1, self.m) + 2)]

    def taps(self, x: Tensor, axis: int, _outside: float) -> list[Tensor]:
        """What each tap sees in every window."""
        return [x.index_select(axis, at) for at in self.positions(x.device)]


def _pool(
    input: Tensor,
    axes: Sequence[_Regular | _Adaptive],
    channels_last: bool,
    return_indices: bool,
) -> Pooled:
    """The values at the places found, in torch's layout; with the places if asked for."""
    batched = input.dim() == len(axes) + 2
    x = input if batched else input.unsqueeze(0)
    lowest = -inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    index = _search(x.detach(), axes, lowest)
    missing = _missing(axes, x.device)
    place = index if missing is None else index.masked_fill(missing, 0)
    y = gather(x.flatten(2), place.flatten(2)).view(index.shape)
    if missing is not None:
        y = y.masked_fill(missing, lowest)
    y, index = arrange(y, channels_last), arrange(index, channels_last)
    if not batched:
        y, index = y.squeeze(0), index.squeeze(0)
    return (y, index) if return_indices else y


def _search(x: Tensor, axes: Sequence[_Regular | _Adaptive], lowest: float) -> Tensor:
    """Where in its channel the maximum of every window lies: (N, C, *L) -> (N, C, *M).

    Without a number above ``lowest`` that is the window's first place not in front of the grid.
    """
    index = first = None
    size = 1  # of the axes behind
    for axis, look in zip(range(-1, -len(axes) - 1, -1), reversed(axes), strict=True):
        rows = [size * at.view(-1, *(1,) * (-1 - axis)) for at in look.positions(x.device)]
        first = rows[0] if first is None else rows[0] + first
        places: Iterable[Tensor] = rows
        if index is not None:
            inner = look.taps(index, axis, 0)
            places = (row + i for row, i in zip(rows, inner, strict=True))
        x, index = _first_maximum(look.taps(x, axis, lowest), places, first, lowest)
        size *= look.l
    assert index is not None
    return index


def _first_maximum(
    taps: Iterable[Tensor], places: Iterable[Tensor], place: Tensor, lowest: float
) -> tuple[Tensor, Tensor]:
    """The first of the largest among the taps, or the last NaN, and its place."""
    best: Any = lowest
    for tap, here in zip(taps, places, strict=True):
        place = torch.where((tap > best) | tap.isnan(), here, place)
        best = tap if best is lowest else torch.maximum(best, tap)
    return best, place


def _missing(axes: Sequence[_Regular | _Adaptive], device: torch.device) -> Tensor | None:
    """Which windows lie in the padding, the grid between their dilated taps; None if none does."""
    missing: Tensor | None = None
    for behind, look in enumerate(reversed(axes)):
        if isinstance(look, _Regular) and look.misses:
            beyond = (look.positions(device)[0] >= look.l).view(-1, *(1,) * behind)
            missing = beyond if missing is None else missing | beyond
    return missing
