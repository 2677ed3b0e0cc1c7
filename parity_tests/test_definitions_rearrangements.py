"""Padding, shuffles and kinds of convolution: examples worked by hand, and identities."""

from __future__ import annotations

from fractions import Fraction

import pytest

from parity_tests.definitions.array import Array
from parity_tests.definitions.convolution import convolution
from parity_tests.definitions.rearrangements import (
    channels_dealt,
    channels_from_pixels,
    depthwise,
    depthwise_separable,
    flattened,
    padded,
    padding_layer,
    pixels_from_channels,
    shuffled_grouped,
    spatially_separable,
)


def listed(array: Array) -> list[object]:
    return [array[i] for i in array.indices()]


def counted(*shape: int) -> Array:
    """1, 2, 3, … in row-major order."""
    size = 1
    for n in shape:
        size *= n
    return Array.of(shape, [Fraction(i) for i in range(1, size + 1)])


@pytest.mark.parametrize(
    ("mode", "amounts", "expected"),
    [
        ("constant", (1, 2), [9, 1, 2, 3, 4, 9, 9]),
        ("constant", (-1, 2), [2, 3, 4, 9, 9]),
        ("constant", (-1, -3), []),
        ("reflect", (2, 3), [3, 2, 1, 2, 3, 4, 3, 2, 1]),
        ("reflect", (3, -3), [4, 3, 2, 1]),
        ("replicate", (2, 1), [1, 1, 1, 2, 3, 4, 4]),
        ("replicate", (-6, 4), [4, 4]),
        ("circular", (1, 4), [4, 1, 2, 3, 4, 1, 2, 3, 4]),
        ("circular", (2, -1), [2, 3, 1, 2, 3]),  # of what the crop has left
    ],
)
def test_padding_by_hand(mode: str, amounts: tuple[int, int], expected: list[int]) -> None:
    assert listed(padded(counted(4), amounts, mode, 9)) == expected


def test_amounts_start_at_the_last_axis() -> None:
    y = padded(counted(1, 2), (0, 1, 1, 0))
    assert y.shape == (2, 3)
    assert listed(y) == [0, 0, 0, 1, 2, 0]


def test_a_padding_layer_takes_one_number_for_all_sides() -> None:
    y = padding_layer("replicate", 2)(counted(1, 1, 1), 1)
    assert (y.shape, set(listed(y))) == ((1, 3, 3), {1})


def test_shuffles_by_hand() -> None:
    assert listed(pixels_from_channels(counted(4, 1, 2), 2)) == [1, 3, 2, 4, 5, 7, 6, 8]
    assert listed(channels_dealt(counted(1, 6, 1), 2)) == [1, 4, 2, 5, 3, 6]


def test_shuffles_have_inverses() -> None:
    x = counted(2, 18, 2, 3)
    assert listed(channels_from_pixels(pixels_from_channels(x, 3), 3)) == listed(x)
    assert listed(channels_dealt(channels_dealt(x, 3), 6)) == listed(x)


def test_the_notes_kernel_separates() -> None:
    """[[.15, .2, .25], [.21, .28, .35], [.24, .32, .40]] is (.5, .7, .8) times (.3, .4, .5)."""
    column = Array.of((1, 1, 3, 1), [Fraction(v, 10) for v in (5, 7, 8)])
    row = Array.of((1, 1, 1, 3), [Fraction(v, 10) for v in (3, 4, 5)])
    whole = [Fraction(v, 100) for v in (15, 20, 25, 21, 28, 35, 24, 32, 40)]
    x = counted(1, 1, 5, 6)
    expected = convolution(x, Array.of((1, 1, 3, 3), whole), padding=1, stride=2)
    assert listed(spatially_separable(x, column, row, stride=2, padding=1)) == listed(expected)


def test_stages_one_after_the_other_give_the_same() -> None:
    """What the restricted kernels stand for: a convolution per stage."""
    x, d, p = counted(1, 2, 4, 3), counted(2, 1, 2, 2), counted(3, 2, 1, 1)
    staged = convolution(depthwise(x, d, stride=2, padding=1), p)
    assert listed(depthwise_separable(x, d, p, stride=2, padding=1)) == listed(staged)
    u, v = counted(3, 1, 2, 1), counted(3, 1, 1, 3)
    staged = depthwise(depthwise(convolution(x, p), u, padding=(1, 0)), v, padding=(0, 1))
    assert listed(flattened(x, p, u, v, padding=1)) == listed(staged)


def test_a_shuffled_grouped_convolution_by_hand() -> None:
    x, w = Array.of((1, 2, 1, 1), [3, 5]), Array.of((4, 1, 1, 1), [1, 10, 100, 1000])
    assert listed(shuffled_grouped(x, w, groups=2)) == [3, 500, 30, 5000]
