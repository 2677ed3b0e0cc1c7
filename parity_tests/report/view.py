"""What the page shows, worked out of the report before the template sees it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from parity_tests.report import charts, evidence, findings, untried
from parity_tests.report.beside import Bench, Power, Score, bench_of, power_of, score_of
from parity_tests.report.cells import (
    REGIMES,
    STATUSES,
    Cell,
    Json,
    Status,
    brief,
    cell_of,
    dtype_order,
    integer_keys,
    seeds_of,
    slug,
    tally,
)
from parity_tests.report.charts import Axes, Panel, shown_number, two_digits
from parity_tests.report.coverage import Coverage, coverage
from parity_tests.report.covered import Covered, covered
from parity_tests.report.findings import Group
from parity_tests.report.untried import Tried


@dataclass(frozen=True)
class Column:
    """A check's columns in the matrix: one per dtype, or a single one without a name."""

    check: str
    dtypes: tuple[str, ...]

    @property
    def single(self) -> bool:
        """Whether the check draws its dtypes itself."""
        return self.dtypes == ("any",)


@dataclass(frozen=True)
class MatrixRow:
    """An operator on a device; None is a combination that makes no sense."""

    op: str
    device: str
    first: bool
    last: bool
    cells: tuple[tuple[Cell | None, bool], ...]  # with: whether a new check begins here
    family: str = ""  # whose first row this is
    worst: float = 0.0  # error over bound of the operator, on any device: to sort by


@dataclass(frozen=True)
class Extreme:
    """The case of an operator that came out worst, or took longest."""

    what: str
    where: str
    call: str


@dataclass(frozen=True)
class Trajectory:
    """A running buffer in one dtype: the worst error after each step, drawn and in words."""

    title: str
    line: str
    words: str


@dataclass(frozen=True)
class Operator:
    """An operator's own section."""

    name: str
    id: str
    signature: str
    paragraphs: tuple[str, ...]
    checks: tuple[tuple[str, tuple[Cell, ...]], ...]
    tally: tuple[tuple[Status, int], ...]
    panels: tuple[Panel, ...]
    trajectories: tuple[Trajectory, ...]
    extremes: tuple[Extreme, ...]
    coverage: Coverage | None
    tried: Tried | None  # classes of inputs


@dataclass(frozen=True)
class Elsewhere:
    """A device that this run had not, with what is kept from another run."""

    device: str
    says: str
    facts: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, tuple[tuple[Status, int], ...], str], ...] = ()


@dataclass(frozen=True)
class Page:
    """Everything the template prints."""

    report: Json
    summary: str
    covered: Covered
    tally: tuple[tuple[Status, int], ...]
    facts: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    regimes: Mapping[str, str]
    columns: tuple[Column, ...]
    rows: tuple[MatrixRow, ...]
    failures: tuple[Group, ...]
    faults: tuple[Group, ...]
    known: tuple[Group, ...]
    in_part: tuple[Group, ...]
    unsupported: tuple[Group, ...]
    unrun: tuple[Group, ...]
    operators: tuple[Operator, ...]
    by_length: tuple[tuple[str, str], ...]  # reduction length, the worst error of any cell there
    lengths: Axes
    histograms: Axes
    steps: Axes
    elsewhere: tuple[Elsewhere, ...]
    score: Score | None
    power: Power | None
    bench: Bench | None

    statuses = tuple(STATUSES.values())
    limit = f"{charts.LIMIT:g}"

    @property
    def devices_shown(self) -> bool:
        """Whether rows must say which device they mean."""
        return len(self.report["devices"]) > 1

    @property
    def seeds(self) -> str:
        """The run seeds, as the option takes them."""
        return seeds_of(self.report)

    def label(self, cell: Cell) -> str:
        """A cell in a line."""
        return cell.label(self.devices_shown)

    @property
    def checks(self) -> Mapping[str, str]:
        """The checks that have cells, each with its claim."""
        claims: Mapping[str, str] = self.report["checks"]
        return {column.check: claims.get(column.check, "") for column in self.columns}

    @property
    def families(self) -> tuple[str, ...]:
        """The families that have rows, in their order."""
        return tuple(row.family for row in self.rows if row.family)

    @property
    def width(self) -> int:
        """The matrix' columns behind the operators' names."""
        return self.devices_shown + sum(len(column.dtypes) for column in self.columns)

    @property
    def sections(self) -> Iterator[tuple[str, str, int]]:
        """The page's parts that are there: place, title, how many entries."""
        yield "matrix", "Matrix", 0
        for id, title, groups in (
            ("failures", "Failures", self.failures),
            ("faults", "Torch’s faults", self.faults),
            ("known", "Known", self.known),
            ("inpart", "Supported in part", self.in_part),
            ("unsupported", "Unsupported", self.unsupported),
            ("notrun", "Not run", self.unrun),
        ):
            if groups:
                yield id, title, sum(len(group.members) for group in groups)
        yield "operators", "Operators", len(self.operators)
        if any(one.rows for one in self.elsewhere):
            yield "evidence", "Evidence", 0
        if self.score:
            yield "score", "Planted faults", self.score.total
        if self.bench:
            yield "bench", "Speed", len(self.bench.rows)
        if self.covered.untried:
            yield "untried", "Not tried", len(self.covered.untried)
        yield "environment", "Environment", 0
        yield "method", "Method", 0

    @staticmethod
    def place(op: str) -> str:
        """Where an operator's section stands."""
        return slug("op", op)

    @staticmethod
    def short(dtype: str) -> str:
        """A dtype's name for a narrow column: f32, bf16, c64, i8."""
        return re.sub(r"^(b?)(float|complex|int|uint|bool)", shortened, dtype)

    @cached_property
    def links(self) -> Mapping[str, str]:
        """Where more is said of a cell that has no plain pass."""
        groups = (*self.known, *self.in_part, *self.unsupported, *self.unrun)
        reasons = {cell.id: group.id for group in groups for cell, _ in group.members}
        own = (group.members for group in (*self.failures, *self.faults))
        return reasons | {one.cell.id: one.cell.target for members in own for one in members}


def shortened(match: re.Match[str]) -> str:
    """The first letter of each part of a dtype's name."""
    return match[1] + match[2][0]


def page(report: Json, beside: Mapping[str, Json]) -> Page:
    """The view of a report, with what else was measured, see :mod:`beside`."""
    cells = [cell_of(raw, report["subject"] == "torch") for raw in report["cells"]]
    axes = charts.length_axes(integer_keys(raw["by_length"]) for raw in report["cells"])
    columns = tuple(columns_of(report, cells))
    return Page(
        report=report,
        summary=summary(report, cells),
        covered=covered(report),
        tally=tally(cells),
        facts=tuple(facts(report)),
        environment=tuple(environment(report)),
        regimes=regimes(cells),
        columns=columns,
        rows=tuple(matrix(report, cells, columns)),
        failures=findings.failures(report, cells),
        faults=findings.torch_faults(report, cells),
        known=tuple(findings.known(report, cells)),
        in_part=tuple(findings.by_reason(cells, "in part")),
        unsupported=tuple(findings.by_reason(cells, "unsupported")),
        unrun=tuple(findings.by_reason(cells, "not run")),
        operators=tuple(operators(report, cells, axes)),
        by_length=tuple(by_length(cells)),
        lengths=axes,
        histograms=charts.histogram_axes(),
        steps=charts.step_axes(axes),
        elsewhere=tuple(elsewhere(report)),
        score=score_of(beside.get("planted")),
        power=power_of(beside.get("power")),
        bench=bench_of(beside.get("bench")),
    )


def elsewhere(report: Json) -> Iterator[Elsewhere]:
    """Devices without results of this run: not run, and never green."""
    found = {one["device"]: one for one in report.get("evidence", [])}
    for device in report["absent"]:
        if device not in found:
            yield Elsewhere(device, "not run, no device here")
            continue
        facts = dict(evidence.facts(found[device], report["started"]))
        rows = (
            (op, tuple((STATUSES[s], counts[s]) for s in STATUSES if counts[s]), two_digits(worst))
            for op, counts, worst in evidence.by_operator(found[device])
        )
        says = f"not run here; evidence of {facts['measured']}"
        yield Elsewhere(device, says, tuple(facts.items()), tuple(rows))


def by_length(cells: Iterable[Cell]) -> Iterator[tuple[str, str]]:
    """The worst error at each reduction length: the overall worst sits at trivial shapes."""
    worst: defaultdict[int, float] = defaultdict(float)
    for cell in cells:
        for length, ratio in integer_keys(cell.raw["by_length"]).items():
            worst[length] = max(worst[length], ratio)
    for length in sorted(worst):
        yield charts.short(length), brief(two_digits(worst[length]))


def regimes(cells: Iterable[Cell]) -> Mapping[str, str]:
    """The regimes any case came from, and what each is."""
    seen = {regime for cell in cells for regime in cell.regimes}
    words = REGIMES | dict.fromkeys(sorted(seen - REGIMES.keys()), "")
    return {name: text for name, text in words.items() if name in seen}


def environment(report: Json) -> Iterator[tuple[str, str]]:
    """Versions, machine and run, in plain words."""
    yield from report["versions"].items()
    for name, value in report["environment"].items():
        words = {True: "yes", False: "no", None: "none"}
        shown = words[value] if value is None or isinstance(value, bool) else str(value)
        yield name.replace("_", " "), shown
    yield "run seeds" if "," in seeds_of(report) else "run seed", seeds_of(report)
    yield "profile", report["profile"]
    yield "started", report["started"].replace("T", " ").replace("Z", " UTC")
    yield "took", duration(report["seconds"])


def summary(report: Json, cells: Sequence[Cell]) -> str:
    """Why the verdict is what it is, in a sentence."""
    counts = Counter(cell.status.word for cell in cells)
    failing = list(dict.fromkeys(cell.op for cell in cells if cell.status.word == "fail"))
    if failing:
        more = f" and {len(failing) - 5} more operators" if len(failing) > 6 else ""
        named = ", ".join(failing[:5] if more else failing) + more
        return f"{counts['fail']} of {len(cells)} cells fail, in {named}."
    if report["verdict"] == "FAIL":
        return "An operator that was asked for by name, or that reimpl promises, is unsupported."
    if report["verdict"] == "INCOMPLETE":
        return f"Nothing fails, but {counts['not run']} of {len(cells)} cells have no result."
    words = ("torch fault", "known", "in part", "unsupported")
    others = [f"{counts[w]} {w}" for w in words if counts[w]]
    rest = f", {', '.join(others)}" if others else ""
    return f"Nothing fails: of {len(cells)} cells {counts['pass']} pass{rest}."


def facts(report: Json) -> Iterator[tuple[str, str]]:
    """The run in figures."""
    yield "subject", report["subject"]
    yield "torch", report["versions"]["torch"]
    yield "commit", report["environment"]["commit"] or "outside git"
    yield "profile, seed", f"{report['profile']}, {seeds_of(report)}"
    yield "cases run", f"{report['cases']:,}"
    yield "cells with a result", f"{report['found']:,} of {report['declared']:,}"
    classes = report.get("classes", {})
    if classes.get("of"):
        yield "input classes tried", f"{classes['tried']:,} of {classes['of']:,}"
    modes = sum((Counter(raw.get("modes", {})) for raw in report["cells"]), Counter[str]())
    if modes:
        yield "calls compared, by mode", ", ".join(f"{m} {n:,}" for m, n in modes.most_common())
    worst = two_digits(float(report["worst_audit"]))
    audited = report["audited"]
    yield "audited by definition", f"{audited:,}, worst {worst}" if audited else "none"
    untold = sum(raw.get("unbounded", 0) for raw in report["cells"])
    yield "elements that no judge could tell", f"{untold:,}" if untold else "none"
    yield "took", duration(report["seconds"])


def duration(seconds: float) -> str:
    """Seconds up to two minutes, then minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def columns_of(report: Json, cells: Iterable[Cell]) -> Iterator[Column]:
    """The checks that were run, in their order, with the dtypes any operator has there."""
    dtypes: defaultdict[str, set[str]] = defaultdict(set)
    for cell in cells:
        dtypes[cell.check].add(cell.dtype)
    for check in (*report["checks"], *sorted(dtypes.keys() - report["checks"].keys())):
        if check in dtypes:
            yield Column(check, tuple(sorted(dtypes[check], key=dtype_order)))


def matrix(report: Json, cells: Iterable[Cell], columns: Iterable[Column]) -> Iterator[MatrixRow]:
    """A row for each operator and device."""
    at = {(c.op, c.check, c.dtype, c.device): c for c in cells}
    worst: defaultdict[str, float] = defaultdict(float)
    for cell in at.values():
        worst[cell.op] = max(worst[cell.op], shown_number(cell.worst))
    family = ""
    for op, about in report["operators"].items():
        begins = about["family"] if about["family"] != family else ""
        family = about["family"]
        for device in report["devices"]:
            row = tuple(
                (at.get((op, column.check, dtype, device)), dtype == column.dtypes[0])
                for column in columns
                for dtype in column.dtypes
            )
            devices = report["devices"]
            first, last = device == devices[0], device == devices[-1]
            yield MatrixRow(op, device, first, last, row, begins if first else "", worst[op])


def operators(report: Json, cells: Iterable[Cell], axes: Axes) -> Iterator[Operator]:
    """Every operator's section, in the order of their declaration."""
    of: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        of[cell.op].append(cell)
    tried = untried.coverage(cell.raw for own in of.values() for cell in own)
    for name, about in report["operators"].items():
        own = of[name]
        yield Operator(
            name=name,
            id=Page.place(name),
            signature=about["signature"],
            paragraphs=tuple(p for p in (about.get("doc") or "").strip().split("\n\n") if p),
            checks=tuple(checks(own)),
            tally=tally(own),
            panels=tuple(panels(own, axes)),
            trajectories=tuple(trajectories(own, axes)),
            extremes=tuple(extremes(own)),
            coverage=coverage(
                about["levels"], about["feasible"], (p for c in own for p in c.raw["pairs"])
            ),
            tried=tried.get(name),
        )


def trajectories(cells: Iterable[Cell], axes: Axes) -> Iterator[Trajectory]:
    """What the running buffers' errors come to, step after step on one state."""
    for cell in cells:
        for buffer, table in cell.raw["by_step"].items():
            steps = integer_keys(table)
            if len(steps) > 1:
                words = ", ".join(f"step {n}: {two_digits(r)}" for n, r in sorted(steps.items()))
                title = f"{buffer} · {cell.dtype}"
                yield Trajectory(title, charts.stepwise(steps, axes), words)


def extremes(cells: Sequence[Cell]) -> Iterator[Extreme]:
    """The case with the worst error, and the one that took longest."""
    worst = max(cells, key=lambda cell: float(cell.raw["worst"]))
    if worst.raw["worst_call"]:
        what = f"worst, {two_digits(float(worst.raw['worst']))} bounds"
        yield Extreme(what, worst.label(True).partition(":")[0], clipped(worst.raw["worst_call"]))
    slow = max(cells, key=lambda cell: float(cell.raw["slowest"]["seconds"]))
    if slow.raw["slowest"]["call"]:
        what = f"slowest, {1000 * slow.raw['slowest']['seconds']:.0f} ms"
        call = clipped(slow.raw["slowest"]["call"])
        yield Extreme(what, slow.label(True).partition(":")[0], call)


def clipped(text: str) -> str:
    """A call in at most three lines; the whole one is in report.json."""
    return text if len(text) <= 300 else f"{text[:300]}…"


def checks(cells: Iterable[Cell]) -> Iterator[tuple[str, tuple[Cell, ...]]]:
    """An operator's cells by check."""
    of: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        of[cell.check].append(cell)
    for check, members in of.items():
        ordered = sorted(members, key=lambda c: (c.device, dtype_order(c.dtype)))
        yield check, tuple(ordered)


def panels(cells: Iterable[Cell], axes: Axes) -> Iterator[Panel]:
    """An operator's errors in each dtype, over all checks and devices."""
    worst: defaultdict[str, dict[int, float]] = defaultdict(dict)
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for cell in cells:
        table = worst[cell.dtype]
        for length, ratio in integer_keys(cell.raw["by_length"]).items():
            table[length] = max(table.get(length, 0.0), ratio)
        counts[cell.dtype].update({int(k): n for k, n in cell.raw["histogram"].items()})
    for dtype in sorted(counts, key=dtype_order):
        if worst[dtype] and counts[dtype]:
            name = "any dtype" if dtype == "any" else dtype
            yield charts.panel(name, worst[dtype], counts[dtype], axes)
