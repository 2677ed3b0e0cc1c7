"""Rows while the run goes on: one JSON line per cell, flushed, in a file per worker.

Whatever stops the run, what was found so far is on disk.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity_tests import case_files, classes
from parity_tests.op import to_json
from parity_tests.reproduce import case_of, command, script
from parity_tests.search import Cell, Outcome
from parity_tests.trial import Trial


class Writer:
    """Appends rows to this worker's file."""

    def __init__(self, folder: Path, worker: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{worker}.jsonl").open("w", encoding="utf-8")

    def write(self, kind: str, **row: Any) -> None:
        """One row, on disk when this returns."""
        self._file.write(json.dumps({"kind": kind, **row}, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """No more rows."""
        self._file.close()


def identity(cell: Cell) -> dict[str, Any]:
    """What a row is about."""
    return {
        "op": cell.op.name,
        "check": cell.check.name,
        "dtype": None if cell.dtype is None else str(cell.dtype).removeprefix("torch."),
        "device": cell.device,
    }


def row(cell: Cell, outcome: Outcome, cases: Path) -> dict[str, Any]:
    """The cell of report.json; its schema is in reports/README.md.

    Its failing cases are written into the folder ``cases``, a file each.
    """
    ledger = outcome.ledger
    case_files.discard(cases, cell.id)
    return identity(cell) | {
        "seed": outcome.seed if outcome.status == "fail" else None,
        "status": outcome.status,
        "reason": outcome.reason,
        "cases": sum(ledger.cases.values()),
        "comparisons": ledger.comparisons,
        "modes": dict(ledger.modes),
        "regimes": dict(ledger.cases),
        "worst": number(ledger.worst),
        "worst_torch": number(ledger.worst_torch),
        "bounded": ledger.bounded,
        "unbounded": ledger.unbounded,
        "torch_cannot": ledger.torch_cannot,
        "refused": dict(ledger.unsupported),
        "histogram": {str(k): v for k, v in sorted(ledger.histogram.items())},
        "by_length": {str(k): number(v) for k, v in sorted(ledger.by_length.items())},
        "worst_call": ledger.worst_call,
        "slowest": {"seconds": round(ledger.slowest[0], 4), "call": ledger.slowest[1]},
        "by_step": {
            buffer: {str(step): number(ratio) for step, ratio in sorted(steps.items())}
            for buffer, steps in ledger.by_step.items()
        },
        "pairs": [
            [a, level(x), b, level(y), n]
            for (a, x, b, y), n in sorted(ledger.pairs.items(), key=str)
        ],
        "classes": classes_met(cell, outcome),
        "known": dict(ledger.known),
        "first_known": {
            reason: {"regime": regime, "cases": cases}
            for reason, (regime, cases) in ledger.first_known.items()
        },
        "audited": ledger.audited,
        "worst_audit": number(ledger.worst_audit),
        "arbitrated": ledger.arbitrated,
        "seconds": round(outcome.seconds, 3),
        "reproduction": (
            None
            if outcome.failure is None
            else reproduction(
                outcome.failure.trial,
                outcome.failure.departure.message,
                outcome.failure.departure.details,
                cases / f"{cell.id}.json",
                outcome.seed,
            )
        ),
        "torch_faults": [
            reproduction(
                fault.trial,
                fault.message,
                fault.details,
                cases / f"{cell.id}-torch-{n}.json",
                outcome.seed,
            )
            for n, fault in enumerate(ledger.faults, start=1)
        ],
        "torch_fault_count": ledger.fault_count,
    }


def classes_met(cell: Cell, outcome: Outcome) -> list[list[Any]]:
    """How often each class of the operator's inputs was met, in the checks that count."""
    if cell.check.name not in classes.COUNTING:
        return []
    counts = dict.fromkeys(classes.names_of(cell.op), 0) | outcome.ledger.classes
    return [[parameter, name, count] for (parameter, name), count in counts.items()]


def reproduction(
    trial: Trial, message: str, details: dict[str, Any], file: Path, seed: int
) -> dict[str, Any]:
    """A failing case: what is wrong, the call in words and as data, and three ways to see it.

    ``seed`` is the run seed, for people: the case is replayed without it.
    """
    case = {**case_of(trial), "seed": seed}
    return {
        "message": message,
        "regime": trial.regime,
        "call": str(trial.call),
        "details": to_json({k: jsonable(v) for k, v in details.items()}),
        "case": case,
        "command": case_files.keep(case, file),
        "inline": command(trial),
        "script": script(replace(trial, call=details.get("call", trial.call)), details),
    }


def number(value: float) -> float | str:
    """JSON has no infinity."""
    return value if value - value == 0 else str(value)


def jsonable(value: Any) -> Any:
    """Plain values as they are, tuples as lists, the rest as text."""
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, int | float | str | bool | None | list) else str(value)


def level(value: Any) -> Any:
    """A parameter level as the report shows it."""
    return value if isinstance(value, int | float | str) else str(value)
