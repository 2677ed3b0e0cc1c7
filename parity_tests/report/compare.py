"""Two runs side by side: what differs between them, and which cells fare otherwise.

Runs may differ in torch's version, commit, subject, seed or device; what differs is said first.
Two runs on one device each (CPU against CUDA) are compared cell by cell whatever the device.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity_tests.report.charts import two_digits

Json = Mapping[str, Any]
Key = tuple[str, ...]

WITHOUT_RESULT = ("not run", "unsupported")
MOVED = 2.0  # times: a worst error that changes by less is not worth a line
SCHEMA = 1
KEYS = {"schema": int, "subject": str, "cells": list, "versions": dict, "environment": dict}
NEEDED = {"op", "check", "dtype", "device", "status", "worst", "worst_torch", "bounded", "reason"}
SHOWN = 20  # lines of a section on a terminal; the page has all


class NoReport(ValueError):
    """A file that is no report.json; the message is one line."""


@dataclass(frozen=True)
class Change:
    """One cell, or one fact about the runs, as it was and as it is."""

    what: str
    before: str
    after: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.before} → {self.after}" + (
            f"; {self.note}" if self.note else ""
        )


@dataclass
class Comparison:
    """What changed, in the order in which one wants to know it."""

    environment: list[Change] = field(default_factory=list)
    newly_failing: list[Change] = field(default_factory=list)
    lost: list[Change] = field(default_factory=list)  # had a result, and have none any more
    fixed: list[Change] = field(default_factory=list)
    other: list[Change] = field(default_factory=list)
    moved: list[Change] = field(default_factory=list)
    added: list[Change] = field(default_factory=list)
    removed: list[Change] = field(default_factory=list)
    common: int = 0  # cells that both runs have

    @property
    def sections(self) -> tuple[tuple[str, list[Change]], ...]:
        """Titles with what belongs under them."""
        return (
            ("What differs between the runs", self.environment),
            ("Newly failing", self.newly_failing),
            ("Without a result now", self.lost),
            ("Fixed", self.fixed),
            ("Another status", self.other),
            ("Worst error moved more than twofold", self.moved),
            ("Cells added", self.added),
            ("Cells removed", self.removed),
        )

    @property
    def worse(self) -> bool:
        """Whether a cell newly fails, or tells nothing any more."""
        return bool(self.newly_failing or self.lost or self.removed)

    @property
    def headline(self) -> str:
        """The comparison in a sentence."""
        failing, fixed = len(self.newly_failing), len(self.fixed)
        gone = len(self.lost) + len(self.removed)
        lost = f" {gone} without a result now," if gone else ""
        return f"{failing} newly failing,{lost} {fixed} fixed; {self.common} cells in both runs"


def load(file: Path) -> Json:
    """A run's report.json."""
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NoReport(f"{file}: {error}") from error
    if problem := wrong(report):
        raise NoReport(f"{file} is no report: {problem}")
    found: Json = report
    return found


def wrong(report: Any) -> str:
    """What a report lacks or has in another form than this version reads; or nothing."""
    if not isinstance(report, dict):
        return "it is no object"
    for key, kind in KEYS.items():
        if not isinstance(report.get(key), kind):
            return f"its {key!r} is missing, or of another type"
    if report["schema"] != SCHEMA:
        return f"its schema is {report['schema']}, this version reads {SCHEMA}"
    if not all(isinstance(cell, dict) and cell.keys() >= NEEDED for cell in report["cells"]):
        return f"a cell lacks one of {', '.join(sorted(NEEDED))}"
    return ""


def compare(before: Json, after: Json) -> Comparison:
    """What became of every cell."""
    found = Comparison(environment=list(differences(facts(before), facts(after))))
    one_device = all(len({c["device"] for c in run["cells"]}) == 1 for run in (before, after))
    old, new = (by_name(run, device=not one_device) for run in (before, after))
    found.common = len(old.keys() & new.keys())
    moved: dict[Key, float] = {}
    for key, cell in new.items():
        was = old.get(key)
        if was is None:
            kind = found.newly_failing if cell["status"] == "fail" else found.added
            kind.append(change(key, None, cell))
        elif was["status"] != cell["status"]:
            sort_of(found, was, cell).append(change(key, was, cell))
        elif factor(was, cell) > MOVED:
            moved[key] = factor(was, cell)
    found.removed = [change(key, cell, None) for key, cell in old.items() if key not in new]
    largest_first = sorted(moved, key=lambda key: -moved[key])
    found.moved = [movement(key, old[key], new[key]) for key in largest_first]
    return found


def facts(report: Json) -> dict[str, str]:
    """What a result may depend on."""
    own = {name: report.get(name) for name in ("subject", "profile", "seed", "devices")}
    return {k: str(v) for k, v in {**own, **report["versions"], **report["environment"]}.items()}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    """Facts that are not the same."""
    for name in dict.fromkeys([*before, *after]):
        a, b = before.get(name, "none"), after.get(name, "none")
        if a != b:
            yield Change(name.replace("_", " "), a, b)


def by_name(report: Json, *, device: bool) -> dict[Key, Json]:
    """Cells under operator, check, dtype and, where it tells them apart, device.

    Where torch is the subject, its error is the one that counts.
    """
    names = ("op", "check", "dtype", *(["device"] if device else []))
    worst = "worst_torch" if report["subject"] == "torch" else "worst"
    return {
        tuple(str(cell[name] or "any") for name in names): {**cell, "worst": cell[worst]}
        for cell in report["cells"]
    }


def sort_of(found: Comparison, was: Json, cell: Json) -> list[Change]:
    """Where a change of status belongs."""
    if cell["status"] == "fail":
        return found.newly_failing
    if cell["status"] in WITHOUT_RESULT:
        return found.other if was["status"] in WITHOUT_RESULT else found.lost
    return found.fixed if was["status"] == "fail" else found.other


def change(key: Key, was: Json | None, cell: Json | None) -> Change:
    """A cell whose status is another, or that only one of the runs has."""
    before, after = (c["status"] if c else "absent" for c in (was, cell))
    lines = str((cell or {}).get("reason") or "").splitlines()
    return Change(" ".join(key), before, after, lines[0] if lines else "")


def factor(was: Json, cell: Json) -> float:
    """How many times the one worst error is the other; 1 where no bound was computed."""
    low, high = sorted((float(was["worst"]), float(cell["worst"])))
    if low == high or not (was["bounded"] and cell["bounded"]):
        return 1.0
    return high / low if low else math.inf


def movement(key: Key, was: Json, cell: Json) -> Change:
    """A cell whose worst error moved."""
    before, after = (two_digits(float(c["worst"])) for c in (was, cell))
    return Change(" ".join(key), before, after, f"{factor(was, cell):.3g} times")


def text(found: Comparison) -> str:
    """For a terminal: every section that has something to say, the first lines of each."""
    lines = []
    for title, changes in found.sections:
        if changes:
            lines += [f"{title} ({len(changes)})", *(f"  {c}" for c in changes[:SHOWN])]
        if len(changes) > SHOWN:
            lines.append(f"  … and {len(changes) - SHOWN} more")
    return "\n".join([*lines, found.headline]) + "\n"
