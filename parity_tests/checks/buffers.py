"""One claim: running statistics and counters after each of several steps."""

from __future__ import annotations

from parity_tests import experiments
from parity_tests.trial import Trial
from parity_tests.verdict import judge


def buffers(trial: Trial) -> None:
    """Outputs and buffers after every step: train, eval, reset, other momentum, empty batch."""
    judge(trial, experiments.buffers)
