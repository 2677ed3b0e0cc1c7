"""The planted faults are well made, and hunting them tells the truth about them."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import reimpl
from parity_tests import planted
from parity_tests.checks import CHECKS
from parity_tests.cli import main
from parity_tests.experiments import outputs_of
from parity_tests.ops import named
from parity_tests.planted import CONTROLS, EQUIVALENT, FAULTS
from parity_tests.planted.fault import Fault
from parity_tests.score.corpus import corpus_hash
from parity_tests.score.hunt import CORPUS as CORPUS_NAME
from parity_tests.score.hunt import fault_named, hunt
from parity_tests.score.others import METHODS, ask
from parity_tests.score.planted import BadRequest, chosen, operators_changed, verdict
from parity_tests.score.processes import Task, hunted
from parity_tests.search import rounds_of_calls
from parity_tests.seen import restored

ALL = (*FAULTS, *CONTROLS, *(fault for fault, _ in EQUIVALENT))
each = pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)


def test_names_are_unique() -> None:
    names = [fault.name for fault in ALL]
    assert sorted(set(names)) == sorted(names)


@each
def test_a_fault_is_an_operator_with_checks_to_catch_it(fault: Fault) -> None:
    assert fault.op in reimpl.__all__
    assert set(fault.expected) <= {check.name for check in CHECKS}
    assert fault.expected or fault in CONTROLS
    assert fault.name == fault.name.lower()
    assert " " not in fault.name


@each
def test_a_stand_in_has_the_operators_signature(fault: Fault) -> None:
    """But where the signature is the mistake, which contract would catch."""
    mine, rights = (inspect.signature(f) for f in (fault.broken, getattr(reimpl, fault.op)))
    names = [[(n, p.default) for n, p in s.parameters.items()] for s in (mine, rights)]
    assert names[0][: len(names[1])] == names[1] or "contract" in fault.expected


@each
def test_a_stand_in_takes_an_ordinary_call(fault: Fault) -> None:
    op = named(fault.op)
    (call, *_) = rounds_of_calls(op, "ordinary", examples=1, seed=0)
    with restored(), warnings.catch_warnings():  # some leave settings of the process otherwise
        warnings.simplefilter("ignore")
        outputs_of(op.run(fault.broken, call, call.tensors(torch.float32)))


def last(runs: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return list(runs)[-1]


def test_the_same_seed_hunts_the_same() -> None:
    first, again = (
        last(hunt("parity_tests.planted", "conv1d-same-pads-in-front", "quick", 3)) for _ in "ab"
    )
    assert first | {"seconds": 0} == again | {"seconds": 0}
    assert first["killed"]
    assert first["check"] in ("forward", "gradients")


CORPUS = """
import os, time
import reimpl
from parity_tests.planted.fault import Fault, with_arguments

def fault(name, change):
    return Fault(name=name, op="conv1d", kind="test", says="", expected=("forward",),
                 broken=with_arguments("conv1d", change))

FAULTS = (
    fault("crashes", lambda given: os.abort()),
    fault("hangs", lambda given: time.sleep(1000)),
    fault("wrong", lambda given: given.update(bias=None)),
)
"""


def test_a_crash_or_a_hang_costs_one_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_faults.py").write_text(CORPUS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("parity_tests.score.processes.HANGS", 15)
    tasks = [Task("some_faults", name, "quick", 0) for name in ("crashes", "hangs", "wrong")]
    found = {task.name: run for task, run in hunted(tasks, workers=3)}
    assert (found["crashes"]["killed"], found["crashes"]["regime"]) == (True, "crash")
    assert (found["wrong"]["killed"], found["wrong"]["check"]) == (True, "forward")
    assert not found["hangs"]["killed"]
    assert "no end of forward" in found["hangs"]["error"]


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "planted.json"
    names = [FAULTS[0].name, "conv1d-same-pads-in-front"]
    options = ["--profile=quick", "--seeds=0,1", "-n2", f"--output={output}"]
    assert main(["planted", *names, *options]) == 0
    assert "2 of 2 faults caught" in capfd.readouterr().out
    found = json.loads(output.read_text())
    assert [fault["name"] for fault in found["faults"]] == names
    assert all(run["killed"] for fault in found["faults"] for run in fault["runs"])
    assert not found["controls"]  # they go with all faults, or with a sample
    assert main(["planted", "nobody"]) == 2
    assert main(["planted", "--seeds=x"]) == 2


@pytest.mark.parametrize("control", CONTROLS, ids=lambda fault: fault.name)
def test_a_right_operator_survives_its_wrapping(control: Fault) -> None:
    found = last(hunt("parity_tests.planted", control.name, "quick", 0))
    assert not found["killed"], found
    assert found["cases"] > 50


@pytest.mark.parametrize("control", CONTROLS, ids=lambda fault: fault.name)
def test_no_other_method_finds_fault_with_a_right_operator(control: Fault) -> None:
    assert {ask(control, method) for method in METHODS} <= {False, None}


def test_other_methods_see_what_they_can_see() -> None:
    def says(name: str) -> list[bool | None]:
        return [ask(fault_named(CORPUS_NAME, name), method) for method in METHODS]

    assert says("conv2d-groups-interleaved")[0] is True
    assert says("layer-norm-constant-mean")[2] is False  # forward is right
    assert says("ideal-low-pass-excludes-the-cutoff")[0] is None  # torch has no such operator


def test_which_faults_are_run() -> None:
    assert chosen((), None, None) == list(FAULTS)
    assert len(chosen((), 2, None)) == 2
    assert chosen((), None, "HEAD") == [f for f in FAULTS if f.op in operators_changed("HEAD")]
    with pytest.raises(BadRequest, match="no changes since"):
        chosen((), None, "nowhere")


def test_a_changed_file_is_its_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\necho reimpl/fold.py\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert operators_changed("HEAD") == {"fold", "unfold", "Fold", "Unfold"}


@pytest.mark.parametrize(
    ("caught", "control", "word"),
    [
        ([{"killed": True}], [{"killed": False}], "PASS"),
        ([{"killed": False}], [{"killed": False}], "FAIL"),
        ([{"killed": True}], [{"killed": True}], "FAIL"),
        ([{"killed": False, "error": "hang"}], [{"killed": False}], "INCOMPLETE"),
        ([], [{"killed": False}], "INCOMPLETE"),
    ],
)
def test_the_verdict(caught: list[Any], control: list[Any], word: str) -> None:
    found = {"seeds": [0], "faults": [{"runs": caught}], "controls": [{"runs": control}]}
    assert verdict(found) == word


def test_the_corpus_is_as_it_was_recorded_before_its_first_run() -> None:
    folder = Path(planted.__file__).parent
    lines = (folder / "corpus.sha256").read_text(encoding="utf-8").splitlines()
    assert lines[-1].partition(" ")[0] == corpus_hash(folder)


def test_the_hash_sees_every_source(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("1")
    before = corpus_hash(tmp_path)
    (tmp_path / "a" / "c.py").write_text("")
    assert corpus_hash(tmp_path) != before
