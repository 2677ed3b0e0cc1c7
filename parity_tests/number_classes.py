"""Classes of numbers: every kind of number that torch takes, and values that are special."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from parity_tests import kinds
from parity_tests.input_class import FINITE, Class, is_missing, with_value
from parity_tests.op import Call, Op
from parity_tests.recipe import Recipe


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
    "alpha": {"inexact in 16 bits": 0.1, "small": 1e-7, "beyond float16": 1e5, "zero": 0.0},
    "min_val": {"inexact in 16 bits": -0.1, "large": -1e30},
    "max_val": {"inexact in 16 bits": 1.1, "large": 1e30},
    "gain": {"inexact in 16 bits": 0.1, "between one and two": 1.4, "zero": 0.0},
    "k": {"inexact in 16 bits": 1.1, "zero": 0.0},
}


# The dtypes in which a value is more than any other.
ONLY = {"beyond 2**53": (torch.int64,), "beyond float16": (torch.float16,)}


def values_of(op: Op, name: str, default: Any) -> Iterator[Class]:
    """The default, and values that are special for the parameter."""
    levels = op.levels.get(name, ())
    numeric = any(type(v) is float for v in (default, *levels))
    if not numeric and name not in VALUES:
        return
    if default is not None and not is_missing(default):
        yield value(name, "default", default)
    for what, number in VALUES.get(name, INEXACT).items():
        only = ONLY.get(what, ())
        yield replace(value(name, what, number), dtypes=only, weight=4 if only else 1)


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
