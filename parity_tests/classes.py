"""The classes of an operator's inputs: what it has, what a call meets, and how a call is made to.

A class is a part of the domain of one parameter: its default, a small value, another kind of
number, an optional tensor alone, a state of a tensor. Which classes an operator has follows from
its signature and its calls: a class is tried on some of them, and torch decides whether it exists.
Nothing is added to the calls of a search: those that are drawn anyway are changed to meet classes,
one after the other.
"""

from __future__ import annotations

import inspect
import math
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import islice
from typing import Any

import torch

from parity_tests import kinds
from parity_tests.op import Call, Op
from parity_tests.recipe import Recipe
from parity_tests.strategies import LONG, LONG_KINDS
from parity_tests.trial import onednn, seeded, torchs, undisturbed

Name = tuple[str, str]  # the parameter, and the class of it

INPUTS = ("input", "x")  # an operator's first tensor; RMSNorm's is called x
HALF = (torch.float16, torch.bfloat16)
SAMPLES = 8  # calls that a class is tried on, of those that can be made to meet it
TRIES = 3  # so many, before the operator is said not to have it; torch is slow to refuse
UNDRAWN = ("device", "dtype", "_stacklevel", "generator", "out")  # or classes of their own
COUNTING = ("forward", "gradients", "buffers")  # the checks whose calls are made to meet classes
TWISTS = 3  # classes that one call is made to meet

PLAIN = ("ordinary", "exact", "scaled", "special")
FINITE = ("ordinary", "scaled")


@dataclass(frozen=True)
class Class:
    """One class of a parameter's values.

    ``edit`` makes a call meet it, or returns None where the call has no such parameter; ``met``
    tells whether a call does. ``dtypes`` and ``checks`` are those in which it makes sense.
    """

    parameter: str
    name: str
    edit: Callable[[Call], Call | None]
    met: Callable[[Call], bool]
    regimes: tuple[str, ...] = PLAIN
    dtypes: tuple[torch.dtype, ...] = ()  # none named: all
    check: str = ""
    weight: int = 1  # how often it has its turn, beside other classes

    @property
    def key(self) -> Name:
        return self.parameter, self.name

    def applies(self, regime: str, dtype: torch.dtype, check: str) -> bool:
        """Whether a call there may be made to meet it."""
        here = not self.dtypes or dtype in self.dtypes
        return here and regime in self.regimes and self.check in ("", check)


# --- How a number is given ---


def kinds_of(op: Op, name: str, default: Any) -> Iterator[Class]:
    """Every kind of number, and not at all.

    Integers for floats are no kind beside integer tensors: torch then computes in integers.
    """
    smooth = tuple(d for d in op.dtypes if d.is_floating_point or d.is_complex)
    for kind in dict.fromkeys((*kinds.OF_FLOATS, *kinds.OF_INTEGERS, *kinds.OF_FLAGS)):
        whole = isinstance(default, float) and "float" not in kind
        edit = partial(in_kind, name=name, kind=kind)
        yield Class(name, kind, edit, is_given(name, kind), dtypes=smooth if whole else ())
    if not is_missing(default):
        yield not_passed(name, default)


def not_passed(name: str, default: Any) -> Class:
    """An argument left out: the default, given as nothing at all."""
    return Class(
        name, kinds.LEFT_OUT, lambda c: left_out(c, name, default), is_given(name, kinds.LEFT_OUT)
    )


def is_given(name: str, kind: str) -> Callable[[Call], bool]:
    """Whether a call gives an argument in that kind."""
    return lambda call: call.kinds.get(name) == kind


def in_kind(call: Call, name: str, kind: str) -> Call | None:
    """The call with a number in another kind: the same if the kind holds it, else near it, or 1."""
    value = call.arguments.get(name)
    if kind == "tensor" and any(r.shape == () for r in call.recipes().values()):
        return None  # two tensors without axes take the wider dtype of the two
    if isinstance(value, float) and not kinds.suits(kind, value):
        if kind not in kinds.OF_FLOATS:
            return None
        near = kinds.exact(kind, value) if kind in ("numpy.float32", "tensor") else 1.0
        call, value = with_value(call, name, near), near
    if value is None or not kinds.suits(kind, value):
        return None
    return replace(call, kinds={**call.kinds, name: kind})


def left_out(call: Call, name: str, default: Any) -> Call | None:
    """The call without the argument, which is its default then."""
    value = call.arguments.get(name)
    if isinstance(value, Recipe) or (isinstance(value, bool) and value != default):
        return None  # a flag says which tensors there are
    return replace(with_value(call, name, default), kinds={**call.kinds, name: kinds.LEFT_OUT})


def with_value(call: Call, name: str, value: Any) -> Call:
    """The call with another value."""
    return replace(call, arguments={**call.arguments, name: value})


# --- Values of numbers ---

INEXACT = {"inexact in 16 bits": 0.1}
SMALL = {"1e-7": 1e-7, "1e-12": 1e-12, "zero": 0.0}

# Where 0.1 is not the value to try, by the parameter's name. What must stay as the sizes are drawn
# (strides, paddings, groups, axes) has no other values here: levels cover those.
VALUES: dict[str, dict[str, Any]] = {
    "eps": {**INEXACT, **SMALL},
    "p": {"inexact in 16 bits": 2.1},
    "norm_type": {},  # the powers that negative numbers have roots of are drawn with the input
    "sigma": {"inexact in 16 bits": 0.7, "wide": 8.0},
    "truncate": {"inexact in 16 bits": 3.3},
    "scale_factor": {},  # drawn with the sizes
    "value": {
        "inexact in 16 bits": 0.1,
        "large": 1000.5,
        "beyond 2**53": 2**53 + 1,
        "NaN": math.nan,
        "infinite": -math.inf,
    },
    "threshold": {"inexact in 16 bits": 0.1, "large": 1e30, "zero": 0},
    "beta": {"inexact in 16 bits": 0.1, "large": 1000.0, "zero": 0.0},
    "negative_slope": {"inexact in 16 bits": 0.1, "small": 1e-7, "large": 1000.0},
    "alpha": {"inexact in 16 bits": 0.1, "small": 1e-7, "large": 1e5, "zero": 0.0},
    "min_val": {"inexact in 16 bits": -0.1, "large": -1e30},
    "max_val": {"inexact in 16 bits": 1.1, "large": 1e30},
    "gain": {"inexact in 16 bits": 0.1, "between one and two": 1.4, "zero": 0.0},
    "k": {"inexact in 16 bits": 1.1, "zero": 0.0},
}


def values_of(op: Op, name: str, default: Any) -> Iterator[Class]:
    """The default, and values that are special for the parameter."""
    levels = op.levels.get(name, ())
    numeric = any(type(v) is float for v in (default, *levels))
    if not numeric and name not in VALUES:
        return
    if default is not None and not is_missing(default):
        yield value(name, "default", default)
    for what, number in VALUES.get(name, INEXACT).items():
        dtypes = (torch.int64,) if what == "beyond 2**53" else ()
        yield replace(value(name, what, number), dtypes=dtypes)


def value(name: str, what: str, number: Any) -> Class:
    """One value."""

    def edit(call: Call) -> Call | None:
        if name not in call.arguments:
            return None
        if name == "eps" and number == 0:  # torch normalises by running statistics alone then
            return None if call.steps else with_value(in_evaluation(call), name, number)
        return with_value(call, name, number)

    return Class(name, what, edit, lambda call: same(call.arguments.get(name), number), FINITE)


def in_evaluation(call: Call) -> Call:
    """The call by running statistics, where it has them."""
    if "training" in call.arguments and call.arguments.get("running_mean") is not None:
        return with_value(call, "training", False)
    return replace(call, training=False) if "running_mean" in call.state else call


def same(a: Any, b: Any) -> bool:
    """Equal numbers; True is no 1."""
    if type(a) is Recipe or isinstance(a, bool) != isinstance(b, bool):
        return False
    return a == b or (a != a and b != b)


def is_missing(default: Any) -> bool:
    """Whether a parameter has no default."""
    return default is inspect.Parameter.empty


# --- Tensors ---


def states_of(op: Op, name: str) -> Iterator[Class]:
    """What a tensor can be besides its numbers and strides.

    What an initialiser writes to can be a parameter.
    """
    initial = not op.differentiable and op.name.endswith("_")

    def state(word: str, **where: Any) -> Class:
        return Class(
            name,
            word.replace("_", " "),
            lambda c: with_recipe(c, name, lambda r: stated(c, r, word, written=initial)),
            lambda c: c.recipes()[name].state == word if name in c.recipes() else False,
            ("layout", "ordinary"),
            **where,
        )

    if initial:
        yield state("parameter")
        return
    wide = tuple(d for d in op.dtypes if d.is_complex)
    smooth = tuple(d for d in op.dtypes if d.is_floating_point or d.is_complex)
    for word in ("parameter", "part_of_a_base", "negated"):
        yield state(word, dtypes=smooth)
    if name in INPUTS and not op.is_module:  # a module hands its input to the function
        for word in ("non_leaf", "hooked", "inference"):
            yield state(word, dtypes=smooth, check="forward")
    if wide:
        yield state("conjugated", dtypes=wide)


RECORDED = ("non_leaf", "hooked", "parameter")


def unrecorded(call: Call) -> Call:
    """The call with no tensor that requires a gradient."""
    return call.with_recipes(
        lambda _, recipe: replace(recipe, state=None) if recipe.state in RECORDED else recipe
    )


def stated(call: Call, recipe: Recipe, word: str, *, written: bool = False) -> Recipe | None:
    """The recipe in a state; integers, and mostly what is written to, have none of them.

    Whether an inference tensor may be saved for a backward depends on what each kernel saves.
    """
    excluded = {"inference": RECORDED}.get(word, ("inference",) if word in RECORDED else ())
    if (
        (recipe.written and not written)
        or recipe.dtype
        or any(r.state in excluded for r in call.recipes().values())
    ):
        return None
    return replace(recipe, state=word)


def shared_by(op: Op, name: str, other: str) -> Iterator[Class]:
    """Two tensors that share their memory, or are one object where neither has a gradient."""

    def meets(call: Call) -> bool:
        return name in call.recipes() and call.recipes()[name].same_as == other

    def one_object(call: Call) -> Call | None:
        return sharing(call, name, other, tuple(n for n in call.wanted if n not in (name, other)))

    def two_leaves(call: Call) -> Call | None:
        return sharing(call, name, other, tuple(dict.fromkeys((*call.wanted, other, name))))

    where = ("ordinary", "layout")
    yield Class(name, f"is {other}", one_object, meets, where, check="forward")
    if {name, other} <= set(op.differentiable):
        words = f"shares memory with {other}"
        yield Class(name, words, two_leaves, meets, where, check="gradients")


def sharing(call: Call, name: str, other: str, wanted: tuple[str, ...]) -> Call | None:
    """The call with a tensor in another one's memory; tensors that fit neither are left out."""
    recipes = call.recipes()
    if not {name, other} <= set(recipes):
        return None
    source, own = recipes[other], recipes[name]
    if source.state or source.dtype or own.dtype or source.values or own.values:
        return None
    alike = own.shape == source.shape
    kept = {
        k: v if alike or k in (name, other) or k not in recipes else None
        for k, v in call.arguments.items()
    }
    source = replace(source, written=own.written)
    both = {other: source, name: replace(source, same_as=other)}
    call = replace(call, arguments=kept).with_recipes(lambda n, r: both.get(n, r))
    return replace(call, wanted=tuple(n for n in wanted if n in call.recipes()))


def with_recipe(call: Call, name: str, change: Callable[[Recipe], Recipe | None]) -> Call | None:
    """The call with one tensor changed, if it has that tensor and can."""
    recipe = call.recipes().get(name)
    changed = change(recipe) if recipe is not None else None
    if changed is None:
        return None
    return call.with_recipes(lambda n, r: changed if n == name else r)


def fills_of(op: Op, name: str) -> Iterator[Class]:
    """Numbers near either end of a dtype's range, which is narrow in float16 alone."""
    yield filled(name, "subnormal", "subnormal")
    narrow = (torch.float16,) if torch.float16 in op.dtypes and not op.is_module else ()
    yield filled(name, "near the limit", "limit", narrow)


def filled(name: str, what: str, fill: str, dtypes: tuple[torch.dtype, ...] = ()) -> Class:
    """A tensor of that fill."""

    def refilled(r: Recipe) -> Recipe | None:
        return replace(r, fill=fill) if r.values is None else None

    return Class(
        name,
        what,
        lambda c: with_recipe(c, name, refilled),
        lambda c: name in c.recipes() and c.recipes()[name].fill == fill,
        ("scaled",),
        dtypes,
        weight=4 if dtypes else 1,
    )


def parameters(call: Call) -> int:
    """How many tensors there are beside the input."""
    drawn = (n for n, r in call.recipes().items() if r.dtype in (None, "float32", "float64"))
    return sum(n not in INPUTS for n in drawn)


def wider_of(op: Op, name: str) -> Iterator[Class]:
    """A tensor in a wider dtype than the input: the only one, and with all the others."""
    yield from wider_in(op, name, "float32", HALF)
    yield from wider_in(op, name, "float64", (torch.float32,))


def wider_in(op: Op, name: str, dtype: str, beside: tuple[torch.dtype, ...]) -> Iterator[Class]:
    """A tensor in one dtype beside an input of another."""

    def wide(call: Call) -> Call | None:
        if name not in call.recipes():
            return None
        kept = (*INPUTS, "cotangent", *(n for n in call.recipes() if n.startswith("step ")))
        return call.with_recipes(
            lambda n, r: r if n in kept or r.dtype else replace(r, dtype=dtype)
        )

    def only(call: Call) -> Call | None:
        if name not in call.recipes():
            return None
        others = {n for n in call.recipes() if n not in (*INPUTS, name)}
        kept = {k: None if k in others else v for k, v in call.arguments.items()}
        wanted = tuple(n for n in call.wanted if n not in others) or (name,)
        return wide(replace(call, arguments=kept, wanted=wanted))

    def of_several(call: Call) -> Call | None:
        return wide(call) if parameters(call) > 1 else None

    def is_wide(call: Call) -> bool:
        return name in call.recipes() and call.recipes()[name].dtype == dtype

    if not op.is_module:  # whose parameters come together
        yield Class(
            name,
            f"{dtype} beside a narrower input, no other beside it",
            only,
            lambda c: is_wide(c) and parameters(c) == 1,
            FINITE,
            beside,
        )
    yield Class(
        name,
        f"{dtype} beside a narrower input, as others are",
        of_several,
        lambda c: is_wide(c) and parameters(c) > 1,
        FINITE,
        beside,
    )


def rank_of(name: str) -> Class:
    """Five axes and more: more in front, or where channels come second, at the end."""

    def edit(call: Call) -> Call | None:
        def grown(r: Recipe) -> Recipe | None:
            rank = len(r.shape)
            if rank > 4 or r.values is not None or "out" in call.arguments:
                return None
            more = (2, 1, 2, 1, 2)[: 5 - rank]
            shape = (*r.shape, *more) if call.one_in(2, "axes") else (*more, *r.shape)
            return replace(r, shape=shape, batched=False)

        return with_recipe(call, name, grown)

    return Class(
        name,
        "five axes and more",
        edit,
        lambda c: name in c.recipes() and len(c.recipes()[name].shape) > 4,
        ("ordinary", "layout"),
    )


ZERO_COTANGENT = Class(
    "cotangent",
    "zero tensor",
    lambda c: replace(c, cotangent=replace(c.cotangent, state="zero_tensor")),
    lambda c: c.cotangent.state == "zero_tensor",
    ("layout", "ordinary"),
    check="gradients",
)


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
        able.sort(key=lambda one: self.tried[regime, one.key] / one.weight)
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
