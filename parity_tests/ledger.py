"""What one cell of the report saw: cases, comparisons, errors, coverage, torch's faults."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity_tests.strategies import Pair
    from parity_tests.trial import Trial


@dataclass(frozen=True)
class Fault:
    """Torch is wrong in a trial."""

    trial: Trial
    message: str
    details: dict[str, Any]


@dataclass
class Ledger:
    """Counts and extremes, cheap to keep and small to store."""

    cases: Counter[str] = field(default_factory=Counter)  # by regime
    comparisons: int = 0
    modes: Counter[str] = field(default_factory=Counter)  # runs compared, by the mode's name
    unbounded: int = 0  # elements that no judge could tell anything of, mostly for overflow
    torch_cannot: int = 0  # calls that torch has no kernel for, transforms it does not go through
    unsupported: Counter[str] = field(default_factory=Counter)  # calls passed over, by reason
    bounded: int = 0  # cases whose error bound was computed
    worst: float = 0.0  # the subject's error over its bound
    worst_torch: float = 0.0
    histogram: Counter[int] = field(default_factory=Counter)  # of floor(log2(error/bound))
    by_length: dict[int, float] = field(default_factory=dict)  # reduction length: worst ratio
    worst_call: str = ""  # where the worst error was met
    slowest: tuple[float, str] = (0.0, "")  # seconds of a case, suite included, and its call
    # By buffer and step: the worst ratio after so many steps on one state.
    by_step: dict[str, dict[int, float]] = field(default_factory=dict)
    pairs: dict[Pair, int] = field(default_factory=dict)
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)  # of inputs: see classes.py
    known: Counter[str] = field(default_factory=Counter)  # excused, by reason
    # By reason, where it was met first: the regime, and how many cases that took.
    first_known: dict[str, tuple[str, int]] = field(default_factory=dict)
    bad_calls: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by good call: ``dealt``
    made_large: dict[str, str] = field(default_factory=dict)  # integers, and in which call first
    faults: list[Fault] = field(default_factory=list)  # torch's, the first few
    fault_count: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # bad calls torch did reject
    arbitrated: int = 0
    audited: int = 0
    worst_audit: float = 0.0

    def start_case(self, trial: Trial) -> None:
        """One recipe, one evaluated sample."""
        self.cases[trial.regime] += 1

    def meet(self, pairs: set[Pair]) -> None:
        """Pairs of parameter levels that a drawn call contained."""
        for pair in pairs:
            self.pairs[pair] = self.pairs.get(pair, 0) + 1

    def meet_classes(self, classes: set[tuple[str, str]]) -> None:
        """Input classes that a call met."""
        self.classes.update(classes)

    def dealt(self, call: str, names: list[str], count: int) -> tuple[str, ...]:
        """So many of the bad calls, those tried least; always the same for the same call.

        All of them for the first call. So a call that is checked again, alone, fails again.
        """
        if call not in self.bad_calls:
            tried = Counter(name for others in self.bad_calls.values() for name in others)
            fewest = sorted(names, key=lambda name: tried[name])
            self.bad_calls[call] = tuple(fewest[: count if self.bad_calls else None])
        return self.bad_calls[call]

    def meet_long(self, features: list[dict[str, Any]]) -> None:
        """The long size of a call, if it had one."""
        if "long" in features[0]:
            self.classes["sizes", features[0]["long"]] += 1

    def note_time(self, trial: Trial, seconds: float) -> None:
        """How long a case took."""
        if seconds > self.slowest[0]:
            self.slowest = seconds, f"{trial.regime}: {trial.call}"

    def note_error(self, trial: Trial, party: str, name: str, ratio: float, terms: int) -> None:
        """The worst error over bound of the result of that name."""
        if party == "torch":
            self.worst_torch = max(self.worst_torch, ratio)
            return
        if ratio > self.worst:
            self.worst, self.worst_call = ratio, f"{trial.regime}: {trial.call}"
        buffer, _, step = name.partition(" after step ")
        if step:
            steps = self.by_step.setdefault(buffer, {})
            steps[int(step)] = max(steps.get(int(step), 0.0), ratio)
        self.histogram[math.floor(math.log2(ratio)) if ratio else -100] += 1
        length = 1 << max(0, terms - 1).bit_length()  # rounded up to a power of two
        self.by_length[length] = max(self.by_length.get(length, 0.0), ratio)

    def excuse(self, trial: Trial, reason: str) -> None:
        """A known fault of torch was met."""
        self.known[reason] += 1
        self.first_known.setdefault(reason, (trial.regime, sum(self.cases.values())))

    def torch_fault(self, trial: Trial, message: str, details: dict[str, Any]) -> None:
        """Torch is wrong where the subject is judged on its own: kept, not failed."""
        self.fault_count += 1
        if len(self.faults) < 3:
            self.faults.append(Fault(trial, message, details))
