"""How many cases the suite checks per second of one core, beside a floor and beside other ways.

A case here is one sample of a call: its outputs and its gradients, and the verdict on both. The
*floor* is a plain loop over the very same cases: the tensors made once, torch evaluated twice,
allclose. Each round has a seed of its own and runs everyone in turn; who goes first alternates, for
the first to meet a shape pays for oneDNN's compiling of it. Times are the processor's.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch

from parity_tests import expectations, experiments, subjects
from parity_tests.bench import fresh
from parity_tests.bench.peers import PEERS
from parity_tests.bench.stages import STAGES, clocked
from parity_tests.checks import CHECKS
from parity_tests.expectations import excuse
from parity_tests.ops import named
from parity_tests.profiles import PROFILES
from parity_tests.search import Cell, Drawn, Plan, Search
from parity_tests.trial import Trial

OPERATORS = (
    "conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d",
    "batch_norm", "layer_norm", "softmax", "interpolate",
)  # fmt: skip
PASSES = ("forward", "gradients")
DTYPES = (torch.float64, torch.float32)
GOALS = {torch.float64: 2.5, torch.float32: 1.0}  # the suite's time over the floor's
IMPORT_SECONDS, COLLECT_SECONDS, EFFICIENCY, GROWTH = 0.03, 2.0, 0.85, 1.1
ROUNDS = 4  # an even number

# Why a goal is missed, and what was tried.
SPEED_NOTE = (
    "of a case's eight milliseconds, for outputs and for gradients, drawing its two calls takes "
    "two, their error bounds three, one ATen primitive at a time in Python; a seeded loop without "
    "Hypothesis's engine, tried, saves one, which a second way of drawing is not worth"
)
IMPORT_NOTE = "some sixty modules are read and their classes built, none of them late"
COLLECT_NOTE = (
    "over 7,000 tests, and pytest's and Hypothesis's own imports; SciPy and JAX no longer are, and "
    "what is loaded is kept from the garbage collector"
)

Entry = dict[str, Any]
Seconds = dict[tuple[str, str], list[float]]  # of a case, by who and operator, round by round


def searches(name: str, dtype: torch.dtype, seed: int, *, times: int = 1) -> list[Search]:
    """The two cells of an operator in the default profile, or with so many times the examples."""
    profile = PROFILES["default"]
    profile = replace(profile, examples=times * profile.examples)
    plan = Plan(subjects.load("reimpl"), profile, seed, expectations.load())
    checks = [check for check in CHECKS if check.name in PASSES]
    return [Search(Cell(named(name), check, dtype, "cpu"), plan) for check in checks]


def suite(name: str, dtype: torch.dtype, seed: int) -> float:
    """Seconds of a case."""
    return sum(timed(search)[0] for search in searches(name, dtype, seed))


def timed(search: Search) -> tuple[float, int]:
    """Seconds of a case of a search, and how many cases it had."""
    start = time.process_time()
    failure = search.run()
    spent, count = time.process_time() - start, sum(search.ledger.cases.values())
    if failure is not None:
        raise RuntimeError(f"{search.cell.id} fails, so that its speed means nothing")
    return spent / count, count


def floor(name: str, dtype: torch.dtype, seed: int) -> float:
    """Seconds of a case where torch is compared with itself, drawing not counted."""
    total = 0.0
    for search in searches(name, dtype, seed):
        trials = [trial for trial in cases(search) if excuse(trial, crash=True) is None]
        start = time.process_time()
        for trial in trials:
            with suppress(RuntimeError, ValueError):  # torch's own faults with special numbers
                torch_twice(trial)
        total += (time.process_time() - start) / len(trials)
    return total


def cases(search: Search) -> Iterator[Trial]:
    """The cases of a search, not run: pinned calls first."""
    for call in search.cell.op.pinned:
        yield search.trial(call, "pinned", search.dtype(0))
    for round in search.rounds():
        met: list[Drawn] = []
        search.draw(round, met.append)
        dtype = search.dtype(round.number)
        for call, _ in met:
            yield search.trial(search.changed(call, round, dtype), round.regime, dtype)


def torch_twice(trial: Trial) -> bool:
    """Whether torch agrees with itself."""
    experiment = getattr(experiments, trial.check)
    tensors, cotangents = trial.tensors(), {}

    def cotangent(name: str, output: torch.Tensor) -> torch.Tensor:
        if name not in cotangents:
            cotangents[name] = trial.cotangent(name, output)
        return cotangents[name]

    def once() -> list[torch.Tensor]:
        own = {name: t.detach() for name, t in tensors.items()}
        return list(experiment(trial.op, trial.torch, trial.call, own, cotangent).values())

    with torch.backends.mkldnn.flags(enabled=trial.onednn):
        pairs = zip(once(), once(), strict=True)
        return all(torch.allclose(a, b, equal_nan=True) for a, b in pairs)


def measured(names: Sequence[str], dtype: torch.dtype) -> tuple[Seconds, dict[str, str]]:
    """Everyone's rounds, and who could not be measured, and why."""
    subject, found = subjects.load("reimpl"), Seconds()
    missing: dict[str, str] = {}
    for number in range(ROUNDS):
        for name in names:
            two = [("suite", suite), ("floor", floor)]
            for who, run in reversed(two) if number % 2 else two:
                found.setdefault((who, name), []).append(run(name, dtype, number))
            for who, peer in PEERS.items():
                try:
                    seconds = peer(named(name), dtype, subject, number)
                except ImportError as error:
                    missing[who] = f"not measured: {error}"
                    continue
                if seconds is not None:
                    found.setdefault((who, name), []).append(seconds)
    return found, missing


def entry(name: str, value: float | None, unit: str, **more: Any) -> Entry:
    """One row: ``ratio`` is the time over the floor's, ``goal`` what it or the value should be."""
    empty = {"dtype": None, "pass": "sweep", "ratio": None, "spread": None, "goal": None}
    return {"name": name, "value": value, "unit": unit} | empty | {"note": None} | more


def speeds(names: Sequence[str], dtype: torch.dtype) -> Iterator[Entry]:
    """The suite as a whole, the floor, the others; then the suite by operator."""
    found, missing = measured(names, dtype)
    text = str(dtype).removeprefix("torch.")
    for who in ("suite", "floor", *PEERS):
        here = [name for name in names if (who, name) in found]
        if here:
            goal = f"ratio at most {GOALS[dtype]}" if who == "suite" else None
            yield speed(who, text, found, who, here, goal)
        elif who in missing:
            yield entry(who, None, "cases/s", dtype=text, note=missing[who])
    for name in names:
        yield speed(f"suite, {name}", text, found, "suite", [name], None)


def speed(
    title: str, dtype: str, found: Seconds, who: str, names: Sequence[str], goal: str | None
) -> Entry:
    """Operators count alike; the ratios are of pairs of rounds, in which each went first once."""
    mine = [statistics.fmean(found[who, name][i] for name in names) for i in range(ROUNDS)]
    base = [statistics.fmean(found["floor", name][i] for name in names) for i in range(ROUNDS)]
    ratios = [sum(mine[i : i + 2]) / sum(base[i : i + 2]) for i in range(0, ROUNDS, 2)]
    return entry(
        title,
        round(1 / statistics.median(mine), 1),
        "cases/s",
        dtype=dtype,
        ratio=round(statistics.fmean(ratios), 2),
        spread=[round(min(ratios), 2), round(max(ratios), 2)],
        goal=goal,
        note=SPEED_NOTE if goal and statistics.fmean(ratios) > float(goal.split()[-1]) else None,
    )


def stages(names: Sequence[str], dtype: torch.dtype) -> Iterator[Entry]:
    """Milliseconds of a case by stage: the first round once more."""
    total = dict.fromkeys(STAGES, 0.0)
    for name in names:
        for search in searches(name, dtype, seed=0):
            with clocked() as clock:
                _, count = timed(search)
            for stage in STAGES:
                total[stage] += 1e3 * clock.seconds[stage] / count / len(names)
    for stage in sorted(STAGES, key=lambda stage: -total[stage]):
        share = f"{total[stage] / sum(total.values()):.0%} of the suite's time"
        text = str(dtype).removeprefix("torch.")
        yield entry(f"stage, {stage}", round(total[stage], 3), "ms/case", dtype=text, note=share)


def growth(name: str) -> Iterator[Entry]:
    """Time of a case with more of them: where time grows linearly it stays the same.

    The fastest of three: something else on the machine only ever slows one down.
    """

    def fastest(times: int) -> tuple[float, int]:
        return min(timed(searches(name, torch.float64, 0, times=times)[0]) for _ in range(3))

    base, fewest = fastest(1)
    for times in (4, 8):
        seconds, count = fastest(times)
        title = f"time of a case: {count} of {name} over {fewest}"
        yield entry(title, round(seconds / base, 2), "times", goal=f"at most {GROWTH}")


def beginnings(names: Sequence[str]) -> Iterator[Entry]:
    """What is measured in processes of their own."""
    busy = f"load of the machine {fresh.load()}"
    taken = statistics.median(fresh.beyond_torch(fresh.IMPORT, 3))
    title = "import reimpl, over import torch"
    goal, note = f"at most {1e3 * IMPORT_SECONDS:.0f}", IMPORT_NOTE
    yield entry(
        title,
        round(1e3 * taken, 1),
        "ms",
        goal=goal,
        note=note if taken > IMPORT_SECONDS else None,
    )
    taken = statistics.median(fresh.beyond_torch(fresh.COLLECT, 1))
    title = "collecting the whole suite, over import torch"
    goal, note = f"at most {COLLECT_SECONDS:.0f}", COLLECT_NOTE
    yield entry(
        title, round(taken, 2), "s", goal=goal, note=note if taken > COLLECT_SECONDS else None
    )
    found = round(fresh.efficiency(names), 2)
    yield entry("efficiency of two workers", found, "", goal=f"at least {EFFICIENCY}", note=busy)


def entries(names: Sequence[str]) -> Iterator[Entry]:
    """Every row."""
    for dtype in DTYPES:
        for name in names:
            suite(name, dtype, ROUNDS + 1)  # what is done once in a process is not counted
        yield from speeds(names, dtype)
        yield from stages(names, dtype)
    yield from growth("softmax")
    yield from beginnings(names)


def met(row: Mapping[str, Any]) -> bool:
    """Whether a row's goal is reached; so is none at all."""
    if row["goal"] is None:
        return True
    *_, bound, number = row["goal"].split()
    value = row["ratio"] if row["goal"].startswith("ratio") else row["value"]
    return value is not None and (
        value <= float(number) if bound == "most" else value >= float(number)
    )


def table(names: Sequence[str] = OPERATORS) -> list[Entry]:
    """Printed as it is measured."""
    say(f"\n{'sweep':<48}{'':<9}{'':>18}{'time/floor':>11}  goal")
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's and the subject's
        for row in entries(names):
            rows.append(row | {"met": met(row)})
            say(line(rows[-1]))
    return rows


def line(row: Mapping[str, Any]) -> str:
    """A row as text."""
    value = "" if row["value"] is None else f"{row['value']:g}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    goal = "" if row["goal"] is None else row["goal"] + ("" if row["met"] else ": missed")
    told = "; ".join(filter(None, (goal, row["note"])))
    where = f"{row['name']:<48}{row['dtype'] or '':<9}"
    return f"{where}{value:>10} {row['unit']:<8}{ratio:>10}  {told}".rstrip()


def say(text: str) -> None:
    """A line on the screen at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
