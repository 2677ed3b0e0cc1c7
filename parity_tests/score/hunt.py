"""One fault under one seed: the suite's own search over its operator, up to the first failure.

The cells, their draws and their budgets are those of an ordinary run; only the shrinking is left
out. The checks that ought to notice come first, then the others.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from typing import Any

import torch

from parity_tests import expectations
from parity_tests.checks import CHECKS
from parity_tests.ops import named
from parity_tests.planted.fault import Fault
from parity_tests.profiles import PROFILES
from parity_tests.search import Cell, Plan, examine

CORPUS = "parity_tests.planted"


def fault_named(corpus: str, name: str) -> Fault:
    """A fault of a corpus: of the FAULTS or CONTROLS of a module."""
    module = importlib.import_module(corpus)
    return next(f for f in (*module.FAULTS, *getattr(module, "CONTROLS", ())) if f.name == name)


def cells_of(fault: Fault) -> Iterator[Cell]:
    """The cells of its operator, those of the expected checks first.

    Independence is promised of reimpl alone; a fault's wrapping may call what it likes.
    """
    op, last = named(fault.op), len(fault.expected)
    place = {check: i for i, check in enumerate(fault.expected)}
    for check in sorted(CHECKS, key=lambda check: place.get(check.name, last)):
        if check.name != "independence" or check.name in place:
            for dtype in check.dtypes(op):
                yield Cell(op, check, dtype, "cpu")


def hunt(corpus: str, name: str, profile: str, seed: int) -> Iterator[dict[str, Any]]:
    """The check about to be run, again and again, and at the end what became of the fault."""
    torch.set_num_threads(1)
    fault = fault_named(corpus, name)
    plan = Plan(fault.subject(), PROFILES[profile], seed, expectations.load(), shrink=False)
    start, cases = time.perf_counter(), 0
    for cell in cells_of(fault):
        yield {"check": cell.check.name}
        outcome = examine(cell, plan)
        cases += sum(outcome.ledger.cases.values())
        found = {"seed": seed, "cases": cases, "seconds": round(time.perf_counter() - start, 2)}
        if outcome.reason.startswith("the suite raised"):
            yield unjudged(seed, outcome.reason)
            return
        if outcome.failure is not None:
            yield verdict(fault, found, cell.check.name, outcome.failure.trial.regime)
            return
    yield verdict(fault, found, None, None)


def verdict(
    fault: Fault, found: dict[str, Any], check: str | None, regime: str | None
) -> dict[str, Any]:
    """What the report says of a fault under a seed; no check: it survived them all."""
    caught = {"killed": check is not None, "check": check, "regime": regime}
    return {**found, **caught, "expected": check in fault.expected}


def unjudged(seed: int, why: str) -> dict[str, Any]:
    """The search came to no end."""
    empty = {"check": None, "regime": None, "cases": 0, "seconds": 0.0, "expected": False}
    return {"seed": seed, "killed": False, **empty, "error": why}
