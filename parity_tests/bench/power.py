"""The power of each check: the smallest error that is caught, for every operator and dtype.

Some ordinary calls are drawn. The exact result times 1 + δ, rounded once, stands for an
implementation that is too large by δ everywhere, and right otherwise. Bisection finds the smallest
δ that the judge rejects. Every result is planted alone, and a call counts by the result that shows
least. Errors are in units in the last place: δ over the dtype's eps.

``make power`` writes the table. `test_power.py` holds the bounds to `LIMIT` units, element by
element, where nothing cancels.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from parity_tests import experiments, subjects
from parity_tests.checks import CHECKS, Check
from parity_tests.experiments import is_integer
from parity_tests.op import Call, Op
from parity_tests.ops import OPS
from parity_tests.report.merge import environment, versions
from parity_tests.running_error import SAFETY, Bounded, accept
from parity_tests.search import draw_each
from parity_tests.strategies import calls
from parity_tests.trial import Trial, seeded
from parity_tests.truth import Truth, computed_in

CHECKED = ("forward", "gradients", "second", "buffers")
CALLS, SEED = 6, 2
SCHEMA = 1

Row = dict[str, Any]


def measured(op: Op, check: Check, dtype: torch.dtype) -> Row | None:
    """The smallest errors caught in an operator's calls; None where no call has any result."""
    found = []
    for trial in trials(op, check, dtype):
        units = [smallest_caught(b, dtype) for b in bounds(trial) if nonzero(b)]
        if units:
            found.append(max(units))
    if not found:
        return None
    return {
        "op": op.name,
        "check": check.name,
        "dtype": str(dtype).removeprefix("torch."),
        "calls": len(found),
        "median": statistics.median_low(found),
        "worst": max(found),
    }


def trials(op: Op, check: Check, dtype: torch.dtype, count: int = CALLS) -> Iterator[Trial]:
    """Some ordinary calls of an operator, ready to be judged."""
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
            yield Trial(op, check.name, call, subject, dtype, "cpu")


def bounds(trial: Trial) -> list[Bounded]:
    """Of every result of the trial that is no integer."""
    true = Truth(trial, getattr(experiments, trial.check))
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


# --- The limit ------------------------------------------------------------------------------------

LIMIT = 8.0  # units in the last place
WELL = 4.0  # times as much as its inputs, relatively, a well-conditioned element changes at most
NUDGE, NUDGES = 2.0**-20, 8


def widest(trial: Trial) -> float | None:
    """The widest bound of a well-conditioned element, in units; None where there is no such one."""
    true = Truth(trial, getattr(experiments, trial.check))
    changes = sensitivities(true)
    eps = torch.finfo(computed_in(trial.dtype)).eps
    found = []
    for name, value in true.values.items():
        if not is_integer(value):
            size = value.abs()
            well = size.isfinite() & (size > 0) & (changes[name] <= WELL * size)
            wide = SAFETY * true.bound(name).error[well] / size[well] / eps
            found += wide.tolist()
    return max(found, default=None)


def sensitivities(true: Truth) -> dict[str, Tensor]:
    """How much each element changes, over NUDGE, when all inputs and cotangents change by NUDGE.

    That is relatively, with random signs; the largest change of several is taken.
    """
    generator = torch.Generator().manual_seed(SEED)

    def nudged(t: Tensor) -> Tensor:
        if is_integer(t):
            return t.clone()
        signs = torch.randint(0, 2, t.shape, generator=generator) * 2 - 1
        return t * (1 + NUDGE * signs)

    trial, worst = true.trial, {n: torch.zeros(v.shape) for n, v in true.values.items()}
    for _ in range(NUDGES):
        given = {name: nudged(t) for name, t in true.inputs.items()}
        over = {name: nudged(t) for name, t in true.cotangents.items()}
        with torch.backends.mkldnn.flags(enabled=False), seeded():
            results = true.experiment(
                trial.op, trial.oracle, trial.call, given, lambda name, _: over[name].clone()
            )
        for name, result in results.items():
            change = (result.detach() - true.values[name]).abs() / NUDGE
            worst[name] = torch.maximum(worst[name], change)
    return worst
