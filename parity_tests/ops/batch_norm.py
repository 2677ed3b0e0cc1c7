"""batch_norm, and BatchNorm1d to BatchNorm3d."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import torch

from parity_tests import relations
from parity_tests.definitions.normalization import batch_normalization, batch_normalization_layer
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import put, with_shape
from parity_tests.ops.dtypes import FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

# Both exact in binary, so that eps's place shows, and torch's defaults.
EPS = (1e-5, 2.0**-10, 0.5)
MOMENTUM = (0.1, 0.25, 0.0, 1.0)

# BatchNorm's ``bias`` is newer than the oldest torch that is supported.
TAKES_BIAS = "bias" in inspect.signature(torch.nn.BatchNorm1d).parameters


def draw_input(d: Draw, spatial: int, *, training: bool) -> Recipe:
    """(N, C, *L), in training with more than one value per channel unless the batch is empty."""
    low, high = (1, 2) if d.degenerate else (1, 4)
    L = tuple(d.row(d.integer(low, high)) for _ in range(spatial))
    N = d.batch_size()
    alone = prod(L) == 1
    if training and alone and N == 1:
        N = 2
    # Samples vary the batch size, down to one: only where that leaves values to normalise over.
    return d.tensor(N, max(1, d.channels()), *L, batched=not (training and alone))


def scale(d: Draw, C: int, *, written: bool = False) -> Recipe:
    """The weight, never infinite.

    Multiplied with a sum an infinite weight is infinite, multiplied with its terms NaN, and torch's
    own kernels differ in the order: float64's and bfloat16's on CPU do.
    """
    return d.tensor(C, fill="normal" if d.regime == "special" else None, written=written)


def draw_batch_norm(d: Draw) -> Call:
    """A valid call of the function."""
    kept = d.choice("running statistics", (True, False))
    training = d.choice("training", (True, False) if kept else (True,))
    x = draw_input(d, d.choice("spatial axes", (2, 1, 0, 3)), training=training)
    C = x.shape[1]
    arguments: dict[str, Any] = {
        "input": x,
        "running_mean": d.tensor(C, written=True) if kept else None,
        "running_var": d.tensor(C, fill="positive", written=True) if kept else None,
        "weight": scale(d, C) if d.choice("weight", (True, False)) else None,
        "bias": d.tensor(C) if d.choice("bias", (True, False)) else None,
        "training": training,
        "momentum": d.choice("momentum", MOMENTUM),
        "eps": d.choice("eps", EPS),
    }
    given = [name for name in ("input", "weight", "bias") if arguments[name] is not None]
    return Call(arguments, {}, d.subset(given), d.cotangent())


def draw_batch_norm_layer(d: Draw, *, spatial: int) -> Call:
    """A valid call of the module with its constructor's arguments, in either mode."""
    kept = d.choice("track_running_stats", (True, False))
    training = d.choice("training", (True, False))
    # BatchNorm1d also takes (N, C).
    axes = d.choice("spatial axes", (1, 0)) if spatial == 1 else spatial
    x = draw_input(d, axes, training=training or not kept)
    C = x.shape[1]
    affine = d.choice("affine", (True, False))
    with_bias = not TAKES_BIAS or d.choice("bias", (True, False))
    arguments: dict[str, Any] = {
        "num_features": C,
        "eps": d.choice("eps", EPS),
        "momentum": d.choice("momentum", (*MOMENTUM, None)),
        "affine": affine,
        "track_running_stats": kept,
        "input": x,
    }
    if TAKES_BIAS:
        arguments["bias"] = with_bias
    state: dict[str, Recipe] = {}
    if affine:
        state["weight"] = scale(d, C, written=True)  # by load_state_dict
    if affine and with_bias:
        state["bias"] = d.tensor(C, written=True)
    if kept:
        seen = (float(d.choice("num_batches_tracked", (0, 1, 5))),)
        state |= {
            "running_mean": d.tensor(C, written=True),
            "running_var": d.tensor(C, fill="positive", written=True),
            "num_batches_tracked": Recipe((), dtype="int64", values=seen, written=True),
        }
    given = [name for name in ("input", "weight", "bias") if name == "input" or name in state]
    return Call(arguments, state, d.subset(given), d.cotangent(), training=training)


# --- bad calls ---


def longer(name: str) -> Any:
    """The edit that gives a per-channel tensor an element too many."""

    def edit(call: Call) -> Mapping[str, Any] | None:
        x = call.arguments["input"]
        if call.arguments.get(name) is None:
            return None
        return {name: with_shape(call.arguments[name], x.shape[1] + 1)}

    return edit


def one_value(call: Call) -> Mapping[str, Any]:
    """A single value per channel, in training."""
    x = call.arguments["input"]
    ones = (1,) * (len(x.shape) - 2)
    return {"input": with_shape(x, 1, x.shape[1], *ones)} | (
        {"training": True} if "training" in call.arguments else {}
    )


def one_value_in_training(call: Call) -> Mapping[str, Any] | None:
    """Likewise for a module, which has its mode in the call."""
    return one_value(call) if call.training else None


def flat(call: Call) -> Mapping[str, Any]:
    """An input without a channel axis."""
    x = call.arguments["input"]
    return {"input": with_shape(x, x.shape[1])}


def another_channel(call: Call) -> Mapping[str, Any] | None:
    """An input with a channel too many for the module's own tensors."""
    if not call.state:
        return None
    N, C, *L = call.arguments["input"].shape
    return {"input": with_shape(call.arguments["input"], N, C + 1, *L)}


FUNCTION_FAULTS = (
    Bad("running_mean", "an element too many", longer("running_mean")),
    Bad("running_var", "an element too many", longer("running_var")),
    Bad("weight", "an element too many", longer("weight")),
    Bad("bias", "an element too many", longer("bias")),
    Bad("input", "one value per channel", one_value),
    Bad("input", "no channel axis", flat),
    Bad(
        "running_mean",
        "missing in evaluation",
        put(training=False, running_mean=None, running_var=None),
    ),
    Bad("input", "no tensor", put(input=None)),
)

LAYER_FAULTS = (
    Bad("input", "one value per channel", one_value_in_training),
    Bad("input", "no channel axis", flat),
    Bad("input", "a channel too many", another_channel),
    Bad("track_running_states", "misprinted in a note", put(track_running_states=True)),
    Bad("num_features", "negative", put(num_features=-1)),
)


# --- declarations ---


def odd_one_out() -> Iterator[Call]:
    """An input whose axes of size one leave its layout open, and one parameter that lies oddly.

    One odd parameter, whichever, makes torch run another kernel, which takes the input for plain.
    """
    names = ("running_mean", "running_var", "weight", "bias")
    plain = {
        name: Recipe((2,), "positive", seed=seed, written=name.startswith("running"))
        for seed, name in enumerate(names, start=1)
    }
    x = Recipe((1, 2, 1, 3), layout="permuted")
    for odd in names:
        tensors = plain | {odd: replace(plain[odd], layout="column")}
        yield Call({"input": x, **tensors, "training": True}, {}, ("input", "weight"))


FUNCTION = Op(
    name="batch_norm",
    signature=(
        "(input, running_mean, running_var, weight=None, bias=None, training=False, "
        "momentum=0.1, eps=1e-05)"
    ),
    definition=batch_normalization,
    draw=draw_batch_norm,
    differentiable=("input", "weight", "bias"),
    dtypes=FLOATS,
    buffers=("running_mean", "running_var"),
    levels={
        "training": (True, False),
        "running statistics": (True, False),
        "spatial axes": (0, 1, 2, 3),
        "weight": (True, False),
        "bias": (True, False),
        "momentum": MOMENTUM,
        "eps": EPS,
    },
    feasible=lambda levels: bool(levels["training"] or levels["running statistics"]),
    bad=FUNCTION_FAULTS,
    relations=(relations.scale_free(),),
    pinned=tuple(odd_one_out()),
)


def module(spatial: int) -> Op:
    """Declare ``BatchNorm{spatial}d``."""
    return Op(
        name=f"BatchNorm{spatial}d",
        signature=(
            "(num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, "
            "device=None, dtype=None, *, bias=True)"
        ),
        definition=batch_normalization_layer,
        draw=partial(draw_batch_norm_layer, spatial=spatial),
        differentiable=("input", "weight", "bias"),
        dtypes=FLOATS,
        buffers=("running_mean", "running_var", "num_batches_tracked"),
        levels={
            "training": (True, False),
            "track_running_stats": (True, False),
            "affine": (True, False),
            **({"bias": (True, False)} if TAKES_BIAS else {}),
            "momentum": (*MOMENTUM, None),
            "eps": EPS,
        },
        bad=LAYER_FAULTS,
        relations=(relations.scale_free(),),
    )


BATCH_NORMS = (FUNCTION, *map(module, (1, 2, 3)))
