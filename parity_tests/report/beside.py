"""What stands beside a run on its page: the score of the planted faults, the power, the bench."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from parity_tests.files import of_json
from parity_tests.report.cells import Json

FILES = ("planted", "bench", "bench-cuda", "power")


def beside(folder: Path) -> dict[str, Json]:
    """The newest of each: left by a command in the reports' folder, or kept as evidence."""
    found: dict[str, Json] = {}
    for name in FILES:
        for file in (folder / f"{name}.json", folder / "evidence" / f"{name}.json"):
            if file.exists() and (read := of_json(file)) is not None:
                found[name] = read
                break
    return found


@dataclass(frozen=True)
class Hunted:
    """One planted fault: what it is, and what became of it under each seed."""

    name: str
    op: str
    says: str
    source: str
    caught: bool  # under every seed
    by: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """How many of the planted faults are caught, those of a kind together, survivors first."""

    caught: int
    total: int
    command: str
    facts: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, int, tuple[Hunted, ...]], ...]  # kind, how many survive, its faults


def score_of(planted: Json | None) -> Score | None:
    """The view of planted.json."""
    if planted is None:
        return None
    of: defaultdict[str, list[Hunted]] = defaultdict(list)
    for fault in planted["faults"]:
        of[fault["kind"]].append(hunted(fault))
    everyone = [one for faults in of.values() for one in faults]
    survivors = {kind: sum(not one.caught for one in faults) for kind, faults in of.items()}
    seeds = ",".join(map(str, planted["seeds"]))
    return Score(
        caught=sum(one.caught for one in everyone),
        total=len(everyone),
        command=f"make planted SEEDS={seeds}",
        facts=(
            ("profile, seeds", f"{planted['profile']}, {seeds}"),
            ("median time to catch", f"{planted['median_seconds'] or 0:.1f} s"),
            ("commit", str(planted["environment"]["commit"])),
        ),
        others=tuple(compared(planted["faults"])),
        kinds=tuple(
            (kind, survivors[kind], tuple(sorted(of[kind], key=lambda one: one.caught)))
            for kind in sorted(of, key=lambda kind: -survivors[kind])
        ),
    )


def hunted(fault: Json) -> Hunted:
    """A fault with its runs in words."""
    return Hunted(
        name=fault["name"],
        op=fault["op"],
        says=fault["says"],
        source=fault["source"],
        caught=all(run["killed"] for run in fault["runs"]),
        by=tuple(map(told, fault["runs"])),
    )


def told(run: Json) -> str:
    """What caught it, and how soon."""
    if not run["killed"]:
        return f"survives {run['cases']} cases"
    unexpected = "" if run["expected"] else ", unexpectedly"
    return f"{run['check']}{unexpected}, {run['cases']} cases, {run['seconds']:.1f} s"


def compared(faults: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """How many the other methods catch, of those they were asked about."""
    words = {
        "opinfo": "PyTorch’s OpInfo and ModuleInfo samples",
        "gradcheck": "gradcheck alone",
        "fixed": "fixed tolerances, five seeds, one shape",
    }
    for name, says in words.items():
        asked = [fault["others"][name] for fault in faults if fault["others"][name] is not None]
        if asked:
            yield says, f"{sum(map(bool, asked))} of {len(asked)}"


TINY = ", tiny"  # what the means of tiny calls are marked with


@dataclass(frozen=True)
class Bench:
    """Times of ours over torch's: a row per shape, a column per dtype and pass."""

    columns: tuple[str, ...]
    means: tuple[tuple[str, tuple[str, ...]], ...]  # of what, by column
    rows: tuple[tuple[str, tuple[tuple[str, str], ...], str], ...]  # shape, (text, css), notes
    facts: tuple[tuple[str, str], ...]
    sweep: tuple[tuple[str, str, str, str, str, bool], ...]  # name, dtype, value, ratio, note, met


def bench_of(bench: Json | None) -> Bench | None:
    """The view of bench.json."""
    if bench is None or not (bench["entries"] or bench.get("sweep")):
        return None
    of: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for entry in bench["entries"]:
        of[entry["name"]][f"{entry['dtype']} {entry['pass']}"] = entry
    columns = tuple(column for column in bench["geomean"] if not column.endswith(TINY))
    return Bench(
        columns=columns,
        means=tuple(
            (f"geometric mean{size}", means)
            for size in ("", TINY)
            if any(means := tuple(mean(bench, column + size) for column in columns))
        ),
        rows=tuple(
            (name, tuple(ratio(row.get(column)) for column in columns), notes(row))
            for name, row in of.items()
        ),
        facts=(
            ("measured", bench["started"].replace("T", " ").replace("Z", " UTC")),
            ("processor", str(bench["environment"]["gpu"] or bench["environment"]["processor"])),
            ("commit", str(bench["environment"]["commit"])),
        ),
        sweep=tuple(map(swept, bench.get("sweep", ()))),
    )


def mean(bench: Json, group: str) -> str:
    """A geometric mean, if there are any such calls."""
    return f"{bench['geomean'][group]:.2f}" if group in bench["geomean"] else ""


def swept(row: Json) -> tuple[str, str, str, str, str, bool]:
    """A row of the sweep in words, and whether it reaches its goal."""
    value = "" if row["value"] is None else f"{row['value']:g} {row['unit']}"
    over = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    told = "; ".join(filter(None, (row["goal"], row["note"])))
    return row["name"], row["dtype"] or "", value, over, told, row["met"]


def ratio(entry: Json | None) -> tuple[str, str]:
    """Ours over torch's time, and whether that is faster or much slower."""
    if entry is None:
        return "", ""
    value = entry["ratio"]
    return f"{value:.2f}", "faster" if value < 1 else "slow" if value > 2.5 else ""


def notes(row: Mapping[str, Json]) -> str:
    """Why an entry misses its goal."""
    return "; ".join(dict.fromkeys(entry["note"] for entry in row.values() if entry["note"]))


@dataclass(frozen=True)
class Power:
    """The smallest errors that are caught: a row per operator and check, a column per dtype."""

    headline: str
    limit: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]  # operator, check, (text, css)
    reasons: tuple[tuple[str, str, str, str, str], ...]  # operators, checks, types, units, why
    facts: tuple[tuple[str, str], ...]


def power_of(power: Json | None) -> Power | None:
    """The view of power.json."""
    if power is None or not power["rows"]:
        return None
    columns = tuple(dict.fromkeys(row["dtype"] for row in power["rows"]))
    of: defaultdict[tuple[str, str], dict[str, Json]] = defaultdict(dict)
    for row in power["rows"]:
        of[row["op"], row["check"]][row["dtype"]] = row
    return Power(
        headline=power["headline"],
        limit=units(power["limit"]),
        columns=columns,
        rows=tuple(
            (op, check, tuple(caught(row.get(column), power["limit"]) for column in columns))
            for (op, check), row in of.items()
        ),
        reasons=tuple(
            (
                reason["ops"].replace("|", ", "),
                reason["checks"].replace("|", ", "),
                "16 bits" if reason["bits"] == 16 else "wider",
                units(reason["units"]),
                reason["why"],
            )
            for reason in power["reasons"]
        ),
        facts=(
            ("measured", power["started"].replace("T", " ").replace("Z", " UTC")),
            ("command", "make power"),
            ("commit", str(power["environment"]["commit"])),
        ),
    )


def caught(row: Json | None, limit: float) -> tuple[str, str]:
    """The median and the worst of the calls, and whether the median is beyond the limit."""
    if row is None:
        return "", ""
    median, worst = float(row["median"]), float(row["worst"])
    return f"{units(median)} / {units(worst)}", "slow" if median > limit else ""


def units(value: float | str) -> str:
    """Two digits; infinite where nothing is caught."""
    number = float(value)
    return f"{number:.2g}" if number < 100 else "∞" if math.isinf(number) else f"{number:.0f}"
