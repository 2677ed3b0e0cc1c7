"""The failing cells of a run on the console: what is wrong, the smallest call, how to replay it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from parity_tests.report.cells import seeds_of

Json = Mapping[str, Any]
REASONS = 5  # on the console; the page has all


def summary(report: Json, *, crashes_only: bool = False) -> Iterator[str]:
    """Lines for every failing cell, by operator; or for those that a crash left without a test."""
    required = set(report["required"])
    for op in dict.fromkeys(cell["op"] for cell in report["cells"]):
        cells = [c for c in report["cells"] if c["op"] == op and fails(c, required)]
        if crashes_only:
            cells = [cell for cell in cells if crashed(cell)]
        if cells:
            yield ""
            yield f"{op} fails in {len(cells)} cell{'s' if len(cells) > 1 else ''}"
        for cell in cells:
            yield f"  {named(cell, report)}: {cell['reason']}"
            yield from (f"    {line}" for line in told(cell) or [f"rerun: {rerun(report, cell)}"])


def without_result(report: Json) -> Iterator[str]:
    """Why cells have no result: each reason once."""
    reasons = Counter(
        (cell["reason"].strip().splitlines() or ["no reason was given"])[-1]
        for cell in report["cells"]
        if cell["status"] == "not run"
    )
    for reason, count in reasons.most_common(REASONS):
        yield f"no result in {count:,} cell{'s' if count > 1 else ''}: {reason}"


def fails(cell: Json, required: set[str]) -> bool:
    """Whether the cell makes the verdict FAIL."""
    return cell["status"] == "fail" or (cell["status"] == "unsupported" and cell["op"] in required)


def crashed(cell: Json) -> bool:
    """Whether the process died in the cell: then no test has told its case."""
    return cell["status"] == "fail" and cell["seconds"] == 0.0


def named(cell: Json, report: Json) -> str:
    """Check and dtype; device and seed where the run has several."""
    words = [cell["check"], cell["dtype"] or ""]
    words += [f"on {cell['device']}"] if len(report["devices"]) > 1 else []
    several = len(report["seeds"]) > 1 and cell["seed"] is not None
    words += [f"(seed {cell['seed']})"] if several else []
    return " ".join(word for word in words if word)


def told(cell: Json) -> list[str]:
    """The cell's own call and replay, where a case was caught."""
    found = cell["reproduction"]
    if found is None:
        return []
    where = found["details"].get("raised at")
    lines = [f"raised at {where}"] if where else []
    return [f"call ({found['regime']}): {found['call']}", *lines, f"replay: {found['command']}"]


def rerun(report: Json, cell: Json) -> str:
    """The command that runs the whole cell again."""
    options = {"subject": report["subject"], "op": cell["op"], "check": cell["check"]}
    if cell["dtype"] is not None:
        options["dtype"] = cell["dtype"]
    seed = cell.get("seed")
    seeds = seeds_of(report) if seed is None else str(seed)
    options |= {"device": cell["device"], "profile": report["profile"], "seed": seeds}
    given = " ".join(f"--parity-{name}={shlex.quote(value)}" for name, value in options.items())
    return f"python -m parity_tests run -- {given}"
