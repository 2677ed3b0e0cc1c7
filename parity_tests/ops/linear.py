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
    "leading axes": (0, 1, 2, 3, 4),
    "weight axes": (2, 1),
    "bias": (None, "O", "one", "number", "row", "rows"),
}


def biases(leading_axes: int, weight_axes: int) -> tuple[str | None, ...]:
    """The biases that torch takes in every layout."""
    if weight_axes == 1:  # it adds nothing to sums that are no matrix, but a number to a number
        return (None,) if leading_axes else (None, "number")
    # Whether it takes a bias of two axes beside any but a matrix depends on how the input lies.
    return (None, "O", "one", "number", *(("row", "rows") if leading_axes == 1 else ()))


def draw_linear(d: Draw, *, layer: bool) -> Call:
    """A valid call of the function, or of the module with its constructor's arguments."""
    low, high = (0, 1) if d.degenerate else (1, 4)
    axes = range(d.choice("leading axes", (1, 2, 0, 3, 4)))
    lead = tuple(int(d.long("batch", d.integer(low, high))) for _ in axes)
    I, O = d.row(d.channels()), d.channels()
    rank = 2 if layer else d.choice("weight axes", (2, 1))
    which = d.choice("bias", (None, "O") if layer else biases(len(lead), rank))
    tensors = {
        "input": d.tensor(*lead, I, batched=bool(lead) and which != "rows"),
        "weight": d.tensor(*(O, I)[2 - rank :]),
    }
    if which is not None:
        shapes = {"O": (O,), "one": (1,), "number": (), "row": (1, O), "rows": (*lead, O)}
        tensors["bias"] = d.tensor(*shapes[which])
    wanted = d.subset(tuple(tensors))
    if not layer:
        return Call(tensors, {}, wanted, d.cotangent())
    arguments: dict[str, Any] = {"in_features": I, "out_features": O, "bias": which is not None}
    arguments["input"] = tensors.pop("input")
    return Call(arguments, tensors, wanted, d.cotangent())


# --- bad calls ---


def wider(call: Call) -> Mapping[str, Any]:
    """An input with a feature too many."""
    x = call.arguments["input"]
    return {"input": with_shape(x, *x.shape[:-1], x.shape[-1] + 1)}


def longer_bias(call: Call) -> Mapping[str, Any] | None:
    """A bias that does not broadcast."""
    O = call.arguments["weight"].shape[0]
    return {"bias": with_shape(call.arguments["input"], O + 2)}


def rows_for_one(call: Call) -> Mapping[str, Any] | None:
    """A bias of two rows for one sample."""
    x, w = call.arguments["input"], call.arguments["weight"]
    return {"bias": with_shape(x, 2, w.shape[0])} if len(x.shape) == 1 else None


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
    Bad("bias", "two rows for one sample", rows_for_one),
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
    feasible=lambda v: v["bias"] in biases(v["leading axes"], v["weight axes"]),
    bad=(*FAULTS, *FUNCTION_FAULTS),
    relations=LINEAR,
    without={
        ("input", "five axes and more"): "a level of its own, since it limits the biases",
    },
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
