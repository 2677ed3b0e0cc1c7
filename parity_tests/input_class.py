"""A class of an operator's inputs: a part of the domain of one parameter.

Its default, a small value, another kind of number, an optional tensor alone, a state of a tensor.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from parity_tests.op import Call
from parity_tests.recipe import Recipe

Name = tuple[str, str]  # the parameter, and the class of it

INPUTS = ("input", "x")  # an operator's first tensor; RMSNorm's is called x
HALF = (torch.float16, torch.bfloat16)

# Regimes in which a class makes sense.
PLAIN = ("ordinary", "exact", "scaled", "special")
FINITE = ("ordinary", "scaled")
SHAPED = ("ordinary", "layout")


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


def with_value(call: Call, name: str, value: Any) -> Call:
    """The call with another value."""
    return replace(call, arguments={**call.arguments, name: value})


def with_recipe(call: Call, name: str, change: Callable[[Recipe], Recipe | None]) -> Call | None:
    """The call with one tensor changed, if it has that tensor and can."""
    recipe = call.recipes().get(name)
    changed = change(recipe) if recipe is not None else None
    if changed is None:
        return None
    return call.with_recipes(lambda n, r: changed if n == name else r)


def is_missing(default: Any) -> bool:
    """Whether a parameter has no default."""
    return default is inspect.Parameter.empty
