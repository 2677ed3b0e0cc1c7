"""The literal definitions of the normalisations against examples by hand and identities."""

from __future__ import annotations

import math

import pytest
from mpmath import mpc, mpf

from parity_tests.definitions.array import Array
from parity_tests.definitions.dual import Dual, slope
from parity_tests.definitions.normalization import (
    batch_normalization,
    group_normalization,
    instance_normalization,
    instance_normalization_layer,
    layer_normalization,
    local_response_normalization,
    modulus,
    normalization_to_norm_one,
    rms_normalization,
)


def listed(array: Array) -> list[object]:
    return [array[i] for i in array.indices()]


def row(*values: float) -> Array:
    return Array.of((1, len(values)), list(values))


def test_groups_of_channels_by_hand() -> None:
    x = row(1.0, 3.0, 5.0, 9.0)
    assert listed(group_normalization(x, 2, eps=0)) == [-1, 1, -1, 1]
    assert listed(group_normalization(x, 2, eps=3)) == pytest.approx(
        [-0.5, 0.5, -2 / math.sqrt(7), 2 / math.sqrt(7)]
    )
    weight, bias = Array.of((4,), [1.0, 2.0, 3.0, 4.0]), Array.of((4,), [10.0] * 4)
    assert listed(group_normalization(x, 2, weight, bias, eps=0)) == [9, 12, 7, 14]


def test_one_group_is_layer_norm_and_a_group_per_channel_instance_norm() -> None:
    x = Array.of((2, 2, 3), [1.0, 4, 2, 8, 5, 7, -3, 0, 6, 2, 2, 9])
    assert listed(group_normalization(x, 1)) == listed(layer_normalization(x, (2, 3)))
    assert listed(group_normalization(x, 2)) == listed(instance_normalization(x)[0])


def test_running_statistics_of_instance_norm_are_means_over_the_batch() -> None:
    x = Array.of((2, 1, 2), [1.0, 3.0, 5.0, 9.0])  # means 2 and 7, unbiased variances 2 and 8
    zero, one = Array.of((1,), [0.0]), Array.of((1,), [1.0])
    _, mean, var = instance_normalization(x, zero, one, momentum=0.5)
    assert mean is not None
    assert var is not None
    assert (mean[0], var[0]) == (2.25, 3.0)


def test_instance_norm_by_running_statistics_is_batch_norm() -> None:
    x = Array.of((2, 1, 2), [1.0, 3.0, 5.0, 9.0])
    mean, var = Array.of((1,), [1.0]), Array.of((1,), [4.0])
    y = instance_normalization(x, mean, var, use_input_stats=False, eps=0)[0]
    assert listed(y) == listed(batch_normalization(x, mean, var, eps=0)[0]) == [0, 1, 2, 4]


def test_an_instance_norm_module_takes_a_sample_without_a_batch_and_may_be_frozen() -> None:
    x, zero = Array.of((1, 2), [1.0, 3.0]), Array.of((1,), [0.0])
    y, mean, _, count = instance_normalization_layer(
        x, True, None, None, zero, zero, zero, None, 0, rank=1
    )
    assert (y.shape, listed(y)) == ((1, 2), [-1, 1])
    assert mean is not None
    assert (mean[0], count) == (0, zero)


def test_layer_norm_by_hand() -> None:
    x = Array.of((2, 2), [1.0, 3.0, 5.0, 9.0])
    assert listed(layer_normalization(x, 2, eps=0)) == [-1, 1, -1, 1]
    weight = Array.of((2,), [10.0, 100.0])
    assert listed(layer_normalization(x, (2,), weight, weight, eps=0)) == [0, 200, 0, 200]


def test_the_root_mean_square_by_hand() -> None:
    assert listed(rms_normalization(row(1.0, 7.0), 2, eps=0)) == [0.2, 1.4]
    assert listed(rms_normalization(row(0.0, 2.0), (2,), eps=2)) == [0, 1]
    i = mpc(0, 1)  # squares, not moduli: √(i²) = i
    assert listed(rms_normalization(row(i), (1,), eps=0)) == [1]


def test_neighbouring_channels_by_hand() -> None:
    x = Array.of((1, 3, 1), [3.0, 4.0, 12.0])
    damped = local_response_normalization(x, 2, alpha=2, beta=0.5, k=0)
    assert listed(damped) == pytest.approx([1, 4 / 5, 12 / math.sqrt(160)])  # one channel back
    wide = local_response_normalization(x, 5, alpha=5, beta=0.5, k=0)
    assert listed(wide) == pytest.approx([3 / 13, 4 / 13, 12 / 13])
    whole = local_response_normalization(Array.of((1, 1, 1), [3]), 2, alpha=1, beta=1, k=1)
    assert listed(whole) == [3 / 5]  # 9 // 2 = 4


def test_norms_by_hand() -> None:
    x = row(3.0, -4.0)
    assert listed(normalization_to_norm_one(x)) == pytest.approx([0.6, -0.8])
    assert listed(normalization_to_norm_one(x, p=1)) == pytest.approx([3 / 7, -4 / 7])
    assert listed(normalization_to_norm_one(x, p=math.inf)) == [0.75, -1]
    assert listed(normalization_to_norm_one(x, eps=10)) == [0.3, -0.4]
    assert listed(normalization_to_norm_one(x, dim=0)) == [1, -1]
    assert listed(normalization_to_norm_one(x, dim=(0, -1))) == pytest.approx([0.6, -0.8])


def test_the_slope_at_a_zero_vector_is_one_over_eps() -> None:
    moving = Array.of((1, 2), [Dual(mpf(0), mpf(1)), Dual(mpf(0), 0)])
    y = normalization_to_norm_one(moving, eps=0.25)
    assert [slope(v) for v in listed(y)] == [4, 0]


def test_equal_maxima_share_the_slope() -> None:
    moving = Array.of((1, 2), [Dual(mpf(2), mpf(1)), Dual(mpf(2), 0)])
    y = normalization_to_norm_one(moving, p=math.inf)
    assert [slope(v) for v in listed(y)] == [0.25, -0.25]  # x/m with m moving by a half


def test_the_modulus_of_a_complex_number_with_a_direction() -> None:
    size = modulus(Dual(mpc(3, 4), mpc(1, 0)))
    assert (size.value, size.slope) == pytest.approx((5, mpf(3) / 5))
