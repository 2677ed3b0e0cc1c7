"""How much a run has tried, in one line, and by operator what it has not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from parity_tests.report.cells import Json
from parity_tests.report.coverage import pair_key


@dataclass(frozen=True)
class Share:
    """So many of what could be tried; ``missing`` says by operator how many were not."""

    what: str
    tried: int
    possible: int
    missing: Counter[str]

    def __str__(self) -> str:
        return f"{self.tried:,} of {self.possible:,} {self.what}"


@dataclass(frozen=True)
class Covered:
    """What a verdict rests on."""

    cases: int
    comparisons: int
    refused: int  # calls that the subject refused: nothing of them was compared
    shares: tuple[Share, ...]

    def __str__(self) -> str:
        counts = [f"{self.cases:,} cases", f"{self.comparisons:,} comparisons"]
        counts += [f"{self.refused:,} calls refused"] if self.refused else []
        return ", ".join([*counts, *map(str, self.shares)])

    @property
    def untried(self) -> tuple[tuple[str, str], ...]:
        """Operators of which something was not tried, and in words how much of what."""
        ops = dict.fromkeys(op for share in self.shares for op in share.missing)
        return tuple((op, ", ".join(self.missing_of(op))) for op in ops)

    def missing_of(self, op: str) -> Iterator[str]:
        """What of one operator was not tried."""
        for share in self.shares:
            if share.missing[op]:
                yield f"{share.missing[op]:,} {share.what}"


def covered(report: Json) -> Covered:
    """Cases, comparisons, parameter pairs, and where they were counted classes of inputs."""
    return Covered(
        sum(cell["cases"] for cell in report["cells"]),
        sum(cell["comparisons"] for cell in report["cells"]),
        sum(sum(cell.get("refused", {}).values()) for cell in report["cells"]),
        tuple(share for share in (pairs(report), classes(report)) if share.possible),
    )


def pairs(report: Json) -> Share:
    """Pairs of parameter levels that some valid call can contain."""
    met: defaultdict[str, set[object]] = defaultdict(set)
    for cell in report["cells"]:
        met[cell["op"]] |= {pair_key(*pair) for *pair, count in cell["pairs"] if count}
    possible = {
        op: {pair_key(*pair) for pair in about["feasible"]}
        for op, about in report["operators"].items()
    }
    missing = Counter({op: len(keys - met[op]) for op, keys in possible.items()})
    total = sum(map(len, possible.values()))
    return Share("parameter pairs", total - missing.total(), total, +missing)


def classes(report: Json) -> Share:
    """Classes of input values, of the cells that count them."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for cell in report["cells"]:
        for parameter, name, count in cell.get("classes", ()):
            counts[cell["op"], parameter, name] += count
    missing = Counter(op for (op, _, _), count in counts.items() if not count)
    return Share("input classes", len(counts) - missing.total(), len(counts), missing)
