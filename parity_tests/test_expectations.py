"""The excuses: each must still be needed, and none may excuse the subject."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from parity_tests import expectations
from parity_tests.expectations import BadExpectations, Expectation
from parity_tests.reproduce import replay, script, trial_of
from parity_tests.trial import Departure

OWN = expectations.load()


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
    with pytest.raises(Departure):
        replay(trial)


def died_in_a_process_of_its_own(case: str) -> bool:
    process = subprocess.run(
        [sys.executable, "-m", "parity_tests", "replay", case],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONFAULTHANDLER": ""},
    )
    return process.returncode < 0


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
    b = b.to(a.dtype)
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
    """What the suite says of the pinned case."""
    with pytest.raises(Departure) as caught:
        replay(trial_of({**entry.case, "subject": "torch"}))
    return caught.value


def test_scripts_show_the_faults_without_the_suite() -> None:
    """In an interpreter that knows torch and NumPy, and nothing of this project."""
    entries = [
        e
        for e in OWN
        if e.strict and not e.crashes and e.case["check"] in ("forward", "gradients", "second")
        if e.applies_here()
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
