"""linear and Linear."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from parity_tests import relations
from parity_tests.definitions.activations import linear
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import put, with_shape
from parity_tests.ops.dtypes import COMPLEX, FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

LEVELS: dict[str, tuple[Any, ...]] = {
    "leading axes": (0, 1, 2, 3),
    "weight axes": (2, 1),
    "bias": (None, "O", "one", "number"),
}


def draw_linear(d: Draw, *, layer: bool) -> Call:
    """A valid call of the function, or of the module with its constructor's arguments."""
    low, high = (0, 1) if d.degenerate else (1, 4)
    lead = tuple(d.integer(low, high) for _ in range(d.choice("leading axes", (1, 2, 0, 3))))
    I, O = d.channels(), d.channels()
    rank = 2 if layer else d.choice("weight axes", (2, 1))
    biases = LEVELS["bias"][: 2 if layer else 4]
    if rank == 1:  # torch adds nothing to sums that are no matrix, but a number to a number
        biases = (None,) if lead else (None, "number")
    which = d.choice("bias", biases)
    tensors = {
        "input": d.tensor(*lead, I, batched=bool(lead)),
        "weight": d.tensor(*(O, I)[2 - rank :]),
    }
    if which is not None:
        tensors["bias"] = d.tensor(*{"O": (O,), "one": (1,), "number": ()}[which])
    wanted = d.subset(tuple(tensors))
    if not layer:
        return Call(tensors, {}, wanted, d.cotangent())
    arguments: dict[str, Any] = {"in_features": I, "out_features": O, "bias": which is not None}
    arguments["input"] = tensors.pop("input")
    return Call(arguments, tensors, wanted, d.cotangent())


def number_for_a_number(levels: Mapping[str, Any]) -> bool:
    """A weight of one axis goes without bias, or with a number where the output is one."""
    if levels["weight axes"] == 2:
        return True
    return levels["bias"] is None or (levels["bias"] == "number" and levels["leading axes"] == 0)


# --- bad calls ---


def wider(call: Call) -> Mapping[str, Any]:
    """An input with a feature too many."""
    x = call.arguments["input"]
    return {"input": with_shape(x, *x.shape[:-1], x.shape[-1] + 1)}


def longer_bias(call: Call) -> Mapping[str, Any] | None:
    """A bias that does not broadcast."""
    O = call.arguments["weight"].shape[0]
    return {"bias": with_shape(call.arguments["input"], O + 2)}


FAULTS = (
    Bad("input", "no tensor", put(input=None)),
    Bad("input", "a feature too many", wider),
    Bad("input", "a number", put(input=Recipe(()))),
)

FUNCTION_FAULTS = (
    Bad("weight", "no tensor", put(weight=None)),
    Bad("weight", "three axes", lambda c: {"weight": with_shape(c.arguments["input"], 1, 1, 1)}),
    Bad("weight", "a number", put(weight=Recipe(()))),
    Bad("bias", "two elements too many", longer_bias),
    Bad("bias", "another dtype", put(bias=Recipe((1,), dtype="int64"))),
)

LAYER_FAULTS = (
    Bad("in_features", "text", put(in_features="3")),
    Bad("out_features", "negative", put(out_features=-1)),
)

LINEAR = (relations.affine_in("input"), relations.affine_in("weight"))

FUNCTION = Op(
    name="linear",
    signature="(input, weight, bias=None)",
    definition=linear,
    draw=partial(draw_linear, layer=False),
    differentiable=("input", "weight", "bias"),
    dtypes=(*FLOATS, *COMPLEX, torch.int64),
    levels=LEVELS,
    feasible=number_for_a_number,
    bad=(*FAULTS, *FUNCTION_FAULTS),
    relations=LINEAR,
)

LAYER = Op(
    name="Linear",
    signature="(in_features, out_features, bias=True, device=None, dtype=None)",
    definition=linear,
    draw=partial(draw_linear, layer=True),
    differentiable=("input", "weight", "bias"),
    dtypes=FLOATS,
    levels={"leading axes": LEVELS["leading axes"], "bias": (None, "O")},
    bad=(*FAULTS, *LAYER_FAULTS),
    relations=LINEAR,
)

LINEARS = (FUNCTION, LAYER)
