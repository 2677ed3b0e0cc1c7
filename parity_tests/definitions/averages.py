"""Average, adaptive and power-average pooling, unfolding and folding, read off their formulas.

``rank`` is the number of axes that are pooled: the trailing ones.
"""

from __future__ import annotations

from itertools import product
from math import inf, prod
from typing import Any

from parity_tests.definitions.array import Array, per_axis
from parity_tests.definitions.convolution import source, windows_reaching
from parity_tests.definitions.dual import is_nan, power, value_of

Ints = int | tuple[int, ...] | list[int]


def average_pooling(
    rank: int,
    input: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """y[m] = Σ x[l] / D[m] over the l of window m inside x."""
    L = input.shape[-rank:]
    K, p = per_axis(kernel_size, rank), per_axis(padding, rank)
    s = per_axis(K if stride is None or stride == [] else stride, rank)
    axes = [windows(*geometry, ceil_mode) for geometry in zip(L, K, s, p, strict=True)]

    def y(*i: int) -> Any:
        window = [starts[m] for starts, m in zip(axes, i[-rank:], strict=True)]
        inside = [clipped(w, 0, l) for w, l in zip(window, L, strict=True)]
        padded = [clipped(w, -p, l + p) for w, l, p in zip(window, L, p, strict=True)]
        counted = prod(map(len, padded if count_include_pad else inside))
        total = sum(input[(*i[:-rank], *l)] for l in product(*inside))
        return quotient(total, divisor_override or counted)

    return Array((*input.shape[:-rank], *map(len, axes)), y)


def windows(l: int, k: int, s: int, p: int, ceil_mode: bool) -> list[range]:
    """Where the windows of one axis lie, from −p on; none starts in the padding behind."""
    beyond = s if ceil_mode else 1  # how much further than fits a window may reach
    starts = range(-p, min(l + p - k + beyond, l if ceil_mode else l + p), s)
    return [range(start, start + k) for start in starts]


def clipped(window: range, low: int, high: int) -> range:
    """The part of the window in low ≤ l < high."""
    return range(max(window.start, low), min(window.stop, high))


def quotient(total: Any, n: int) -> Any:
    """total / n, of integers rounded towards zero."""
    if not isinstance(total, int):
        return total / n
    return abs(total) // abs(n) * (1 if (total < 0) == (n < 0) else -1)


def adaptive_average_pooling(rank: int, input: Array, output_size: Any) -> Array:
    """y[i] = the mean of x[l] over ⌊iL/M⌋ ≤ l < ⌈(i+1)L/M⌉."""
    L = input.shape[-rank:]
    wanted = output_size if isinstance(output_size, (tuple, list)) else [output_size] * rank
    M = [l if m is None else m for m, l in zip(wanted, L, strict=True)]

    def y(*i: int) -> Any:
        sizes = zip(i[-rank:], L, M, strict=True)
        window = [range(i * l // m, -(-(i + 1) * l // m)) for i, l, m in sizes]
        total = sum(input[(*i[:-rank], *l)] for l in product(*window))
        return total / prod(map(len, window))

    return Array((*input.shape[:-rank], *M), y)


def power_average_pooling(
    rank: int,
    input: Array,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Array:
    """y[m] = (K·⟨x[l]^p⟩)^(1/p), or max |x[l]| for p = ∞, and min |x[l]| for p = −∞."""
    p = norm_type
    if p in (inf, -inf):
        return extreme_pooling(rank, input, 1 if p > 0 else -1, kernel_size, stride, ceil_mode)
    powers = Array(input.shape, lambda *i: power(input[i], p))
    means = average_pooling(rank, powers, kernel_size, stride, 0, ceil_mode)
    K = prod(per_axis(kernel_size, rank))

    def y(*i: int) -> Any:
        total = K * means[i]
        # The root's derivative at zero is taken to be zero (pytorch#6766).
        return total * 0 if value_of(total) == 0 and p > 0 else power(total, 1 / p)

    return Array(means.shape, y)


def extreme_pooling(
    rank: int, input: Array, sign: int, kernel_size: Ints, stride: Ints | None, ceil_mode: bool
) -> Array:
    """y[m] = ± the largest of ±|x[l]|; of equal ones the first, of several NaN the last."""
    L, K = input.shape[-rank:], per_axis(kernel_size, rank)
    s = per_axis(K if stride is None or stride == [] else stride, rank)
    axes = [windows(l, k, s, 0, ceil_mode) for l, k, s in zip(L, K, s, strict=True)]

    def y(*i: int) -> Any:
        window = [starts[m] for starts, m in zip(axes, i[-rank:], strict=True)]
        inside = [clipped(w, 0, l) for w, l in zip(window, L, strict=True)]
        largest: Any = -inf
        for l in product(*inside):
            candidate = sign * abs(input[(*i[:-rank], *l)])
            if candidate > largest or is_nan(candidate):
                largest = candidate
        return sign * largest

    return Array((*input.shape[:-rank], *map(len, axes)), y)


def unfolding(
    input: Array, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Array:
    """cols[n, c·k, m] = x[n, c, s·m + d·k − p], zero outside x."""
    *lead, C, _, _ = input.shape
    K, d, p, s = (per_axis(v, 2) for v in (kernel_size, dilation, padding, stride))
    M = positions_of_windows(input.shape[-2:], K, d, p, s)

    def cols(*i: int) -> Any:
        *n, row, column = i
        c, tap = divmod(row, prod(K))
        k, m = divmod(tap, K[1]), divmod(column, M[1])
        return input.zero_padded(*n, c, *source(m, k, s, d, p))

    return Array((*lead, C * prod(K), prod(M)), cols)


def folding(
    input: Array,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Ints = 1,
    padding: Ints = 0,
    stride: Ints = 1,
) -> Array:
    """x[n, c, l] = Σ cols[n, c·k, m] over the k and m with s·m + d·k − p = l."""
    *lead, rows, _ = input.shape
    L, K, d, p, s = (per_axis(v, 2) for v in (output_size, kernel_size, dilation, padding, stride))
    M = positions_of_windows(L, K, d, p, s)

    def x(*i: int) -> Any:
        *n, c, h, w = i
        return sum(
            input[(*n, c * prod(K) + k[0] * K[1] + k[1], m[0] * M[1] + m[1])]
            for k in product(*map(range, K))
            for m in windows_reaching((h, w), k, s, d, p, M)
        )

    return Array((*lead, rows // prod(K), *L), x)


def positions_of_windows(
    L: tuple[int, ...],
    K: tuple[int, ...],
    d: tuple[int, ...],
    p: tuple[int, ...],
    s: tuple[int, ...],
) -> tuple[int, ...]:
    """⌊(L + 2p − d(K−1) − 1) / s⌋ + 1 on every axis."""
    return tuple(
        (l + 2 * p - d * (k - 1) - 1) // s + 1 for l, k, d, p, s in zip(L, K, d, p, s, strict=True)
    )
