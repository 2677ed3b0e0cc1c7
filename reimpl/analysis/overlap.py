r"""Checkerboards: how many kernel taps reach each output of a transposed convolution.

Inputs stand s entries apart and each spreads K taps that are d apart, so output l is reached by
those taps k with d·k ≡ l + p (mod s) whose input exists. Away from the border all exist, and the
count depends on l mod s only: where it varies, an even input gives an uneven output.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.conv import Size
from reimpl.conv_transpose import convolve_transposed


def overlap(
    size: Sequence[int],
    kernel: Size,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
) -> Tensor:
    """The number of taps that reach each output: a transposed convolution of ones with ones.

    a[l] = #{(m, k) : s·m + d·k − p = l},   a product over the axes

    Shapes:
        size *M, output *L, L = s(M−1) − 2p + d(K−1) + 1 + output_padding, int64.

    Raises:
        As :func:`reimpl.conv_transpose2d`; RuntimeError for more than three axes.

    Source: Odena, Dumoulin, Olah 2016, https://distill.pub/2016/deconv-checkerboard

    >>> overlap((4,), kernel=3, stride=2)
    tensor([1, 1, 2, 1, 2, 1, 2, 1, 1])
    >>> overlap((4,), kernel=4, stride=2, padding=1)
    tensor([1, 2, 2, 2, 2, 2, 2, 1])
    """
    op = "overlap"
    rank = len(arguments.integers(op, "size", size))
    if not 1 <= rank <= 3:
        raise RuntimeError(f"{op}: size must have one to three entries, got {tuple(size)}")
    M = arguments.per_axis(op, "size", size, rank, 1)
    K = arguments.per_axis(op, "kernel", kernel, rank, 1)
    ones, taps = (torch.ones(1, 1, *n, dtype=torch.int64, device="cpu") for n in (M, K))
    y = convolve_transposed(
        op, rank, ones, taps, None, stride, padding, output_padding, 1, dilation
    )
    return y[0, 0]


def interior_overlap(kernel: int, stride: int = 1, dilation: int = 1) -> list[int]:
    """One stride of the overlap away from the border, along one axis: #{k : d·k ≡ r (mod s)}.

    Entry r is about the outputs l with l + p ≡ r (mod s).

    Raises:
        RuntimeError: geometry out of range.
        TypeError: an argument that is no integer.

    Source: Odena, Dumoulin, Olah 2016, https://distill.pub/2016/deconv-checkerboard

    >>> interior_overlap(3, stride=2), interior_overlap(4, stride=2)
    ([2, 1], [2, 2])
    >>> interior_overlap(2, stride=2, dilation=2)
    [2, 0]
    """
    op = "interior_overlap"
    for name, value in {"kernel": kernel, "stride": stride, "dilation": dilation}.items():
        arguments.at_least(op, name, value, 1)
    counts = [0] * stride
    for k in range(kernel):
        counts[dilation * k % stride] += 1
    return counts


def period(kernel: int, stride: int = 1, dilation: int = 1) -> int:
    """The period of the overlap away from the border: g = gcd(s, d) if s/g divides K, else s.

    The taps reach multiples of g only, and run through these s/g places in turn: evenly if they
    come round whole. So the overlap is even, of period 1, if and only if the stride divides the
    kernel and has no divisor in common with the dilation.

    Raises:
        As :func:`interior_overlap`.

    Source: Odena, Dumoulin, Olah 2016 (dilation 1), https://distill.pub/2016/deconv-checkerboard

    >>> period(4, stride=2), period(3, stride=2), period(2, stride=2, dilation=2)
    (1, 2, 2)
    >>> period(2, stride=2, dilation=3)
    1
    """
    interior_overlap(kernel, stride, dilation)  # checks its arguments
    g = gcd(stride, dilation)
    return g if kernel % (stride // g) == 0 else stride


def is_even(kernel: Size, stride: Size = 1, dilation: Size = 1) -> bool:
    """Whether all outputs away from the border are reached by equally many taps, on every axis.

    Raises:
        As :func:`interior_overlap`; RuntimeError for tuples of different lengths.

    Source: as :func:`period`.

    >>> is_even(4, stride=2), is_even((4, 3), stride=2), is_even(2, stride=2, dilation=2)
    (True, False, False)
    """
    given = {"kernel": kernel, "stride": stride, "dilation": dilation}
    rank = max((len(v) for v in given.values() if isinstance(v, Sequence)), default=1)
    axes = [arguments.per_axis("is_even", name, value, rank, 1) for name, value in given.items()]
    return all(period(*axis) == 1 for axis in zip(*axes, strict=True))
