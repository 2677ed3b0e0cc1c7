"""Interpolation, read off the formulas: a row of weights for every output position of an axis."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import floor, prod
from typing import Any

import mpmath

from parity_tests.definitions.array import Array

HALF = Fraction(1, 2)
Row = list[tuple[int, Any]]  # input positions, and the weight of each


def interpolation(
    input: Array,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """y[n, c, *o] = Σ_j Π_axes a[o, j] · x[n, c, *j], the rows of a depending on the mode."""
    N, C, *L = input.shape
    scales = each(scale_factor, len(L))
    M = each(size, len(L))
    if size is None:
        M = [int(n * s) for n, s in zip(L, scales, strict=True)]
    if recompute_scale_factor or mode == "area":
        scales = [None] * len(L)
    corners, small = bool(align_corners), len(L) == 2 and sum(M) <= 128

    def matrix(n: int, m: int, scale: float | None) -> Array:
        s = step(n, m, scale, corners)
        return Array((m,), lambda o: row(mode, antialias, small, o, n, m, s, corners))

    a = [matrix(*axis) for axis in zip(L, M, scales, strict=True)]

    def y(n: int, c: int, *o: int) -> Any:
        rows = (matrix[i] for matrix, i in zip(a, o, strict=True))
        taps = (tuple(zip(*tap, strict=True)) for tap in product(*rows))
        return sum(input[(n, c, *j)] * prod(weights) for j, weights in taps)

    return Array((N, C, *M), y)


def row(
    mode: str, antialias: bool, small: bool, o: int, n: int, m: int, s: Any, corners: bool
) -> Row:
    """Row o of the matrix of an axis of size n that becomes m with steps of s."""
    if mode == "nearest":
        # Torch's kernel for small images knows two sizes whatever the scale (pytorch#121390).
        s = Fraction(n, m) if small and m in (n, 2 * n) else s
        return [(min(floor(float(o * s)), n - 1), 1)]  # rounded, lest 3·(1/3) be less than 1
    if mode == "nearest-exact":
        return [(min(floor(float((o + HALF) * s)), n - 1), 1)]
    if mode == "area":
        window = range(o * n // m, -(-(o + 1) * n // m))
        return [(j, Fraction(1, len(window))) for j in window]
    if antialias:
        return [(o, 1)] if n == m else filtered(mode, (o + HALF) * s, n, max(s, 1))
    u = o * s if corners else (o + HALF) * s - HALF
    if mode == "bicubic":
        return interpolated(cubic(Fraction(-3, 4)), 2, u, n)
    # Where the size stays torch reads the element twice, which tells with infinities.
    return [(o, 1), (o, 0)] if n == m else interpolated(triangle, 1, max(u, 0), n)


def interpolated(kernel: Callable[[Any], Any], half: int, u: Any, n: int) -> Row:
    """a[o, j] = k(j − u) for the 2h taps around u; beyond the edges stands the edge."""
    first = min(floor(u), n - 1)
    t = min(max(u - first, 0), 1)
    taps = range(1 - half, half + 1)
    return [(min(max(first + tap, 0), n - 1), kernel(tap - t)) for tap in taps]


def filtered(mode: str, centre: Any, n: int, width: Any) -> Row:
    """a[o, j] = k((j + ½ − centre)/width) / Σ, over the positions under the widened kernel."""
    kernel, half = {
        "bilinear": (triangle, 1),
        "bicubic": (cubic(-HALF), 2),
        "lanczos": (lanczos, 3),
    }[mode]
    low, high = (int(centre + side * half * width + HALF) for side in (-1, 1))
    weights = {j: kernel((j + HALF - centre) / width) for j in range(max(low, 0), min(high, n))}
    return [(j, weight / sum(weights.values())) for j, weight in weights.items()]


def step(n: int, m: int, scale: float | None, corners: bool) -> Fraction:
    """The distance of two output positions on the axis of the input."""
    if corners:
        return Fraction(n - 1, m - 1) if m > 1 else Fraction(0)
    return Fraction(n, m) if scale is None else Fraction(1 / scale)


def each(value: Any, rank: int) -> list[Any]:
    """``3`` means ``[3, 3]``."""
    return list(value) if isinstance(value, tuple | list) else [value] * rank


def triangle(t: Any) -> Any:
    """1 − |t|."""
    return max(1 - abs(t), 0)


def cubic(a: Fraction) -> Callable[[Any], Any]:
    """Keys's piecewise cubic with slope a at 1."""

    def k(t: Any) -> Any:
        t = abs(t)
        if t < 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0

    return k


def lanczos(t: Any) -> Any:
    """sinc(t) · sinc(t/3)."""
    return sinc(t) * sinc(t / 3) if abs(t) < 3 else 0


def sinc(t: Any) -> Any:
    """sin(πt)/(πt)."""
    x = mpmath.mpf(t.numerator) / t.denominator
    return mpmath.sinpi(x) / (mpmath.pi * x) if x else mpmath.mpf(1)
