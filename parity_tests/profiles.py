"""Budgets, as counts of cases and never of seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """How many cases a cell gets: per regime so many rounds, each a search of its own.

    A round forces one row of the covering set of parameter levels; its examples are drawn by
    Hypothesis, beside the simplest call that the row allows.
    """

    name: str
    rounds: int  # per regime, at least; the covering set may need more
    examples: int  # per round, or per regime where the covering set needs more
    covers: bool = True  # whether every pair of levels is met, however many rounds that takes
    deep: bool = False  # torch.compile too


PROFILES = {
    "quick": Profile("quick", rounds=1, examples=1, covers=False),
    "default": Profile("default", rounds=1, examples=6),
    "deep": Profile("deep", rounds=3, examples=18, deep=True),
}
