"""Integers near 2³¹ and 2⁶³ in every integer argument: torch says which of them it takes.

Such a call may hang, take all memory or crash, in torch as in a subject. So torch and the subject
are each asked in a process of their own, which ends where it takes too long or too much memory.
"""

from __future__ import annotations

import math
import os
import pickle
import resource
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from parity_tests.op import Bad, Call, Op
from parity_tests.trial import Trial, onednn

# What a call raises, or the shapes of what it returns; None where the process ended in the call.
Outcome = Exception | list[Any] | None
Ask = Callable[[Trial, Callable[..., Any], Call], Outcome]

# Their lowest 32 bits are 1 and 2: code that keeps 32 bits takes them for these.
WRAPPING = (2**32 + 1, 2**62 + 2)
LARGE = (2**31, 2**55, 2**63 - 1, 2**63, -(2**31), -(2**63))
ASKED = 16  # one call in so many, and the first with each argument that is
TINY = 8  # elements of a first tensor, of which little is left to be wrong
SECONDS = 0.2  # of processor time for torch: calls this small take thousandths
SUBJECTS_SECONDS = 3
WAITS = 30  # seconds for all calls of a process, however little it computes
MEMORY = 1 << 29  # that a call may take beside what the process has
SMALL = 1 << 20  # elements: torch is not run where it would return more


def enlarged(op: Op, call: Call, turn: int = 0) -> Iterator[tuple[Call, Bad | None]]:
    """The call with each of its integer arguments made large, in two ways, and what is wrong there.

    A module's parameters may be too large for memory. Then the allocator says so, and its message
    need not name the argument.
    """
    numbers = [n for n in LARGE if fits(n) or not op.is_module]
    start = call.share(len(numbers), "large") + turn
    for i, (name, value) in enumerate(call.arguments.items()):
        wrapping = WRAPPING[(start + i) % len(WRAPPING)]
        for number in (wrapping, numbers[(start + i) % len(numbers)]):
            made = with_number(value, number)
            if made is None:
                continue
            kinds = {k: v for k, v in call.kinds.items() if k != name}
            large = replace(call, arguments={**call.arguments, name: made}, wanted=(), kinds=kinds)
            # Beyond 64 bits torch trips while it reads the number: with which exception varies.
            # It may be another argument that does not fit it: the message may name any.
            tripping = not fits(number)
            bad = Bad("", f"{name} of {number}", lambda _: None, tripping)
            yield large, None if op.is_module else bad


def with_number(value: Any, number: int) -> Any:
    """An integer, or the last of several, replaced; None where it is something else."""
    if type(value) is int:
        return number
    if isinstance(value, tuple | list) and value and type(value[-1]) is int:
        return type(value)([*value[:-1], number])
    return None


def fits(number: int) -> bool:
    """Whether it is an integer of 64 bits."""
    return -(2**63) <= number < 2**63


def can_ask(trial: Trial) -> bool:
    """Whether a process can be split in two: not where CUDA is in use; and torch needs no judge."""
    can_fork = hasattr(os, "fork") and not torch.cuda.is_initialized()
    return can_fork and not trial.subject.is_torch


def has_turn(trial: Trial) -> bool:
    """Whether it is among the few calls that are made large; the same call always is."""
    made, call = trial.ledger.made_large, str(trial.call)
    first = next(iter(trial.call.recipes().values()), None)
    if first is not None and math.prod(first.shape) > TINY:
        for name, value in trial.call.arguments.items():
            if with_number(value, 1) is not None:
                made.setdefault(name, call)
    return call in made.values() or trial.one_in(ASKED, "large")


def apart(ask: Callable[[Call], Outcome], calls: Iterable[Call], seconds: float) -> list[Outcome]:
    """What each call leads to, in a process of its own; None where that ends in the call."""
    calls, found = list(calls), list[Outcome]()
    while len(found) < len(calls):
        found += in_child(ask, calls[len(found) :], seconds)
        if len(found) < len(calls):
            found.append(None)  # the process ended in this call: another one takes the rest
    return found


def in_child(ask: Callable[[Call], Outcome], calls: list[Call], seconds: float) -> list[Outcome]:
    """The outcomes of the first of the calls, up to the one in which the process ends."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            limit(seconds)
            with os.fdopen(writing, "wb") as pipe:
                for call in calls:
                    pickle.dump(plain(ask(call)), pipe)
                    pipe.flush()
        finally:
            os._exit(0)
    os.close(writing)
    found: list[Outcome] = []
    with os.fdopen(reading, "rb") as pipe:
        while True:
            try:
                found.append(pickle.load(pipe))  # written by the lines above
            except (EOFError, pickle.UnpicklingError):
                break
    os.waitpid(child, 0)
    return found


def limit(seconds: float) -> None:
    """This process, a child, may take so much time and memory, and prints nothing."""
    # Each ends the process when it is spent: the first if it computes, the second if it waits.
    for number, timer, allowed in (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, WAITS),
    ):
        signal.signal(number, signal.SIG_DFL)
        signal.setitimer(timer, allowed)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = Path("/proc/self/statm")
    if status.exists():  # elsewhere there is no such limit
        used = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    warnings.simplefilter("ignore")


def plain(outcome: Outcome) -> Outcome:
    """The same, with a built-in exception for any that only its own module can make."""
    if not isinstance(outcome, Exception):
        return outcome
    builtin = next(c for c in type(outcome).__mro__ if c.__module__ == "builtins")
    try:
        made: Exception = builtin(str(outcome))
    except TypeError:  # it takes more than a message
        made = Exception(str(outcome))
    return made


@cache
def load_meta_kernels() -> None:
    """Torch imports some of them when first asked, which takes a second: not in every child."""
    x = torch.ones(1, 1, 1, 1, device="meta")
    torch.nn.functional.conv2d(x, x)


def torchs_outcomes(trial: Trial, calls: list[Call], outcome: Ask) -> list[Outcome]:
    """What torch says of the calls; None where it hangs, crashes or wants too much memory.

    It is asked on the meta device first, which computes nothing: a result that is too large to
    make is none to compare with.
    """
    load_meta_kernels()

    def ask(call: Call) -> Outcome:
        foretold = outcome(replace(trial, device="meta"), trial.torch, call)
        if isinstance(foretold, list) and any(math.prod(shape) > SMALL for shape in foretold):
            return None
        said = outcome(trial, trial.torch, call)
        return None if isinstance(said, Exception) and out_of_memory(said) else said

    return apart(ask, calls, SECONDS)


def subjects_outcomes(trial: Trial, calls: list[Call], outcome: Ask) -> list[Outcome]:
    """What the subject says of them; None where it ends the process."""
    return apart(lambda call: outcome(trial, trial.target, call), calls, SUBJECTS_SECONDS)


def others_outcomes(trial: Trial, call: Call, outcome: Ask) -> list[Outcome]:
    """What torch says elsewhere: its native kernel in float64, and the meta device."""

    def ask(other: Trial) -> Callable[[Call], Outcome]:
        return lambda call: outcome(other, trial.torch, call)

    with onednn(enabled=False):
        native = apart(ask(replace(trial, dtype=torch.float64)), [call], SECONDS)
    return native + apart(ask(replace(trial, device="meta")), [call], SECONDS)


def out_of_memory(error: Exception) -> bool:
    """Whether the call failed for want of memory: torch has taken the argument, then."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error)
