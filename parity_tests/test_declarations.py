"""The declarations are complete and true, and what is drawn from them covers what it must."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest
import torch

import reimpl
from parity_tests import expectations, experiments
from parity_tests.checks import CHECKS
from parity_tests.op import Bad, Call, Op, from_json, to_json
from parity_tests.ops import OPS
from parity_tests.profiles import PROFILES
from parity_tests.search import Cell, Plan, Search, examine, rounds_of_calls
from parity_tests.strategies import REGIMES, Pair, feasible_pairs, varied
from parity_tests.subjects import TORCH, load
from parity_tests.trial import torchs

OWN = expectations.load()

everywhere = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)


def test_every_public_name_is_declared_once() -> None:
    declared = [op.name for op in OPS]
    assert sorted([*declared, "everywhere"]) == sorted(reimpl.__all__)


@everywhere
def test_nothing_is_left_out(op: Op) -> None:
    assert op.bad, "no bad calls"
    if len(op.parameters.parameters) > 1:
        assert op.levels, "no parameter levels to cover"
    assert op.order >= 2 or not op.differentiable, "second derivatives are the default"
    doc = inspect.getdoc(getattr(reimpl, op.name)) or ""
    for part in ("=", "Shapes:", "Backward", "Source:", ">>>"):
        assert part in doc or "see :" in doc, f"the docstring lacks {part}, or says where it is"


@everywhere
def test_the_signature_is_torchs(op: Op) -> None:
    """By inspection where torch can be inspected; the contract check binds calls in any case."""
    try:
        signature = inspect.signature(torchs(op))
    except ValueError:
        return
    declared = [(n, p.default) for n, p in op.parameters.parameters.items()]
    given = [(n, p.default) for n, p in signature.parameters.items()]
    if not any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        assert declared[: len(given)] == given


@everywhere
@pytest.mark.parametrize("regime", REGIMES)
def test_calls_survive_json_and_torch_takes_them(op: Op, regime: str) -> None:
    for call in rounds_of_calls(op, regime, examples=8, seed=3):
        assert from_json(to_json(call)) == call
        other = varied(call, regime)
        try:
            experiments.forward(op, torchs(op), other, other.tensors(torch.float64), None)  # type: ignore[arg-type]
        except Exception:
            if not any(e.covers(op.name, "forward", torch.float64, "cpu", other) for e in OWN):
                raise


@everywhere
def test_the_default_profile_meets_every_pair(op: Op) -> None:
    """The covering set at work: only drawing, no computing."""
    (check,) = [c for c in CHECKS if c.name == "forward"]
    plan = Plan(TORCH, PROFILES["default"], seed=0)
    met: set[Pair] = set()
    for dtype in check.dtypes(op):
        met |= Search(Cell(op, check, dtype, "cpu"), plan).pairs_drawn()
    assert feasible_pairs(op) <= met


@everywhere
def test_torch_rejects_every_bad_call(op: Op) -> None:
    """A bad call that torch takes would test nothing."""
    (check,) = [c for c in CHECKS if c.name == "errors"]
    outcome = examine(Cell(op, check, None, "cpu"), Plan(TORCH, PROFILES["default"], seed=0))
    never = {f"{bad.argument}: {bad.what}" for bad in op.bad} - set(outcome.ledger.rejected)
    assert not never


def test_the_same_seed_gives_the_same_calls() -> None:
    one, again, other = (
        [str(c) for c in rounds_of_calls(OPS[1], "ordinary", examples=5, seed=s)] for s in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_recipes_give_the_same_numbers_in_every_dtype() -> None:
    (call,) = list(rounds_of_calls(OPS[1], "ordinary", examples=1, seed=5))[:1]
    wide, narrow = (call.tensors(d)["input"] for d in (torch.float64, torch.float32))
    assert torch.equal(wide.float(), narrow)


def test_reimpl_imports_torch_and_the_standard_library_alone() -> None:
    allowed = {"torch", "reimpl", *sys.stdlib_module_names}
    for file in Path(reimpl.__file__).parent.rglob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(("import ", "from ")):
                assert line.split()[1].split(".")[0] in allowed, f"{file.name}: {line}"


def test_bad_calls_name_their_argument() -> None:
    for op in OPS:
        for bad in op.bad:
            assert isinstance(bad, Bad)
            assert bad.argument.isidentifier()


def test_a_call_prints_in_a_line() -> None:
    (call,) = list(rounds_of_calls(OPS[0], "layout", examples=1, seed=1))[:1]
    assert isinstance(call, Call)
    assert "\n" not in str(call)


def test_subjects_are_found_by_name() -> None:
    assert load("torch") is TORCH
    assert load("reimpl").find("conv2d") is reimpl.conv2d
    assert load("torch.nn:functional").find("conv2d") is torch.nn.functional.conv2d
    assert load("reimpl").find("no_such_operator") is None
