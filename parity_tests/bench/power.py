"""The power of each check: the smallest error that is caught, for every operator and dtype.

Some ordinary calls are drawn. The exact result times 1 + δ, rounded once, stands for an
implementation that is too large by δ everywhere, and right otherwise. Bisection finds the smallest
δ that the judge rejects. Every result is planted alone, and a call counts by the result that shows
least. Errors are in units in the last place: δ over the dtype's eps.

``make power`` writes the table; `limits` says how wide a bound may be.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from parity_tests import experiments, subjects
from parity_tests.bench.limits import DEFINITE, LIMIT, REASONS
from parity_tests.checks import CHECKS, Check
from parity_tests.experiments import is_integer
from parity_tests.op import Call, Op
from parity_tests.ops import OPS
from parity_tests.report.collect import number
from parity_tests.report.merge import environment, versions
from parity_tests.running_error import Bounded, accept
from parity_tests.search import draw_each
from parity_tests.strategies import calls
from parity_tests.trial import InvalidCall, Trial
from parity_tests.truth import Truth, computed_in

CHECKED = ("forward", "gradients", "second", "buffers")
CALLS, SEED = 6, 2
SCHEMA = 1

Row = dict[str, Any]


def measured(op: Op, check: Check, dtype: torch.dtype) -> Row | None:
    """The smallest errors caught in an operator's calls; None where no call has any result."""
    found = []
    for true in truths(op, check, dtype):
        units = [smallest_caught(b, dtype) for b in bounds(true) if nonzero(b)]
        if units:
            found.append(max(units))
    if not found:
        return None
    return {
        "op": op.name,
        "check": check.name,
        "dtype": str(dtype).removeprefix("torch."),
        "calls": len(found),
        "median": number(statistics.median_low(found)),
        "worst": number(max(found)),
    }


def truths(op: Op, check: Check, dtype: torch.dtype, count: int = CALLS) -> Iterator[Truth]:
    """What the results of some ordinary calls are judged by."""
    drawn: list[Call] = []
    draw_each(
        calls(op, "ordinary", {}, with_steps=check.steps),
        lambda found: drawn.append(found[0]),
        count,
        (op.name, "power", SEED),
    )
    subject = subjects.load("reimpl")
    for call in drawn:
        if call.wanted or check.name in ("forward", "buffers"):
            trial = Trial(op, check.name, call, subject, dtype, "cpu")
            with suppress(InvalidCall):  # torch cannot differentiate it
                yield Truth(trial, getattr(experiments, check.name))


def bounds(true: Truth) -> list[Bounded]:
    """Of every result that is no integer."""
    return [true.bound(name) for name, value in true.values.items() if not is_integer(value)]


def nonzero(allowed: Bounded) -> bool:
    """Whether a factor changes anything at all."""
    return bool((allowed.value.isfinite() & (allowed.value != 0)).any())


def smallest_caught(allowed: Bounded, dtype: torch.dtype) -> float:
    """The smallest δ that is rejected, in units; infinite where none is."""
    stored = computed_in(dtype)
    eps = torch.finfo(stored).eps
    stored = stored.to_complex() if allowed.value.is_complex() else stored

    def caught(units: float) -> bool:
        planted = (allowed.value * (1 + units * eps)).to(stored)
        return not bool(accept(planted, allowed.value, allowed.error).all())

    low, high = 1 / 8, 1 / eps
    if not caught(high):
        return math.inf
    while high > 1.02 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if caught(middle) else (middle, high)
    return high


def table(ops: Sequence[Op] = OPS) -> Iterator[Row]:
    """A row for every operator, check and dtype with results to compare, as it comes."""
    for op in ops:
        for check in CHECKS:
            if check.name in CHECKED:
                for dtype in check.dtypes(op):
                    assert dtype is not None
                    smooth = dtype.is_floating_point or dtype.is_complex
                    row = measured(op, check, dtype) if smooth else None
                    if row is not None:
                        yield row


def headline(rows: Sequence[Row]) -> str:
    """What the table says, in a sentence."""
    said = []
    for names, where in ((("bfloat16", "float16"), "16-bit types"), (("float32",), "float32")):
        worst = [
            float(row["median"])
            for row in rows
            if row["dtype"] in names and row["check"] in DEFINITE
        ]
        if worst:
            within = sum(units <= LIMIT for units in worst)
            typical = f"median {statistics.median_low(worst):.2g}"
            said.append(f"{where}: {within} of {len(worst)} within {LIMIT:g} units, {typical}")
    return "; ".join(said)


def say(line: str) -> None:
    """To the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Measure everything and store it."""
    parser = argparse.ArgumentParser(prog="python -m parity_tests.bench.power", description=__doc__)
    parser.add_argument("--ops", default="", help="names, with commas between; default: all")
    parser.add_argument("--output", type=Path, default=Path("reports"), help="folder")
    chosen = parser.parse_args()
    names = [name for name in chosen.ops.split(",") if name]
    begun = time.time()
    torch.set_num_threads(1)
    rows: list[Row] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's are not under test
        for row in table([op for op in OPS if not names or op.name in names]):
            rows.append(row)
            say(
                f"{row['op']:<26}{row['check']:<11}{row['dtype']:<11}"
                f"{float(row['median']):10.3g}{float(row['worst']):10.3g}"
            )
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun)),
        "seconds": round(time.time() - begun, 1),
        "versions": versions(),
        "environment": environment(),
        "headline": headline(rows),
        "limit": LIMIT,
        "reasons": [{**vars(reason), "units": number(reason.units)} for reason in REASONS],
        "rows": rows,
    }
    chosen.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    (chosen.output / "power.json").write_text(text, encoding="utf-8")
    say(found["headline"])
    say(f"stored in {chosen.output / 'power.json'}, {found['seconds']:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
