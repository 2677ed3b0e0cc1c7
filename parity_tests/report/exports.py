"""A run for other programs: JUnit XML, a Markdown summary for CI's job pages, cells as columns."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from parity_tests.files import put
from parity_tests.report.cells import seeds_of

Json = Mapping[str, Any]

TOLD = 20  # failures in the Markdown summary; report.json has all
COLUMNS = ("op", "check", "dtype", "device", "status", "reason", "cases", "comparisons", "bounded")
ERRORS = ("worst", "worst_torch", "worst_audit", "seconds")

# What XML 1.0 cannot hold: terminals' control characters, for one.
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_exports(report: Json, folder: Path) -> None:
    """junit.xml, summary.md and cells.npz."""
    put(folder / "junit.xml", junit(report))
    put(folder / "summary.md", markdown(report))
    packed = io.BytesIO()
    np.savez_compressed(packed, **columns(report))
    put(folder / "cells.npz", packed.getvalue())


def junit(report: Json) -> str:
    """One test case per cell: a fail is a failure, not run an error, unsupported skipped."""
    statuses = report["statuses"]
    suite = ET.Element(
        "testsuite",
        name=f"parity of {report['subject']}",
        tests=str(len(report["cells"])),
        failures=str(statuses.get("fail", 0)),
        errors=str(statuses.get("not run", 0)),
        skipped=str(statuses.get("unsupported", 0)),
        time=str(report["seconds"]),
        timestamp=report["started"],
    )
    tags = {"fail": "failure", "not run": "error", "unsupported": "skipped"}
    for cell in report["cells"]:
        name, seconds = f"{cell['dtype'] or 'any'}-{cell['device']}", str(cell["seconds"])
        classname = f"{cell['op']}.{cell['check']}"
        case = ET.SubElement(suite, "testcase", classname=classname, name=name, time=seconds)
        if cell["status"] in tags:
            message = ILLEGAL.sub("?", cell["reason"])
            told = ET.SubElement(case, tags[cell["status"]], message=message)
            told.text = ILLEGAL.sub("?", (cell["reproduction"] or {}).get("command", ""))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def markdown(report: Json) -> str:
    """The verdict, how many cells have each status, and the first failures with their commands."""
    return "\n".join(paragraphs(report)) + "\n"


def paragraphs(report: Json) -> Iterator[str]:
    """The summary's lines."""
    yield f"## Parity of {report['subject']}: {report['headline']}\n"
    commit = report["environment"].get("commit") or "no commit"
    yield (
        f"torch {report['versions']['torch']}, {commit}, profile {report['profile']}, "
        f"seed {seeds_of(report)}; {report['cases']:,} cases in {report['seconds']:.0f} s\n"
    )
    yield "| status | cells |\n|---|---|"
    yield from (f"| {status} | {count:,} |" for status, count in report["statuses"].items())
    failing = [cell for cell in report["cells"] if cell["status"] == "fail"]
    if failing:
        yield "\n### Failures"
    for cell in failing[:TOLD]:
        where = f"{cell['op']} {cell['check']} {cell['dtype'] or ''} on {cell['device']}"
        yield f"\n**{' '.join(where.split())}**: {(cell['reason'].splitlines() or [''])[0]}"
        if cell["reproduction"]:
            yield f"\n```sh\n{cell['reproduction']['command']}\n```"
    if len(failing) > TOLD:
        yield f"\n… and {len(failing) - TOLD} more, in report.json."


def columns(report: Json) -> dict[str, Any]:
    """The cells as columns of equal length, for whoever wants to count."""
    cells = report["cells"]
    text = {name: np.array([cell[name] for cell in cells]) for name in COLUMNS if name != "dtype"}
    dtypes = np.array([cell["dtype"] or "any" for cell in cells])
    errors = {name: np.array([float(cell[name]) for cell in cells]) for name in ERRORS}
    return {"dtype": dtypes, **text, **errors}
