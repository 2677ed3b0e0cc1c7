"""Which classes of inputs a run met, and which it did not: see ``parity_tests/classes.py``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tried:
    """How many of an operator's classes its calls met, and those that none did."""

    met: int
    all: int
    untried: tuple[str, ...]

    @property
    def line(self) -> str:
        """For a verdict: how much was tried."""
        return f"{self.met:,} of {self.all:,} input classes tried"


def coverage(cells: Iterable[Mapping[str, Any]]) -> dict[str, Tried]:
    """By operator what its cells met; operators whose classes were not counted are left out.

    The cells are report.json's; forward and gradients count.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for cell in cells:
        for parameter, name, count in cell.get("classes", ()):
            counts[cell["op"]][f"{parameter}: {name}"] += count
    return {op: tried_of(classes) for op, classes in counts.items()}


def tried_of(counts: Mapping[str, int]) -> Tried:
    """Of one operator."""
    untried = tuple(name for name, count in counts.items() if not count)
    return Tried(len(counts) - len(untried), len(counts), untried)


def in_all(operators: Mapping[str, Tried]) -> Tried:
    """Of all operators together, those of one name said with the operator."""
    untried = tuple(f"{op} {name}" for op, one in operators.items() for name in one.untried)
    every = operators.values()
    return Tried(sum(one.met for one in every), sum(one.all for one in every), untried)
