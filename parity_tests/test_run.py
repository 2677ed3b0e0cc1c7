"""The run as its users meet it: options, exit codes, interruption, crashes, reproduction."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from parity_tests.ledger import Ledger
from parity_tests.plugin import DEFAULTS
from parity_tests.run import BadOption, Run
from parity_tests.search import Cell, Outcome, Plan

OPTIONS = {name: default for name, (default, _) in DEFAULTS.items()}

BROKEN = """
import os
import torch.nn.functional as F

def conv1d(*tensors, **options):
    return F.conv1d(*tensors, **options) * 1.001

def conv2d(*tensors, **options):
    os.abort()

def conv3d(*tensors, **options):
    import time
    time.sleep(0.2)
    return F.conv3d(*tensors, **options)
"""

# On a CI system pytest's summary repeats the whole message of every failure.
NO_CI = {"CI": "", "BUILD_NUMBER": ""}

HANGING = """
import time
from torch.nn.functional import conv2d

def conv1d(*tensors, **options):
    time.sleep(1000)
"""


def suite(folder: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    """The command line in a folder of its own, narrowed down to be quick."""
    (folder / "brokenkernels.py").write_text(BROKEN)
    (folder / "hangingkernels.py").write_text(HANGING)
    here = Path(__file__).parents[1]
    paths = os.pathsep.join([str(folder), str(here)])
    return subprocess.Popen(
        [sys.executable, "-m", "parity_tests", "run", "-n", "1", "--", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONFAULTHANDLER": "", **NO_CI, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell starts its background jobs with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def report_in(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "reports" / "report.json").read_text())


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("subject", "no_such_module", "unknown subject 'no_such_module'"),
        ("subject", "torch:no.such", "has no attribute"),
        ("subject", ":conv2d", "unknown subject ':conv2d': ValueError"),
        ("subject", "raises_on_import", "unknown subject 'raises_on_import': SystemExit: no"),
        ("op", "conv9d", "unknown operator 'conv9d'; known: conv1d"),
        ("check", "forwards", "unknown check 'forwards'"),
        ("dtype", "float8", "unknown dtype 'float8'"),
        ("profile", "slow", "unknown profile 'slow'; known: quick, default, deep"),
        ("profile", "quick,deep", "unknown profile 'quick,deep'"),
        ("device", "tpu", "unknown device 'tpu'"),
        ("seed", "today", "the seed must be an integer"),
        ("seed", "1,,2", "the seed must be an integer, or several: 0,1,2"),
    ],
)
def test_a_wrong_option_is_one_clear_line(
    option: str, value: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raises_on_import.py").write_text("raise SystemExit('no')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadOption) as caught:
        Run.from_options({**OPTIONS, option: value}, "main", None)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_said_so() -> None:
    with pytest.raises(BadOption, match="'cuda' was asked for, but torch sees none here"):
        Run.from_options({**OPTIONS, "device": "cuda"}, "main", None)
    assert Run.from_options({**OPTIONS, "device": "all"}, "main", None).absent == ("cuda",)


def test_every_worker_has_the_same_cells() -> None:
    one, two = (Run.from_options(OPTIONS, name, "session") for name in ("gw0", "gw1"))
    assert [c.id for c in one.cells] == [c.id for c in two.cells]
    assert len({c.id for c in one.cells}) == len(one.cells)


def test_a_cell_fails_if_it_fails_under_any_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**OPTIONS, "output": str(tmp_path), "seed": "5,6,7,8", "op": "relu"}
    run = Run.from_options({**options, "check": "forward", "dtype": "float32"}, "main", None)
    (cell,) = run.cells
    tried = []

    def fails_under_seven(_: Cell, plan: Plan, ledger: Ledger) -> Outcome:
        tried.append(plan.seed)
        ledger.cases["ordinary"] += 1
        status = "fail" if plan.seed == 7 else "pass"
        return Outcome(status, "", ledger, seconds=1.0, seed=plan.seed)

    monkeypatch.setattr("parity_tests.run.examine", fails_under_seven)
    row = run.examine(cell)
    run.writer.close()
    assert tried == [5, 6, 7]
    assert (row["status"], row["seed"], row["cases"], row["seconds"]) == ("fail", 7, 3, 3.0)


def test_several_seeds_are_one_report(tmp_path: Path) -> None:
    options = {**OPTIONS, "op": "relu", "check": "forward", "dtype": "float32", "profile": "quick"}
    cases = {}
    for seed in ("1", "2", "1,2"):
        run = Run.from_options({**options, "output": str(tmp_path / seed), "seed": seed}, "m", None)
        run.declare(run.cells)
        cases[seed] = run.examine(run.cells[0])["cases"]
        run.finish(interrupted=False)
    assert cases["1,2"] == cases["1"] + cases["2"]
    report = json.loads((tmp_path / "1,2" / "report.json").read_text())
    assert (report["seeds"], report["cells"][0]["seed"]) == ([1, 2], None)
    assert "quick, 1,2" in (tmp_path / "1,2" / "parity.html").read_text()


def test_usage_errors_exit_with_two(tmp_path: Path) -> None:
    process = suite(tmp_path, "--parity-op=conv9d")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2, output
    assert "Traceback" not in output
    assert "unknown operator 'conv9d'" in output


def test_a_failure_can_be_reproduced_with_and_without_the_suite(tmp_path: Path) -> None:
    process = suite(
        tmp_path,
        "--parity-subject=brokenkernels",
        "--parity-op=conv1d",
        "--parity-check=forward,gradients",
        "--parity-dtype=float32",
        "--parity-profile=quick",
    )
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    report = report_in(tmp_path)
    assert report["verdict"] == "FAIL"
    assert report["declared"] == report["found"] == 2
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[1]}"}
    for cell in report["cells"]:
        found = cell["reproduction"]
        assert output.count(f"replay: {found['command']}\n") == 1  # each tells its own
        for line in (found["command"], found["inline"]):
            replayed = subprocess.run(
                [sys.executable, *shlex.split(line)[1:]],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert replayed.returncode == 1, replayed.stdout + replayed.stderr
            assert "FAIL: " in replayed.stdout
        script = subprocess.run(
            [sys.executable, "-c", found["script"]],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "difference" in script.stdout
        assert "parity_tests" not in found["script"]


def test_a_crash_costs_one_cell(tmp_path: Path) -> None:
    process = suite(
        tmp_path,
        "--parity-subject=brokenkernels",
        "--parity-op=conv2d,conv3d",
        "--parity-check=forward",
        "--parity-dtype=float64,float32",
        "--parity-profile=quick",
    )
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    cells = {(c["op"], c["dtype"]): c for c in report_in(tmp_path)["cells"]}
    # Its test could tell nothing: the end of the run does.
    file = "reports/cases/conv2d-forward-float64-cpu.json"
    assert f"replay: python -m parity_tests replay {file}" in output
    assert json.loads((tmp_path / file).read_text())["op"] == "conv2d"
    assert cells["conv2d", "float64"]["status"] == "fail"
    assert "process died" in cells["conv2d", "float64"]["reason"]
    assert cells["conv3d", "float64"]["status"] == "pass"


def test_a_hang_costs_one_cell(tmp_path: Path) -> None:
    process = suite(
        tmp_path,
        "--parity-subject=hangingkernels",
        "--parity-op=conv1d,conv2d",
        "--parity-check=forward",
        "--parity-dtype=float64",
        "--parity-profile=quick",
        TORCH_PARITY_HANGS="10",
    )
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    cells = {c["op"]: c for c in report_in(tmp_path)["cells"]}
    assert "or hung" in cells["conv1d"]["reason"]
    assert cells["conv2d"]["status"] == "pass"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_rows_and_says_so(tmp_path: Path, number: int) -> None:
    process = suite(
        tmp_path,
        "--parity-subject=brokenkernels",
        "--parity-op=conv3d",
        "--parity-check=forward,meta",
        "--parity-dtype=float64,float32",
    )
    rows = tmp_path / "reports" / "rows"
    for _ in range(600):
        if any('"start"' in f.read_text() for f in rows.glob("*/*.jsonl")):
            break
        time.sleep(0.1)
    os.killpg(process.pid, number)  # as a terminal does, and a scheduler
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    report = report_in(tmp_path)
    assert report["verdict"] == "INCOMPLETE"
    assert {cell["status"] for cell in report["cells"]} >= {"not run"}
    assert report["declared"] == 3
