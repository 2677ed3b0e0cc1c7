"""What was found on a device that most machines lack: kept small, and shown with its age."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from parity_tests.files import of_json, put

Json = dict[str, Any]

SCHEMA = 1
ABOUT = ("subject", "profile", "seed", "started", "seconds", "versions", "environment", "checks")
CELL = ("op", "check", "dtype", "status", "reason", "cases", "worst", "worst_torch")


class NothingToKeep(ValueError):
    """The run is no evidence."""


def keep(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write a file for each device but the CPU, by device, version of torch and subject."""
    if report["verdict"] == "INCOMPLETE":
        raise NothingToKeep("an incomplete run is no evidence")
    devices = [device for device in report["devices"] if device != "cpu"]
    if not devices:
        raise NothingToKeep("the run was on the CPU alone, which every machine has")
    folder.mkdir(parents=True, exist_ok=True)
    return [written(compact(report, device), folder) for device in devices]


def compact(report: Mapping[str, Any], device: str) -> Json:
    """What a device's cells came to, without cases, scripts and histograms."""
    cells = [
        {name: cell[name] for name in CELL} for cell in report["cells"] if cell["device"] == device
    ]
    about = {name: report[name] for name in ABOUT}
    return {"schema": SCHEMA, "device": device, **about, "cells": cells}


def written(found: Json, folder: Path) -> Path:
    """One cell to a line, so that a newer run's differences can be read."""
    torch = found["versions"]["torch"]
    file = folder / f"{found['device']}-torch-{torch}-{found['subject'].replace(':', '-')}.json"
    cells = ",\n".join(json.dumps(cell) for cell in found.pop("cells"))
    head = json.dumps(found, indent=1)[:-2]
    put(file, f'{head},\n "cells": [\n{cells}\n]}}\n')
    return file


def kept(folder: Path, report: Mapping[str, Any]) -> list[Json]:
    """Evidence of the same subject on devices that the run had not, the newest of each."""
    newest: dict[str, Json] = {}
    for file in sorted(folder.glob("*-torch-*.json")):
        found = of_json(file)
        if found is None or not {"device", "subject", "started"} <= found.keys():
            continue
        device = found["device"]
        if device in report["devices"] or found["subject"] != report["subject"]:
            continue
        if device not in newest or newest[device]["started"] < found["started"]:
            newest[device] = found
    return list(newest.values())


def facts(found: Json, now: str) -> Iterator[tuple[str, str]]:
    """Where the evidence comes from, and how old it is at the time of the run."""
    began, later = (datetime.fromisoformat(text) for text in (found["started"], now))
    days = (later - began).days
    where = found["environment"]
    yield "device", str(where["gpu"] or found["device"])
    yield "measured", f"{found['started'][:10]}, {days} day{'s' * (days != 1)} before this run"
    yield "torch", found["versions"]["torch"]
    yield "driver", str(where.get("cuda driver"))
    yield "commit", str(where["commit"])
    yield "profile, seed", f"{found['profile']}, {found['seed']}"
    yield "cases", f"{sum(cell['cases'] for cell in found['cells']):,}"


def by_operator(found: Json) -> Iterator[tuple[str, Counter[str], float]]:
    """Operator, its cells by status, and its worst error in bounds."""
    of: dict[str, list[Json]] = {}
    for cell in found["cells"]:
        of.setdefault(cell["op"], []).append(cell)
    for op, cells in of.items():
        yield op, Counter(c["status"] for c in cells), max(float(c["worst"]) for c in cells)
