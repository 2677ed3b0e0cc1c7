"""The definitions of maxima, by hand-computed examples and by what they must have in common.

The pooled arrays here are small enough to be read: nothing is copied from torch.
"""

from __future__ import annotations

from math import inf, nan

import pytest
import torch
from torch.nn import functional

import reimpl
from parity_tests.definitions.array import Array
from parity_tests.definitions.dual import Dual, slope
from parity_tests.definitions.maxima import adaptive_max_pooling, max_pooling, max_unpooling


def line(*numbers: object) -> Array:
    return Array.of((1, 1, len(numbers)), list(numbers))


def row(array: Array) -> list[object]:
    return [array[i] for i in array.indices()]


def both(result: tuple[Array, Array]) -> tuple[list[object], list[object]]:
    return row(result[0]), row(result[1])


def test_the_maximum_of_every_window_and_its_place() -> None:
    pooled = max_pooling(1, line(3, 1, 4, 1, 5, 9), 2, return_indices=True)
    assert both(pooled) == ([3, 4, 9], [0, 2, 5])


def test_the_first_of_equals_and_the_last_nan() -> None:
    assert both(max_pooling(1, line(2, 2, 1), 3, return_indices=True)) == ([2], [0])
    values, places = both(max_pooling(1, line(nan, 7, nan, inf), 4, return_indices=True))
    assert values[0] != values[0]
    assert places == [2]


def test_a_zero_is_a_zero() -> None:
    (value,), (place,) = both(max_pooling(1, line(-0.0, 0.0), 2, return_indices=True))
    assert str(value) == "-0.0"
    assert place == 0


def test_padding_never_wins() -> None:
    pooled = max_pooling(1, line(-inf, -inf, -3), 2, 1, padding=1, return_indices=True)
    assert both(pooled) == ([-inf, -inf, -3, -3], [0, 0, 2, 2])


def test_a_window_between_whose_taps_the_input_lies() -> None:
    pooled = max_pooling(1, line(1, 2), 2, 1, 1, 3, return_indices=True)
    assert both(pooled) == ([-inf], [2])


def test_rounding_up_adds_a_window_unless_it_would_start_behind() -> None:
    assert row(max_pooling(1, line(1, 2, 3, 4, 5), 2, 2)) == [2, 4]
    assert row(max_pooling(1, line(1, 2, 3, 4, 5), 2, 2, ceil_mode=True)) == [2, 4, 5]
    assert row(max_pooling(1, line(1, 2, 3), 1, 2, ceil_mode=True)) == [1, 3]
    assert row(max_pooling(1, line(1, 2, 3), 2, 4, 1, ceil_mode=True)) == [1]


def test_planes_are_read_row_by_row() -> None:
    image = Array.of((1, 2, 3), [1, 2, 0, 4, 4, 5])
    assert both(max_pooling(2, image, (2, 2), 1, return_indices=True)) == ([4, 5], [3, 5])


def test_adaptive_windows_cover_everything_and_overlap() -> None:
    pooled = adaptive_max_pooling(1, line(1, 2, 3, 4, 5), 3, return_indices=True)
    assert both(pooled) == ([2, 4, 5], [1, 3, 4])
    assert row(adaptive_max_pooling(1, line(1, 2), 4)) == [1, 1, 2, 2]
    assert row(adaptive_max_pooling(2, Array.of((1, 2, 2), [1, 2, 3, 4]), (1, None))) == [3, 4]


def test_pooling_to_what_divides_is_pooling() -> None:
    x = line(6, 1, 4, 4, 2, 9)
    assert row(adaptive_max_pooling(1, x, 3)) == row(max_pooling(1, x, 2))


def test_unpooling_undoes_pooling_at_the_maxima() -> None:
    x = line(3, 1, 4, 1, 5, 9)
    y, places = max_pooling(1, x, 2, return_indices=True)
    back = max_unpooling(1, y, places, 2)
    assert row(back) == [3, 0, 4, 0, 0, 9]
    assert both(max_pooling(1, back, 2, return_indices=True)) == (row(y), row(places))


def test_the_last_of_several_stays() -> None:
    assert row(max_unpooling(1, line(5, 7), line(2, 2), 2)) == [0, 0, 7, 0]


def test_an_output_size_is_taken_with_or_without_batch_and_channels() -> None:
    y, places = line(5, 7), line(1, 4)
    assert row(max_unpooling(1, y, places, 2, output_size=[5])) == [0, 5, 0, 0, 7]
    assert max_unpooling(1, y, places, 2, output_size=(1, 1, 5)).shape == (1, 1, 5)


def test_the_slope_is_the_maximums() -> None:
    (y,) = row(max_pooling(1, line(Dual(1, 10), Dual(3, 20), Dual(3, 30)), 3))
    assert slope(y) == 20


# --- what no drawn call can show ---


@pytest.mark.parametrize("stride", [None, 2])
def test_the_notes_example(stride: int | None) -> None:
    """(1, 64, 224, 224) integers from 0 to 224 as float32, kernel 2, stride 2."""
    random = torch.Generator().manual_seed(0)
    x = torch.randint(0, 225, (1, 64, 224, 224), generator=random).float().requires_grad_()
    ours = reimpl.max_pool2d(x, 2, stride, return_indices=True)
    torchs = functional.max_pool2d(x, 2, stride, return_indices=True)
    for got, wanted in zip(ours, torchs, strict=True):
        assert torch.equal(got, wanted)
    cotangent = torch.rand(torchs[0].shape, generator=random)
    gradients = [torch.autograd.grad(y, x, cotangent)[0] for y in (ours[0], torchs[0])]
    assert torch.equal(*gradients)


def test_every_one_of_several_gets_the_gradient() -> None:
    """Torch's backward of unpooling, which is not its forward's derivative (pytorch#80204)."""
    y = torch.tensor([[5.0, 7.0]], requires_grad=True)
    at, cotangent = torch.tensor([[2, 2]]), torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    for namespace in (reimpl, functional):
        x = namespace.max_unpool1d(y, at, (2,))
        assert x.tolist() == [[0, 0, 7, 0]]
        assert torch.autograd.grad(x, y, cotangent)[0].tolist() == [[3, 3]]


def test_unpooling_maps_over_indices() -> None:
    y, at = torch.rand(3, 2, 4), torch.arange(24).view(3, 2, 4) % 8
    mapped = torch.func.vmap(lambda y, i: reimpl.max_unpool1d(y, i, (2,)))(y, at)
    assert torch.equal(mapped, functional.max_unpool1d(y, at, (2,)))
    one = torch.func.vmap(lambda i: reimpl.max_unpool1d(y[0], i, (2,)))(at)
    assert torch.equal(one[1], functional.max_unpool1d(y[0], at[1], (2,)))
