"""Which pairs of parameter levels were tried: a triangle of small tables.

A table and not a picture: it can be read aloud, searched and copied.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity_tests.report.charts import short


@dataclass(frozen=True)
class Place:
    """One pair of levels: how often it was met, and how that is drawn."""

    text: str
    css: str


@dataclass(frozen=True)
class Row:
    """A level of a parameter against all levels of the parameters before it."""

    level: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Coverage:
    """Which pairs of parameter levels an operator's calls contained."""

    columns: tuple[tuple[str, tuple[str, ...]], ...]  # parameter, its levels
    groups: tuple[tuple[str, tuple[Row, ...]], ...]  # parameter, its rows
    tried: int
    feasible: int
    calls: int


def coverage(
    levels: Mapping[str, Sequence[Any]],
    feasible: Iterable[Sequence[Any]],
    met: Iterable[Sequence[Any]],
) -> Coverage | None:
    """The triangle of all pairs; None where there are no two parameters."""
    if len(levels) < 2:
        return None
    possible = {pair_key(*pair) for pair in feasible}
    counts: Counter[frozenset[tuple[str, str]]] = Counter()
    for *pair, count in met:
        counts[pair_key(*pair)] += count
    most = max(counts.values(), default=1)
    names = list(levels)

    def row(name: str, value: Any, before: Sequence[str]) -> Row:
        keys = (pair_key(other, v, name, value) for other in before for v in levels[other])
        return Row(str(value), tuple(place(counts[k], k in possible, most) for k in keys))

    return Coverage(
        columns=tuple((name, tuple(map(str, levels[name]))) for name in names[:-1]),
        groups=tuple(
            (name, tuple(row(name, value, names[:i]) for value in levels[name]))
            for i, name in enumerate(names)
            if i
        ),
        tried=sum(counts[key] > 0 for key in possible),
        feasible=len(possible),
        calls=sum(counts.values()),
    )


def pair_key(a: str, x: Any, b: str, y: Any) -> frozenset[tuple[str, str]]:
    """The same for both orders; 1 and True differ."""
    return frozenset(((a, repr(x)), (b, repr(y))))


def place(count: int, possible: bool, most: int) -> Place:
    """Tried: a number on one of four tints. Untried: hatched. Infeasible: a dash."""
    if count:
        tint = 1 + min(3, int(4 * math.log(count) / math.log(most))) if most > 1 else 4
        return Place(short(count), f"t{tint}")
    return Place("0", "untried") if possible else Place("–", "")
