"""The literal definitions of activations, softmax and linear: by hand and by their identities."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from mpmath import mpf

import reimpl
from parity_tests.definitions import activations
from parity_tests.definitions.array import Array
from parity_tests.definitions.dual import Dual, slope


def array(*numbers: Any) -> Array:
    return Array.of((len(numbers),), list(numbers))


def listed(y: Array) -> list[Any]:
    return [y[i] for i in y.indices()]


def slopes(f: Any, *numbers: float, **options: Any) -> list[Any]:
    return [slope(v) for v in listed(f(array(*[Dual(mpf(x), 1) for x in numbers]), **options))]


def curvatures(f: Any, *numbers: float, **options: Any) -> list[Any]:
    moving = [Dual(Dual(mpf(x), 1), Dual(mpf(1), 0)) for x in numbers]
    return [slope(slope(v)) for v in listed(f(array(*moving), **options))]


def test_the_piecewise_linear_ones_by_hand() -> None:
    x = array(*map(Fraction, (-8, -1, 0, 1, 8)))
    assert listed(activations.relu(x)) == [0, 0, 0, 1, 8]
    assert listed(activations.relu6(x)) == [0, 0, 0, 1, 6]
    assert listed(activations.hardtanh(x, -2, 1)) == [-2, -1, 0, 1, 1]
    assert listed(activations.leaky_relu(x, 0.25)) == [-2, -0.25, 0, 1, 8]


def test_limits_are_truncated_for_integers() -> None:
    assert listed(activations.hardtanh(array(-3, 0, 3), -1.5, 2.5)) == [-1, 0, 2]


def test_derivatives_at_kinks() -> None:
    assert slopes(activations.relu, -1, 0, 1) == [0, 0, 1]
    assert slopes(activations.relu6, 0, 3, 6) == [0, 1, 0]
    assert slopes(activations.leaky_relu, 0, negative_slope=0.5) == [0.5]
    assert slopes(activations.elu, 0, alpha=3) == [3]
    assert curvatures(activations.elu, 0, alpha=3) == [0]
    assert slopes(activations.softplus, 0, threshold=0) == [0.5]
    assert curvatures(activations.softplus, 0, threshold=0) == [0]


def test_elu_is_max_and_min_for_positive_alpha_only() -> None:
    def by_the_formula(x: float, alpha: float) -> float:
        return max(0.0, x) + min(0.0, alpha * (2.718281828459045**x - 1))

    for x in (-2.0, -1.0, 0.0, 1.5):
        for alpha in (0.0, 0.5, 1.0, 3.0):
            (y,) = listed(activations.elu(array(x), alpha))
            assert y == pytest.approx(by_the_formula(x, alpha))
    assert listed(activations.elu(array(-1.0), -1.0)) == [pytest.approx(0.6321205588)]
    assert by_the_formula(-1.0, -1.0) == 0


def test_sigmoid_is_softplus_derived_and_one_less_its_mirror() -> None:
    for x in (-3.0, 0.0, 0.7):
        (y,), (mirrored,) = (listed(activations.sigmoid(array(mpf(v)))) for v in (x, -x))
        assert y == pytest.approx(1 - mirrored)
        assert slopes(activations.softplus, x) == [pytest.approx(y)]
        (t,) = listed(activations.tanh(array(mpf(x) / 2)))
        assert t == pytest.approx(2 * y - 1)


def test_softplus_is_linear_above_the_threshold_of_beta_x() -> None:
    assert listed(activations.softplus(array(2.5, 10.25), beta=2, threshold=4)) == [2.5, 10.25]
    assert listed(activations.softplus(array(0.0), beta=2)) == [pytest.approx(0.34657359)]


def test_softmax_sums_to_one_whatever_is_added() -> None:
    x, shifted = (Array.of((2, 3), [mpf(v + k) for v in (1, 2, 4, 0, 0, 9)]) for k in (0, 50))
    for dim, rows in ((1, [(0, 3), (3, 6)]), (0, [])):
        y = listed(activations.softmax(x, dim))
        assert y == pytest.approx(listed(activations.softmax(shifted, dim)))
        assert all(sum(y[a:b]) == pytest.approx(1) for a, b in rows)
    columns = listed(activations.softmax(x, 0))
    assert columns[0] + columns[3] == pytest.approx(1)


def test_the_softmax_family_by_hand() -> None:
    x = array(mpf(0), mpf(0))
    assert listed(activations.softmax(x, 0)) == [0.5, 0.5]
    assert listed(activations.log_softmax(x, 0)) == pytest.approx([-0.69314718] * 2)
    up, down = array(mpf(1), mpf(3)), array(mpf(-1), mpf(-3))
    assert listed(activations.softmin(up, 0)) == listed(activations.softmax(down, 0))
    one = Array((), lambda: mpf(7))
    assert activations.softmax(one, 0)[()] == 1


def test_the_axis_that_torch_once_chose() -> None:
    ones = {rank: Array((2,) * rank, lambda *_: mpf(1)) for rank in (1, 2, 3, 4)}
    for rank, dim in ((1, 0), (2, 1), (3, 0), (4, 1)):
        x = Array(ones[rank].shape, lambda *i: mpf(sum(k * n for k, n in enumerate(i, 1))))
        assert listed(activations.softmax(x)) == listed(activations.softmax(x, dim))


def test_linear_by_hand() -> None:
    x = Array.of((2, 2), [1, 2, 3, 4])
    w, b = Array.of((1, 2), [10, 1]), Array.of((1,), [100])
    assert listed(activations.linear(x, w, b)) == [112, 134]
    y = activations.linear(x, Array.of((2,), [10, 1]))
    assert (y.shape, listed(y)) == ((2,), [12, 34])
    number = activations.linear(array(1, 2), array(3, 4), Array((), lambda: 5))
    assert (number.shape, number[()]) == ((), 16)


def test_hardtanh_takes_the_names_it_had() -> None:
    with pytest.warns(FutureWarning):
        limits = reimpl.Hardtanh(min_value=-2.0, max_value=0.5)
    assert (limits.min_val, limits.max_val) == (-2.0, 0.5)
