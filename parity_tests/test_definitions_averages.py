"""The definitions of the averages against examples worked by hand and identities."""

from __future__ import annotations

from fractions import Fraction
from math import inf, isnan

import pytest

from parity_tests.definitions.array import Array, positions
from parity_tests.definitions.averages import (
    adaptive_average_pooling,
    average_pooling,
    folding,
    power_average_pooling,
    unfolding,
    windows,
)
from parity_tests.definitions.dual import Dual, slope


def row(*values: float) -> Array:
    return Array.of((len(values),), [Fraction(v) for v in values])


def listed(array: Array) -> list[object]:
    return [array[i] for i in array.indices()]


def test_averages_by_hand() -> None:
    assert listed(average_pooling(1, row(1, 3, 5, 7, 8), 2)) == [2, 6]
    assert listed(average_pooling(1, row(1, 3, 5, 7, 8), 2, ceil_mode=True)) == [2, 6, 8]
    assert listed(average_pooling(1, row(1, 3, 5), 3, 1)) == [3]


def test_padding_counts_if_asked_but_overhang_never() -> None:
    x = row(6, 6, 6, 6)
    padded = average_pooling(1, x, 3, 2, 1, ceil_mode=True)
    assert listed(padded) == [4, 6, 3]  # (0 6 6), (6 6 6), (6 0): the last is cut to two
    assert listed(average_pooling(1, x, 3, 2, 1, True, False)) == [6, 6, 6]
    assert listed(average_pooling(1, x, 3, 2, 1, True, divisor_override=2)) == [6, 9, 3]


def test_a_window_that_would_start_behind_the_grid_is_dropped() -> None:
    assert windows(4, 2, 3, 1, True) == [range(-1, 1), range(2, 4)]
    assert windows(3, 2, 4, 1, True) == [range(-1, 1)]  # the next would start at 3


def test_integers_are_divided_towards_zero() -> None:
    assert listed(average_pooling(1, Array.of((4,), [3, 4, -3, -4]), 2)) == [3, -3]


def test_two_axes_are_one_average() -> None:
    x = Array.of((1, 2, 3), [Fraction(v) for v in range(6)])
    assert listed(average_pooling(2, x, (2, 1))) == [Fraction(3, 2), Fraction(5, 2), Fraction(7, 2)]


def test_adaptive_averages_by_hand() -> None:
    x = row(0, 1, 2, 3, 4)
    assert listed(adaptive_average_pooling(1, x, 3)) == [Fraction(1, 2), 2, Fraction(7, 2)]
    assert listed(adaptive_average_pooling(1, row(1, 3), 3)) == [1, 2, 3]
    assert listed(adaptive_average_pooling(1, x, 1)) == [2]


def test_an_adaptive_window_that_divides_is_a_regular_one() -> None:
    x = row(3, 1, 4, 1, 5, 9)
    assert listed(adaptive_average_pooling(1, x, 3)) == listed(average_pooling(1, x, 2))


def test_powers_by_hand() -> None:
    x = Array.of((4,), [3.0, 4.0, -8.0, 6.0])
    assert listed(power_average_pooling(1, x, 2, 2)) == [5, 10]
    assert listed(power_average_pooling(1, x, 1, 2)) == [7, -2]  # with its sign
    assert listed(power_average_pooling(1, x, inf, 2)) == [4, 8]
    assert listed(power_average_pooling(1, x, -inf, 2)) == [3, 6]
    assert isnan(power_average_pooling(1, x, 3, 2)[1])  # −512 + 216 has no root
    assert listed(power_average_pooling(1, x, 1, 3, 3, True)) == [-1, 18]  # 6 stands for three


def test_the_root_of_zero_has_no_slope() -> None:
    x = Array((2,), lambda i: Dual(float(i - i), 1.0))
    assert slope(power_average_pooling(1, x, 2, 2)[0]) == 0
    y = Array.of((2,), [Dual(3.0, 1.0), Dual(4.0, 0.0)])
    assert slope(power_average_pooling(1, y, 2, 2)[0]) == pytest.approx(3 / 5)


def test_columns_by_hand() -> None:
    x = Array.of((1, 2, 3), list(range(6)))
    cols = unfolding(x, 2)
    assert cols.shape == (4, 2)
    assert listed(cols) == [0, 1, 1, 2, 3, 4, 4, 5]
    assert listed(unfolding(x, (1, 2), padding=(0, 1), stride=(1, 3))) == [0, 2, 0, 5, 0, 0, 3, 0]


def test_folding_is_the_adjoint_of_unfolding() -> None:
    x = Array.of((2, 4, 3), [(7 * i) % 11 for i in range(24)])
    geometry = {"kernel_size": (2, 3), "dilation": (2, 1), "padding": 1, "stride": (1, 2)}
    there = unfolding(x, **geometry)  # type: ignore[arg-type]
    y = Array.of(there.shape, [(5 * i) % 13 for i in range(len(list(there.indices())))])
    back = folding(y, (4, 3), **geometry)  # type: ignore[arg-type]
    assert back.shape == x.shape
    product = sum(there[i] * y[i] for i in positions(there.shape))
    assert product == sum(x[i] * back[i] for i in positions(x.shape))
