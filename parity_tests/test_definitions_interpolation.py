"""The literal definition of interpolation against examples worked by hand, and identities."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from parity_tests.definitions.array import Array
from parity_tests.definitions.interpolation import (
    cubic,
    filtered,
    interpolated,
    interpolation,
    lanczos,
    row,
    step,
    triangle,
)

SMOOTH = ("linear", "bilinear", "bicubic", "trilinear")


def line(*values: int) -> Array:
    return Array.of((1, 1, len(values)), [Fraction(v) for v in values])


def image(rows: int, columns: int) -> Array:
    return Array.of((1, 1, rows, columns), [Fraction(i) for i in range(rows * columns)])


def listed(array: Array) -> list[Any]:
    return [array[i] for i in array.indices()]


def test_linear_by_hand() -> None:
    x = line(0, 4)
    assert listed(interpolation(x, size=4, mode="linear")) == [0, 1, 3, 4]
    corners = interpolation(x, size=5, mode="linear", align_corners=True)
    assert listed(corners) == [0, 1, 2, 3, 4]
    assert listed(interpolation(line(1, 2, 3, 6), size=2, mode="linear")) == [1.5, 4.5]


def test_bilinear_by_hand() -> None:
    y = interpolation(image(2, 2), size=3, mode="bilinear", align_corners=True)
    assert listed(y) == [0, 0.5, 1, 1, 1.5, 2, 2, 2.5, 3]


def test_nearest_by_hand() -> None:
    x = line(10, 20, 30)
    assert listed(interpolation(x, scale_factor=2)) == [10, 10, 20, 20, 30, 30]
    assert listed(interpolation(x, size=2)) == [10, 20]
    # Centres at ¾ and 2¼: the pixels they lie in.
    assert listed(interpolation(x, size=2, mode="nearest-exact")) == [10, 30]


def test_area_averages_overlapping_windows() -> None:
    assert listed(interpolation(line(1, 2, 3), size=2, mode="area")) == [1.5, 2.5]
    assert listed(interpolation(line(3), size=2, mode="area")) == [3, 3]


def test_the_size_is_rounded_down_in_double_precision() -> None:
    assert interpolation(line(*range(88)), scale_factor=120 / 88).shape == (1, 1, 119)


def test_a_scale_is_the_distance_of_samples_unless_recomputed() -> None:
    x, factor = line(0, 12, 24), 1.5  # ⌊4.5⌋ = 4
    kept = interpolation(x, scale_factor=factor, mode="linear")
    again = interpolation(x, scale_factor=factor, mode="linear", recompute_scale_factor=True)
    assert kept[0, 0, 3] == 12 * (Fraction(7, 2) * Fraction(1 / factor) - Fraction(1, 2))
    assert again[0, 0, 3] == 24  # 3½ · ¾ − ½ lies beyond the last centre


def test_filtering_downwards_is_a_wider_triangle() -> None:
    # Centre 2, width 2: distances ¾, ¼, ¼, ¾ from four positions, hence ¼ ¾ ¾ ¼ over 2.
    weights = filtered("bilinear", Fraction(2), 4, Fraction(2))
    assert weights == [
        (0, Fraction(1, 8)),
        (1, Fraction(3, 8)),
        (2, Fraction(3, 8)),
        (3, Fraction(1, 8)),
    ]


@pytest.mark.parametrize(
    "kernel", [triangle, cubic(Fraction(-3, 4)), cubic(Fraction(-1, 2)), lanczos]
)
def test_kernels_are_one_at_zero_and_zero_at_other_integers(kernel: Any) -> None:
    assert [abs(kernel(Fraction(t))) < 1e-12 for t in (-2, -1, 1, 2, 3)] == [True] * 5
    assert kernel(Fraction(0)) == 1


def test_cubic_reproduces_lines_inside_if_its_slope_is_keyss() -> None:
    weights = interpolated(cubic(Fraction(-1, 2)), 2, Fraction(11, 4), 9)
    assert sum(j * w for j, w in weights) == Fraction(11, 4)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area", "bilinear", "bicubic"])
@pytest.mark.parametrize(("n", "m"), [(1, 4), (5, 5), (3, 7), (9, 2)])
def test_rows_add_to_one(mode: str, antialias: bool, n: int, m: int) -> None:
    for corners in (False, True):
        for o in range(m):
            weights = row(mode, antialias, True, o, n, m, step(n, m, None, corners), corners)
            assert sum(w for _, w in weights) == 1
            assert all(0 <= j < n for j, _ in weights)
