"""Conditions say what they say, and nothing but conditions is accepted."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity_tests import condition, expectations
from parity_tests.condition import BadCondition
from parity_tests.op import Call
from parity_tests.recipe import Recipe

CALL = Call(
    {"input": Recipe((2, 3, 4), layout="permuted"), "mode": "area", "stride": (1, 2), "bias": None},
    wanted=("input",),
)
NAMES = {**CALL.arguments, **CALL.recipes(), "call": CALL, "not_finite": lambda _: False}

TRUE = (
    "True",
    'len(input.shape) == 3 and input.layout != "contiguous"',
    'call.arguments.get("mode", "bilinear") in ("area", "nearest")',
    'call.recipes().get("weight") is None and "input" in call.wanted',
    "any(len(r.shape) > 2 for name, r in call.recipes().items() if name in ('input',))",
    "1 < stride[1] <= 2 and input.shape[:2] == (2, 3)",
    "not not_finite(call) and -stride[0] + 7 % 4 == 2",
    "bias is None or bias.shape[0] > 1",
)

REFUSED = (
    "().__class__.__base__.__subclasses__()",
    "input.__class__",
    "call.replace()",
    "__import__('os').system('true')",
    "open('/etc/passwd')",
    "(lambda: 1)()",
    "[x for x in ()]",
    "{**call.arguments}",
    "f'{input.__init__.__globals__}'",
    "(x := 1)",
    "'a' * 10**9",
    "2 ** 2 ** 30",
    "call.one_in(1, 'x')",
    "input.tensor(1)",
    "all(x for x in call.wanted for y in call.wanted)",
    "not_finite.__globals__",
    "max(call.arguments).format(call)",
    "missing == 1",
    "call.recipes",
    "a b",
    "x" * 2000,
)


@pytest.mark.parametrize("text", TRUE)
def test_true(text: str) -> None:
    assert condition.holds(text, NAMES)
    assert not condition.holds(f"not ({text})", NAMES)


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises((BadCondition, AttributeError, TypeError)):
        condition.holds(text, NAMES)


def test_every_listed_condition_is_one() -> None:
    assert all(condition.parsed(entry.when) is not None for entry in expectations.load())


PIECES = (
    "call",
    "input",
    "(",
    ")",
    "[",
    "]",
    ".",
    "shape",
    "and",
    "not",
    "in",
    "1",
    "'a'",
    "for",
    "x",
    ",",
    "==",
    "*",
    "__class__",
    "get",
    "len",
    "lambda",
    ":",
    "if",
    "else",
    "**",
    "{",
    "}",
)


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_any_text_is_a_condition_or_an_error_of_its_own(text: str) -> None:
    allowed: Any = (
        BadCondition,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    )
    with contextlib.suppress(*allowed):
        condition.holds(text, NAMES)
