"""One claim: a call changes nothing but its declared buffers, and depends on its inputs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from parity_tests import experiments
from parity_tests.expectations import excuse
from parity_tests.experiments import outputs_of
from parity_tests.modes import FORWARD_AD, INFERENCE, NO_GRAD, PLAIN, RECORDING, Mode, one_of
from parity_tests.op import Tensors
from parity_tests.recipe import OVERLAPPING
from parity_tests.trial import (
    Departure,
    TorchCrashes,
    Trial,
    at_work,
    left_as_found,
    of_torch,
    poison,
    reseed,
    seeded,
)

# Every call is put to one of them.
MODES = (PLAIN, RECORDING, NO_GRAD, INFERENCE, FORWARD_AD)


def purity(trial: Trial) -> None:
    """Inputs and global state untouched, outputs free to be written to, the same each time."""
    trial.ledger.start_case(trial)
    trial = replace(trial, mode=mode_of(trial))
    with trial.mode.around():
        compare_calls(trial)
    trial.ledger.modes[trial.mode.name] += 1
    if trial.call.wanted:
        compare_backward(trial)
        if trial.one_in(2, "overwritten"):
            compare_overwritten(trial)
    trial.ledger.comparisons += 1


def mode_of(trial: Trial) -> Mode:
    """The call's mode; the plain one where torch cannot be called in it.

    What goes through forward-mode AD is the claim of ``transforms``, so there the subject may fail.
    """
    mode = one_of(MODES, trial.call)
    if mode is PLAIN or excuse(trial, crash=True) is not None:
        return PLAIN
    for target in (trial.reference, trial.target) if mode.tangents else (trial.reference,):
        try:
            with at_work(trial), mode.around():
                given = mode.given(trial.call, trial.tensors(), trial.cotangent)
                trial.op.run(target, trial.call, given)
        except Exception:
            return PLAIN
    return mode


def given_to(trial: Trial, tensors: Tensors) -> Tensors:
    """Tensors of the call as the trial's mode has them."""
    return trial.mode.given(trial.call, tensors, trial.cotangent)


def compare_calls(trial: Trial) -> None:
    """One call in the trial's mode, and others after it."""
    tensors = trial.tensors()
    copies = {name: t.clone() for name, t in tensors.items()}
    given = given_to(trial, tensors)
    with trial.subject_at_work(), left_as_found(trial):
        outputs, random = run_seeded(trial, trial.target, given)
    first = {name: output.clone() for name, output in outputs.items()}
    compare_inputs(trial, tensors, copies)
    compare_with_torchs(trial, outputs, given, random)
    with trial.subject_at_work():
        repeats = list(repeated(trial))
    for what, got, wanted in ((what, got, wanted or outputs) for what, got, wanted in repeats):
        for name, output in wanted.items():
            if not same_bits(got[name], output):
                trial.depart(f"{what}: {name} is not the same", kind=what, result=name)
    compare_with_later(trial, outputs, first)


def compare_inputs(trial: Trial, tensors: Tensors, copies: Tensors) -> None:
    """Nothing but declared buffers was written to."""
    written = (*trial.op.buffers, *trial.op.written(trial.call))
    for name, t in tensors.items():
        if name not in written and not same_bits(t, copies[name]):
            trial.depart(f"{name} was written to", kind="input written to", result=name)


def compare_backward(trial: Trial) -> None:
    """Differentiating writes to neither inputs nor cotangents, and changes nothing around."""
    trial = replace(trial, mode=PLAIN)
    tensors = trial.tensors()
    copies = {name: t.clone() for name, t in tensors.items()}
    given: Tensors = {}

    def remembered(name: str, output: Tensor) -> Tensor:
        given[name] = trial.cotangent(name, output)
        return given[name]

    try:
        with trial.subject_at_work(), left_as_found(trial), seeded():
            experiments.gradients(trial.op, trial.target, trial.call, tensors, remembered)
    except Departure as departure:  # torch may be excused from differentiating what it takes
        trial.depart(departure.message, **departure.details)
    compare_inputs(trial, tensors, copies)
    for name, cotangent in given.items():
        again = trial.cotangent(name, cotangent)
        if not same_bits(cotangent, again):
            trial.depart(f"the cotangent of {name} was written to", kind="cotangent written to")


def compare_overwritten(trial: Trial) -> None:
    """Who adds to the outputs in place gets the same gradients, wherever torch lets them."""

    largest = 0.0  # of the cotangents: gradients are differences of them, and may cancel

    def gradients(target: Callable[..., Any], *, overwriting: bool) -> Tensors:
        def cotangent(name: str, output: Tensor) -> Tensor:
            nonlocal largest
            if overwriting:
                output.add_(1)
            made = trial.cotangent(name, output)
            largest = max(largest, magnitude(made))
            return made

        with seeded():
            return experiments.differentiated(
                trial.op, target, trial.call, trial.tensors(), cotangent, create_graph=False
            ).gradients

    try:
        gradients(trial.reference, overwriting=True)
    except (RuntimeError, TorchCrashes):
        return  # torch needs its output for the backward, too
    with trial.subject_at_work():
        plain = gradients(trial.target, overwriting=False)
        got = gradients(trial.target, overwriting=True)
    for name, gradient in plain.items():
        # Not to the bit: what lies between may hand the cotangent on in another layout.
        near = torch.finfo(gradient.dtype).eps ** 0.5
        size = near * max(magnitude(gradient), largest)
        if not torch.allclose(got[name], gradient, near, size, equal_nan=True):
            message = f"gradient of {name} is another when the output is overwritten"
            trial.depart(message, kind="overwritten", result=f"gradient of {name}")


def magnitude(t: Tensor) -> float:
    """The largest of the finite numbers."""
    return float(t.detach().abs().nan_to_num(0, 0, 0).max()) if t.numel() else 0.0


def compare_with_later(trial: Trial, outputs: Tensors, first: Tensors) -> None:
    """No later call has written to the first one's outputs."""
    for name, output in outputs.items():
        if not same_bits(output, first[name]):
            trial.depart(f"{name} was changed by a later call", kind="scratch", result=name)


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal, NaN with NaN."""
    a, b = a.detach(), b.detach()
    return (
        a.shape == b.shape
        and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
        and (torch.equal(a.isnan(), b.isnan()))
    )


def run_seeded(
    trial: Trial, target: Callable[..., Any], tensors: Tensors
) -> tuple[Tensors, Tensor]:
    """The outputs, and the random generator's state after the call."""
    with seeded():
        call, arguments = trial.op.instance(target, trial.call, tensors)
        reseed()  # building a module draws its weights
        outputs = outputs_of(call(**arguments))
        return outputs, torch.random.get_rng_state()


def compare_with_torchs(trial: Trial, outputs: Tensors, tensors: Tensors, random: Tensor) -> None:
    """Outputs share memory with inputs only where torch's do, and are an input where torch's are.

    What torch writes in place is written, and the generator is used as torch uses it.
    """
    theirs = given_to(trial, trial.tensors())
    found = of_torch(trial, lambda target: run_seeded(trial, target, theirs))
    if found is None:
        return
    torchs, its_random = found
    if not torch.equal(random, its_random):
        trial.depart("the random generator is not left as torch leaves it", kind="random generator")
    for name in trial.op.written(trial.call):
        wanted = [o for o, output in torchs.items() if output is theirs[name]]
        if [o for o, output in outputs.items() if output is tensors[name]] != wanted:
            trial.depart(f"{name} is not returned as torch returns it", kind="in place")
    for name, output in outputs.items():
        if output.requires_grad != torchs[name].requires_grad:
            trial.depart(f"requires_grad of {name} is {output.requires_grad}", kind="requires_grad")
    mine, expected = aliases(outputs, tensors), aliases(torchs, theirs)
    if mine - expected:
        trial.depart(f"{sorted(mine - expected)} share memory, torch's do not", kind="alias")


def aliases(outputs: Tensors, tensors: Tensors) -> set[tuple[str, str]]:
    """Pairs of output and input on the same storage."""
    return {
        (o, i)
        for o, out in outputs.items()
        for i, t in tensors.items()
        if out.numel() and out.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()
    }


def repeated(trial: Trial) -> Iterator[tuple[str, Tensors, Tensors | None]]:
    """(what, outputs, the outputs they must equal to the bit; None: the first call's)."""

    def run(tensors: Tensors) -> Tensors:
        outputs, _ = run_seeded(trial, trial.target, given_to(trial, tensors))
        # Copies: what is written in place shares its memory with arguments that are used again.
        return {n: t.clone() for n, t in outputs.items()}

    yield "a repeated call", run(trial.tensors()), None
    tensors = trial.tensors()
    poison(tensors)
    yield "a call amid poisoned memory", run(tensors), None
    # New numbers at the same addresses: a cache by address gives the old answer.
    call, arguments = trial.op.instance(trial.target, trial.call, given_to(trial, tensors))
    call(**arguments)
    # What is written in place is no leaf: the call was given a copy.
    held = tensors | {name: arguments[name] for name in trial.op.written(trial.call)}
    with torch.no_grad():
        for name, t in held.items():
            if trial.call.recipes()[name].layout not in OVERLAPPING:
                t.copy_(other_numbers(trial, name))
    copies = {name: same_layout(t.detach()) for name, t in held.items()}
    with seeded():  # at once: another call between would make a cache of one entry forget
        again = outputs_of(call(**arguments))
    yield "new data at the same address", again, run(copies)


def other_numbers(trial: Trial, name: str) -> Tensor:
    """Numbers of another seed for a tensor of the call."""
    recipe = trial.call.recipes()[name]
    return replace(recipe, seed=recipe.seed + (1 << 40)).tensor(trial.dtype, trial.device)


def same_layout(t: Tensor) -> Tensor:
    """A copy with its strides and offset: at another alignment MKL may round otherwise."""
    memory = t.untyped_storage().clone()
    new = torch.empty(0, dtype=t.dtype, device=t.device)
    return new.set_(memory, t.storage_offset(), t.shape, t.stride())
