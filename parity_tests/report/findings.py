"""What is wrong, for someone who wants to see it again: failures, torch's faults, reasons."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from parity_tests.report.cells import STATUSES, Cell, Json, Status, plain, slug
from parity_tests.report.charts import LIMIT, two_digits
from parity_tests.report.failing import rerun

DETAILED = 200  # findings shown with their case; of more, the first of each operator and check
TRACE = 6000  # characters of a traceback


@dataclass(frozen=True)
class Finding:
    """Something wrong, with everything needed to see it again."""

    id: str
    cell: Cell
    regime: str
    sentence: str
    more: str
    call: str
    facts: tuple[tuple[str, str], ...]
    command: str  # replays the case's file
    inline: str  # replays the case without a file
    script: str
    rerun: str
    count: int = 1
    style: Status = STATUSES["fail"]
    detailed: bool = True


@dataclass(frozen=True)
class Group:
    """Cells that share a reason, or findings that share an operator and a check."""

    id: str
    title: str
    members: tuple[Any, ...]
    more: str = ""
    fault: Json | None = None  # of a known departure: its region and reproduction


def failures(report: Json, cells: Iterable[Cell]) -> tuple[Group, ...]:
    """Every failing cell, with its minimal case where there is one."""
    failing = (cell for cell in cells if cell.status.word == "fail")
    return grouped(finding(report, cell, cell.target, cell.raw["reproduction"]) for cell in failing)


def torch_faults(report: Json, cells: Iterable[Cell]) -> tuple[Group, ...]:
    """Torch's faults, whatever the cell's own status."""
    return grouped(each_fault(report, cells))


def each_fault(report: Json, cells: Iterable[Cell]) -> Iterator[Finding]:
    """The few that were kept of each cell; the first one stands for the count."""
    for cell in cells:
        told: set[str] = set()
        for case in cell.faults:
            id = f"fault-{cell.id}" + (f"-{len(told) + 1}" if told else "")
            count = 1 if told else cell.raw["torch_fault_count"]
            found = finding(report, cell, id, case)
            if found.sentence not in told:
                told.add(found.sentence)
                yield replace(found, count=count, style=STATUSES["torch fault"])


def finding(report: Json, cell: Cell, id: str, case: Json | None) -> Finding:
    """A finding of a cell; without a case only the cell itself can be run again."""
    case = case or {}
    details = {key: plain(value) for key, value in (case.get("details") or {}).items()}
    first, _, rest = (case.get("message") or cell.reason).partition("\n")
    return Finding(
        id=id,
        cell=cell,
        regime=case.get("regime", ""),
        sentence=sentence(details) or first,
        more=rest[-TRACE:],
        call=case.get("call", ""),
        facts=tuple(measured(details)),
        command=case.get("command", ""),
        inline=case.get("inline", ""),
        script=case.get("script", ""),
        rerun="" if case else rerun(report, cell.raw),
    )


def sentence(details: Json) -> str:
    """What is wrong with a number, in words; empty where the case's own message is better."""
    if details.get("kind") != "value" or not {"got", "expected", "bound"} <= details.keys():
        return ""
    place = f"{details['result']}{details.get('index') or ''}"
    said = f"{place} is {details['got']}, should be {details['expected']}"
    if not details["bound"]:
        return f"{said}; it must be exact here."
    over = two_digits(float(details["over"]))
    return f"{said}: off by {over} times its bound, where {LIMIT:g} is allowed."


FACTS = {
    "got": "got",
    "expected": "expected",
    "definition": "by the definition",
    "bound": "bound",
    "over": "over",
    "wrong": "wrong elements",
    "raised at": "raised at",
}


def measured(details: Json) -> Iterator[tuple[str, str]]:
    """The figures of a finding, each with its name."""
    for key, name in FACTS.items():
        value = details.get(key)
        if value is None:
            continue
        if key == "over":
            value = f"{two_digits(float(value))} × bound"
        elif key == "bound":
            value = f"{float(value):.3g}" if float(value) else "0 (exact)"
        yield name, str(value)


def trimmed(findings: Iterable[Finding]) -> list[Finding]:
    """The cases of at most so many findings, those of different operators and checks first."""
    found = list(findings)
    met: Counter[tuple[str, str]] = Counter()
    order = []
    for index, one in enumerate(found):
        key = one.cell.op, one.cell.check
        order.append((met[key], index))
        met[key] += 1
    for _, index in sorted(order)[DETAILED:]:
        one = found[index]
        bare = replace(one, more="", call="", facts=(), command="", inline="", script="", rerun="")
        found[index] = replace(bare, detailed=False)
    return found


def grouped(findings: Iterable[Finding]) -> tuple[Group, ...]:
    """Siblings together: findings of one operator and check in several dtypes or devices."""
    groups: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for one in trimmed(findings):
        groups[one.cell.op, one.cell.check].append(one)
    return tuple(
        Group(slug("group", *key), " · ".join(key), tuple(members))
        for key, members in groups.items()
    )


def known(report: Json, cells: Iterable[Cell]) -> Iterator[Group]:
    """The excused departures: reason, in which cells how often, and how to see one again."""
    faults = {fault["reason"]: fault for fault in report["known"]}
    groups: defaultdict[str, list[tuple[Cell, int]]] = defaultdict(list)
    for cell in cells:
        for reason, count in cell.raw["known"].items():
            groups[reason].append((cell, count))
    for number, (reason, members) in enumerate(groups.items(), start=1):
        yield Group(f"known-{number}", reason, tuple(members), fault=faults.get(reason))


def by_reason(cells: Iterable[Cell], status: str) -> Iterator[Group]:
    """Cells of a status by what they say; of similar tracebacks the first one is shown."""
    groups: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.status.word == status:
            lines = cell.reason.strip().splitlines() or ["no reason was given"]
            groups[": ".join(dict.fromkeys((lines[0], lines[-1])))].append(cell)
    for number, (title, members) in enumerate(groups.items(), start=1):
        text = members[0].reason.strip()
        more = text[-TRACE:] if "\n" in text else ""
        counted = tuple((cell, 0) for cell in members)
        yield Group(f"{STATUSES[status].css}-{number}", title, counted, more)
