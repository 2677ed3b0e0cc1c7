"""How much error, and whose fault.

For every element the allowed error is the running error bound of that very input. The subject and
torch are judged separately against it: torch's own error never widens it. Above the truth that the
oracle tells stands the literal definition, which arbitrates every disagreement and audits a sample
of every run.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from parity_tests import experiments
from parity_tests.expectations import excuse
from parity_tests.experiments import Experiment, is_integer
from parity_tests.op import Tensors
from parity_tests.running_error import Bounded, accept, error_over_bound
from parity_tests.trial import (
    Departure,
    InvalidCall,
    NoKernel,
    Trial,
    Unsupported,
    at_work,
    named,
    poison,
)
from parity_tests.truth import Truth
from parity_tests.unbounded import other_judges

ARBITRATED = 8  # elements, worst first: the oracle may be off at one and the party at another


def judge(trial: Trial, experiment: Experiment, plain: Experiment | None = None) -> None:
    """Run the experiment everywhere, compare every result, and name who is off.

    ``plain`` computes the same by other means, where the experiment itself is under test (a
    transform): then it makes the truth, and where torch cannot run the experiment nobody need.
    """
    # The subject goes first, on copies of its own: no expected answer exists yet to be found.
    try:
        got: Tensors | Departure | Unsupported = run_subject(trial, experiment)
    except Unsupported as refusal:
        got = refusal
    refused = isinstance(got, Unsupported)
    # Where torch would take the process along it is not run: the subject is judged all the same.
    crashes = excuse(trial, crash=True) is not None
    may_fail = refused or plain is not None
    try:
        theirs = None if crashes else run_torch(trial, experiment, got, may_fail=may_fail)
    except NoKernel:
        theirs, may_fail = None, True
    if theirs is None and may_fail:  # what torch does not support nobody need
        trial.ledger.torch_cannot += 1
        return
    if isinstance(got, Unsupported):
        raise got
    try:
        true = Truth(trial, plain or experiment, definable=trial.place is None)
    except InvalidCall as error:
        if not (trial.dtype.is_floating_point or trial.dtype.is_complex):
            trial.ledger.torch_cannot += 1  # integers are their own oracle: a call not for them
            return
        if experiment is experiments.forward:
            raise
        # Torch takes the call but cannot differentiate it, even in float64.
        trial.blame("torch", str(error), kind="exception")
        return
    trial.ledger.start_case(trial)
    compare(trial, true, got, theirs)
    true.audit()


def compare(trial: Trial, true: Truth, got: Tensors | Departure, theirs: Tensors | None) -> None:
    """The subject and torch, each against the truth; shapes and layouts against each other."""
    if isinstance(got, Departure):
        trial.depart(got.message, **got.details)
        return
    strided = trial.check == "forward" and trial.subject.abilities.strided
    if theirs is None:
        compare_metadata(got, true.as_stored(), strides=False)
    else:
        compare_metadata(got, theirs, strides=strided)
        compare_values(trial, true, "torch", theirs)
    if not trial.subject.is_torch:
        compare_values(trial, true, trial.subject.name, got)


def run_subject(trial: Trial, experiment: Experiment) -> Tensors | Departure:
    """The subject's results, or its departure where it raises."""
    try:
        with trial.subject_at_work(), at_work(trial):
            poison(tensors := trial.tensors())
            return experiment(trial.op, trial.target, trial.call, tensors, trial.cotangent)
    except Departure as departure:
        return departure


def run_torch(
    trial: Trial, experiment: Experiment, got: object, *, may_fail: bool
) -> Tensors | None:
    """Torch's results in the dtype under test, or None where it raises (its own fault, then).

    Where torch is the subject they are what was ``got`` already.
    """
    if trial.subject.is_torch and isinstance(got, dict):
        return got
    try:
        with at_work(trial):
            poison(tensors := trial.tensors())
            return experiment(trial.op, trial.reference, trial.call, tensors, trial.cotangent)
    except Exception as error:
        if isinstance(error, NotImplementedError) or "not implemented for" in str(error):
            raise NoKernel from error
        if not may_fail and not trial.subject.is_torch:
            trial.blame("torch", f"torch raised {named(error)}", kind="exception")
        return None


def compare_metadata(got: Tensors, theirs: Tensors, *, strides: bool) -> None:
    """Names, shapes, dtypes, devices; strides, if asked for, where torch's output is dense.

    Gradients may lie as they like: autograd promises no layout for them.
    """
    if got.keys() != theirs.keys():
        raise Departure(f"results are {list(got)}, torch's {list(theirs)}", kind="outputs")
    for name, ours in got.items():
        torchs = theirs[name]
        if type(ours) is not type(torchs):
            message = f"{name} is a {type(ours).__name__}, torch's a {type(torchs).__name__}"
            raise Departure(message, kind="type", result=name)
        for what in ("shape", "dtype", "device"):
            mine, wanted = getattr(ours, what), getattr(torchs, what)
            if mine != wanted:
                message = f"{what} of {name}: got {shown(mine)}, torch {shown(wanted)}"
                raise Departure(message, kind=what, result=name)
        if strides and strides_differ(ours, torchs):
            message = f"strides of {name}: got {ours.stride()}, torch {torchs.stride()}"
            raise Departure(message, kind="strides", result=name)


def shown(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, torch.Size) else str(value)


def strides_differ(ours: Tensor, torchs: Tensor) -> bool:
    """Whether axes of more than one element lie differently, in non-overlapping dense tensors."""
    if not torchs.numel() or not torch.ops.aten.is_non_overlapping_and_dense.default(torchs):
        return False
    pairs = zip(ours.shape, ours.stride(), torchs.stride(), strict=True)
    return any(size > 1 and a != b for size, a, b in pairs)


def compare_values(trial: Trial, true: Truth, party: str, results: Tensors) -> None:
    """Every element within the bound of the truth."""
    for name, result in results.items():
        result = result.detach().to("cpu").resolve_conj().resolve_neg()
        value = true.values.get(name)
        if value is None or result.shape != value.shape:
            trial.blame(
                party,
                f"{name} has another shape than in float64",
                kind="shape",
                result=name,
                shape=None if value is None else tuple(value.shape),
            )
        elif is_integer(result):
            trial.ledger.comparisons += 1
            compare_integers(trial, true, party, name, result)
        elif true.settles_cheaply(name, result):
            trial.ledger.comparisons += 1
        else:
            compare_with_bound(trial, true, party, name, result)


def compare_integers(trial: Trial, true: Truth, party: str, name: str, result: Tensor) -> None:
    """Integers are equal or wrong."""
    value = true.values[name]
    if not torch.equal(result, value):
        index = tuple((result != value).nonzero()[0].tolist())
        trial.blame(
            party,
            f"{name}{list(index)} is {result[index].item()}, should be {value[index].item()}",
            kind="value",
            result=name,
            index=index,
            position=true.position(name),
            definition=true.defined(name, index),
        )


def compare_with_bound(trial: Trial, true: Truth, party: str, name: str, result: Tensor) -> None:
    """Floating-point numbers lie within the bound of the truth."""
    allowed = true.bound(name)
    if bool(allowed.error.isinf().any()):
        allowed = other_judges(true, name, result)
        untold = int(allowed.error.isinf().sum())
        trial.ledger.unbounded += untold  # they may be anything: that is no comparison
        if untold == result.numel():
            return
    trial.ledger.comparisons += 1
    good = accept(result, allowed.value, allowed.error)
    if not good.all():
        arbitrate(trial, true, party, name, result, good, allowed)
    elif result.numel():
        ratio = error_over_bound(result, allowed.value, allowed.error)
        worst = torch.nan_to_num(ratio, nan=0.0, posinf=0.0).max()
        trial.ledger.note_error(trial, party, name, float(worst), allowed.terms)


def arbitrate(
    trial: Trial,
    true: Truth,
    party: str,
    name: str,
    result: Tensor,
    good: Tensor,
    allowed: Bounded,
) -> None:
    """An element is outside its bound: ask the definition who is wrong, the party or the oracle."""
    ratio = error_over_bound(result, allowed.value, allowed.error)
    ratio = torch.where(good, -1.0, torch.nan_to_num(ratio, nan=math.inf))
    wrong = int((~good).sum())
    worst_first = ratio.flatten().argsort(descending=True)[: min(wrong, ARBITRATED)]
    for place in worst_first:
        index = tuple(int(i) for i in torch.unravel_index(place, ratio.shape))
        defined = true.defined(name, index)
        trial.ledger.arbitrated += defined is not None
        message, details = described(party, name, index, result, allowed, defined)
        details["position"] = true.position(name)
        message += f" ({wrong} of {good.numel()} elements)"
        if defined is None or not sides_with(defined, result[index], allowed, index):
            trial.blame(party, message, **details)
            return
    trial.blame("torch", f"the float64 oracle is off: {message}", **details | {"kind": "oracle"})


def sides_with(defined: Any, value: Tensor, allowed: Bounded, index: tuple[int, ...]) -> bool:
    """Whether an element is what the definition says, within the bound."""
    exact = torch.tensor(defined, dtype=allowed.value.dtype)
    return bool(accept(value, exact, allowed.error[index]))


def described(
    party: str, name: str, index: tuple[int, ...], result: Tensor, allowed: Bounded, defined: Any
) -> tuple[str, dict[str, Any]]:
    """What is wrong with an element, in a sentence and as data."""
    error = float(allowed.error[index])
    over = float(error_over_bound(result[index], allowed.value[index], allowed.error[index]))
    got, expected = scalar(result[index]), scalar(allowed.value[index])
    details = {
        "kind": "value",
        "who": party,
        "result": name,
        "index": index,
        "got": got,
        "expected": expected,
        "definition": None if defined is None else scalar(defined),
        "bound": error,
        "over": over if error else None,  # None: nothing but equality will do
    }
    far = f"off by {over:.3g} times the error bound {error:.3g}" if error else "exactly"
    return f"{name}{list(index)} is {got}, should be {expected}, {far}", details


def scalar(value: Any) -> Any:
    """A number for JSON: complex ones as text."""
    number = value.item() if isinstance(value, Tensor) else value
    return str(number) if isinstance(number, complex) else number
