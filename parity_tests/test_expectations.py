"""The excuses: each must still be needed, and none may excuse the subject."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from parity_tests import expectations, subjects
from parity_tests.checks import CHECKS
from parity_tests.expectations import BadExpectations, Expectation, excuse, named_by
from parity_tests.ledger import Ledger
from parity_tests.op import Call, Op
from parity_tests.ops import OPS
from parity_tests.reproduce import replay, script, trial_of
from parity_tests.search import rounds_of_calls
from parity_tests.strategies import varied
from parity_tests.trial import Departure, Trial

OWN = expectations.load()
REIMPL = subjects.load("reimpl")


@pytest.mark.parametrize("entry", OWN, ids=lambda e: f"{e.op} {e.check} {e.reason[:40]}")
def test_still_needed(entry: Expectation) -> None:
    """The pinned case lies in the entry's own region, and still fails where it must."""
    if not entry.applies_here():
        meant = f"torch {entry.versions or 'any'}, a processor without {entry.processor_lacks}"
        pytest.skip(f"the entry is for {meant}; this is torch {torch.__version__}")
    trial = trial_of({**entry.case, "subject": "torch"})
    assert entry.covers(trial.op.name, trial.check, trial.dtype, trial.device, trial.call)
    if entry.crashes:
        died = died_in_a_process_of_its_own(entry.pinned)
        assert died or not entry.strict
        return
    if not entry.strict:
        return  # depends on memory or on the processor: nothing to hold it to
    assert departure_of(entry)


def others(entry: Expectation) -> tuple[Expectation, ...]:
    """All entries but one: what they say of the same call is not what is looked for."""
    return tuple(other for other in OWN if other is not entry and not other.crashes)


def died_in_a_process_of_its_own(case: str) -> bool:
    process = subprocess.run(
        [sys.executable, "-m", "parity_tests", "replay", case],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONFAULTHANDLER": ""},
    )
    return process.returncode < 0


def test_each_entry_says_how_it_fails() -> None:
    for entry in OWN:
        assert entry.crashes or entry.kind != "*", entry.reason


@cache
def drawn(op: Op, regime: str) -> list[Call]:
    """A few calls of the operator, as a search would vary them; none is run."""
    return [varied(call, regime) for call in rounds_of_calls(op, regime, examples=8, seed=0)]


def share(entry: Expectation, op: Op) -> float:
    """How much of the operator's calls lies in the entry's region, in the checks that it names."""
    checks = [c for c in CHECKS if named_by(entry.check, c.name) and c.dtypes(op) and not c.devices]
    regimes = {regime for check in checks for regime in check.regimes} - {"large"}
    calls = [call for regime in sorted(regimes) for call in drawn(op, regime)]
    return sum(map(entry.region, calls)) / max(1, len(calls))


SMALL_SHARE = 0.2


def test_a_region_is_a_small_share_of_the_calls_or_says_why_not() -> None:
    for entry in OWN:
        shares = {op.name: share(entry, op) for op in OPS if named_by(entry.op, op.name)}
        widest = max(shares, key=lambda name: shares[name])
        said = f"{entry.op}: {entry.reason} covers {shares[widest]:.0%} of {widest}'s calls"
        assert shares[widest] <= SMALL_SHARE or entry.broad, said


VALUE = {"kind": "value", "result": "output", "got": 1.01, "expected": 1.0, "largest": 1.0}


@pytest.mark.parametrize(
    ("says", "details", "fits"),
    [
        ({}, VALUE, True),
        ({"kind": "value|oracle"}, VALUE, True),
        ({"kind": "exception"}, VALUE, False),
        ({"result": "gradient of *"}, VALUE, False),
        ({"result": "gradient of *|output"}, VALUE, True),
        ({"within": 0.02}, VALUE, True),
        ({"within": 0.02}, VALUE | {"got": 1.03}, False),
        ({"within": 0.02}, VALUE | {"got": math.nan}, False),
        ({"within": 0.02}, VALUE | {"got": "(1+1j)", "expected": "(1+1.01j)"}, True),
        # Of 100 with the bound 2^-24 · 100, all but 1 cancelled.
        ({"within": 0.02}, VALUE | {"got": 2.0, "bound": 100 * 2.0**-24}, True),
        ({"within": 0.02}, VALUE | {"largest": 0.0}, False),
        ({"within": 0.02}, {"kind": "exception"}, True),  # has no numbers
    ],
)
def test_a_departure_is_excused_only_where_it_fails_as_the_entry_says(
    says: dict[str, Any], details: dict[str, Any], fits: bool
) -> None:
    entry = Expectation("relu", "forward", "because", "{}", **says)
    assert entry.fits(details, torch.bfloat16) is fits


def layer_norms_wrong_gradient(trial: Trial, result: str, got: float) -> bool:
    """Whether torch is excused for it."""
    trial = replace(trial, subject=REIMPL, ledger=Ledger(), expectations=OWN)
    details = {"kind": "value", "result": result, "got": got, "expected": 1.0, "largest": 1.0}
    trial.blame("torch", "wrong", **details)
    return not trial.ledger.fault_count


def test_the_entry_of_16_bit_layer_norm_hides_no_other_fault() -> None:
    (entry,) = (e for e in OWN if "layer norm keeps the mean" in e.reason)
    trial = trial_of({**entry.case, "subject": "torch"})
    assert layer_norms_wrong_gradient(trial, "gradient of weight", 1.004)
    assert not layer_norms_wrong_gradient(trial, "gradient of weight", 1.1)
    assert not layer_norms_wrong_gradient(trial, "gradient of input", 1.1)
    assert not layer_norms_wrong_gradient(trial, "output", 1.004)
    trial = replace(trial, subject=REIMPL, ledger=Ledger(), expectations=OWN)
    trial.blame("torch", "torch raised RuntimeError", kind="exception")
    assert trial.ledger.fault_count == 1


def test_reasons_are_sentences_about_torch() -> None:
    for entry in OWN:
        assert entry.subject == "torch"
        assert len(entry.reason.split()) > 5


@pytest.mark.parametrize("missing", ["op", "check", "reason", "pinned"])
def test_an_entry_says_what_it_must(tmp_path: Path, missing: str) -> None:
    entry = {"op": "conv2d", "check": "forward", "reason": "because", "pinned": "{}"}
    del entry[missing]
    lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
    file = tmp_path / "own.toml"
    file.write_text("\n".join(["[[known]]", *lines]))
    with pytest.raises(BadExpectations, match=missing):
        expectations.load(file)


def test_an_unknown_key_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    keys = 'op="a"\ncheck="b"\nreason="c"\npinned="{}"\nstrickt=false\n'
    file.write_text(f"[[known]]\n{keys}")
    with pytest.raises(BadExpectations, match="strickt"):
        expectations.load(file)


RUN_ALL = """
import json, sys, torch

def differs(a, b):
    if isinstance(a, str) or isinstance(b, str):
        return a != b
    a, b = a.detach(), b.detach().to(a.dtype)
    return bool(((a != b) & ~((a != a) & (b != b))).any())

shown = []
for source in json.load(sys.stdin):
    names = {"__name__": "script", "print": lambda *_, **__: None}
    exec(source, names)
    got, expected = names["got"], names["expected"]
    if isinstance(got, str) or isinstance(expected, str):
        shown.append(True)  # torch raises
    elif "defined" in names:
        shown.append(names["found"] != names["defined"])
    else:
        shown.append(any(map(differs, got, expected)))
print(json.dumps(shown))
"""


def departure_of(entry: Expectation) -> Departure:
    """How the pinned case fails as the entry says, first of all or where others excuse the rest."""
    case = {**entry.case, "subject": "torch"}
    for known in ((), others(entry)):
        try:
            replay(trial_of(case, known))
        except Departure as departure:
            if entry.fits(departure.details, trial_of(case).dtype):
                return departure
    pytest.fail(f"the pinned case does not fail as the entry says: {entry.reason}")


def test_scripts_show_the_faults_without_the_suite() -> None:
    """In an interpreter that knows torch and NumPy, and nothing of this project."""
    entries = [
        e
        for e in OWN
        if e.strict and not e.crashes and e.applies_here()
        if e.case["check"] in ("forward", "gradients", "second")
    ]
    assert len(entries) > 30
    scripts = [
        script(trial_of({**e.case, "subject": "torch"}), departure_of(e).details) for e in entries
    ]
    assert not [s for s in scripts if "parity_tests" in s]
    process = subprocess.run(
        [sys.executable, "-I", "-c", RUN_ALL],
        input=json.dumps(scripts),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = json.loads(process.stdout.splitlines()[-1])
    hidden = [e.reason for e, seen in zip(entries, shown, strict=True) if not seen]
    assert not hidden


def test_an_entry_excuses_the_results_it_names() -> None:
    (entry,) = [e for e in OWN if "layer norm keeps the mean" in e.reason]
    trial = replace(trial_of(entry.case), expectations=(entry,))
    assert excuse(trial) is entry
    assert excuse(trial, details={"kind": "value", "result": "gradient of weight"}) is entry
    assert excuse(trial, details={"kind": "value", "result": "output"}) is None
    assert excuse(trial, details={"kind": "exception"}) is None
