"""What a run leaves on disk: never lost, never half written, never mixed with another run's."""

from __future__ import annotations

import json
import os
import signal
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from parity_tests.accept import accept
from parity_tests.cli import EXIT, USAGE, main
from parity_tests.files import put
from parity_tests.plugin import DEFAULTS
from parity_tests.report.render import write
from parity_tests.run import BadOption, Run, taken
from parity_tests.test_report import cell, report, reproduction
from parity_tests.test_run import suite

OPTIONS = {name: default for name, (default, _) in DEFAULTS.items()}
NARROW = {"op": "relu", "check": "forward", "dtype": "float32", "profile": "quick"}


def run_in(folder: Path, session: str | None = None, **options: str) -> Run:
    return Run.from_options({**OPTIONS, **NARROW, "output": str(folder), **options}, "m", session)


def test_rows_are_removed_when_they_are_in_the_report_and_never_before(tmp_path: Path) -> None:
    old = tmp_path / "rows" / "another"
    old.mkdir(parents=True)
    (old / "m.jsonl").write_text("{}")
    os.utime(old, (0, 0))
    run = run_in(tmp_path)
    run.declare(run.cells)
    run.examine(run.cells[0])
    assert run.rows.exists()
    run.finish(interrupted=False)
    assert not run.rows.exists()
    assert (old / "m.jsonl").exists()


def test_rows_survive_a_report_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Path:
        raise OSError("No space left on device")

    run = run_in(tmp_path)
    run.declare(run.cells)
    run.examine(run.cells[0])
    with monkeypatch.context() as patched:
        patched.setattr("parity_tests.run.write", full)
        with pytest.raises(OSError, match="No space"):
            run.finish(interrupted=False)
    assert main(["merge", str(tmp_path)]) == EXIT["PASS"]


def test_what_a_killed_run_has_found_is_merged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = suite(tmp_path, "--parity-op=conv1d", "--parity-check=forward,gradients,second,meta")
    output = tmp_path / "reports"
    for _ in range(600):
        if any('"kind": "cell"' in f.read_text() for f in output.glob("rows/*/*.jsonl")):
            break
        time.sleep(0.1)
    assert main(["merge", str(output)]) == USAGE  # it is at work
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    (session,) = output.glob("rows/*/")
    with next(session.glob("gw*.jsonl")).open("a") as file:
        file.write('{"kind": "cell", "op"')  # cut short
    (session / "gw7.jsonl").touch()
    (session / "gw7.case").touch()
    assert main(["merge", str(output)]) == EXIT["INCOMPLETE"]
    assert "parity of reimpl: INCOMPLETE" in capsys.readouterr().out
    found = json.loads((output / "report.json").read_text())
    assert 0 < found["found"] < found["declared"]
    assert {c["status"] for c in found["cells"]} >= {"not run"}
    assert main(["merge", str(output)]) == USAGE  # there is nothing left
    assert main(["merge", str(tmp_path / "nowhere")]) == USAGE


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    lock = taken(tmp_path)
    with pytest.raises(BadOption, match="another run writes to"):
        run_in(tmp_path).take_output()
    os.close(lock)
    again = run_in(tmp_path)
    again.take_output()
    assert again._lock is not None
    os.close(again._lock)


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_an_output_that_is_no_folder_is_one_line_at_the_start(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadOption, match="nothing can be written to") as caught:
        run_in(tmp_path / where).take_output()
    assert "\n" not in str(caught.value)


def test_half_a_surrogate_pair_costs_nothing(tmp_path: Path) -> None:
    bad = "\udc80"
    failing = cell(status="fail", reason=f"a {bad} b", reproduction=reproduction())
    page = write(report([failing], subject=bad), tmp_path)
    assert r"<b>\udc80</b> judged against" in page.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "report.json").read_text())["subject"] == bad


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "page"
    put(file, "old")
    (tmp_path / f".page.{os.getpid()}").mkdir()  # writing fails
    with pytest.raises(OSError):  # noqa: PT011  # which one depends on the system
        put(file, "new")
    assert file.read_text() == "old"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"cells": 3}', '{"device": 1, "subject": 2}'])
def test_malformed_files_beside_the_report_do_not_cost_it(
    tmp_path: Path, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evidence").mkdir()
    for name in ("planted.json", "bench.json", "power.json", "evidence/cuda-torch-2-x.json"):
        (tmp_path / name).write_text(text)
    run = run_in(tmp_path)
    run.declare(run.cells)
    run.examine(run.cells[0])
    assert run.finish(interrupted=False)
    assert (tmp_path / "parity.html").stat().st_size > 10_000
    assert "left out of the page" in capfd.readouterr().err


def test_what_is_accepted_can_be_read_whatever_it_holds(tmp_path: Path) -> None:
    odd = "bell \x07, it's ''', \x7f, \udc80\u2028\x85"
    found = reproduction()
    found = {**found, "details": {"kind": odd}, "case": {"op": odd}}
    accept(report([cell(status="fail", reason=odd, reproduction=found)]), tmp_path / "known.toml")
    (entry,) = tomllib.loads((tmp_path / "known.toml").read_text(encoding="utf-8"))["known"]
    assert json.loads(entry["pinned"]) == {"op": odd}


def test_a_subject_that_changes_the_folder_does_not_move_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wanderer.py").write_text(
        "import os\nfrom torch.nn.functional import relu\nos.chdir('/')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    run = run_in(Path("out"), subject="wanderer")
    assert run.output == tmp_path / "out"
    assert Path.cwd() == tmp_path
