"""How much error, and whose fault.

For every element the allowed error is the running error bound of that very input. The subject and
torch are judged separately against it: torch's own error never widens it. Above the truth that the
oracle tells stands the literal definition, which arbitrates every disagreement and audits a sample
of every run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from parity_tests import experiments
from parity_tests.expectations import excuse
from parity_tests.experiments import Experiment, is_integer
from parity_tests.modes import PLAIN, Mode, without_tangents
from parity_tests.op import Tensors
from parity_tests.running_error import Bounded, accept, error_over_bound
from parity_tests.trial import (
    Departure,
    InvalidCall,
    NoKernel,
    Trial,
    Unsupported,
    at_work,
    left_as_found,
    named,
    poison,
)
from parity_tests.truth import Truth, truth_of
from parity_tests.unbounded import other_judges

STRIDED = ("forward", "gradients", "second", "buffers")  # the checks that compare strides
ARBITRATED = 8  # elements, worst first: the oracle may be off at one and the party at another


Results = Tensors | Departure | Unsupported


def judge(
    trial: Trial,
    experiment: Experiment,
    plain: Experiment | None = None,
    modes: tuple[Mode, ...] = (PLAIN,),
) -> None:
    """Run the experiment everywhere, compare every result, and name who is off.

    ``plain`` computes the same by other means, where the experiment itself is under test (a
    transform): then it makes the truth, and where torch cannot run the experiment nobody need.
    The experiment is run in each of the modes, and the truth is the same in all of them.
    """
    # The subject goes first, on copies of its own: no expected answer exists yet to be found.
    trials = [replace(trial, mode=mode) for mode in modes]
    got = [run_subject(each, experiment) for each in trials]
    theirs, may_fail = run_torch_if_safe(trials[0], experiment, got[0], optional=plain is not None)
    if theirs is None and may_fail:  # what torch does not support nobody need
        trial.ledger.torch_cannot += 1
        return
    if isinstance(got[0], Unsupported):
        raise got[0]
    try:
        true = truth_of(trial, plain or experiment)
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
    compare(trials[0], true, got[0], theirs)
    for each, results in zip(trials[1:], got[1:], strict=True):
        compare_in_mode(each, true, results, experiment)
    true.audit()


def run_torch_if_safe(
    trial: Trial, experiment: Experiment, got: Results, *, optional: bool
) -> tuple[Tensors | None, bool]:
    """Torch's results, None where it crashes or has no kernel; and whether it may fail."""
    # Where torch would take the process along it is not run: the subject is judged all the same.
    crashes = excuse(trial, crash=True) is not None
    may_fail = isinstance(got, Unsupported) or optional
    try:
        return None if crashes else run_torch(trial, experiment, got, may_fail=may_fail), may_fail
    except NoKernel:
        return None, True


def compare_in_mode(trial: Trial, true: Truth, got: Results, experiment: Experiment) -> None:
    """Compare the results in a further mode, where torch itself can run in it."""
    if trial.mode.tangents and not isinstance(got, dict):
        return  # whether an operator goes through forward-mode AD is the claim of ``transforms``
    theirs, _ = run_torch_if_safe(trial, experiment, got, optional=True)
    if theirs is None and excuse(trial, crash=True) is None:
        trial.ledger.torch_cannot += 1
        return
    if isinstance(got, Unsupported):
        raise got
    compare(trial, true, got, theirs)


def compare(trial: Trial, true: Truth, got: Results, theirs: Tensors | None) -> None:
    """The subject and torch, each against the truth; shapes and layouts against each other."""
    if not isinstance(got, dict):
        details = got.details if isinstance(got, Departure) else {"kind": "exception"}
        trial.depart(str(got), **details)
        return
    trial.ledger.modes[trial.mode.name] += 1
    true.theirs = theirs
    if theirs is None:
        compare_metadata(trial, got, true.as_stored(), by_torch=False)
    else:
        compare_metadata(trial, got, theirs)
        compare_values(trial, true, "torch", theirs)
    if not trial.subject.is_torch:
        compare_values(trial, true, trial.subject.name, got)


def run_subject(trial: Trial, experiment: Experiment) -> Results:
    """The subject's results, or its departure where it raises or changes what is around it."""
    try:
        with trial.subject_at_work(), at_work(trial):
            return run_in_mode(trial, experiment, trial.target, left_as_found(trial))
    except (Departure, Unsupported) as found:
        return found


def run_in_mode(
    trial: Trial,
    experiment: Experiment,
    target: Callable[..., Any],
    watched: AbstractContextManager[None],
) -> Tensors:
    """The experiment on fresh tensors, in the trial's mode."""
    poison(tensors := trial.tensors())
    with trial.mode.around():
        given = trial.mode.given(trial.call, tensors, trial.cotangent)
        with watched:
            results = experiment(trial.op, target, trial.call, given, trial.cotangent)
        return without_tangents(results) if trial.mode.tangents else results


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
            return run_in_mode(trial, experiment, trial.reference, nullcontext())
    except Exception as error:
        if isinstance(error, NotImplementedError) or "not implemented for" in str(error):
            raise NoKernel from error
        if not may_fail and not trial.subject.is_torch:
            trial.blame("torch", f"torch raised {named(error)}", kind="exception")
        return None


def compare_metadata(trial: Trial, got: Tensors, theirs: Tensors, *, by_torch: bool = True) -> None:
    """Names, types, shapes, dtypes, devices; of outputs also strides and whether they record.

    Autograd promises no layout for gradients, but PyTorch's tests of its own modules ask for one:
    of an input in channels last it is in channels last. What the oracle computed, where torch did
    not run, tells neither.
    """
    if got.keys() != theirs.keys():
        trial.depart(f"results are {list(got)}, torch's {list(theirs)}", kind="outputs")
        return
    for name, ours in got.items():
        torchs = theirs[name]
        if type(ours) is not type(torchs):
            message = f"{name} is a {type(ours).__name__}, torch's a {type(torchs).__name__}"
            trial.depart(message, kind="type", result=name)
        output = by_torch and name.startswith("output")
        for what in ("shape", "dtype", "device", *(("requires_grad",) if output else ())):
            mine, wanted = getattr(ours, what), getattr(torchs, what)
            if mine != wanted:
                message = f"{what} of {name}: got {shown(mine)}, torch {shown(wanted)}"
                trial.depart(message, kind=what, result=name)
        strided = by_torch and trial.check in STRIDED and trial.subject.abilities.strided
        if strided and (
            strides_differ(ours, torchs) if output else loses_format(trial, name, ours, torchs)
        ):
            message = f"strides of {name}: got {ours.stride()}, torch {torchs.stride()}"
            trial.depart(message, kind="strides", result=name)


def shown(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, torch.Size) else str(value)


def strides_differ(ours: Tensor, torchs: Tensor) -> bool:
    """Whether axes of more than one element lie differently, in non-overlapping dense tensors."""
    if not torchs.numel() or not torch.ops.aten.is_non_overlapping_and_dense.default(torchs):
        return False
    pairs = zip(ours.shape, ours.stride(), torchs.stride(), strict=True)
    return any(size > 1 and a != b for size, a, b in pairs)


FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def loses_format(trial: Trial, name: str, ours: Tensor, torchs: Tensor) -> bool:
    """Whether the gradient of the first tensor is in channels last, as that is, for torch alone."""
    first = next(iter(trial.call.recipes()), "")
    # Where the input is written to, torch's own sum of gradients has no layout to rely on, and a
    # cotangent that is one of autograd's zero tensors has no memory to lie in.
    unsure = trial.op.written(trial.call) or trial.call.cotangent.state == "zero_tensor"
    if name != f"gradient of {first}" or unsure:
        return False
    recipe = trial.call.recipes()[first]
    return (
        recipe.layout == "channels_last"
        and in_channels_last(torchs)
        and not in_channels_last(ours)
        and in_channels_last(recipe.tensor(trial.dtype, trial.device))
    )


def in_channels_last(t: Tensor) -> bool:
    """Contiguous in channels last, and in nothing else."""
    form = FORMATS.get(t.dim())
    return form is not None and t.is_contiguous(memory_format=form) and not t.is_contiguous()


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
        elif true.passed(party, name, result) or true.settles_cheaply(name, result):
            trial.ledger.comparisons += 1
        else:
            compare_with_bound(trial, true, party, name, result, results)


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
            got=result[index].item(),
            expected=value[index].item(),
            largest=largest(value),
            position=true.position(name),
            definition=true.defined(name, index),
        )


def overflown(true: Truth, results: Tensors) -> bool:
    """Whether an output overflowed: then a gradient that is made of it can be no better."""
    return any(
        name.startswith("output")
        and not is_integer(result)
        and bool((true.values[name].isfinite() & ~result.to("cpu").isfinite()).any())
        for name, result in results.items()
    )


def compare_with_bound(
    trial: Trial, true: Truth, party: str, name: str, result: Tensor, results: Tensors
) -> None:
    """Floating-point numbers lie within the bound of the truth.

    Where it is infinite other judges are asked, unless an output among ``results`` overflowed.
    """
    allowed = true.bound(name)
    unbounded = allowed.unbounded
    if unbounded:
        if name.startswith("output") or not overflown(true, results):
            allowed = other_judges(true, name, result)
        untold = int(allowed.error.isinf().sum())
        trial.ledger.unbounded += untold  # they may be anything: that is no comparison
        if untold == result.numel():
            return
    trial.ledger.comparisons += 1
    worst = 0.0
    if not torch.equal(result, allowed.value.to(result.dtype)):
        good = accept(result, allowed.value, allowed.error)
        if not good.all():
            arbitrate(trial, true, party, name, result, good, allowed)
            return
        ratio = error_over_bound(result, allowed.value, allowed.error)
        worst = float(torch.nan_to_num(ratio, nan=0.0, posinf=0.0).max()) if ratio.numel() else 0.0
    if not unbounded:
        true.pass_(party, name, result)
    if result.numel():
        trial.ledger.note_error(trial, party, name, worst, allowed.terms)


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
        if party == "torch" and not trial.subject.is_torch:
            details = described(party, name, index, result, allowed, None)[1]
            if (known := trial.excuse_of_torch(details)) is not None:
                # Be it torch's kernel or the oracle, it is torch: the definition is dear.
                trial.ledger.excuse(trial, known.reason)
                return
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
        "largest": largest(allowed.value),
        "bound": error,
        "over": over if error else None,  # None: nothing but equality will do
    }
    far = f"off by {over:.3g} times the error bound {error:.3g}" if error else "exactly"
    return f"{name}{list(index)} is {got}, should be {expected}, {far}", details


def largest(values: Tensor) -> float:
    """The largest finite entry: what an error is small or large beside."""
    sizes = values.abs()
    return float(sizes[sizes.isfinite()].max()) if sizes.isfinite().any() else 0.0


def scalar(value: Any) -> Any:
    """A number for JSON: complex ones as text."""
    number = value.item() if isinstance(value, Tensor) else value
    return str(number) if isinstance(number, complex) else number
