"""Max pooling, adaptive max pooling and max unpooling, read off their formulas.

``rank`` is the number of axes that are pooled: the trailing ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import inf, prod
from typing import Any

from parity_tests.definitions.array import Array, Index, per_axis, positions
from parity_tests.definitions.dual import is_nan

Ints = int | tuple[int, ...] | list[int]
Window = Sequence[int]  # where the taps of one axis look


def max_pooling(
    rank: int,
    input: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """y[m] = max x[l] over the l = s·m + d·k − p inside x; and where it is."""
    K, p, d = (per_axis(v, rank) for v in (kernel_size, padding, dilation))
    s = per_axis(stride or K, rank)
    axes = [
        windows(*geometry, ceil_mode)
        for geometry in zip(input.shape[-rank:], K, s, p, d, strict=True)
    ]
    return maxima(input, axes, return_indices)


def windows(l: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> list[Window]:
    """The windows of one axis without their taps in front; none starts in the padding behind."""
    reach = d * (k - 1)
    starts = [
        start
        for start in range(-p, l if ceil_mode else l + p, s)
        if start + reach < l + p + (s - 1 if ceil_mode else 0)
    ]
    return [[i for i in range(start, start + reach + 1, d) if i >= 0] for start in starts]


def misses_the_grid(
    L: Index,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> bool:
    """Whether some window has the whole of an axis between two of its dilated taps."""
    K, p, d = (per_axis(v, len(L)) for v in (kernel_size, padding, dilation))
    s = per_axis(stride or K, len(L))
    axes = list(zip(L, K, s, p, d, strict=True))
    return any(taps[0] >= axis[0] for axis in axes for taps in windows(*axis, ceil_mode))


def adaptive_max_pooling(
    rank: int, input: Array, output_size: Any, return_indices: bool = False
) -> Any:
    """y[m] = max x[l] over ⌊mL/M⌋ ≤ l < ⌈(m+1)L/M⌉; and where it is."""
    wanted = output_size if isinstance(output_size, tuple | list) else [output_size] * rank
    wanted = list(wanted) * (rank if len(wanted) == 1 else 1)
    sizes = [(l, l if m is None else m) for l, m in zip(input.shape[-rank:], wanted, strict=True)]
    axes = [[range(i * l // m, -(-(i + 1) * l // m)) for i in range(m)] for l, m in sizes]
    return maxima(input, axes, return_indices)


def maxima(x: Array, axes: Sequence[Sequence[Window]], return_indices: bool) -> Any:
    """The maximum of every window, and its place in row-major order.

    The first of equals, the last NaN; and where nothing exceeds −∞ the first place of all.
    """
    rank = len(axes)
    L = x.shape[-rank:]

    def place(*i: int) -> Index:
        window = [axis[m] for axis, m in zip(axes, i[-rank:], strict=True)]
        best, found = -inf, tuple(taps[0] for taps in window)
        for l in product(*window):
            if inside(l, L) and (is_nan(x[(*i[:-rank], *l)]) or x[(*i[:-rank], *l)] > best):
                best, found = x[(*i[:-rank], *l)], l
        return found

    places = Array((*x.shape[:-rank], *map(len, axes)), place)
    y = Array(
        places.shape,
        lambda *i: x[(*i[:-rank], *places[i])] if inside(places[i], L) else -inf,
    )
    return (y, Array(places.shape, lambda *i: flat(places[i], L))) if return_indices else y


def inside(l: Index, L: Index) -> bool:
    """Whether ``l`` is an index into an array of shape ``L``; none is negative."""
    return all(i < n for i, n in zip(l, L, strict=True))


def flat(l: Index, L: Index) -> int:
    """The place of ``l`` when the array is read row by row."""
    return sum(i * prod(L[axis + 1 :]) for axis, i in enumerate(l))


def max_unpooling(
    rank: int,
    input: Array,
    indices: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """x[i[m]] = y[m], the last m if there are several, and zero elsewhere."""
    lead, M = input.shape[:-rank], input.shape[-rank:]
    L = unpooled_size(M, kernel_size, stride, padding)
    L = L if output_size is None else tuple(output_size[-rank:])

    def x(*l: int) -> Any:
        row, here = l[:-rank], flat(l[-rank:], L)
        written = [input[(*row, *m)] for m in positions(M) if indices[(*row, *m)] == here]
        return written[-1] if written else 0

    return Array((*lead, *L), x)


def unpooled_size(M: Index, kernel_size: Ints, stride: Ints | None, padding: Ints) -> Index:
    """L = s(M − 1) + K − 2p: the least that these windows fill, padding taken off."""
    K, p = per_axis(kernel_size, len(M)), per_axis(padding, len(M))
    s = K if stride is None else per_axis(stride, len(M))
    return tuple(s * (m - 1) + k - 2 * p for m, k, s, p in zip(M, K, s, p, strict=True))
