"""One claim: running statistics and counters after each of several steps."""

from __future__ import annotations

from parity_tests import experiments
from parity_tests.modes import INFERENCE, NO_GRAD, PLAIN, RECORDING, one_of
from parity_tests.trial import Trial
from parity_tests.verdict import judge

OTHERS = (PLAIN, NO_GRAD, INFERENCE)


def buffers(trial: Trial) -> None:
    """Outputs and buffers after every step: train, eval, reset, other momentum, empty batch.

    Every call is recorded, as training is, and also made in another mode.
    """
    judge(trial, experiments.buffers, modes=(RECORDING, one_of(OTHERS, trial.call)))
