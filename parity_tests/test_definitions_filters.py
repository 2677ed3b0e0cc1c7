"""The definitions of filters: examples worked by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from mpmath import mpf

from parity_tests.definitions.array import Array
from parity_tests.definitions.dual import Dual, atan2, is_nan, slope, value_of
from parity_tests.definitions.filters import (
    bell,
    gaussian_pyramid,
    inside,
    laplacian,
    sobel,
    sobel_magnitude,
)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("replicate", "aaaaa abcd ddddd"),
        ("symmetric", "ddcba abcd dcbaa"),
        ("reflect", "bcdcb abcd cbabc"),
        ("circular", "dabcd abcd abcda"),
    ],
)
def test_beyond_the_borders(mode: str, expected: str) -> None:
    assert "".join("abcd"[inside(i, 4, mode)] for i in range(-5, 9)) == expected.replace(" ", "")
    assert {inside(i, 1, mode) for i in range(-3, 4)} == {0}


def test_sobel_by_hand() -> None:
    """The middle of (1 2 3), (4 5 7), (2 0 1): right less left, below less above."""
    x = Array.of((3, 3), [Fraction(i) for i in (1, 2, 3, 4, 5, 7, 2, 0, 1)])
    y = sobel(x)
    assert y.shape == (2, 3, 3)
    assert y[0, 1, 1] == (2 + 0 + 1) - (1 + 2 * 2 + 3)
    assert y[1, 1, 1] == (3 + 2 * 7 + 1) - (1 + 2 * 4 + 2)
    assert laplacian(x)[1, 1] == 2 + 4 + 7 + 0 - 4 * 5


def test_magnitude_has_slope_zero_where_it_is_zero() -> None:
    flat = Array((2, 2), lambda i, j: Dual(1.0, 1.0 * (i + j)))
    assert slope(sobel_magnitude(flat)[0, 0]) == 0


def test_the_bell_adds_to_one() -> None:
    weights = bell(1.5, 4.0)
    assert list(weights) == list(range(-6, 7))
    assert sum(weights.values()) == pytest.approx(1)


def test_a_pyramid_halves() -> None:
    levels = gaussian_pyramid(Array((1, 5, 8), lambda *_: 3.0), 3)
    assert [y.shape for y in levels] == [(1, 5, 8), (1, 3, 4), (1, 2, 2)]
    assert levels[2][0, 1, 1] == pytest.approx(3.0)


def test_an_angle_and_its_slope() -> None:
    """Turning (3, 4) at unit speed: x' = −y/5, y' = x/5 turn it by a fifth of a radian."""
    angle = atan2(Dual(4.0, 0.6), Dual(3.0, -0.8))
    assert value_of(angle) == math.atan2(4, 3)
    assert slope(angle) == pytest.approx(0.2)


def test_angles_of_infinities() -> None:
    inf, nan = mpf("inf"), mpf("nan")
    assert atan2(inf, -inf) == math.atan2(math.inf, -math.inf)
    assert is_nan(atan2(inf, nan))
    assert is_nan(atan2(nan, mpf(1)))
