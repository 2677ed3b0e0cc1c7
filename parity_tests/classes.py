"""The classes that an operator's inputs have, which a call meets, and how a call is made to.

Which classes an operator has follows from its signature and its calls: a class is tried on some of
them, and torch decides whether it exists. Nothing is added to the calls of a search: those that are
drawn anyway are changed to meet classes, one after the other.
"""

from __future__ import annotations

import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

import torch

from parity_tests.input_class import INPUTS, Class, Name
from parity_tests.number_classes import kinds_of, not_passed, values_of
from parity_tests.op import Call, Op
from parity_tests.strategies import LONG, LONG_KINDS
from parity_tests.tensor_classes import (
    ZERO_COTANGENT,
    fills_of,
    rank_of,
    shared_by,
    states_of,
    wider_of,
)
from parity_tests.trial import onednn, seeded, torchs, undisturbed

SAMPLES = 8  # calls that a class is tried on, of those that can be made to meet it
TRIES = 3  # so many, before the operator is said not to have it; torch is slow to refuse
UNDRAWN = ("device", "dtype", "_stacklevel", "generator", "out")  # or classes of their own
COUNTING = ("forward", "gradients", "buffers")  # the checks whose calls are made to meet classes
TWISTS = 3  # classes that one call is made to meet

# --- What an operator has ---


@cache
def candidates(op: Op) -> tuple[Class, ...]:
    """Every class that the operator might have, by its signature and its tensors."""
    found: list[Class] = []
    tensors = tensors_of(op)
    for name, parameter in op.parameters.parameters.items():
        if name in UNDRAWN:
            continue
        if name in tensors:
            found += [not_passed(name, None)] * (parameter.default is None)
            continue
        found += kinds_of(op, name, parameter.default)
        found += values_of(op, name, parameter.default)
    for number, name in enumerate(tensors):
        found += of_tensor(op, name, tensors[:number])
    found += op.classes
    found = [one for one in found if not one.dtypes or set(one.dtypes) & set(op.dtypes)]
    return (*found, ZERO_COTANGENT) if op.differentiable else tuple(found)


def of_tensor(op: Op, name: str, earlier: Sequence[str]) -> Iterator[Class]:
    """Every class that one of the operator's tensors might have, its input having none earlier."""
    yield from states_of(op, name)
    if not earlier:
        yield from (*fills_of(op, name), rank_of(name))
    elif "eps" in op.parameters.parameters and name != "out":
        # Of normalisations torch documents it; elsewhere it depends on the kernel's choice.
        yield from wider_of(op, name)
    if op.is_module or op.reference is not None:
        return
    for other in earlier:
        if not {name, other} & set(op.buffers):  # what moves must not move a parameter
            yield from shared_by(op, name, other)


@cache
def tensors_of(op: Op) -> tuple[str, ...]:
    """The names of the tensors that the operator's calls have, its input first."""
    names: dict[str, None] = {}
    for call in samples(op):
        names |= dict.fromkeys(n for n, r in call.recipes().items() if r.dtype is None)
    return tuple(sorted(names, key=lambda n: n not in INPUTS))


@cache
def samples(op: Op) -> tuple[Call, ...]:
    """Calls to try classes on."""
    from parity_tests.search import rounds_of_calls  # which looks at classes itself

    return tuple(rounds_of_calls(op, "ordinary", examples=SAMPLES, seed=0))


@cache
def classes_of(op: Op) -> tuple[Class, ...]:
    """The classes that the operator has: some call can be made to meet them, and torch takes it."""
    return tuple(one for one in candidates(op) if one.key not in op.without and exists(op, one))


def exists(op: Op, one: Class) -> bool:
    """Whether torch takes one of a few calls that were made to meet the class."""
    dtype = one.dtypes[0] if one.dtypes else torch.float64
    edited = (call for sample in samples(op) if (call := one.edit(sample)) is not None)
    return any(taken(op, call, dtype) for call in islice(edited, TRIES))


def taken(op: Op, call: Call, dtype: torch.dtype) -> bool:
    """Whether torch takes the call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with onednn(enabled=False), seeded(), undisturbed():
            try:
                op.run(torchs(op), call, call.tensors(dtype))
            except Exception:
                return False
    return True


@cache
def long_sizes(op: Op) -> tuple[str, ...]:
    """The sizes that the operator's calls can have long, by their names."""
    from parity_tests.search import drawn_with

    @cache
    def drawn(kind: str, later: bool) -> bool:
        alike = (n for n in LONG if kind in n and ("later" in n) == later)
        return drawn_with(op, "large", {"long": next(alike)})

    return tuple(n for n in LONG if any(k in n and drawn(k, "later" in n) for k in LONG_KINDS))


def names_of(op: Op) -> tuple[Name, ...]:
    """The classes of an operator by name, its long sizes among them."""
    return (*(c.key for c in classes_of(op)), *(("sizes", name) for name in long_sizes(op)))


def within_reach(op: Op, regime: str, dtype: torch.dtype, check: str) -> set[Name]:
    """The classes that calls of a regime may meet, in that dtype and check."""
    if regime == "large":
        return {("sizes", name) for name in long_sizes(op)}
    return {one.key for one in classes_of(op) if one.applies(regime, dtype, check)}


# --- What a call meets, and how it is made to ---


def met(op: Op, call: Call) -> set[Name]:
    """The operator's classes that a call meets."""
    return {one.key for one in classes_of(op) if one.met(call)}


@dataclass
class Turns:
    """Whose turn it is: how often each class was tried by the calls of one search and regime.

    The searches of an operator begin in different places, as ``start`` says, from 0 to 1.
    """

    start: float = 0.0
    tried: Counter[tuple[str, Name]] = field(default_factory=Counter)

    def twisted(
        self, op: Op, call: Call, regime: str, dtype: torch.dtype, check: str
    ) -> tuple[Call, tuple[Class, ...]]:
        """The call made to meet a few classes, those least tried; torch takes the result."""
        able = [one for one in mixed(op) if one.applies(regime, dtype, check)]
        first = int(self.start * len(able))
        able = able[first:] + able[:first]
        able.sort(key=lambda one: (self.tried[regime, one.key] + 1) / one.weight)
        # Torch mostly takes them all: it is asked about each alone only where it does not.
        edited, chosen, tried = edited_by(able, call, lambda _: True)
        if chosen and not taken(op, edited, dtype):
            edited, chosen, tried = edited_by(able, call, lambda c: taken(op, c, dtype))
        self.tried.update((regime, one.key) for one in tried)
        return edited, tuple(chosen)


def edited_by(
    able: Sequence[Class], call: Call, accepted: Callable[[Call], bool]
) -> tuple[Call, list[Class], list[Class]]:
    """The call made to meet the first few of the classes, which these are, and those tried."""
    chosen: list[Class] = []
    tried: list[Class] = []
    for one in able:
        edited = one.edit(call) if excludes_none(one, chosen) else None
        if edited is None:
            continue
        tried.append(one)
        if accepted(edited):
            call = edited
            chosen.append(one)
            if len(chosen) == TWISTS:
                break
    return call, chosen, tried


@cache
def mixed(op: Op) -> tuple[Class, ...]:
    """The classes of an operator so that neighbours are mostly of different parameters."""
    return tuple(sorted(classes_of(op), key=lambda one: zlib.crc32(str(one.key).encode())))


def excludes_none(one: Class, chosen: Sequence[Class]) -> bool:
    """Classes of one parameter exclude each other."""
    return all(one.parameter != other.parameter for other in chosen)


def again(op: Op, call: Call, chosen: Sequence[Class], dtype: torch.dtype) -> Call:
    """A smaller call made to meet the classes that a failing one was made to meet."""
    for one in chosen:
        edited = one.edit(call)
        if edited is not None and taken(op, edited, dtype):
            call = edited
    return call
