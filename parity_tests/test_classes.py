"""The classes of inputs: every operator's are met by drawing, and what is not met is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from parity_tests import classes, kinds
from parity_tests.checks import CHECKS
from parity_tests.input_class import Name
from parity_tests.number_classes import in_kind
from parity_tests.op import Call, Op, from_json, to_json
from parity_tests.ops import FAMILIES, named
from parity_tests.profiles import PROFILES
from parity_tests.recipe import STATES, Recipe
from parity_tests.report.untried import coverage, in_all
from parity_tests.search import Cell, Plan, Search, examine
from parity_tests.subjects import TORCH


def searches(op: Op) -> Iterator[Search]:
    """Those of the default profile whose calls are made to meet classes."""
    plan = Plan(TORCH, PROFILES["default"], seed=0)
    counting = [check for check in CHECKS if check.name in classes.COUNTING]
    cells = [Cell(op, check, dtype, "cpu") for check in counting for dtype in check.dtypes(op)]
    # The dtypes and the check that have classes of their own come last.
    for cell in (cells[-1], *reversed(cells[:-1])):
        yield Search(cell, plan)


def never_met(op: Op) -> set[Name]:
    """The operator's classes that no call of the default profile meets; stops when all are met."""
    missing = set(classes.names_of(op))
    for search in searches(op):
        for met in search.classes_drawn(missing):
            missing -= met  # in place: the search goes by it
        if not missing:
            break
    return missing


@pytest.mark.parametrize("family", FAMILIES)
def test_the_default_profile_meets_every_class(family: str) -> None:
    """Only drawing, and asking torch what it takes."""
    assert {op.name: missing for op in FAMILIES[family] if (missing := never_met(op))} == {}


def test_a_class_that_no_call_meets_is_said_to_be_untried() -> None:
    rows = [
        {"op": "relu", "classes": [["input", "negated", 0], ["inplace", "int", 2]]},
        {"op": "relu", "classes": [["input", "negated", 0], ["inplace", "int", 0]]},
        {"op": "elu", "classes": [["input", "negated", 1]]},
    ]
    tried = coverage(rows)
    assert tried["relu"].untried == ("input: negated",)
    assert tried["elu"].untried == ()
    assert in_all(tried).line == "2 of 3 input classes tried"


def test_a_search_counts_the_classes_its_calls_met() -> None:
    """And no others: a quick search meets few."""
    (check,) = [check for check in CHECKS if check.name == "forward"]
    cell = Cell(named("leaky_relu"), check, torch.float32, "cpu")
    met = examine(cell, Plan(TORCH, PROFILES["quick"], seed=0)).ledger.classes
    assert 0 < len(met) < len(classes.names_of(cell.op))


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_number_is_passed_in_its_kind(kind: str) -> None:
    seen = []
    call = Call({"input": Recipe((2,)), "eps": 1.0}, kinds={"eps": kind})
    named("layer_norm").run(
        lambda **given: seen.append(given["eps"]), call, call.tensors(torch.float32)
    )
    assert type(seen[0]) is type(kinds.KINDS[kind](1.0))
    assert from_json(to_json(call)) == call
    assert eval(kinds.source(kind, 1.0), {"np": np, "torch": torch}) == 1


def test_what_is_left_out_is_not_passed() -> None:
    seen = {}
    call = Call({"input": Recipe((2,)), "eps": 1e-5}, kinds={"eps": kinds.LEFT_OUT})
    named("layer_norm").run(lambda **given: seen.update(given), call, call.tensors(torch.float32))
    assert "eps" not in seen


def test_rounded_numbers_are_what_their_kind_holds() -> None:
    call = Call({"input": Recipe((2,)), "eps": 1e-5})
    edited = in_kind(call, "eps", "numpy.float32")
    assert edited is not None
    assert edited.arguments["eps"] == float(np.float32(1e-5))
    assert kinds.source("numpy.float32", edited.arguments["eps"]) == "np.float32(1e-05)"


@pytest.mark.parametrize("state", STATES)
def test_a_state_leaves_numbers_and_strides_as_they_are(state: str) -> None:
    dtype = torch.complex64 if state == "conjugated" else torch.float32
    plain = Recipe((2, 3, 4), layout="permuted", seed=1)
    t, wanted = replace(plain, state=state).tensor(dtype), plain.tensor(dtype)
    if state == "zero_tensor":
        wanted = wanted * 0
    elif state != "part_of_a_base":  # which is a part of a contiguous one
        assert t.stride() == wanted.stride()
    assert torch.equal(t.detach().resolve_conj().resolve_neg(), wanted)
    assert {
        "conjugated": t.is_conj(),
        "negated": t.is_neg(),
        "inference": t.is_inference(),
        "zero_tensor": t._is_zerotensor(),
        "part_of_a_base": t._is_view(),
    }.get(state, t.requires_grad)
