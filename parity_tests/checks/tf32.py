"""One claim: on CUDA, with TF32 allowed, results are as close as its shorter factors permit."""

from __future__ import annotations

from parity_tests import experiments
from parity_tests.trial import Trial
from parity_tests.verdict import judge


def tf32(trial: Trial) -> None:
    """With TF32 allowed, outputs and gradients within the bound for factors of eleven bits."""
    judge(trial, experiments.forward)
    if trial.call.wanted:
        judge(trial, experiments.gradients)
