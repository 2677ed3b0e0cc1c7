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
from parity_tests.reproduce import replay, trial_of
from parity_tests.verdict import Departure

OWN = expectations.load()


@pytest.mark.parametrize("entry", OWN, ids=lambda e: f"{e.op} {e.check} {e.reason[:40]}")
def test_still_needed(entry: Expectation) -> None:
    """The pinned case lies in the entry's own region, and still fails where it must."""
    if not entry.applies_to_this_torch():
        pytest.skip(f"the entry is for torch {entry.versions}, this is {torch.__version__}")
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
