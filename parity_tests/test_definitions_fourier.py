"""The definitions of the transforms and filters against examples worked by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import pytest

from parity_tests.definitions.array import Array
from parity_tests.definitions.dual import Dual, real_part, slope
from parity_tests.definitions.fourier import (
    along_one,
    along_several,
    gaussian,
    ideal,
    pass_filter,
    square_of_frequency,
)

fft, ifft = (along_one(inverse=way) for way in (False, True))
fftn, ifftn = (along_several(inverse=way) for way in (False, True))


def row(*values: float) -> Array:
    return Array.of((len(values),), [mpmath.mpf(v) for v in values])


def listed(array: Array) -> list[Any]:
    return [complex(array[i]) for i in array.indices()]


def test_four_numbers_by_hand() -> None:
    assert listed(fft(row(1, 2, 3, 4))) == [10, -2 + 2j, -2, -2 - 2j]
    assert listed(ifft(row(1, 2, 3, 4))) == [2.5, -0.5 - 0.5j, -0.5, -0.5 + 0.5j]


def test_norms() -> None:
    x = row(1, 2, 3, 4)
    assert listed(fft(x, norm="ortho")) == [5, -1 + 1j, -1, -1 - 1j]
    assert listed(fft(x, norm="forward"))[0] == 2.5
    assert listed(ifft(x, norm="forward"))[0] == 10


def test_trimmed_and_padded() -> None:
    x = row(1, 2, 3)
    assert listed(fft(x, 2)) == [3, -1]
    assert listed(fft(x, 4)) == [6, -2 - 2j, 2, -2 + 2j]


def test_two_axes_by_hand() -> None:
    x = Array.of((2, 2), [mpmath.mpf(v) for v in (1, 2, 3, 4)])
    assert listed(fftn(x)) == [10, -2, -4, 0]
    assert listed(fftn(x, dim=(0,))) == [4, 6, -2, -2]
    assert listed(fftn(x, s=(1,))) == [1, 3]
    assert listed(ifftn(fftn(x))) == [1, 2, 3, 4]


def test_a_slope_is_transformed_as_a_number_is() -> None:
    x = Array.of((2,), [Dual(mpmath.mpf(3), mpmath.mpf(1)), Dual(mpmath.mpf(5), 0)])
    assert [slope(fft(x)[k]) for k in range(2)] == [1, 1]
    assert slope(real_part(fft(x)[0])) == 1


def test_frequencies_run_to_a_half_on_either_side() -> None:
    squares = [square_of_frequency((k,), (4,)) for k in range(4)]
    assert squares == [0, Fraction(1, 16), Fraction(1, 4), Fraction(1, 16)]
    assert square_of_frequency((1, 1), (2, 4)) == Fraction(5, 16)


@pytest.mark.parametrize("mask", [ideal, gaussian])
def test_filters_of_a_step(mask: Any) -> None:
    x = Array.of((1, 2), [mpmath.mpf(0), mpmath.mpf(4)])
    m = mask(Fraction(1, 4), 0.25)  # of the wave (2, -2), beside the mean of 2
    assert listed(pass_filter(mask)(x, 0.25)) == pytest.approx([2 - 2 * m, 2 + 2 * m])
    high = listed(pass_filter(mask, high=True)(x, 0.25))
    assert high == pytest.approx([2 * m - 2, 2 - 2 * m])
