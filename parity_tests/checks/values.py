"""Three claims about numbers: outputs, gradients, and gradients of gradients."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from parity_tests import experiments
from parity_tests.checks.layouts import compare_layouts
from parity_tests.trial import Trial, named
from parity_tests.verdict import judge


def forward(trial: Trial) -> None:
    """Values within the bound; shape, dtype, device and strides as torch's."""
    judge(trial, experiments.forward)


def gradients(trial: Trial) -> None:
    """Gradients of any subset of the inputs within the bound, for random cotangents."""
    if not trial.call.wanted:  # what is written to ``out`` has no derivative
        return
    judge(trial, experiments.gradients)
    compare_layouts(trial)
    if numerically_checkable(trial):
        check_numerically(trial, gradcheck)


def second(trial: Trial) -> None:
    """Gradients of gradients within the bound, cotangents included."""
    if not trial.call.wanted:  # what is written to ``out`` has no derivative
        return
    judge(trial, experiments.second)
    if numerically_checkable(trial):
        check_numerically(trial, gradgradcheck)


def numerically_checkable(trial: Trial) -> bool:
    """Finite differences judge a sample of the cases they can judge: float64 of moderate size."""
    return (
        trial.dtype == torch.float64
        and trial.regime == "ordinary"
        and trial.measured
        and trial.one_in(4)
    )


def check_numerically(trial: Trial, judge_by: object) -> None:
    """The derivatives agree with finite differences (fast mode): a judge without a reference."""
    # Contiguous: they are asked of elements one by one, which may share no memory.
    plain = trial.call.with_recipes(lambda _, recipe: replace(recipe, layout="contiguous"))
    tensors = plain.tensors(trial.dtype, trial.device)
    wanted = [tensors[name].requires_grad_() for name in trial.call.wanted]

    def function(*inputs: Tensor) -> tuple[Tensor, ...]:
        # Copies: finite differences call this often, and buffers are updated on every call.
        given = {n: t.clone() for n, t in tensors.items()}
        given |= dict(zip(trial.call.wanted, inputs, strict=True))
        outputs = experiments.outputs_of(trial.op.run(trial.target, trial.call, given))
        # Infinities (a padding's value, say) are constants, and have no finite differences.
        return tuple(o.masked_fill(o.isinf(), 0) for o in outputs.values())

    try:
        judge_by(function, wanted, fast_mode=True)  # type: ignore[operator]
    except Exception as error:
        trial.depart(f"{judge_by.__name__}: {named(error)}", kind="numerical")  # type: ignore[attr-defined]
    trial.ledger.comparisons += 1
