r"""Average pooling: sums over windows, divided by their sizes.

A window is a box, so sums are taken one axis at a time, and along an axis it is an interval: every
position adds up the entries from ``first`` to before ``end``. Seen from an entry, the windows that
hold it are an interval of positions again, so the adjoint is of the same form. Letters: L entries
and M positions of an axis.

    regular    position i holds s·i − p ≤ l < s·i − p + K
    adaptive   cut one line into L equal parts, and again into M: part i of the M holds the parts l
               that it overlaps, ⌊iL/M⌋ ≤ l < ⌈(i+1)L/M⌉. Overlapping is mutual, so that the
               adjoint is the same with L and M exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import COMPLEX, REALS, Ints, accumulator
from reimpl.autocast import autocasted
from reimpl.gradient_layout import followed
from reimpl.layout import arrange, looks_channels_last, split
from reimpl.linear_map import Map, linear_map
from reimpl.pooling import flag, pooled_input, pooled_windows
from reimpl.windows import Windows

Size = int | Sequence[int]
OptionalSize = int | Sequence[int | None]


def avg_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Average over windows along one axis; see :func:`avg_pool2d`.

    >>> avg_pool1d(torch.arange(6.0).view(1, 6), 3, stride=2, ceil_mode=True)
    tensor([[1.0000, 3.0000, 4.5000]])
    """
    return pool(
        "avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    r"""Average over windows along two axes.

    y[n,c,m] = Σ_k x[n,c, s·m + k − p] / D[m], with zero outside the input

    D is ``divisor_override``, or the entries of the window: those of the padded grid, or without
    ``count_include_pad`` those of the grid. What ``ceil_mode`` lets overhang is never counted.
    Integers are divided towards zero. The stride is the kernel's size where none is given.

    Shapes:
        input (N, C, *L) or (C, *L), output (N, C, *M) or (C, *M),
        M = ⌊(L + 2p − K) / s⌋ + 1; with ``ceil_mode`` rounded up, see :mod:`reimpl.pooling`.

    Backward: every window divides its cotangent by D and adds it to each of its members.

    Raises:
        RuntimeError: geometry out of range, a zero divisor, an input of another rank or empty.
        NotImplementedError: an input that is neither real floating point nor int64.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html

    >>> avg_pool2d(torch.arange(16.0).view(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    return pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


def avg_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Average over windows along three axes; see :func:`avg_pool2d`.

    >>> avg_pool3d(torch.ones(1, 2, 2, 2), 2, divisor_override=4)
    tensor([[[[2.]]]])
    """
    return pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


def adaptive_avg_pool1d(input: Tensor, output_size: Size) -> Tensor:
    """Average over as many windows as asked for; see :func:`adaptive_avg_pool2d`.

    >>> adaptive_avg_pool1d(torch.arange(5.0).view(1, 5), 3)
    tensor([[0.5000, 2.0000, 3.5000]])
    """
    return adapt("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: OptionalSize) -> Tensor:
    r"""Average over as many windows as asked for along two axes; None keeps an axis as it is.

    y[n,c,i] = mean of x[n,c,l] over ⌊iL/M⌋ ≤ l < ⌈(i+1)L/M⌉ on every axis

    Shapes:
        input (N, C, *L) or (C, *L), output (N, C, *M) or (C, *M), M = ``output_size``.

    Backward: every window divides its cotangent by its size and adds it to each of its members.

    Raises:
        RuntimeError: output_size negative or of another length, input of another rank or without
            positions; but one position in all is a mean over any input, even an empty one.
        ValueError: output_size longer than the input has axes.
        NotImplementedError: an input that is not floating point.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html

    >>> adaptive_avg_pool2d(torch.arange(16.0).view(1, 4, 4), (None, 1))
    tensor([[[ 1.5000],
             [ 5.5000],
             [ 9.5000],
             [13.5000]]])
    """
    return adapt("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: OptionalSize) -> Tensor:
    """Average over as many windows as asked for; see :func:`adaptive_avg_pool2d`.

    >>> adaptive_avg_pool3d(torch.arange(8.0).view(1, 2, 2, 2), (2, 1, 1)).flatten()
    tensor([1.5000, 5.5000])
    """
    return adapt("adaptive_avg_pool3d", 3, input, output_size)


class _Intervals(NamedTuple):
    """What each position of an axis adds up: the entries first ≤ l < end, ``most`` at the most."""

    first: Tensor
    end: Tensor
    most: int

    def sums(self, x: Tensor, axis: int) -> Tensor:
        """The sums of ``x`` along ``axis``, which counts from the last one."""
        L, M, K = x.shape[axis], len(self.first), self.most
        l = self.first.unsqueeze(1) + torch.arange(K, device=x.device)  # (M, K)
        inside = (l < self.end.unsqueeze(1)).view(M, K, *(1,) * (-axis - 1))
        members = x.index_select(axis, l.clamp(max=max(L, 1) - 1).flatten())
        # Not a product with zeros and ones, which would spread NaN.
        return torch.where(inside, split(members, axis, M, K), 0).sum(axis)


class _Steps(NamedTuple):
    """What each position of an axis adds up where windows lie at regular steps: tap after tap.

    ``met`` holds pairs: positions, and what a tap meets there.
    """

    met: list[tuple[slice, slice]]
    positions: int

    @classmethod
    def of(cls, windows: Windows, axis: int) -> tuple[_Steps, _Steps]:
        """From the grid to the positions, and back."""
        met = [(m, l) for _, m, l in windows.meetings(axis)]
        there, back = met, [(l, m) for m, l in met]
        return cls(there, windows.positions[axis]), cls(back, windows.size[axis])

    def sums(self, x: Tensor, axis: int) -> Tensor:
        """The sums of ``x`` along ``axis``, which counts from the last one."""
        shape = list(x.shape)
        shape[axis] = self.positions
        y = x.new_zeros(shape)
        into, of = y.movedim(axis, 0), x.movedim(axis, 0)
        for here, there in self.met:
            into[here].add_(of[there])
        return y


_Sums = _Intervals | _Steps


def _along(axes: Sequence[_Sums]) -> Map:
    """The sums along the trailing axes, one after the other."""

    def sums(x: Tensor) -> Tensor:
        for axis, windows in enumerate(axes, start=-len(axes)):
            x = windows.sums(x, axis)
        return x

    return sums


# Up to so many taps of windows in all it is faster to write them out.
_SMALL = 1 << 13


def _sums_of(windows: Windows, lead: int) -> tuple[Map, Map]:
    """The sums over regular windows of so many channels, and their adjoint."""
    rank = len(windows.size)
    if lead * prod(windows.positions + windows.kernel) > _SMALL:
        there, back = zip(*[_Steps.of(windows, axis) for axis in range(rank)], strict=True)
        return _along(there), _along(back)

    def sums(x: Tensor) -> Tensor:
        taps = windows.gather(x.reshape(-1, 1, 1, *windows.size))  # (1, 1, *K, N·C, *M)
        y = taps.sum(tuple(range(2, 2 + rank)), dtype=x.dtype)
        return y.view(*x.shape[:-rank], *windows.positions)

    def spread(y: Tensor) -> Tensor:
        each = y.reshape(1, 1, *(1,) * rank, -1, *windows.positions)
        x = windows.scatter(each.expand(1, 1, *windows.kernel, *each.shape[-rank - 1 :]))
        return x.view(*y.shape[:-rank], *windows.size)

    return sums, spread


def pool(
    op: str,
    rank: int,
    input: Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """Average pooling with regular windows; ``op`` is the name that messages carry."""
    (input,) = autocasted(f"avg_pool{rank}d", input)
    pooled_input(op, rank, input)
    flag(op, "count_include_pad", count_include_pad)
    size = tuple(input.shape[-rank:])
    windows = pooled_windows(op, size, kernel_size, stride, padding, 1, ceil_mode)
    if rank == 3 and any(k > l for k, l in zip(windows.kernel, size, strict=True)):
        raise RuntimeError(
            f"{op}: kernel_size must not exceed the input {size}, padded or not, "
            f"got {windows.kernel}"
        )
    D = divisor_override
    if D is not None and arguments.integer(op, "divisor_override", D) == 0:
        raise RuntimeError(f"{op}: divisor_override must not be zero, got {D}")
    arguments.dtype_among(op, input, (*REALS, torch.int64))
    lengths = [_lengths(axis, count_include_pad, input.device) for axis in _each_axis(windows)]
    sums, spread = _sums_of(windows, input.shape[:-rank].numel())
    y = _average(input, sums, spread, lengths if D is None else [D])
    return arrange(y, rank < 3 and _channels_last(input, rank)).to(input.dtype)


def adapt(op: str, rank: int, input: Tensor, output_size: OptionalSize) -> Tensor:
    """Average pooling with adaptive windows."""
    (input,) = autocasted(f"adaptive_avg_pool{rank}d", input)
    arguments.tensor(op, "input", input)
    M = _output_size(op, rank, output_size, input)
    arguments.storable(op, "output_size", output_size, (*input.shape[:-rank], *M), input.dtype)
    single = set(M) == {1}  # then torch takes the mean, of any tensor
    if (rank == 1 or not single) and input.dim() not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"{op}: input must have {rank + 2} axes, or {rank + 1} without a batch, "
            f"got {tuple(input.shape)}"
        )
    if not single and 0 in input.shape[-rank if rank < 3 else 1 :]:
        raise RuntimeError(f"{op}: input must have positions, got {tuple(input.shape)}")
    # Along one or two axes torch asks for no kernel where there is nothing to average.
    if single or rank == 3 or 0 not in (*input.shape[:-rank], *M):
        arguments.dtype_among(op, input, (*REALS, *COMPLEX) if single else REALS)
    L = tuple(input.shape[-rank:])
    if single:
        y = _average(input, *_whole(L), L)
    else:
        overlaps = [_overlaps(l, m, input.device) for l, m in zip(L, M, strict=True)]
        there, back, lengths = zip(*overlaps, strict=True)
        y = _average(input, _along(there), _along(back), lengths)
    return arrange(y, (rank < 3 or single) and _channels_last(input, rank)).to(input.dtype)


def _whole(size: Ints) -> tuple[Map, Map]:
    """The sum over all positions, and its adjoint."""
    axes = tuple(range(-len(size), 0))

    def spread(y: Tensor) -> Tensor:
        each = y.expand(*y.shape[: -len(size)], *size)
        return each.clone(memory_format=torch.contiguous_format)

    return lambda x: x.sum(axes, keepdim=True), spread


def _overlaps(L: int, M: int, device: torch.device) -> tuple[_Sums, _Sums, Tensor | int]:
    """The parts of L that each of M parts overlaps, those of M that each of L does; how many."""
    if L and M and L % M == 0:
        side_by_side = Windows((L,), (M,), (L // M,), (L // M,), (0,), (1,))
        return *_Steps.of(side_by_side, 0), L // M
    there, back = _intervals(L, M, device), _intervals(M, L, device)
    return there, back, there.end - there.first


def _intervals(L: int, M: int, device: torch.device) -> _Intervals:
    """The parts of L that each of M parts overlaps; at most ⌈(L − gcd)/M⌉ + 1 of them."""
    i, most = torch.arange(M, device=device), 1 - (gcd(L, M) - L) // max(M, 1)
    return _Intervals(i * L // max(M, 1), -(-(i + 1) * L // max(M, 1)), most)


def _lengths(axis: Windows, count_include_pad: bool, device: torch.device) -> Tensor | int:
    """The entries of each window along one axis: of the padded grid, or of the grid."""
    (L,), (M,), (K,), (s,), (p,), _ = axis
    last = s * (M - 1) - p + K
    if last <= L + p if count_include_pad else (p == 0 and last <= L):
        return K
    start = torch.arange(-p, s * M - p, s, device=device)
    if count_include_pad:
        return (start + K).clamp(max=L + p) - start
    return (start + K).clamp(max=L) - start.clamp(min=0)


def _each_axis(windows: Windows) -> list[Windows]:
    """The windows along each axis alone."""
    return [Windows(*[(n,) for n in axis]) for axis in zip(*windows, strict=True)]


def _average(input: Tensor, sums: Map, spread: Map, sizes: Sequence[Tensor | int]) -> Tensor:
    """Sums over the product of ``sizes``, one per axis or one in all."""
    rounding = None if input.is_floating_point() or input.is_complex() else "trunc"
    divisor: Tensor | int = 1
    for size in sizes:
        divisor = (divisor.unsqueeze(-1) if isinstance(divisor, Tensor) else divisor) * size

    def averages(x: Tensor) -> Tensor:
        return torch.div(sums(x), divisor, rounding_mode=rounding)

    def shares(y: Tensor) -> Tensor:
        return spread(y / divisor)

    return linear_map(followed(input).to(accumulator(input.dtype)), averages, shares)


def _output_size(op: str, rank: int, output_size: Any, input: Tensor) -> Ints:
    output_size = arguments.unpacked(output_size) if rank > 1 else output_size
    if rank > 1 and isinstance(output_size, (tuple, list)):
        if len(output_size) >= input.dim():
            raise ValueError(
                f"{op}: output_size must be shorter than input's shape {tuple(input.shape)}, "
                f"got {output_size}"
            )
        if len(output_size) != rank:
            raise RuntimeError(f"{op}: output_size must be an int or {rank}, got {output_size}")
        sizes = zip(output_size, input.shape[-rank:], strict=True)
        output_size = [l if m is None else m for m, l in sizes]
    return arguments.per_axis(op, "output_size", output_size, rank, 0)


def _channels_last(input: Tensor, rank: int) -> bool:
    """Whether torch takes (N, C, *L) for channels last; one axis is two, the first of size one."""
    x = input.unsqueeze(-2) if rank == 1 else input
    return x.dim() == max(rank, 2) + 2 and looks_channels_last(x)
