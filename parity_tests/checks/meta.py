"""One claim: the meta device is a device, where an operator tells all but the numbers.

It accepts and rejects the same calls there, and foretells shapes, dtypes and strides. Torch is
judged as well: its meta kernels are other code than its kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from parity_tests import experiments
from parity_tests.checks.errors import (
    edited,
    empty,
    native_outcome,
    off_by_one,
    other_kinds,
    outcome,
    promised,
)
from parity_tests.expectations import excuse
from parity_tests.experiments import outputs_of
from parity_tests.op import Call, Tensors
from parity_tests.trial import Departure, TorchCrashes, Trial, Unsupported, named
from parity_tests.verdict import strides_differ

TRIED = 4  # of the operator's bad calls, with each call those that were tried least
Target = Callable[..., Any]


def meta(trial: Trial) -> None:
    """On the meta device the same calls are accepted, with shapes, dtypes and strides as real."""
    trial.ledger.start_case(trial)
    try:
        real = run(trial, trial.reference, trial.call, trial.tensors())
    except TorchCrashes:
        raise
    except Exception as error:
        judge_rejected(trial, error)
        return
    judge(trial, real)
    judge_of_integers(trial)
    for call, tripping in bad_calls(trial):
        compare_verdicts(trial, call, tripping=tripping)


def judge(trial: Trial, real: Tensors) -> None:
    """What torch foretells, and what the subject does, beside what is true."""
    foretold = judge_torch(trial, real)
    judge_subject(trial, real, foretold)


def judge_of_integers(trial: Trial) -> None:
    """The same call on integers, where the operator takes them."""
    if torch.int64 not in trial.op.dtypes or not trial.one_in(2, "integers on meta"):
        return
    of_integers = replace(trial, dtype=torch.int64)
    try:
        real = run(of_integers, trial.reference, trial.call, of_integers.tensors())
    except TorchCrashes:
        raise
    except Exception:  # torch has no kernel for this call of integers
        return
    judge(of_integers, real)


def run(trial: Trial, target: Target, call: Call, tensors: Tensors) -> Tensors:
    """The outputs, without derivatives."""
    return experiments.forward(trial.op, target, call, tensors, trial.cotangent)


def judge_rejected(trial: Trial, error: Exception) -> None:
    """The call itself is a bad one, as in an expectation's pinned case, or torch is at fault."""
    missing = isinstance(error, NotImplementedError)  # a kernel, which another device may have
    if not missing and not empty(trial.call) and settled(trial, error):
        compare_verdicts(trial, trial.call, tripping=True)
    else:
        trial.blame("torch", f"torch raised {named(error)}", kind="exception")


def judge_torch(trial: Trial, real: Tensors) -> Tensors | None:
    """Torch's own meta kernel, beside the kernel that it stands for; what it foretells."""
    if trial.subject.is_torch:
        return None  # which is judged as the subject
    try:
        foretold = run(trial, trial.reference, trial.call, on_meta(trial.tensors()))
    except NotImplementedError:
        trial.ledger.torch_cannot += 1  # there is no meta kernel
        return None
    except Exception as error:
        trial.blame("torch", f"on meta tensors: {named(error)}", kind="exception")
        return None
    for name, output in real.items():
        for what, kind in wrong(name, foretold[name], output):
            trial.blame("torch", what, kind=kind, result=name)
    return foretold


def judge_subject(trial: Trial, real: Tensors, foretold: Tensors | None) -> None:
    """What the subject foretells. Its strides may be the real ones, or those torch foretells.

    Which they are in truth is the choice of a device's kernel; where torch foretells nothing they
    may be any.
    """
    try:
        got = run(trial, trial.target, trial.call, on_meta(trial.tensors()))
    except (Departure, Unsupported):
        raise
    except NotImplementedError as error:  # as torch says it, too, of kernels without a meta one
        raise Unsupported(f"{trial.subject.name}: on meta tensors: {error}") from error
    except Exception as error:
        trial.depart(f"on meta tensors: {named(error)}", kind="exception")
        return
    trial.ledger.comparisons += 1
    for name, output in real.items():
        for what, kind in wrong(name, got[name], output):
            if kind != "strides" or departs(trial, got[name], name, foretold):
                trial.depart(what, kind=kind, result=name)


def departs(trial: Trial, mine: Tensor, name: str, foretold: Tensors | None) -> bool:
    """Whether strides that are not the real ones are a fault of the subject."""
    if trial.subject.is_torch:
        return True
    if foretold is None or not trial.subject.abilities.strided:
        return False
    return strides_differ(mine, foretold[name])


def wrong(name: str, mine: Tensor, output: Tensor) -> Iterator[tuple[str, str]]:
    """What is foretold and is not so, each with its kind."""
    if mine.device.type != "meta":
        yield f"{name} is on {mine.device}, not on meta", "device"
    if mine.shape != output.shape or mine.dtype != output.dtype:
        foretold = f"{tuple(mine.shape)} {mine.dtype} on meta"
        yield f"{name} is {foretold}, {tuple(output.shape)} {output.dtype} in truth", "shape"
    elif strides_differ(mine, output):
        yield f"strides of {name} on meta: {mine.stride()}, in truth {output.stride()}", "strides"


def bad_calls(trial: Trial) -> Iterator[tuple[Call, bool]]:
    """Some of the operator's bad calls, and a few neighbours of the good one.

    With each whether torch's own code trips over it, so that its exception is an accident.
    """
    bad = {}
    for one in () if empty(trial.call) else (*trial.op.bad, *other_kinds(trial)):
        edit = one.edit(trial.call)
        if edit is not None:
            bad[f"{one.argument}: {one.what}"] = edited(trial.call, edit), one.tripping
    for name in trial.ledger.dealt(str(trial.call), list(bad), TRIED):
        yield bad[name]
    for call in islice(off_by_one(trial.call), TRIED // 2):
        if not empty(call):
            yield call, False


def compare_verdicts(trial: Trial, call: Call, *, tripping: bool) -> None:
    """What is rejected for real must be rejected on meta, and what is accepted, accepted."""
    call = replace(call, wanted=())  # what is written in place may be refused by the backward
    at = replace(trial, call=call)
    if excuse(at, crash=True):
        return
    expected = outcome(at, trial.torch, call)
    if isinstance(expected, NotImplementedError):
        return  # this device has no kernel for it, and another one may
    found = list(disagreements(at, expected, tripping=tripping))
    if found and not settled(at, expected):  # which takes longer to find out
        return
    trial.ledger.comparisons += 1
    for party, message, kind in found:
        at.blame(party, f"{message}: {trial.op.name}({call})", kind=kind, call=call)


def disagreements(
    trial: Trial, expected: Exception | list[Any], *, tripping: bool
) -> Iterator[tuple[str, str, str]]:
    """Who does otherwise on meta than torch for real, what differs, and its kind."""
    parties = [("torch", trial.torch)]
    if not trial.subject.is_torch:
        parties.append((trial.subject.name, trial.target))
    for party, target in parties:
        got = meta_outcome(trial, target)
        if isinstance(got, NotImplementedError) or got == expected:
            continue
        message, kind = disagreement(got, expected, exact=party != "torch" and not tripping)
        if kind:
            yield party, message, kind


def settled(trial: Trial, expected: Exception | list[Any]) -> bool:
    """Whether torch's back ends agree, and it is not the numbers that they look at."""
    rejected = isinstance(expected, Exception)
    if isinstance(native_outcome(trial, trial.call), Exception) != rejected:
        return False
    if not rejected:
        return True
    zeros = trial.call.with_recipes(lambda _, recipe: replace(recipe, fill="zeros", values=None))
    return isinstance(outcome(replace(trial, call=zeros), trial.torch, zeros), Exception)


def disagreement(
    got: Exception | list[Any], expected: Exception | list[Any], *, exact: bool
) -> tuple[str, str]:
    """What differs, and its kind; types of exceptions where they must be ``exact``."""
    match got, expected:
        case Exception(), Exception():
            if exact and not isinstance(got, (type(expected), promised(expected))):
                return f"on meta it raised {named(got)}, torch {named(expected)}", "exception type"
            return "", ""
        case Exception(), _:
            return f"rejected on meta what torch accepts: {named(got)}", "rejected"
        case _, Exception():
            return f"accepted on meta what torch rejects ({named(expected)})", "accepted"
    return f"outputs on meta are {got}, torch's {expected}", "shape"


def meta_outcome(trial: Trial, target: Target) -> Exception | list[Any]:
    """The exception a call raises on meta, or the shapes of what it returns."""
    try:
        tensors = on_meta(trial.call.tensors(trial.dtype, trial.device))
        results = outputs_of(trial.op.run(target, trial.call, tensors))
        return [tuple(t.shape) for t in results.values() if isinstance(t, Tensor)]
    except Exception as error:
        return error


def on_meta(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors without their data, strides kept."""
    return {
        name: torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="meta")
        for name, t in tensors.items()
    }
