"""One claim: the same calls accepted, the same rejected, with a message that helps."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from parity_tests import experiments
from parity_tests.checks import large
from parity_tests.expectations import excuse
from parity_tests.experiments import outputs_of
from parity_tests.op import Bad, Call
from parity_tests.recipe import Recipe
from parity_tests.trial import Trial, named, onednn

# What a call raises, or the shapes of what it returns.
Outcome = Exception | list[Any]


NEIGHBOURS = 8  # of each call


def errors(trial: Trial) -> None:
    """The same calls accepted and rejected; reimpl's messages name what is wrong with what."""
    trial.ledger.start_case(trial)
    for bad in (*trial.op.bad, *other_kinds(trial), *other_dtypes(trial)):
        edit = bad.edit(trial.call)
        if edit is not None and not empty(trial.call):
            compare_verdicts(trial, edited(trial.call, edit), bad)
    for call in off_by_one(trial.call):
        if not empty(call):
            compare_verdicts(trial, call, None)
    if large.can_ask(trial) and not empty(trial.call) and large.has_turn(trial):
        compare_large(trial)


def other_kinds(trial: Trial) -> Iterator[Bad]:
    """Every argument that is a tensor may be a list by mistake; a function's numbers, a string.

    Modules store their numbers unseen, as torch's do.
    """
    written = trial.op.written(trial.call)  # the suite itself looks at these
    for name, value in trial.call.arguments.items():
        if isinstance(value, Recipe) and name not in written:
            yield mistake(name, [1.0], "a list")
        if type(value) in (int, float, tuple, list) and not trial.op.is_module:
            yield mistake(name, "three", "a string", tripping=True)


def other_dtypes(trial: Trial) -> Iterator[Bad]:
    """Every tensor beside the first may be of another dtype by mistake."""
    other = "float32" if trial.dtype == torch.float64 else "float64"
    for name, recipe in list(trial.call.recipes().items())[1:]:
        if recipe.dtype is None:
            key = f"state {name}" if name in trial.call.state else name
            yield mistake(key, replace(recipe, dtype=other), f"of dtype {other}")


def mistake(key: str, value: Any, what: str, *, tripping: bool = False) -> Bad:
    """Another value for an argument, or for an entry of the state, whatever the call."""
    argument = key.removeprefix("state ").rpartition(".")[2]
    return Bad(argument, what, lambda _: {key: value}, tripping)


def empty(call: Call) -> bool:
    """Some tensor has no elements: torch then checks next to nothing, differently by back end."""
    return any(0 in recipe.shape for recipe in call.recipes().values())


def edited(call: Call, edit: Mapping[str, Any]) -> Call:
    """The call with arguments or state replaced; an edit to None removes no argument."""
    state = {k: v for k, v in edit.items() if k.startswith("state ")}
    return replace(
        call,
        arguments={**call.arguments, **{k: v for k, v in edit.items() if k not in state}},
        state={**call.state, **{k.removeprefix("state "): v for k, v in state.items()}},
    )


def compare_verdicts(trial: Trial, call: Call, bad: Bad | None) -> None:
    """What torch accepts the subject must accept, what it rejects the subject must reject."""
    if excuse(replace(trial, call=call), crash=True):
        return
    expected = outcome(trial, trial.torch, call)
    got = outcome(trial, trial.target, call)
    if isinstance(expected, Exception) != isinstance(got, Exception):
        expected = arbitrated(trial, call, got, expected)
    compare_outcomes(trial, call, bad, expected, got)


def compare_large(trial: Trial) -> None:
    """The same for integers near 2³¹ and 2⁶³, each call in a process of its own."""
    calls = [
        (call, bad)
        for call, bad in large.enlarged(trial.op, trial.call)
        if not excuse(replace(trial, call=call), crash=True)
    ]
    of_torch = large.torchs_outcomes(trial, [call for call, _ in calls], outcome)
    told = [(*pair, said) for pair, said in zip(calls, of_torch, strict=True) if said is not None]
    of_subject = large.subjects_outcomes(trial, [call for call, _, _ in told], outcome)
    for (call, bad, expected), got in zip(told, of_subject, strict=True):
        if got is None:
            trial.depart(
                f"ends its process, takes more than {large.SUBJECTS_SECONDS} s or too much memory: "
                f"{trial.op.name}({call})",
                kind="crash",
                call=call,
            )
            continue  # of torch as the subject, which may be excused
        if isinstance(expected, Exception) != isinstance(got, Exception):
            others = large.others_outcomes(trial, call, outcome)
            if any(isinstance(o, Exception) == isinstance(got, Exception) for o in others if o):
                trial.ledger.torch_cannot += 1  # torch does not agree with itself
                continue
            expected = unless_known(trial, call, got, expected)
        compare_outcomes(trial, call, bad, expected, got)


def compare_outcomes(
    trial: Trial, call: Call, bad: Bad | None, expected: Outcome, got: Outcome
) -> None:
    """Both accept and return the same shapes, or both reject in the same way."""
    trial.ledger.comparisons += 1
    if bad is not None and isinstance(expected, Exception):
        trial.ledger.rejected[f"{bad.argument}: {bad.what}"] += 1
    what = f"{trial.op.name}({call})" + (f" [{bad.argument}: {bad.what}]" if bad else "")
    match expected, got:
        case Exception(), Exception():
            compare_exceptions(trial, call, expected, got, bad, what)
        case Exception(), _:
            trial.depart(
                f"accepted what torch rejects ({named(expected)}): {what}",
                kind="accepted",
                call=call,
            )
        case _, Exception():
            trial.depart(
                f"rejected what torch accepts: {named(got)}: {what}", kind="rejected", call=call
            )
        case _ if got != expected:
            trial.depart(f"outputs are {got}, torch's {expected}: {what}", kind="shape", call=call)


def arbitrated(trial: Trial, call: Call, got: Outcome, expected: Outcome) -> Outcome:
    """Torch's outcome, or that of its native kernel in float64 if that one sides with the subject.

    Torch's back ends disagree among themselves: oneDNN accepts what native kernels reject. Where
    torch is known to accept by accident, the subject's outcome stands.
    """
    native = native_outcome(trial, call)
    if isinstance(native, Exception) != isinstance(got, Exception):
        return unless_known(trial, call, got, expected)
    message = f"accepted by one back end, rejected by another: {trial.op.name}({call})"
    replace(trial, call=call).blame("torch", message, kind="accepted")
    return native


def unless_known(trial: Trial, call: Call, got: Outcome, expected: Outcome) -> Outcome:
    """Torch's outcome, or the subject's where torch is known to accept or reject by accident."""
    kind = "rejected" if isinstance(got, Exception) else "accepted"
    known = excuse(replace(trial, call=call), details={"kind": kind})
    if known is None:
        return expected
    trial.ledger.excuse(trial, known.reason)
    return got


def compare_exceptions(
    trial: Trial, call: Call, expected: Exception, got: Exception, bad: Bad | None, what: str
) -> None:
    """A type that catches both; from reimpl, a message that names operator, argument and value."""
    tripping = bad is not None and bad.tripping
    if not tripping and not isinstance(got, (type(expected), promised(expected))):
        known = excuse(replace(trial, call=call), details={"kind": "exception type"})
        if known is not None:  # torch trips over a fault of its own before it sees the mistake
            trial.ledger.excuse(trial, known.reason)
            return
        trial.depart(
            f"raised {named(got)}, torch {named(expected)}: who catches "
            f"{promised(expected).__name__} would miss it: {what}",
            kind="exception type",
            call=call,
        )
    if bad is None or trial.subject.name != "reimpl":
        return
    message = str(got)
    ours = trial.subject.find(message.partition(": ")[0]) is not None
    pythons = "unexpected keyword argument" in message  # names the function in its own way
    argument = re.search(rf"\b{re.escape(bad.argument)}\b", message)
    if not (ours or pythons) or argument is None or "got" not in message:
        trial.depart(
            f"the message lacks operator, argument or value: {message!r}: {what}",
            kind="message",
            call=call,
        )


def promised(error: Exception) -> type[Exception]:
    """The type that a caller may rely on, given torch's exception.

    A missing kernel is a NotImplementedError in torch, and a RuntimeError to who catches errors of
    shape; an AttributeError is torch's Python tripping over an argument of the wrong type.
    """
    accidents = {NotImplementedError: RuntimeError, AttributeError: TypeError}
    return accidents.get(type(error), type(error))


def native_outcome(trial: Trial, call: Call) -> Outcome:
    """What torch does in float64, on contiguous tensors, without oneDNN."""
    plain = call.with_recipes(lambda _, recipe: replace(recipe, layout="contiguous"))
    with onednn(enabled=False):
        return outcome(replace(trial, dtype=torch.float64), trial.torch, plain)


def outcome(trial: Trial, target: Callable[..., Any], call: Call) -> Outcome:
    """The exception a call raises, or the shapes of what it returns.

    What is written in place is gone for the backward, which may have to refuse: that is part of
    the call.
    """
    try:
        tensors = call.tensors(trial.dtype, trial.device)
        if call.wanted and trial.op.written(call):
            results = experiments.gradients(trial.op, target, call, tensors, trial.cotangent)
        else:
            results = outputs_of(trial.op.run(target, call, tensors))
        return [tuple(t.shape) for t in results.values() if isinstance(t, Tensor)]
    except Exception as error:
        return error


def off_by_one(call: Call) -> Iterator[Call]:
    """A few neighbours of the call: one number or one size larger or smaller by one."""
    neighbours = [replace(call, arguments=a) for a in changed(call.arguments)]
    neighbours += [replace(call, state=s) for s in changed(call.state)]
    start = zlib.crc32(str(call).encode())
    for i in range(min(NEIGHBOURS, len(neighbours))):
        yield neighbours[(start + i * 7919) % len(neighbours)]


def changed(arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each argument's neighbours in turn."""
    for name, value in arguments.items():
        for neighbour in around(value):
            yield {**arguments, name: neighbour}


def broadcasting(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """One size made one, which sloppy code stretches to whatever is needed."""
    for i, size in enumerate(shape):
        if size > 2:
            yield (*shape[:i], 1, *shape[i + 1 :])


def around(value: Any) -> Iterator[Any]:
    """What lies one step from a value: numbers and sizes by one, tensors by one size or axis."""
    match value:
        case bool():
            return
        case int():
            yield from (value - 1, value + 1)
        case Recipe():
            yield from (replace(value, shape=shape) for shape in around(value.shape))
            yield from (replace(value, shape=shape) for shape in broadcasting(value.shape))
            yield replace(value, shape=(*value.shape, 1))
            yield replace(value, shape=(1, *value.shape))
        case tuple() | list():
            for i, item in enumerate(value):
                for neighbour in (n for n in around(item) if n >= -1):
                    yield type(value)([*value[:i], neighbour, *value[i + 1 :]])
