"""One claim: the same calls accepted, the same rejected, with a message that helps."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from parity_tests.experiments import outputs_of
from parity_tests.op import Bad, Call
from parity_tests.recipe import Recipe
from parity_tests.verdict import Trial, named


def errors(trial: Trial) -> None:
    """The same calls accepted and rejected; the subject's message names the argument."""
    trial.ledger.start_case(trial)
    for bad in trial.op.bad:
        if (edit := bad.edit(trial.call)) is not None:
            compare_verdicts(trial, edited(trial.call, edit), bad)
    for call in off_by_one(trial.call):
        compare_verdicts(trial, call, None)


def edited(call: Call, edit: Mapping[str, Any]) -> Call:
    """The call with arguments or state replaced; an edit to None removes no argument."""
    state = {k: v for k, v in edit.items() if k.startswith("state ")}
    return replace(
        call,
        arguments={**call.arguments, **{k: v for k, v in edit.items() if k not in state}},
        state={**call.state, **{k.removeprefix("state "): v for k, v in state.items()}},
    )


def compare_verdicts(trial: Trial, call: Call, bad: Bad | None) -> None:
    """Torch first: what it accepts the subject must accept, what it rejects the subject too."""
    expected = outcome(trial, trial.reference, call)
    got = outcome(trial, trial.target, call)
    trial.ledger.comparisons += 1
    what = f"{trial.op.name}({call})" + (f" [{bad.argument}: {bad.what}]" if bad else "")
    if isinstance(expected, Exception):
        if bad is not None:
            trial.ledger.rejected[f"{bad.argument}: {bad.what}"] += 1
        if not isinstance(got, Exception):
            trial.depart(f"accepted what torch rejects ({named(expected)}): {what}", kind="accepted")
        elif not isinstance(got, type(expected)):
            trial.depart(
                f"raised {named(got)}, torch {named(expected)}: whoever catches "
                f"{type(expected).__name__} would miss it: {what}",
                kind="exception type",
            )
        elif bad is not None and trial.subject.name == "reimpl":
            judge_message(trial, bad, str(got), what)
    elif isinstance(got, Exception):
        trial.depart(f"rejected what torch accepts: {named(got)}: {what}", kind="rejected")
    elif got != expected:
        trial.depart(f"outputs are {got}, torch's {expected}: {what}", kind="shape")


def judge_message(trial: Trial, bad: Bad, message: str, what: str) -> None:
    """A message says which argument is wrong, what it got and what it needs."""
    if bad.argument not in message or "got" not in message:
        trial.depart(
            f"the message names neither argument nor value: {message!r}: {what}", kind="message"
        )


def outcome(trial: Trial, target: Callable[..., Any], call: Call) -> Exception | list[Any]:
    """The exception a call raises, or the shapes of what it returns."""
    try:
        result = trial.op.run(target, call, call.tensors(trial.dtype, trial.device))
    except Exception as error:
        return error
    return [tuple(t.shape) for t in outputs_of(result).values() if isinstance(t, Tensor)]


def off_by_one(call: Call) -> Iterator[Call]:
    """A few neighbours of the call: one number or one size larger or smaller by one."""
    neighbours = [replace(call, arguments=a) for a in changed(call.arguments)]
    neighbours += [replace(call, state=s) for s in changed(call.state)]
    start = zlib.crc32(str(call).encode())
    for i in range(min(4, len(neighbours))):
        yield neighbours[(start + i * 7919) % len(neighbours)]


def changed(arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each argument's neighbours in turn."""
    for name, value in arguments.items():
        for neighbour in around(value):
            yield {**arguments, name: neighbour}


def around(value: Any) -> Iterator[Any]:
    """What lies one step from a value: sizes and numbers by one, tensors by one size or axis."""
    match value:
        case bool() | None | str() | float() | torch.dtype():
            return
        case int():
            yield from (value - 1, value + 1)
        case Recipe():
            for shape in around(value.shape):
                yield replace(value, shape=shape)
            yield replace(value, shape=(*value.shape, 1))
        case tuple() | list():
            for i, item in enumerate(value):
                for neighbour in around(item):
                    if not (isinstance(neighbour, int) and neighbour < -1):
                        yield type(value)([*value[:i], neighbour, *value[i + 1 :]])
