"""One claim: what is set for the whole process changes an operator as it changes torch's.

Each trial takes every setting, and one way of autocast. Under autocast two things are asked. The
dtype of the results is torch's. And they are as accurate as it promises. Where torch returns 16
bits, the inputs are numbers that 16 bits hold exactly, so that torch's cast down changes none of
them: then the truth and the bound are those of a 16-bit trial. Else they are those of a trial of
the inputs' dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from parity_tests import experiments
from parity_tests.checks.purity import same_bits
from parity_tests.expectations import excuse
from parity_tests.experiments import Cotangent, Experiment, Target, is_integer
from parity_tests.op import Call, Op, Tensors
from parity_tests.trial import (
    Departure,
    TorchCrashes,
    Trial,
    at_work,
    of_torch,
    seeded,
    surroundings,
)
from parity_tests.verdict import (
    Results,
    compare_metadata,
    judge,
    run_subject,
    run_torch_if_safe,
)

# The 16-bit type, and what goes in: float32 is what autocast is for, float64 it leaves alone.
AUTOCAST = tuple(
    (low, given)
    for low in (torch.bfloat16, torch.float16)
    for given in (torch.float32, low, torch.float32, torch.float64)
)
Setting = Callable[[], AbstractContextManager[Any]]


@contextmanager
def default_dtype() -> Iterator[None]:
    """New tensors are float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic() -> Iterator[None]:
    """Only algorithms that give the same each time; what is not initialised is NaN."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextmanager
def two_threads() -> Iterator[None]:
    """Two threads instead of one."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


SETTINGS: dict[str, Setting] = {
    "default dtype float64": default_dtype,
    "default device meta": lambda: torch.device("meta"),
    "deterministic algorithms": deterministic,
    "two threads": two_threads,
}


# What decides how a module is made.
MAKING = ("default dtype float64", "default device meta")


def settings(trial: Trial) -> None:
    """The same under autocast, another default dtype, default device, deterministic algorithms
    and thread count as torch's."""
    for check, experiment in computed(trial):
        compare_under(replace(trial, check=check), experiment)
    compare_integers(trial)
    for name in MAKING if trial.op.is_module else ():
        with saying(name):
            compare_built(trial, SETTINGS[name])
    compare_autocast(trial, *AUTOCAST[trial.call.share(len(AUTOCAST), "autocast")])


def compare_under(trial: Trial, experiment: Experiment) -> None:
    """An experiment under every setting: the same numbers as without, or as good ones.

    That they are right without a setting is what other checks ask.
    """
    usual = run_subject(trial, experiment)
    for name, setting in SETTINGS.items():
        if setting is two_threads and (known := excuse(trial)) is not None:
            trial.ledger.excuse(trial, known.reason)
            continue
        inside = partial(within, setting, experiment)
        with saying(name):
            got = run_subject(trial, inside)
            if isinstance(got, dict) and same_numbers(usual, got):
                compare_kinds(trial, inside, got)
            else:
                judge(trial, inside, experiment)


def same_numbers(usual: Results, got: Tensors) -> bool:
    """Whether the usual ones are results, too, and of the same numbers to the bit."""
    if not isinstance(usual, dict) or usual.keys() != got.keys():
        return False
    return all(same_bits(got[name], result) for name, result in usual.items())


def compare_kinds(trial: Trial, experiment: Experiment, got: Tensors) -> None:
    """Dtypes, shapes and strides are torch's, under the same setting."""
    theirs, _ = run_torch_if_safe(trial, experiment, got, optional=True)
    if theirs is None:
        trial.ledger.torch_cannot += 1
        return
    trial.ledger.start_case(trial)
    compare_metadata(trial, got, theirs)
    trial.ledger.comparisons += 1


def compare_integers(trial: Trial) -> None:
    """Results of integers in the default dtype, and so is the truth."""
    if torch.int64 in trial.op.dtypes:
        with saying("default dtype float64"), default_dtype():
            judge(replace(trial, check="forward", dtype=torch.int64), experiments.forward)


def compare_autocast(trial: Trial, low: torch.dtype, given: torch.dtype) -> None:
    """Outputs in torch's dtype, as accurate as it promises; gradients in the inputs' own."""
    if not torch_has(trial.op):
        return
    setting = partial(torch.autocast, trial.device, low)
    inner = replace(trial, dtype=given)
    try:
        # What crashes in the 16-bit type crashes here.
        torchs = [replace(trial, dtype=dtype).reference for dtype in (low, given)][-1]
        with at_work(inner):
            outputs = run(partial(within, setting, experiments.forward), inner, torchs)
    except TorchCrashes:
        raise
    except Exception:  # torch has no kernel for these tensors, under autocast either
        trial.ledger.torch_cannot += 1
        return
    # In which dtype something was rounded last: that of what went in, or of what came out.
    exact = low if any(t.dtype == low for t in outputs.values()) else given
    for check, experiment in computed(trial):
        with saying(f"autocast to {low} of {given}"):
            judge(
                replace(trial, check=check, dtype=exact),
                partial(cast_within, setting, given, exact, experiment),
                experiment,
            )


def torch_has(op: Op) -> bool:
    """Whether torch has the operator: of the suite's own compositions its autocast knows nothing.

    Those that are modules are made of torch's convolutions, which it knows.
    """
    return op.reference is None or op.is_module or hasattr(torch.fft, op.name)


def computed(trial: Trial) -> Iterator[tuple[str, Experiment]]:
    """What is compared, under the name of the check that compares it without any setting."""
    yield "forward", experiments.forward
    if trial.call.wanted:
        yield "gradients", experiments.gradients


def run(experiment: Experiment, trial: Trial, target: Target) -> Tensors:
    """An experiment on the trial's own tensors."""
    return experiment(trial.op, target, trial.call, trial.tensors(), trial.cotangent)


@contextmanager
def saying(setting: str) -> Iterator[None]:
    """A departure says under which setting it was met."""
    try:
        yield
    except Departure as departure:
        departure.message = f"under {setting}: {departure.message}"
        raise


def within(
    setting: Setting,
    experiment: Experiment,
    op: Op,
    target: Target,
    call: Call,
    tensors: Tensors,
    cotangent: Cotangent,
) -> Tensors:
    """The experiment under a setting, which must be the same afterwards."""
    outside = ExitStack()

    def made(name: str, output: Tensor) -> Tensor:
        with torch.device("cpu"):  # the suite makes it, not the operator
            return cotangent(name, output)

    with outside:
        outside.enter_context(setting())
        before = surroundings()
        results = experiment(op, target, call, tensors, made)
        if (after := surroundings()) != before:
            raise Departure(f"settings changed: {before} became {after}", kind="global state")
    return results


def cast_within(
    setting: Setting,
    given: torch.dtype,
    exact: torch.dtype,
    experiment: Experiment,
    op: Op,
    target: Target,
    call: Call,
    tensors: Tensors,
    cotangent: Cotangent,
) -> Tensors:
    """The same on tensors of another dtype that holds their numbers exactly.

    Autograd itself sees to it that a gradient has the dtype of its input. It is handed on in the
    one it was rounded to, in which it is judged.
    """
    own = {name: recipe.dtype is not None for name, recipe in call.recipes().items()}
    cast = {
        name: t if own[name] or is_integer(t) else t.detach().to(given)
        for name, t in tensors.items()
    }

    def made(name: str, output: Tensor) -> Tensor:
        return cotangent(name, output).to(output.dtype)

    results = within(setting, experiment, op, target, call, cast, made)
    return {n: t.to(exact) if n.startswith("gradient of ") else t for n, t in results.items()}


def compare_built(trial: Trial, setting: Setting) -> None:
    """A module's parameters and buffers have torch's dtypes and devices, and torch's numbers."""

    tensors, call = trial.tensors(), replace(trial.call, state={})

    def built(target: Target) -> Tensors:
        with setting(), seeded():
            function, _ = trial.op.instance(target, call, tensors)
        assert isinstance(function, nn.Module)
        return {**dict(function.named_parameters()), **dict(function.named_buffers())}

    theirs = of_torch(trial, built)
    if theirs is None:
        return
    with trial.subject_at_work():
        ours = built(trial.target)
    compare_metadata(trial, ours, theirs)
    for name, t in theirs.items():
        if not t.is_meta and not torch.equal(t, ours[name]):
            trial.depart(f"{name} is another when it is built", kind="value", result=name)
