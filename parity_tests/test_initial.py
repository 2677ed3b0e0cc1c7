"""Initialisers equal torch's bit for bit: in every layout, dtype, and with a generator given.

Random numbers fall into place in the order of memory, which the oracle of a drawn call, contiguous
as it is, cannot tell.
"""

from __future__ import annotations

import math

import pytest
import torch

import reimpl
from parity_tests.recipe import LAYOUTS, OVERLAPPING, Recipe

NAMES = ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_")
SHAPES = ((3, 4), (5, 3, 3, 3), (17, 2, 5), (1, 1))

everywhere = pytest.mark.parametrize("name", NAMES)


@everywhere
@pytest.mark.parametrize("layout", [n for n in LAYOUTS if n not in OVERLAPPING])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_same_numbers_in_every_layout(name: str, layout: str, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        filled = []
        for space in (reimpl, torch.nn.init):
            t = Recipe(shape, "zeros", layout).tensor(dtype)
            torch.manual_seed(5)
            assert getattr(space, name)(t) is t
            filled.append(t)
        assert torch.equal(*filled)


@everywhere
def test_a_generator_of_its_own(name: str) -> None:
    filled = []
    before = torch.random.get_rng_state()
    for space in (reimpl, torch.nn.init):
        t = torch.zeros(4, 6)
        getattr(space, name)(t, generator=torch.Generator().manual_seed(7))
        filled.append(t)
    assert torch.equal(*filled)
    assert torch.equal(torch.random.get_rng_state(), before)


@everywhere
def test_a_parameter_may_be_filled(name: str) -> None:
    weight = torch.nn.Parameter(torch.empty(3, 5))
    assert getattr(reimpl, name)(weight) is weight
    assert weight.is_leaf


@everywhere
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (2, 3, 0)])
def test_nothing_to_fill(name: str, shape: tuple[int, ...]) -> None:
    """Torch's xavier divides by a fan of zero."""
    outcomes = []
    for space in (reimpl, torch.nn.init):
        try:
            outcomes.append(getattr(space, name)(torch.empty(shape)).shape)
        except ZeroDivisionError as error:
            outcomes.append(type(error))
    assert outcomes[0] == outcomes[1]


def test_the_spread_is_what_the_formula_says() -> None:
    weight = torch.empty(400, 200, dtype=torch.float64)
    expected = {
        "xavier_uniform_": math.sqrt(2 / 600),
        "xavier_normal_": math.sqrt(2 / 600),
        "kaiming_uniform_": math.sqrt(2 / 200),
        "kaiming_normal_": math.sqrt(2 / 200),
    }
    for name, std in expected.items():
        torch.manual_seed(0)
        assert float(getattr(reimpl, name)(weight).std()) == pytest.approx(std, rel=0.01)
