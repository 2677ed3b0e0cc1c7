"""The workers' rows as one report.json, with the verdict of the whole run."""

from __future__ import annotations

import inspect
import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from parity_tests import case_files, expectations, subjects
from parity_tests.checks import CHECKS
from parity_tests.op import Op
from parity_tests.ops import family_of
from parity_tests.report.collect import level
from parity_tests.report.untried import coverage, in_all
from parity_tests.reproduce import DIFFERENTIATING, command, script, trial_of
from parity_tests.strategies import feasible_pairs

SCHEMA = 1
STATUSES = ("pass", "fail", "torch fault", "known", "in part", "unsupported", "not run")


def rows(folder: Path, files: str = "*.jsonl") -> Iterator[dict[str, Any]]:
    """All rows of all workers; a line cut short by a crash is left out."""
    for file in sorted(folder.glob(files)):
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with suppress(json.JSONDecodeError):
                    row = json.loads(line)
                    if isinstance(row, dict) and "kind" in row:
                        yield row


def merge(folder: Path, ops: Iterable[Op], about: Mapping[str, Any]) -> dict[str, Any]:
    """The report of the rows in ``folder``; ``about`` says what was run."""
    declared: dict[tuple[Any, ...], dict[str, Any]] = {}
    started: set[tuple[Any, ...]] = set()
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    claims: dict[str, dict[str, Any]] = {}
    for row in rows(folder):
        match row.pop("kind"):
            case "declared":
                declared |= {key(cell): cell for cell in row["cells"]}
            case "start":
                started.add(key(row))
            case "cell":
                found[key(row)] = row
            case "claim":
                claims[row["id"]] = row
    died = {} if about["interrupted"] else last_cases(folder)
    cells = [
        found.get(k) or unfinished(cell, crashed=k in started and not about["interrupted"])
        for k, cell in declared.items()
    ]
    for cell in cells:
        if key(cell) not in found and key(cell) in died:
            file = case_files.FOLDER + f"/{cell_id(cell)}.json"
            cell["reproduction"] = fatal(died[key(cell)], Path(about["output"]) / file)
            cell["seed"] = died[key(cell)].get("seed")
    verdict = verdict_of(cells, required=about["required"])
    devices = sorted({cell["device"] for cell in cells})
    used = {cell["op"] for cell in cells}
    tried = in_all(coverage(cells))
    return {
        "schema": SCHEMA,
        "verdict": verdict,
        "headline": f"{verdict} ({', '.join(devices)})" if verdict == "PASS" else verdict,
        "subject": about["subject"],
        "profile": about["profile"],
        "seed": about["seeds"][0],
        "seeds": list(about["seeds"]),
        "started": about["started"],
        "seconds": about["seconds"],
        "devices": devices,
        "absent": about["absent"],
        "required": about["required"],
        "again": about.get("again", ""),
        "unjudged": subjects.unjudged(subjects.load(about["subject"]), {op.name for op in ops}),
        "versions": versions(),
        "environment": environment(),
        "declared": len(declared),
        "found": len(found),
        "statuses": {s: n for s in STATUSES if (n := Counter(c["status"] for c in cells)[s])},
        "cases": sum(cell["cases"] for cell in cells),
        "classes": {"tried": tried.met, "of": tried.all, "not tried": list(tried.untried)},
        "failing_below": failing_below(cells),
        "audited": sum(cell["audited"] for cell in cells),
        "worst_audit": max((cell["worst_audit"] for cell in cells), key=float, default=0.0),
        "checks": {check.name: check.claim for check in CHECKS},
        "known": known(cells),
        "claims": list(claims.values()),
        "operators": {op.name: described(op, about["subject"]) for op in ops if op.name in used},
        "cells": cells,
    }


def last_cases(folder: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """By the cell that each worker began last: the case it ran last."""
    cases = {}
    for file in folder.glob("*.case"):
        began = [row for row in rows(folder, f"{file.stem}.jsonl") if row["kind"] == "start"]
        with suppress(ValueError):  # cut short
            case = json.loads(file.read_text(encoding="utf-8"))
            if began:
                cases[key(began[-1])] = case
    return cases


def cell_id(cell: Mapping[str, Any]) -> str:
    """The cell's name, as its test has it."""
    return "-".join(cell[k] for k in ("op", "check", "dtype", "device") if cell[k] is not None)


def fatal(case: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The reproduction of a case that took its process along."""
    trial = trial_of(case)
    # A script of gradients finds its cotangents by running the call.
    shown = "" if trial.check in DIFFERENTIATING else script(trial)
    return {
        "message": "the process died in this call, or hung",
        "regime": trial.regime,
        "call": str(trial.call),
        "details": {"kind": "crash"},
        "case": dict(case),
        "command": case_files.keep(case, file),
        "inline": command(trial),
        "script": shown,
    }


def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a cell this one."""
    return row["op"], row["check"], row["dtype"], row["device"]


def unfinished(cell: Mapping[str, Any], *, crashed: bool) -> dict[str, Any]:
    """A declared cell without a result: its worker died in it, or it was never reached."""
    status, reason = (
        ("fail", "the process died in this cell, or hung")
        if crashed
        else ("not run", "interrupted")
    )
    empty: dict[str, Any] = {"status": status, "reason": reason, "reproduction": None, "seed": None}
    empty |= dict.fromkeys(
        ("cases", "comparisons", "bounded", "unbounded", "torch_cannot", "audited", "arbitrated"), 0
    )
    empty |= dict.fromkeys(("worst", "worst_torch", "worst_audit", "seconds"), 0.0)
    empty |= {"regimes": {}, "histogram": {}, "by_length": {}, "pairs": [], "classes": []}
    empty |= {"refused": {}, "known": {}, "first_known": {}, "by_step": {}, "worst_call": ""}
    empty |= {"slowest": {"seconds": 0.0, "call": ""}}
    return {**cell, **empty, "torch_faults": [], "torch_fault_count": 0}


def verdict_of(cells: Iterable[Mapping[str, Any]], required: Iterable[str]) -> str:
    """FAIL with any fail; else INCOMPLETE with anything not run; else PASS.

    Unsupported fails only where the operator is required: asked for by name, or one of reimpl's.
    """
    statuses = {cell["status"] for cell in cells}
    refused = any(c["status"] == "unsupported" and c["op"] in set(required) for c in cells)
    if "fail" in statuses or refused:
        return "FAIL"
    return "INCOMPLETE" if "not run" in statuses or not statuses else "PASS"


def failing_below(cells: Iterable[Mapping[str, Any]]) -> float | None:
    """Where none of n cases failed, the share that fails is below 1 − 0.05^(1/n), 95 % sure.

    Nothing of the kind can be said where a case departs and is excused.
    """
    cells = list(cells)
    n = sum(cell["cases"] for cell in cells)
    failed = any(cell["status"] in ("fail", "known") for cell in cells)
    return None if failed or not n else 1 - 0.05 ** (1 / n)


def known(cells: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The known faults of torch that the run met: where first, after how many cases, and a script.

    The call is the one pinned in the expectations file, which is as small as it could be made.
    """
    met: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        for reason in cell["known"]:
            met.setdefault(reason, []).append(cell)
    return [
        {
            "reason": entry.reason,
            "link": entry.link,
            "op": entry.op,
            "check": entry.check,
            "dtypes": list(entry.dtypes),
            "region": entry.when,
            "cases": sum(cell["known"][entry.reason] for cell in met[entry.reason]),
            "first": identified(met[entry.reason][0], entry.reason),
            "command": command(trial := trial_of({**entry.case, "subject": "torch"})),
            # Not of those that take the process along: cotangents are found by running the call.
            "script": "" if entry.crashes else script(trial),
            "call": str(trial.call),
        }
        for entry in {e.reason: e for e in reversed(expectations.load())}.values()
        if entry.reason in met
    ]


def identified(cell: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """Where a known fault was met, and how soon."""
    where = {name: cell[name] for name in ("op", "check", "dtype", "device")}
    return where | cell["first_known"][reason]


def described(op: Op, subject: str) -> dict[str, Any]:
    """What the report tells of an operator besides its cells."""
    target = subjects.load(subject).find(op.name)
    return {
        "family": family_of(op),
        "signature": op.name + op.signature,
        "doc": inspect.getdoc(target) if target is not None else None,
        "module": op.is_module,
        "dtypes": [str(d).removeprefix("torch.") for d in op.dtypes],
        "levels": {name: [level(v) for v in values] for name, values in op.levels.items()},
        "feasible": [
            [a, level(x), b, level(y)] for a, x, b, y in sorted(feasible_pairs(op), key=str)
        ],
    }


def versions() -> dict[str, str]:
    """Of everything that a result may depend on."""
    names = ("torch", "numpy", "hypothesis", "pytest", "torch-parity")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found | {"torch": torch.__version__}


def environment() -> dict[str, Any]:
    """Where it ran."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads per worker": 1,
        "onednn": torch.backends.mkldnn.is_available(),
        "mkl": torch.backends.mkl.is_available(),
        "cuda": torch.version.cuda,
        "gpu": gpu,
        "cuda driver": None if gpu is None else driver(torch._C._cuda_getDriverVersion()),  # type: ignore[attr-defined]
        "commit": commit(),
    }


def driver(version: int) -> str:
    """The CUDA version that the driver speaks: 13000 is 13.0."""
    return f"{version // 1000}.{version % 1000 // 10}"


def processor() -> str:
    """The CPU's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def commit() -> str | None:
    """The commit of the working tree, marked when there are changes; None outside git."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
            cwd=Path(__file__).parent,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
