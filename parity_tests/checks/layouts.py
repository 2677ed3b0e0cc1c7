"""Part of the claim about gradients: one of a channels-last input is in channels last, as torch's.

PyTorch's tests of its own modules ask for it: training in channels last depends on it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from parity_tests import experiments
from parity_tests.trial import Departure, NoKernel, Trial, Unsupported
from parity_tests.verdict import run_subject, run_torch

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def compare_layouts(trial: Trial) -> None:
    """The first input's gradient lies in channels last where input and torch's gradient do."""
    name = next(iter(trial.call.recipes()), "")
    recipe = trial.call.recipes().get(name)
    # Where the input is written to, torch's own sum of gradients has no layout to rely on.
    if recipe is None or recipe.layout != "channels_last" or trial.op.written(trial.call):
        return
    if name not in trial.call.wanted or not trial.subject.abilities.strided:
        return
    if not in_channels_last(recipe.tensor(trial.dtype, trial.device)):
        return
    gradient = f"gradient of {name}"
    try:
        got = run_subject(trial, experiments.gradients)
        theirs = run_torch(trial, experiments.gradients, got, may_fail=True)
    except (Unsupported, NoKernel):
        return  # which the comparison of values has counted
    if theirs is None or isinstance(got, Departure) or not in_channels_last(theirs[gradient]):
        return
    trial.ledger.comparisons += 1
    if not in_channels_last(got[gradient]):
        trial.depart(
            f"{gradient} is not in channels last: its strides are {got[gradient].stride()}, "
            f"torch's {theirs[gradient].stride()}",
            kind="strides",
            result=gradient,
        )


def in_channels_last(t: Tensor) -> bool:
    """Contiguous in channels last, and in nothing else."""
    form = FORMATS.get(t.dim())
    return form is not None and t.is_contiguous(memory_format=form) and not t.is_contiguous()
