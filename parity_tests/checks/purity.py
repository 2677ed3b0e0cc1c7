"""One claim: a call changes nothing but its declared buffers, and depends on its inputs alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from parity_tests.experiments import outputs_of
from parity_tests.op import Tensors
from parity_tests.verdict import Trial


def purity(trial: Trial) -> None:
    """Inputs and global state untouched, no aliases torch has not, repeated calls give the same."""
    trial.ledger.start_case(trial)
    tensors = trial.tensors()
    copies = {name: t.clone() for name, t in tensors.items()}
    before = surroundings()
    with trial.subject_at_work():
        call, arguments = trial.op.instance(trial.target, trial.call, tensors)
        random = torch.random.get_rng_state()  # after building a module, which draws its weights
        outputs = outputs_of(call(**arguments))
    first = {name: output.clone() for name, output in outputs.items()}
    if not torch.equal(random, torch.random.get_rng_state()):
        trial.depart("the random generator was used", kind="random generator")
    if (after := surroundings()) != before:
        trial.depart(f"global state changed: {before} became {after}", kind="global state")
    compare_inputs(trial, tensors, copies)
    compare_aliases(trial, outputs, tensors)
    with trial.subject_at_work():
        repeats = list(repeated(trial))
    for what, got, wanted in ((what, got, wanted or outputs) for what, got, wanted in repeats):
        for name, output in wanted.items():
            if not same_bits(got[name], output):
                trial.depart(f"{what}: {name} is not the same", kind=what, result=name)
    compare_with_later(trial, outputs, first)
    trial.ledger.comparisons += 1


def compare_inputs(trial: Trial, tensors: Tensors, copies: Tensors) -> None:
    """Nothing but declared buffers was written to."""
    for name, t in tensors.items():
        if name not in trial.op.buffers and not same_bits(t, copies[name]):
            trial.depart(f"{name} was written to", kind="input written to", result=name)


def compare_with_later(trial: Trial, outputs: Tensors, first: Tensors) -> None:
    """No later call has written to the first one's outputs."""
    for name, output in outputs.items():
        if not same_bits(output, first[name]):
            trial.depart(f"{name} was changed by a later call", kind="scratch", result=name)


def surroundings() -> tuple[Any, ...]:
    """What a call must leave as it found it."""
    return (
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark,
        torch.is_inference_mode_enabled(),
        torch.are_deterministic_algorithms_enabled(),
    )


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal, NaN with NaN."""
    return (
        a.shape == b.shape
        and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
        and (torch.equal(a.isnan(), b.isnan()))
    )


def compare_aliases(trial: Trial, outputs: Tensors, tensors: Tensors) -> None:
    """Outputs share memory with inputs only where torch's do."""
    theirs = trial.tensors()
    torchs = outputs_of(trial.op.run(trial.reference, trial.call, theirs))
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
        return outputs_of(trial.op.run(trial.target, trial.call, tensors))

    yield "a repeated call", run(trial.tensors()), None
    tensors = trial.tensors()
    poison({t.numel() for t in tensors.values()}, trial.dtype, trial.device)
    yield "a call amid poisoned memory", run(tensors), None
    # New numbers at the same addresses: whoever caches by address gives the old answer.
    call, arguments = trial.op.instance(trial.target, trial.call, tensors)
    call(**arguments)
    for name, t in tensors.items():
        if trial.call.recipes()[name].layout != "expanded":
            t.copy_(other_numbers(trial, name))
    expected = run({name: same_layout(t) for name, t in tensors.items()})
    yield "new data at the same address", outputs_of(call(**arguments)), expected


def other_numbers(trial: Trial, name: str) -> Tensor:
    """Numbers of another seed for a tensor of the call."""
    recipe = trial.call.recipes()[name]
    return replace(recipe, seed=recipe.seed + (1 << 40)).tensor(trial.dtype, trial.device)


def same_layout(t: Tensor) -> Tensor:
    """A copy of a tensor, strides included."""
    if any(step == 0 for step in t.stride()):
        return t[:1].clone().expand(t.shape)
    return torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=t.device).copy_(t)


def poison(sizes: set[int], dtype: torch.dtype, device: str) -> None:
    """Fill and free blocks of the sizes a call is likely to be given next."""
    value = float("nan") if dtype.is_floating_point or dtype.is_complex else 77
    for size in sizes:
        blocks = [torch.full((size,), value, dtype=dtype, device=device) for _ in range(4)]
        del blocks
