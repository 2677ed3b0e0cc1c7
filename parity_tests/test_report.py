"""The page of a report, from made-up runs: nothing here needs torch to compute anything."""

import html
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from parity_tests.bench import sweep
from parity_tests.report.cells import brief
from parity_tests.report.charts import two_digits
from parity_tests.report.coverage import coverage
from parity_tests.report.covered import covered
from parity_tests.report.render import render, write

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "circle", "rect", "use"}
DTYPES = ("float64", "float32", "bfloat16", "float16", "complex128", "complex64")
Json = dict[str, Any]
Attributes = list[tuple[str, str | None]]
LEVELS: dict[str, list[Any]] = {"stride": [1, 2, 3], "kernel": [1, 2], "bias": [False, True]}
COMMAND = """python -m parity_tests replay '{"op":"conv1d","note":"<&>"}'"""
SCRIPT = "import torch\nprint(\"1 < 2 & 'three'\")\n</script><b>\n"


def cell(
    op: str = "conv1d",
    check: str = "forward",
    dtype: str | None = "float32",
    device: str = "cpu",
    status: str = "pass",
    **changes: Any,
) -> Json:
    return {
        "op": op,
        "check": check,
        "dtype": dtype,
        "device": device,
        "status": status,
        "reason": "",
        "cases": 12,
        "comparisons": 24,
        "modes": {"plain mode": 12, "inference mode": 4},
        "regimes": {"ordinary": 6, "exact": 6},
        "worst": 0.2249,
        "worst_torch": 0.5,
        "bounded": 9,
        "histogram": {"-100": 4, "-3": 5},
        "by_length": {"1": 0.0, "8": 0.2, "64": 0.2249},
        "by_step": {},
        "worst_call": "ordinary: input=[2, 3] normal",
        "slowest": {"seconds": 0.0123, "call": "large: input=[64, 3] normal"},
        "pairs": [["stride", 1, "kernel", 2, 5], ["stride", 1, "bias", True, 3]],
        "known": {},
        "first_known": {},
        "audited": 2,
        "worst_audit": 0.0,
        "arbitrated": 0,
        "seconds": 0.512,
        "reproduction": None,
        "torch_faults": [],
        "torch_fault_count": 0,
        **changes,
    }


def reproduction(**changes: Any) -> Json:
    return {
        "message": "output[0] is 1.5, should be 1.0: off by 1.8e+308 times the error bound 0",
        "regime": "exact",
        "call": "input=[2, 1] ones, weight=<odd>",
        "details": {
            "kind": "value",
            "result": "output",
            "index": {"is": "tuple", "of": [0, 1]},
            "got": 1.5,
            "expected": {"is": "float", "of": "-inf"},
            "definition": None,
            "bound": 0.25,
            "over": 40.4,
            "wrong": "1 of 2",
        },
        "case": {},
        "command": COMMAND,
        "script": SCRIPT,
        **changes,
    }


def report(cells: list[Json], **changes: Any) -> Json:
    statuses = Counter(c["status"] for c in cells)
    verdict = "FAIL" if statuses["fail"] else "INCOMPLETE" if statuses["not run"] else "PASS"
    operator = {
        "family": "convolution",
        "signature": "(input, weight)",
        "module": False,
        "dtypes": list(DTYPES),
        "levels": LEVELS,
        "feasible": [["stride", s, "kernel", k] for s in (1, 2) for k in (1, 2)],
    }
    return {
        "schema": 1,
        "verdict": verdict,
        "headline": "PASS (cpu)" if verdict == "PASS" else verdict,
        "subject": "reimpl",
        "profile": "quick",
        "seed": 7,
        "started": "2026-01-02T03:04:05Z",
        "seconds": 61.0,
        "devices": sorted({c["device"] for c in cells}),
        "absent": ["cuda"],
        "unjudged": [],
        "again": "",
        "versions": {"python": "3.11", "torch": "2.13.0"},
        "environment": {"commit": "0123abcd", "mkl": True, "gpu": None, "cores": 2},
        "declared": len(cells),
        "found": len(cells),
        "statuses": dict(statuses),
        "cases": sum(c["cases"] for c in cells),
        "audited": 2,
        "worst_audit": "inf",
        "known": [KNOWN],
        "claims": [],
        "checks": {"forward": "Values within the bound.", "errors": "Calls rejected alike."},
        "operators": dict.fromkeys(dict.fromkeys(c["op"] for c in cells), operator),
        "cells": cells,
        **changes,
    }


KNOWN = {
    "reason": "torch <rounds> twice",
    "link": "https://github.com/pytorch/pytorch/issues/1",
    "op": "Linear",
    "check": "forward",
    "dtypes": ["float32"],
    "region": "len(input.shape) > 1",
    "cases": 3,
    "first": {"op": "Linear", "check": "forward", "regime": "layout", "dtype": None, "cases": 5},
    "command": COMMAND,
    "script": SCRIPT,
    "call": "input=[2, 1] ones",
}

EVERY_STATE = [
    cell(dtype="float64"),
    cell(status="fail", reason="off", reproduction=reproduction()),
    cell(dtype="float16", status="fail", reason="the process died in this cell"),
    cell(dtype="bfloat16", status="torch fault", torch_faults=[reproduction()] * 2),
    cell("Linear", status="known", known={"torch <rounds> twice": 3}),
    cell("Linear", dtype="float64", status="unsupported", reason="no such operator"),
    cell("Linear", "errors", None, status="not run", reason="the suite raised\nlines\nKeyError: 1"),
]


@pytest.fixture(scope="module")
def page() -> str:
    return render(report(EVERY_STATE))


class Balance(HTMLParser):
    """Tags closed in the order they were opened, ids unique, fragments leading somewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.fragments: set[str] = set()
        self.fetched: list[str] = []
        self.headings: list[int] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if tag in ("td", "th") and self.open[-1] == "td":
            self.open.pop()  # its end tag may be left out
        if tag not in VOID:
            self.open.append(tag)
        self.note(tag, {name: value or "" for name, value in attrs})

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self.note(tag, {name: value or "" for name, value in attrs})

    def note(self, tag: str, attrs: dict[str, str]) -> None:
        self.ids += [attrs["id"]] if "id" in attrs else []
        target = attrs.get("href", "")
        self.fragments |= {target[1:]} if target.startswith("#") else set()
        self.fetched += [attrs["src"]] if "src" in attrs else []
        self.fetched += [target] if target and not target.startswith("#") else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self.open[-1] == "td":
            self.open.pop()
        if tag not in VOID:
            assert self.open, f"</{tag}> without a beginning"
            assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"


def without_script(text: str) -> str:
    return re.sub(r"<script>.*?</script>|<style>.*?</style>", "", text, flags=re.S)


def test_verdict_matrix_and_operators_are_there_without_script(page: str) -> None:
    text = without_script(page)
    assert re.search(r'class="word">FAIL<', text)
    assert "2 of 7 cells fail, in conv1d." in text
    assert "cuda: not run, no device here" in text
    assert "worst ∞" in text
    assert "make report SEED=7" in text
    for op in ("conv1d", "Linear"):
        assert f'id="op-{op}"' in text


def test_the_verdict_says_how_much_was_tried_and_the_page_what_was_not() -> None:
    classes = [["eps", "small", 3], ["eps", "none", 0], ["input", "subnormal", 0]]
    made = report([cell(), cell(check="gradients", classes=classes), cell(op="conv2d")])
    found = covered(made)
    # Of four pairs each, both operators met stride 1 with kernel 2.
    assert str(found) == "36 cases, 72 comparisons, 2 of 8 parameter pairs, 1 of 3 input classes"
    assert found.untried == (
        ("conv1d", "3 parameter pairs, 2 input classes"),
        ("conv2d", "3 parameter pairs"),
    )
    page = render(made)
    assert f'Tried: {found}; <a href="#untried">not tried</a>.' in page
    assert '<a class="chip" href="#op-conv1d">conv1d <span class="muted">3 parameter' in page
    operator = made["operators"]["conv1d"] | {"feasible": []}
    bare = report([cell(pairs=[])], operators={"conv1d": operator})
    assert str(covered(bare)) == "12 cases, 24 comparisons"
    assert "untried" not in re.findall('id="(.*?)"', render(bare))


def test_every_failure_can_be_copied_and_is_escaped(page: str) -> None:
    text = without_script(page)
    assert "</script><b>" not in text
    for place, said in (("command", COMMAND), ("script", SCRIPT)):
        shown = re.findall(rf'<pre id="f[^"]*-{place}"[^>]*data-copy>(.*?)</pre>', text, flags=re.S)
        assert [html.unescape(s) for s in shown].count(said) == 2  # a failure and a torch fault
    assert "output[0, 1] is 1.5, should be -inf: off by 40 times its bound" in text
    assert "weight=&lt;odd&gt;" in text


def test_failure_without_a_case_tells_how_to_run_the_cell_again(page: str) -> None:
    assert "--parity-op=conv1d --parity-check=forward --parity-dtype=float16" in page


def test_each_glyph_leads_to_its_detail(page: str) -> None:
    links = dict(re.findall(r'href=#(\S+) title="([^"]+)"', page))
    assert links["fail-conv1d-forward-float32-cpu"].startswith("conv1d forward float32: fail")
    assert links["conv1d-forward-float64-cpu"].endswith("pass, 12 cases, worst 0.22")
    assert len(links) == len(EVERY_STATE)


def test_what_was_not_run_never_looks_like_a_pass() -> None:
    text = without_script(render(report([cell(status="not run", reason="interrupted")])))
    tagged = re.findall(r'class="?([^">]*)', text.partition('<table class="matrix">')[2])
    assert "notrun" in tagged
    assert "pass" not in {name for names in tagged for name in names.split()}
    assert 'class="verdict incomplete"' in text


def test_sections_without_data_are_absent(page: str) -> None:
    ids = {"failures", "faults", "known", "unsupported", "notrun"}
    passing = render(report([cell()]))
    assert all(f'<section id="{i}"' in page for i in ids)
    assert not any(f'<section id="{i}"' in passing for i in ids)


@pytest.mark.parametrize("cells", [EVERY_STATE, [cell()], [cell(), cell(device="cuda")], []])
def test_tags_nest_ids_are_unique_and_links_lead_somewhere(cells: list[Json]) -> None:
    found = Balance(render(report(cells)))
    assert not found.open
    assert len(found.ids) == len(set(found.ids))
    assert found.fragments <= set(found.ids)
    assert not found.fetched
    steps = zip(found.headings, found.headings[1:], strict=False)
    assert found.headings[0] == 1
    assert all(after <= before + 1 for before, after in steps)


def test_nothing_is_fetched(page: str) -> None:
    assert "default-src 'none'" in page
    assert not re.search(r"url\((?!#)|@import|https?://", page)


def test_docstring_is_shown_where_there_is_one() -> None:
    about = report([cell()])
    about["operators"]["conv1d"] = {**about["operators"]["conv1d"], "doc": "Sums.\n\n    a < b"}
    assert "<p>Sums.</p><p>    a &lt; b</p>" in render(about)


def test_torch_as_the_subject_is_measured_by_its_own_error() -> None:
    assert "pass, 12 cases, worst 0.5" in render(report([cell()], subject="torch"))


def test_required_but_unsupported_is_said() -> None:
    cells = [cell(status="unsupported", reason="no such operator")]
    text = render(report(cells, verdict="FAIL", headline="FAIL"))
    assert "or that reimpl promises, is unsupported" in text


def test_report_and_page_are_written(tmp_path: Path) -> None:
    made = report(EVERY_STATE)
    path = write(made, tmp_path / "reports")
    assert path.read_text(encoding="utf-8") == render(made)
    assert json.loads((tmp_path / "reports" / "report.json").read_text(encoding="utf-8")) == made


def test_full_suite_stays_small() -> None:
    levels = {name: [1, 2, 3] for name in ("stride", "kernel", "padding", "dilation", "groups")}
    pairs = [
        [a, x, b, y, 17] for a in levels for b in levels if a < b for x in (1, 2) for y in (1, 3)
    ]
    lengths = {str(1 << k): 0.123 * k for k in range(12)}
    spread = {str(-k): 10 * k for k in range(12)}
    once = ("errors", "purity", "contract", "meta", "transforms", "settings", "independence")
    places: list[Any] = [(c, d) for c in ("forward", "gradients", "second") for d in DTYPES[:5]]
    places += [(check, None) for check in once]
    cells = [
        cell(f"some_operator{i}d", *place, pairs=pairs, by_length=lengths, histogram=spread)
        for i in range(143)
        for place in places
    ]
    for failing in cells[:: len(cells) // 60]:
        failing |= {"status": "fail", "reproduction": reproduction(script=SCRIPT * 20)}
    made = report(cells)
    for about in made["operators"].values():
        about["levels"] = levels
    assert len(cells) > 3000
    assert len(render(made).encode()) < 3_000_000


def test_coverage_tells_tried_untried_and_impossible_apart() -> None:
    found = coverage(LEVELS, [["stride", 1, "kernel", 1], ["stride", 2, "kernel", 1]], [
        ["kernel", 1, "stride", 1, 5],
        ["stride", 1, "kernel", 1, 2],
    ])  # fmt: skip
    assert found is not None
    (_, rows), _ = found.groups
    assert [(p.text, bool(p.css)) for p in rows[0].places] == [
        ("7", True),
        ("0", True),
        ("–", False),
    ]
    assert (found.tried, found.feasible) == (1, 2)
    assert coverage({"stride": [1, 2]}, [], []) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.2249, "0.22"),
        (3e-5, "3e-5"),
        (1.25e-12, "1.2e-12"),
        (134.0, "130"),
        (2e10, "2e10"),
        (float("inf"), "∞"),
        (1.7976931348623157e308, "∞"),
        (float("nan"), "NaN"),
    ],
)
def test_numbers_have_two_digits(value: float, text: str) -> None:
    assert two_digits(value) == text


def test_infinitely_many_bounds_are_ordered_last() -> None:
    page = render(report([cell(status="fail", worst=1.7e308), cell(op="conv2d")]))
    assert "∞" in page


def test_small_numbers_are_brief_in_the_matrix() -> None:
    numbers = ("6.8e-6", "0.0042", "0.078", "0.22", "0", "∞", "1.2e-12", "2e10")
    shown = ["7e-6", "4e-3", "0.08", "0.22", "0", "∞", "1e-12", "2e10"]
    assert [brief(number) for number in numbers] == shown


def test_worst_error_is_told_by_reduction_length() -> None:
    other = cell("Linear", by_length={"8": "inf", "2048": 0.5})
    text = render(report([cell(), other]))
    row = re.search(r"worst error, in bounds</th>(.*?)</tr>", text)
    assert row is not None
    assert re.findall(r"<td>(.*?)</td>", row[1]) == ["0", "∞", "0.22", "0.5"]


def test_the_worst_and_the_slowest_case_and_the_buffers_step_by_step() -> None:
    steps = {"running_mean": {"1": 0.1, "2": 0.25, "3": "inf"}}
    page = render(report([cell(check="buffers", by_step=steps), cell(worst=0.1, worst_call="x")]))
    assert "running_mean · float32" in page
    assert "step 1: 0.1, step 2: 0.25, step 3: ∞" in page
    assert "worst, 0.22 bounds" in page
    assert "<code>ordinary: input=[2, 3] normal</code>" in page
    assert "slowest, 12 ms" in page
    assert "Running buffers" not in render(report([cell()]))


def planted(*, killed: bool) -> Json:
    run = {"seed": 0, "killed": killed, "check": "forward", "expected": False, "cases": 3}
    fault: Json = {"name": "off-by-one", "op": "conv1d", "kind": "geometry", "says": "<one> less"}
    fault |= {"source": "planted", "runs": [{**run, "seconds": 0.5}]}
    fault |= {"others": {"opinfo": True, "gradcheck": False, "fixed": None}}
    return {
        "profile": "default",
        "seeds": [0],
        "median_seconds": 0.5,
        "environment": {"commit": "0123"},
        "faults": [fault],
    }


def test_planted_faults_stand_on_the_page_where_they_were_hunted(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "planted.json").write_text(json.dumps(planted(killed=True)))
    page = write(report([cell()]), tmp_path).read_text()
    assert "Planted faults: 1 of 1 caught" in page
    assert "forward, unexpectedly, 3 cases, 0.5 s" in page
    assert "1 of 1" in page  # OpInfo's samples catch it
    assert "0 of 1" in page  # gradcheck does not; the third was not asked
    (tmp_path / "planted.json").write_text(json.dumps(planted(killed=False)))  # newer
    page = write(report([cell()]), tmp_path).read_text()
    assert "Planted faults: 0 of 1 caught" in page
    assert "survives 3 cases" in page
    assert 'id="score"' not in render(report([cell()]))


def test_speed_stands_on_the_page_where_it_was_measured(tmp_path: Path) -> None:
    entry = {"name": "stem 7×7", "dtype": "float32", "ratio": 3.5, "note": "two <passes>"}
    bench = {
        "started": "2026-01-02T03:04:05Z",
        "environment": {"gpu": None, "processor": "some", "commit": None},
        "entries": [{**entry, "pass": "forward"}],
        "geomean": {"float32 forward": 3.5, "float32 forward, tiny": 7.25},
        "sweep": [sweep.entry("suite", 88.0, "cases/s", ratio=3.0, goal="a <goal>", met=False)],
    }
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    page = write(report([cell()]), tmp_path).read_text()
    assert '<th scope=row>stem 7×7<td class="n slow">3.50<td>two &lt;passes&gt;' in page
    assert '<th scope="row">geometric mean, tiny</th><td class="n">7.25</td>' in page
    assert '<td class="n">88 cases/s<td class="n slow">3.00<td>a &lt;goal&gt;: missed' in page
    assert 'id="bench"' not in render(report([cell()]))


def test_the_smallest_error_that_is_caught_stands_in_the_method(tmp_path: Path) -> None:
    row = {"op": "conv2d", "check": "forward", "dtype": "float32", "calls": 6}
    power = {
        "started": "2026-01-02T03:04:05Z",
        "environment": {"commit": None},
        "headline": "1 of 1 within 8 units",
        "limit": 8.0,
        "reasons": [
            {"ops": "a|b", "checks": "forward", "bits": 16, "units": "inf", "why": "a <reason>"}
        ],
        "rows": [{**row, "median": 12.3456, "worst": "inf"}],
    }
    (tmp_path / "power.json").write_text(json.dumps(power))
    page = write(report([cell()]), tmp_path).read_text()
    assert '<tr><th scope=row>conv2d<td>forward<td class="n slow">12 / ∞</tr>' in page
    assert "<th scope=row>a, b<td>forward<td>16 bits<td class=n>∞<td>a &lt;reason&gt;" in page
    assert "1 of 1 within 8 units" in page
    assert 'id="power"' not in render(report([cell()]))


def test_elements_that_no_judge_could_tell_are_shown() -> None:
    page = render(report([cell(unbounded=1234)]))
    assert "elements that no judge could tell" in page
    assert "1,234" in page


def test_the_claims_of_another_run_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "claims.html").write_text("old")
    write(report([cell()]), tmp_path)
    assert not (tmp_path / "claims.html").exists()


def test_the_page_says_in_which_modes_calls_were_compared() -> None:
    text = without_script(render(report([cell(), cell(check="gradients")])))
    assert "plain mode 24, inference mode 8" in text
