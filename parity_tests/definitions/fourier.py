"""The Fourier transform as its sum, and filters as masks on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from math import lcm, prod
from typing import Any

import mpmath

from parity_tests.definitions.array import Array, Index, positions
from parity_tests.definitions.dual import exp, real_part

Norm = str | None


def unit_root(k: int, n: int) -> Any:
    """e^(2πi·k/n)."""
    return root_in(mpmath.mp.prec, k % n, n)


@lru_cache(4096)
def root_in(precision: int, k: int, n: int) -> Any:
    """The same in so many bits, to which mpmath must be set."""
    assert precision == mpmath.mp.prec
    return mpmath.expjpi(2 * mpmath.mpf(k) / n)


def transform(
    input: Array, sizes: Index, axes: Sequence[int], norm: Norm, *, inverse: bool
) -> Array:
    """y[k] = s·Σ_j x[j]·e^(∓2πi·Σ_a j_a·k_a/n_a), x being 0 where it has no entry."""
    axes = [axis % len(input.shape) for axis in axes]
    lengths = dict(zip(axes, sizes, strict=True))
    shape = tuple(lengths.get(d, n) for d, n in enumerate(input.shape))
    sign, n, common = 1 if inverse else -1, prod(sizes), lcm(*sizes)
    scaled = (norm or "backward") == ("backward" if inverse else "forward")

    def y(*k: int) -> Any:
        total: Any = mpmath.mpc(0)
        for j in positions(tuple(min(lengths[a], input.shape[a]) for a in axes)):
            place, there = list(k), dict(zip(axes, j, strict=True))
            for axis in axes:
                place[axis] = there[axis]
            turns = sum(there[a] * k[a] * (common // lengths[a]) for a in axes)
            total = input[tuple(place)] * unit_root(sign * turns, common) + total
        return total / n if scaled else total / mpmath.sqrt(n) if norm == "ortho" else total

    return Array(shape, y)


def along_one(*, inverse: bool) -> Callable[..., Array]:
    """The definition of fft or ifft."""

    def definition(input: Array, n: int | None = None, dim: int = -1, norm: Norm = None) -> Array:
        size = input.shape[dim] if n is None else n
        return transform(input, (size,), (dim,), norm, inverse=inverse)

    return definition


def along_several(*, inverse: bool) -> Callable[..., Array]:
    """The definition of fftn or ifftn."""

    def definition(input: Array, s: Any = None, dim: Any = None, norm: Norm = None) -> Array:
        count = len(input.shape) if s is None else len(s)
        axes = tuple(range(-count, 0)) if dim is None else tuple(dim)
        sizes = tuple(-1 for _ in axes) if s is None else tuple(s)
        sizes = tuple(input.shape[a] if n == -1 else n for n, a in zip(sizes, axes, strict=True))
        return transform(input, sizes, axes, norm, inverse=inverse)

    return definition


def square_of_frequency(k: Index, sizes: Index) -> Fraction:
    """|f|², in cycles per sample: f = k/n, or k/n − 1 from the middle on."""
    pairs = zip(k, sizes, strict=True)
    return sum((Fraction(i if 2 * i < n else i - n, n) ** 2 for i, n in pairs), Fraction(0))


def ideal(square: Fraction, cutoff: float) -> Any:
    """1 up to the cutoff."""
    return 1 if square <= Fraction(cutoff) ** 2 else 0


def gaussian(square: Fraction, cutoff: float) -> Any:
    """e^(−|f|²/(2·cutoff²))."""
    return exp(-mpmath.mpf(square.numerator) / square.denominator / (2 * mpmath.mpf(cutoff) ** 2))


def pass_filter(
    mask: Callable[[Fraction, float], Any], *, high: bool = False
) -> Callable[..., Array]:
    """The definition of a filter: the transform of an image times the mask, transformed back."""

    def definition(input: Array, cutoff: float) -> Array:
        sizes, axes = input.shape[-2:], (-2, -1)
        spectrum = transform(input, sizes, axes, None, inverse=False)

        def masked(*k: int) -> Any:
            m = mask(square_of_frequency(k[-2:], sizes), cutoff)
            return spectrum[k] * (1 - m if high else m)

        y = transform(Array(input.shape, masked), sizes, axes, None, inverse=True)
        return Array(input.shape, lambda *i: real_part(y[i]))

    return definition
