"""Two runs compared, and a run's files for other programs: made-up reports, nothing computed."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from parity_tests.cli import main
from parity_tests.report.compare import Change, compare, text
from parity_tests.report.exports import junit, markdown
from parity_tests.report.failing import without_result
from parity_tests.report.merge import failing_below
from parity_tests.report.render import render_comparison, write
from parity_tests.test_report import Json, cell, report, reproduction

FAILING: Json = {
    "status": "fail",
    "reason": "output[0] is 2.0\nmore",
    "reproduction": reproduction(),
}


def whats(changes: list[Change]) -> list[str]:
    return [change.what for change in changes]


def test_every_kind_of_change_has_its_section() -> None:
    before = report(
        [
            cell("breaks"),
            cell("mended", **FAILING),
            cell("excused"),
            cell("worse", worst=0.1),
            cell("better", worst=0.4),
            cell("alike", worst=0.2),
            cell("gone"),
        ]
    )
    after = report(
        [
            cell("breaks", **FAILING),
            cell("mended"),
            cell("excused", status="known"),
            cell("worse", worst=0.5),
            cell("better", worst=0.1),
            cell("alike", worst=0.39),
            cell("new"),
            cell("born broken", **FAILING),
        ],
        versions={"python": "3.11", "torch": "2.14.0"},
    )
    found = compare(before, after)
    assert [str(c) for c in found.environment] == ["torch: 2.13.0 → 2.14.0"]
    assert whats(found.newly_failing) == ["breaks forward float32", "born broken forward float32"]
    assert found.newly_failing[0].note == "output[0] is 2.0"
    assert whats(found.fixed) == ["mended forward float32"]
    assert whats(found.other) == ["excused forward float32"]
    assert [str(c) for c in found.moved] == [
        "worse forward float32: 0.1 → 0.5; 5 times",
        "better forward float32: 0.4 → 0.1; 4 times",
    ]
    assert whats(found.added) == ["new forward float32"]
    assert whats(found.removed) == ["gone forward float32"]
    assert found.worse
    assert found.common == 6


def test_equal_runs_say_so() -> None:
    run = report([cell()])
    assert text(compare(run, run)) == "0 newly failing, 0 fixed; 1 cells in both runs\n"


@pytest.mark.parametrize("status", ["not run", "unsupported"])
def test_what_has_no_result_any_more_is_lost_and_not_fixed(status: str) -> None:
    before, after = report([cell(**FAILING), cell("b")]), report([cell(status=status), cell("b")])
    found = compare(before, after)
    assert whats(found.lost) == ["conv1d forward float32"]
    assert not found.fixed
    assert found.worse
    assert "1 without a result now" in text(found)
    assert not compare(after, after).worse
    assert compare(before, report([cell(**FAILING)])).worse  # a cell less


def test_one_device_is_compared_with_another() -> None:
    cpu, cuda = report([cell()]), report([cell(device="cuda", worst=1.0)])
    found = compare(cpu, cuda)
    assert found.common == 1
    assert not found.added
    assert whats(found.moved) == ["conv1d forward float32"]


def test_devices_are_told_apart_where_a_run_has_two() -> None:
    found = compare(report([cell()]), report([cell(), cell(device="cuda", **FAILING)]))
    assert whats(found.newly_failing) == ["conv1d forward float32 cuda"]


def test_without_a_bound_nothing_moves_and_from_zero_it_moves_infinitely() -> None:
    old, new = (
        report([cell("a", bounded=0, worst=w), cell("b", worst=0.0 if w == 1 else 0.3)])
        for w in (1, 9)
    )
    assert [str(c) for c in compare(old, new).moved] == ["b forward float32: 0 → 0.3; inf times"]


def test_of_torch_as_the_subject_its_own_error_counts() -> None:
    old, new = (report([cell(worst=0.0, worst_torch=w)], subject="torch") for w in (0.2, 0.5))
    assert [str(c) for c in compare(old, new).moved] == [
        "conv1d forward float32: 0.2 → 0.5; 2.5 times"
    ]


def test_a_terminal_gets_the_first_lines_and_the_page_all() -> None:
    before = report([cell()])
    after = report([cell(f"op{i}", **FAILING) for i in range(30)])
    found = compare(before, after)
    assert "… and 10 more" in text(found)
    assert "op29" not in text(found)
    page = render_comparison(found, "a<b.json", "after.json")
    assert "op29" in page
    assert "a&lt;b.json" in page


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, page = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "page.html"
    good.write_text(json.dumps(report([cell()])))
    bad.write_text(json.dumps(report([cell(**FAILING)])))
    assert main(["compare", str(good), str(bad), "-o", str(page)]) == 1
    assert "Newly failing (1)" in capsys.readouterr().out
    assert "conv1d forward float32" in page.read_text()
    assert main(["compare", str(bad), str(good)]) == 0
    assert "Fixed (1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        *(None, "{", "[]", "{}", '{"cells": []}', '"text"', "null"),
        json.dumps(report([]) | {"schema": 2}),
        json.dumps(report([]) | {"cells": [{}]}),
        json.dumps(report([]) | {"cells": {}}),
    ],
)
def test_what_is_no_report_is_one_line(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    if content is not None:
        file.write_text(content)
    for command in (
        ["compare", str(file), str(file)],
        ["faults", str(file)],
        ["evidence", str(file)],
    ):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "report.json" in said


RUN = report(
    [
        cell(),
        cell("relu", reason="\x1b[31mred", status="unsupported"),
        cell("elu", **FAILING, dtype=None),
        cell("tanh", status="not run", reason="interrupted"),
    ]
)


def test_the_console_says_why_cells_have_no_result() -> None:
    assert list(without_result(RUN)) == ["no result in 1 cell: interrupted"]


def test_of_excused_failures_no_share_is_told() -> None:
    assert failing_below([cell(), cell()]) is not None
    assert failing_below([cell(), cell(status="known")]) is None


def test_junit_has_a_test_case_per_cell() -> None:
    suite = ET.fromstring(junit(RUN))[0]
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    outcomes = {case.get("classname"): [part.tag for part in case] for case in suite}
    assert outcomes == {
        "conv1d.forward": [],
        "relu.forward": ["skipped"],
        "elu.forward": ["failure"],
        "tanh.forward": ["error"],
    }
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.text == reproduction()["command"]


def test_the_summary_has_verdict_counts_and_commands() -> None:
    said = markdown(RUN)
    assert said.startswith("## Parity of reimpl: FAIL\n")
    assert "| fail | 1 |" in said
    assert "**elu forward on cpu**: output[0] is 2.0\n" in said
    assert reproduction()["command"] in said


def test_columns_are_those_of_the_cells(tmp_path: Path) -> None:
    write(RUN, tmp_path)
    with np.load(tmp_path / "cells.npz") as found:
        assert found["op"].tolist() == ["conv1d", "relu", "elu", "tanh"]
        assert found["dtype"].tolist() == ["float32", "float32", "any", "float32"]
        assert found["status"].tolist() == ["pass", "unsupported", "fail", "not run"]
        assert found["worst"].dtype == np.float64
    assert (tmp_path / "junit.xml").exists()
    assert (tmp_path / "summary.md").exists()
