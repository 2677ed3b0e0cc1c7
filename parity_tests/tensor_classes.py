"""Classes of tensors: states, shared memory, ends of a range, wider dtypes, many axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from parity_tests.input_class import FINITE, HALF, INPUTS, SHAPED, Class, with_recipe
from parity_tests.op import Call, Op
from parity_tests.recipe import Recipe


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
            SHAPED,
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

    yield Class(name, f"is {other}", one_object, meets, SHAPED, check="forward")
    if {name, other} <= set(op.differentiable):
        words = f"shares memory with {other}"
        yield Class(name, words, two_leaves, meets, SHAPED, check="gradients")


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
        weight=8 if dtypes else 1,
    )


def parameters(call: Call) -> int:
    """How many tensors there are beside the input."""
    drawn = (n for n, r in call.recipes().items() if r.dtype in (None, "float32", "float64"))
    return sum(n not in INPUTS for n in drawn)


def wider_of(op: Op, name: str) -> Iterator[Class]:
    """A tensor in a wider dtype than the input: the only one, and with all the others."""
    yield from wider_in(op, name, "float32", HALF)
    yield from wider_in(op, name, "float64", (torch.float32,))


def digits(fill: str) -> str:
    """The same kind of numbers with all their digits, which a narrower dtype does not hold."""
    return {"positive": "spread"}.get(fill, fill)


def wider_in(op: Op, name: str, dtype: str, beside: tuple[torch.dtype, ...]) -> Iterator[Class]:
    """A tensor in one dtype beside an input of another.

    Estimates are in float64 without the parameters, as torch takes them.
    """
    estimates = dtype == "float64" and name.startswith("running_")

    def wide(call: Call) -> Call | None:
        if name not in call.recipes():
            return None
        kept = {n for n in call.recipes() if estimates and not n.startswith("running_")}
        kept |= {*INPUTS, "cotangent", *(n for n in call.recipes() if n.startswith("step "))}
        return call.with_recipes(
            lambda n, r: r if n in kept or r.dtype else replace(r, dtype=dtype, fill=digits(r.fill))
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
        weight=4 if len(beside) == 1 else 1,
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
        SHAPED,
    )


ZERO_COTANGENT = Class(
    "cotangent",
    "zero tensor",
    lambda c: replace(c, cotangent=replace(c.cotangent, state="zero_tensor")),
    lambda c: c.cotangent.state == "zero_tensor",
    SHAPED,
    check="gradients",
)
