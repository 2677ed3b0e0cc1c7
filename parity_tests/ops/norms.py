"""Group, instance, layer, RMS and local response norm, normalize, and their modules."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._mode_utils import no_dispatch

from parity_tests import relations
from parity_tests.definitions.normalization import (
    group_normalization,
    instance_normalization,
    instance_normalization_layer,
    layer_normalization,
    local_response_normalization,
    normalization_to_norm_one,
    rms_normalization,
    rms_normalization_layer,
)
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.batch_norm import EPS, MOMENTUM, longer
from parity_tests.ops.convolution import put, with_shape
from parity_tests.ops.dtypes import COMPLEX, FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

Ints = tuple[int, ...]

# These modules' ``bias`` is newer than the oldest torch that is supported.
GROUP_TAKES_BIAS, INSTANCE_TAKES_BIAS = (
    "bias" in inspect.signature(module).parameters
    for module in (torch.nn.GroupNorm, torch.nn.InstanceNorm1d)
)


def positions(d: Draw, count: int) -> Ints:
    """The sizes of some positional axes; now and then a single position."""
    low, high = (1, 2) if d.degenerate else (1, 4)
    if d.integer(0, 3) == 3:
        high = 1
    return tuple(d.row(d.integer(low, high)) for _ in range(count))


def parameters(d: Draw, shape: Ints, *, bias: bool = True, written: bool = False) -> Any:
    """Weight and bias of that shape, each there or not."""
    given: dict[str, Any] = {"weight": None, "bias": None} if bias else {"weight": None}
    for name in given:
        if d.choice(name, (True, False)):
            fill = "normal" if name == "weight" and d.regime == "special" else None
            given[name] = d.tensor(*shape, fill=fill, written=written)
    return given


def finished(d: Draw, arguments: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> Call:
    """The call, with some of its tensors to be differentiated."""
    state = state or {}
    named = {**arguments, **state}
    given = [n for n in ("input", "x", "weight", "bias") if isinstance(named.get(n), Recipe)]
    return Call(dict(arguments), dict(state), d.subset(given), d.cotangent())


# --- group norm ---


def draw_group_norm(d: Draw) -> Call:
    """A valid call of the function: more than one value in all of a group's samples."""
    x, G = grouped_input(d)
    arguments = {
        "input": x,
        "num_groups": G,
        **parameters(d, x.shape[1:2]),
        "eps": d.choice("eps", EPS),
    }
    return finished(d, arguments)


def grouped_input(d: Draw) -> tuple[Recipe, int]:
    """(N, G·K, *L) and G."""
    G = d.groups("num_groups", (1, 2, 3))
    L = positions(d, d.choice("spatial axes", (2, 1, 0, 3)))
    K, N = d.channels(), d.batch_size()
    alone = K * prod(L) == 1
    # Samples vary the batch size, down to one: only where that leaves values to normalise over.
    return d.tensor(2 if alone and N == 1 else N, G * K, *L, batched=not alone), G


def draw_group_norm_layer(d: Draw) -> Call:
    """A valid call of the module with its constructor's arguments."""
    x, G = grouped_input(d)
    C = x.shape[1]
    affine = d.choice("affine", (True, False))
    with_bias = not GROUP_TAKES_BIAS or d.choice("bias", (True, False))
    arguments = {
        "num_groups": G,
        "num_channels": C,
        "eps": d.choice("eps", EPS),
        "affine": affine,
        **({"bias": with_bias} if GROUP_TAKES_BIAS else {}),
        "input": x,
    }
    return finished(d, arguments, layer_state(d, (C,), affine, affine and with_bias))


def layer_state(d: Draw, shape: Ints, weight: bool, bias: bool) -> dict[str, Recipe]:
    """A module's parameters."""
    state = {"weight": scale_of(d, shape)} if weight else {}
    return state | ({"bias": d.tensor(*shape, written=True)} if bias else {})


def scale_of(d: Draw, shape: Ints) -> Recipe:
    """A weight, never infinite, as in batch norm's declaration."""
    return d.tensor(*shape, fill="normal" if d.regime == "special" else None, written=True)


def one_value(call: Call) -> Mapping[str, Any] | None:
    """One sample, one position, one channel per group."""
    G = call.arguments["num_groups"]
    if call.arguments.get("num_channels", G) != G:
        return None
    edit = {"input": with_shape(call.arguments["input"], 1, G, 1)}
    return edit | ({} if "num_channels" in call.arguments else {"weight": None, "bias": None})


def indivisible(call: Call) -> Mapping[str, Any]:
    """More groups than channels."""
    return {"num_groups": call.arguments["input"].shape[1] + 1}


def another_channel(call: Call) -> Mapping[str, Any] | None:
    """A channel too many for the module's parameters."""
    if "weight" not in call.state and "bias" not in call.state:
        return None
    x = call.arguments["input"]
    return {"input": with_shape(x, 2, 2 * x.shape[1] or 1, *x.shape[2:], 2)}


GROUP_NORM = Op(
    name="group_norm",
    signature="(input, num_groups, weight=None, bias=None, eps=1e-05)",
    definition=group_normalization,
    relations=(relations.scale_free(),),
    draw=draw_group_norm,
    differentiable=("input", "weight", "bias"),
    dtypes=FLOATS,
    levels={
        "num_groups": (1, 2, 3),
        "spatial axes": (0, 1, 2, 3),
        "weight": (True, False),
        "bias": (True, False),
        "eps": EPS,
    },
    bad=(
        Bad("num_groups", "more than channels", indivisible),
        Bad("num_groups", "none", put(num_groups=0)),
        Bad("num_groups", "negative", put(num_groups=-1)),
        Bad("num_groups", "no integer", put(num_groups=1.0)),
        Bad("weight", "an element too many", longer("weight")),
        Bad("bias", "an element too many", longer("bias")),
        Bad("input", "one value per group", one_value),
        Bad("input", "no tensor", put(input=None)),
        Bad("eps", "no number", put(eps=None)),
    ),
    # Two samples of a single value each are accepted (#45687), and give zeros.
    pinned=(Call({"input": Recipe((2, 4)), "num_groups": 4}, wanted=("input",)),),
)

GROUP_NORM_LAYER = Op(
    name="GroupNorm",
    signature=(
        "(num_groups, num_channels, eps=1e-05, affine=True, device=None, dtype=None"
        + (", *, bias=True)" if GROUP_TAKES_BIAS else ")")
    ),
    definition=group_normalization,
    relations=(relations.scale_free(),),
    draw=draw_group_norm_layer,
    differentiable=("input", "weight", "bias"),
    dtypes=FLOATS,
    levels={
        "num_groups": (1, 2, 3),
        "affine": (True, False),
        **({"bias": (True, False)} if GROUP_TAKES_BIAS else {}),
        "eps": EPS,
    },
    bad=(
        Bad("num_groups", "does not divide", put(num_groups=2, num_channels=5)),
        Bad("num_groups", "none", put(num_groups=0)),
        Bad("num_channels", "negative", put(num_groups=1, num_channels=-1, affine=True)),
        Bad("input", "channels for other parameters", another_channel),
    ),
)


# --- instance norm ---


def draw_instance_norm(d: Draw) -> Call:
    """A valid call of the function: more than one position."""
    kept = d.choice("running statistics", (True, False))
    L = several(d, d.choice("spatial axes", (2, 1, 3)))
    N = d.batch_size()
    x = d.tensor(N, d.channels(), *L, batched=True)
    C = x.shape[1]
    arguments = {
        "input": x,
        "running_mean": d.tensor(C, written=True) if kept else None,
        "running_var": d.tensor(C, fill="positive", written=True) if kept else None,
        **(parameters(d, (C,)) if N and C else {}),  # else torch looks for their first elements
        "use_input_stats": d.choice("use_input_stats", (True, False) if kept else (True,)),
        "momentum": d.choice("momentum", MOMENTUM),
        "eps": d.choice("eps", EPS),
    }
    return finished(d, arguments)


def several(d: Draw, count: int) -> Ints:
    """The sizes of some positional axes, of more than one position in all."""
    L = positions(d, count)
    return L if prod(L) > 1 else (*L[1:], 2)


def draw_instance_norm_layer(d: Draw, *, rank: int) -> Call:
    """A valid call of the module with its constructor's arguments, in either mode."""
    kept = d.choice("track_running_stats", (False, True))
    C = d.channels()
    N = d.batch()
    # An empty input with parameters torch rejects: it looks for their first elements.
    affine = d.choice("affine", (False, True) if C and N != 0 else (False,))
    with_bias = not INSTANCE_TAKES_BIAS or d.choice("bias", (True, False))
    training = d.choice("training", (True, False))
    # The steps of the buffers check take axis 0 for the batch: unbatched calls have no buffers.
    N = 2 if N is None and (kept or affine) else N
    L = several(d, rank)
    x = d.tensor(C, *L) if N is None else d.tensor(N, C, *L, batched=True)
    arguments = {
        "num_features": C,
        "eps": d.choice("eps", EPS),
        "momentum": d.choice("momentum", (*MOMENTUM, None)),
        "affine": affine,
        "track_running_stats": kept,
        **({"bias": with_bias} if INSTANCE_TAKES_BIAS else {}),
        "input": x,
    }
    state = layer_state(d, (C,), affine, affine and with_bias)
    if kept:
        state |= {
            "running_mean": d.tensor(C, written=True),
            "running_var": d.tensor(C, fill="positive", written=True),
            "num_batches_tracked": Recipe((), dtype="int64", values=(0.0,), written=True),
        }
    call = finished(d, arguments, state)
    return Call(call.arguments, call.state, call.wanted, call.cotangent, training=training)


def mended_function(_: torch.dtype) -> Callable[..., Tensor]:
    """The oracle: torch's instance norm, but for empty inputs.

    There torch takes the mean over no samples, and running statistics become NaN; or it looks at
    the first element of no weights. What is true is that nothing happens.
    """

    def instance_norm(
        input: Tensor,
        running_mean: Tensor | None = None,
        running_var: Tensor | None = None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        *rest: Any,
        **options: Any,
    ) -> Tensor:
        if input.numel():
            return F.instance_norm(input, running_mean, running_var, weight, bias, *rest, **options)
        shape = (1, -1, *(1,) * (input.dim() - 2))
        y = input * (1 if weight is None else weight.reshape(shape))
        return y if bias is None else y + bias.reshape(shape)

    return instance_norm


def mended_module(dtype: torch.dtype, *, rank: int) -> Callable[..., Any]:
    """The oracle of a module likewise."""
    torchs = getattr(torch.nn, f"InstanceNorm{rank}d")

    class Mended(torchs):  # type: ignore[misc, valid-type]
        def _apply_instance_norm(self, input: Tensor) -> Tensor:
            return mended_function(dtype)(
                input,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                self.training or not self.track_running_stats,
                0.0 if self.momentum is None else self.momentum,
                self.eps,
            )

    return Mended


def one_position(call: Call) -> Mapping[str, Any] | None:
    """A single position, by its own statistics."""
    if call.state.get("running_mean") is not None and not call.training:
        return None
    x, rank = call.arguments["input"], rank_of(call)
    edit: dict[str, Any] = {"input": with_shape(x, *x.shape[: len(x.shape) - rank], *(1,) * rank)}
    return edit | ({"use_input_stats": True} if "use_input_stats" in call.arguments else {})


def rank_of(call: Call) -> int:
    """The number of positional axes; only a module takes a sample without a batch."""
    shape = call.arguments["input"].shape
    features = call.arguments.get("num_features")
    unbatched = features is not None and call.arguments["input"].batched is False
    return len(shape) - (1 if unbatched else 2)


def one_channel_more(call: Call) -> Mapping[str, Any] | None:
    """A channel too many for the module's own tensors."""
    if not call.state or not call.arguments["input"].batched:
        return None
    N, C, *L = call.arguments["input"].shape
    return {"input": with_shape(call.arguments["input"], N, C + 1, *L)}


def without_the_other(call: Call) -> Mapping[str, Any] | None:
    """A running mean without a running variance."""
    if call.arguments["running_mean"] is None or prod(call.arguments["input"].shape[2:]) < 2:
        return None
    return {"running_var": None, "use_input_stats": True}


# Torch takes one running statistic in float32, whatever the other's dtype, by accident: see the
# known fault in errors.
WITHOUT = {
    (
        name,
        "float32 beside a narrower input, no other beside it",
    ): "accepted by accident, whatever the other's dtype"
    for name in ("running_mean", "running_var")
}

INSTANCE_NORM = Op(
    name="instance_norm",
    without=WITHOUT,
    signature=(
        "(input, running_mean=None, running_var=None, weight=None, bias=None, "
        "use_input_stats=True, momentum=0.1, eps=1e-05)"
    ),
    definition=instance_normalization,
    relations=(relations.scale_free(),),
    draw=draw_instance_norm,
    differentiable=("input", "weight", "bias"),
    dtypes=FLOATS,
    buffers=("running_mean", "running_var"),
    levels={
        "use_input_stats": (True, False),
        "running statistics": (True, False),
        "spatial axes": (1, 2, 3),
        "weight": (True, False),
        "bias": (True, False),
        "momentum": MOMENTUM,
        "eps": EPS,
    },
    feasible=lambda levels: bool(levels["use_input_stats"] or levels["running statistics"]),
    bad=(
        Bad("running_mean", "an element too many", longer("running_mean")),
        Bad("running_var", "an element too many", longer("running_var")),
        Bad("weight", "an element too many", longer("weight")),
        Bad("bias", "an element too many", longer("bias")),
        Bad("input", "one position", one_position),
        Bad("input", "no tensor", put(input=None)),
        Bad("running_mean", "missing", put(use_input_stats=False, running_mean=None)),
        Bad(
            "running_var",
            "missing beside the other",
            without_the_other,
        ),
        Bad("momentum", "None, which only the module takes", put(momentum=None)),
    ),
    oracle=mended_function,
    # By running statistics one position will do, and so will none.
    pinned=(
        Call(
            {
                "input": Recipe((2, 3)),
                "running_mean": Recipe((3,), seed=1, written=True),
                "running_var": Recipe((3,), "positive", written=True),
                "use_input_stats": False,
            },
            wanted=("input",),
        ),
    ),
)


def instance_norm_layer(rank: int) -> Op:
    """Declare ``InstanceNorm{rank}d``."""
    unbatched = Recipe((3, *(2,) * rank), seed=5)
    state = {
        "weight": Recipe((3,), seed=1, written=True),
        "bias": Recipe((3,), seed=2, written=True),
        "running_mean": Recipe((3,), seed=3, written=True),
        "running_var": Recipe((3,), "positive", seed=4, written=True),
        "num_batches_tracked": Recipe((), dtype="int64", values=(0.0,), written=True),
    }
    arguments = {
        "num_features": 3,
        "affine": True,
        "track_running_stats": True,
        "input": unbatched,
    }
    return Op(
        name=f"InstanceNorm{rank}d",
        signature=(
            "(num_features, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False, "
            "device=None, dtype=None" + (", *, bias=True)" if INSTANCE_TAKES_BIAS else ")")
        ),
        definition=partial(instance_normalization_layer, rank=rank),
        without=WITHOUT,
        draw=partial(draw_instance_norm_layer, rank=rank),
        differentiable=("input", "weight", "bias"),
        dtypes=FLOATS,
        buffers=("running_mean", "running_var", "num_batches_tracked"),
        levels={
            "training": (True, False),
            "track_running_stats": (True, False),
            "affine": (True, False),
            **({"bias": (True, False)} if INSTANCE_TAKES_BIAS else {}),
            "momentum": (*MOMENTUM, None),
            "eps": EPS,
        },
        bad=(
            Bad("input", "one position", one_position),
            Bad("input", "too few axes", lambda c: {"input": with_shape(c.arguments["input"], 3)}),
            Bad("input", "a channel too many", one_channel_more),
            Bad("num_features", "negative", put(num_features=-1, affine=True)),
            Bad("track_running_states", "misprinted", put(track_running_states=True)),
        ),
        oracle=partial(mended_module, rank=rank),
        pinned=tuple(
            Call(arguments, state, ("input", "weight", "bias"), training=training)
            for training in (True, False)
        ),
    )


# --- layer norm and RMS norm ---


def trailing(d: Draw) -> tuple[Recipe, Ints]:
    """(*M, *K) and K."""
    sizes = (1, 2, 0) if d.degenerate else (3, 1, 2, 5, 17)
    K = tuple(
        d.row(d.choice("normalized size", sizes)) if i == 0 else d.integer(1, 3)
        for i in range(d.choice("normalized axes", (1, 2, 3)))
    )
    lead = d.choice("leading axes", (1, 0, 2, 3))
    low = 0 if d.degenerate else 1
    M = tuple(int(d.long("batch", d.integer(low, 3))) for _ in range(lead))
    return d.tensor(*M, *K, batched=lead > 0), K


def draw_layer_norm(d: Draw) -> Call:
    """A valid call of the function."""
    x, K = trailing(d)
    arguments = {
        "input": x,
        "normalized_shape": d.choice("spelling", (K, list(K))),
        **parameters(d, K),
        "eps": d.choice("eps", EPS),
    }
    return finished(d, arguments)


def draw_rms_norm(d: Draw) -> Call:
    """Likewise."""
    x, K = trailing(d)
    arguments = {
        "input": x,
        "normalized_shape": d.choice("spelling", (K, list(K))),
        **parameters(d, K, bias=False),
        "eps": d.choice("eps", (None, *EPS)),
    }
    return finished(d, arguments)


def draw_layer_norm_layer(d: Draw) -> Call:
    """A valid call of the module with its constructor's arguments."""
    x, K = trailing(d)
    affine, bias = d.choice("elementwise_affine", (True, False)), d.choice("bias", (True, False))
    arguments = {
        "normalized_shape": d.spelled(K) if len(K) == 1 else K,
        "eps": d.choice("eps", EPS),
        "elementwise_affine": affine,
        "bias": bias,
        "input": x,
    }
    return finished(d, arguments, layer_state(d, K, affine, affine and bias))


def draw_rms_norm_layer(d: Draw) -> Call:
    """Likewise."""
    x, K = trailing(d)
    affine = d.choice("elementwise_affine", (True, False))
    arguments = {
        "normalized_shape": d.spelled(K) if len(K) == 1 else K,
        "eps": d.choice("eps", (None, *EPS)),
        "elementwise_affine": affine,
        "x": x,
    }
    return finished(d, arguments, layer_state(d, K, affine, False))


def other_axes(call: Call) -> Mapping[str, Any]:
    """A trailing axis too long by one."""
    *K, last = call.arguments["normalized_shape"]
    return {"normalized_shape": (*K, last + 1)}


def more_axes(call: Call) -> Mapping[str, Any]:
    """More trailing axes than there are."""
    return {"normalized_shape": (1, *call.arguments["input"].shape)}


def wider(name: str) -> Any:
    """The edit that gives a parameter an axis too many."""

    def edit(call: Call) -> Mapping[str, Any] | None:
        t = call.arguments[name]
        return None if t is None else {name: with_shape(t, 1, *t.shape)}

    return edit


def longer_input(name: str) -> Any:
    """The edit that makes a module's input too long by one."""

    def edit(call: Call) -> Mapping[str, Any]:
        *M, last = call.arguments[name].shape
        return {name: with_shape(call.arguments[name], *M, last + 1)}

    return edit


def one_for_all(name: str) -> Any:
    """The edit that makes a parameter a single number, which sloppy code would stretch."""

    def edit(call: Call) -> Mapping[str, Any] | None:
        shape = call.arguments[name].shape if call.arguments[name] is not None else (1,)
        if prod(shape) == 1:
            return None
        return {name: with_shape(call.arguments[name], *(1,) * len(shape))}

    return edit


TRAILING_FAULTS = (
    Bad("normalized_shape", "an axis too long", other_axes),
    Bad("normalized_shape", "more axes than the input", more_axes),
    Bad("normalized_shape", "empty", put(normalized_shape=())),
    Bad("normalized_shape", "a number", put(normalized_shape=3)),
    Bad("normalized_shape", "no integers", put(normalized_shape=(1.0,))),
    Bad("weight", "an axis too many", wider("weight")),
    Bad("weight", "one number for all", one_for_all("weight")),
    Bad("input", "no tensor", put(input=None)),
)


def with_the_eps_of(dtype: torch.dtype) -> Callable[..., Tensor]:
    """rms_norm's oracle: without eps it takes that of the dtype computed in (#189581)."""
    own = torch.finfo(torch.float32 if dtype.itemsize == 2 else dtype).eps

    def rms_norm(
        input: Tensor, normalized_shape: Any, weight: Any = None, eps: float | None = None
    ) -> Tensor:
        return F.rms_norm(input, normalized_shape, weight, own if eps is None else eps)

    return rms_norm


def module_with_the_eps_of(dtype: torch.dtype) -> Callable[..., Any]:
    """RMSNorm's oracle likewise."""
    own = torch.finfo(torch.float32 if dtype.itemsize == 2 else dtype).eps

    def make(eps: float | None = None, **rest: Any) -> torch.nn.RMSNorm:
        return torch.nn.RMSNorm(eps=own if eps is None else eps, **rest)

    return make


# Without a weight torch has no gradient for it, or one in the input's dtype.
WIDE_BIAS = {
    ("bias", "float32 beside a narrower input, no other beside it"): "torch cannot differentiate it"
}

TRAILING_LEVELS = {"normalized axes": (1, 2, 3), "leading axes": (0, 1, 2, 3)}

LAYER_NORM = Op(
    name="layer_norm",
    without=WIDE_BIAS,
    signature="(input, normalized_shape, weight=None, bias=None, eps=1e-05)",
    definition=layer_normalization,
    relations=(relations.scale_free(),),
    draw=draw_layer_norm,
    differentiable=("input", "weight", "bias"),
    dtypes=FLOATS,
    levels={
        **TRAILING_LEVELS,
        "weight": (True, False),
        "bias": (True, False),
        "eps": EPS,
    },
    bad=(*TRAILING_FAULTS, Bad("bias", "an axis too many", wider("bias"))),
)

LAYER_NORM_LAYER = Op(
    name="LayerNorm",
    without=WIDE_BIAS,
    signature=(
        "(normalized_shape, eps=1e-05, elementwise_affine=True, bias=True, device=None, dtype=None)"
    ),
    definition=layer_normalization,
    relations=(relations.scale_free(),),
    draw=draw_layer_norm_layer,
    differentiable=("input", "weight", "bias"),
    dtypes=FLOATS,
    levels={
        **TRAILING_LEVELS,
        "elementwise_affine": (True, False),
        "bias": (True, False),
        "eps": EPS,
    },
    bad=(
        Bad("input", "an axis too long", longer_input("input")),
        Bad("elementwise_afine", "misprinted", put(elementwise_afine=True)),
    ),
)

RMS_NORM = Op(
    name="rms_norm",
    signature="(input, normalized_shape, weight=None, eps=None)",
    definition=rms_normalization,
    relations=(relations.scale_free(),),
    draw=draw_rms_norm,
    differentiable=("input", "weight"),
    dtypes=(*FLOATS, *COMPLEX),
    levels={**TRAILING_LEVELS, "weight": (True, False), "eps": (None, *EPS)},
    bad=TRAILING_FAULTS,
    oracle=with_the_eps_of,
)

RMS_NORM_LAYER = Op(
    name="RMSNorm",
    signature="(normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None)",
    definition=rms_normalization_layer,
    draw=draw_rms_norm_layer,
    differentiable=("x", "weight"),
    dtypes=(*FLOATS, *COMPLEX),
    levels={**TRAILING_LEVELS, "elementwise_affine": (True, False), "eps": (None, *EPS)},
    bad=(
        Bad("normalized_shape", "an axis too long", longer_input("x")),
        Bad("bias", "which it has not", put(bias=True)),
    ),
    oracle=module_with_the_eps_of,
)


# --- local response norm ---


def draw_local_response_norm(d: Draw) -> Call:
    """A valid call of function or module."""
    L = positions(d, d.choice("spatial axes", (1, 2, 3, 4)))
    N = d.batch_size()
    arguments = {
        "size": d.choice("size", (1, 2, 3, 4, 5, 40) if d.degenerate else (1, 2, 3, 4, 5)),
        "alpha": d.choice("alpha", (1.0, 1e-4, 0.25)),
        "beta": d.choice("beta", (0.75, 1.0, 0.5, 2)),
        "k": d.choice("k", (1.0, 2, 0.125)),
        "input": d.tensor(N, d.channels(), *L, batched=True),
    }
    return finished(d, arguments)


def flat(call: Call) -> Mapping[str, Any]:
    """An input without positions."""
    x = call.arguments["input"]
    return {"input": with_shape(x, *x.shape[:2])}


def local_response(name: str, signature: str) -> Op:
    """Declare function or module."""
    return Op(
        name=name,
        signature=signature,
        definition=local_response_normalization,
        draw=draw_local_response_norm,
        differentiable=("input",),
        dtypes=(*FLOATS, torch.int64),
        levels={
            "size": (1, 2, 3, 4, 5),
            "spatial axes": (1, 2, 3, 4),
            "alpha": (1.0, 1e-4, 0.25),
            "beta": (0.75, 1.0, 0.5, 2),
            "k": (1.0, 2, 0.125),
        },
        bad=(
            Bad("size", "none", put(size=0)),
            Bad("size", "negative", put(size=-1)),
            Bad("size", "no integer", put(size=2.0)),
            Bad("input", "no positions", flat),
            Bad("input", "no tensor", put(input=None)),
            Bad("alpha", "no number", put(alpha=None)),
            Bad("beta", "no number", put(beta="1")),
            Bad("k", "no number", put(k="1")),
        ),
    )


LOCAL_RESPONSE_NORM = local_response(
    "local_response_norm", "(input, size, alpha=0.0001, beta=0.75, k=1.0)"
)
LOCAL_RESPONSE_NORM_LAYER = local_response(
    "LocalResponseNorm", "(size, alpha=0.0001, beta=0.75, k=1.0)"
)


# --- normalize ---

# Levels go into the report, and JSON has no inf.
POWERS = (2.0, 1, "infinity", 3.0, 0.5, 1.5, 4, 0, "-infinity")
INFINITE: dict[Any, float] = {"infinity": math.inf, "-infinity": -math.inf}


def draw_normalize(d: Draw) -> Call:
    """A valid call; with ``out`` nothing can be differentiated."""
    rank = d.choice("axes", (2, 1, 3, 4, 0))
    shape = tuple(d.row(d.integer(1, 2 if d.degenerate else 4)) for _ in range(rank))
    if d.degenerate and rank > 1:
        shape = (d.choice("batch", (1, 0, 2)), *shape[1:])
    kind = d.choice("dim", ("one", "negative", "several", "all")[: 2 if d.large else 4])
    reach = max(rank, 1)
    first = d.integer(0, reach - 1)
    if d.large and rank:
        first = shape.index(max(shape))  # the long axis is the one to add up along
    if 0 in shape:
        first = max(first, 1)  # no norm of nothing
    dims: dict[str, int | Ints] = {
        "one": first,
        "negative": first - reach,
        "several": tuple(sorted({first, reach - 1})),
        "all": () if 0 not in shape else (first,),
    }
    out = d.choice("out", (False, True)[: 1 if d.large else 2])
    arguments: dict[str, Any] = {
        "input": d.tensor(*shape, batched=rank > 1),
        "p": INFINITE.get(p := d.choice("p", POWERS), p),
        "dim": dims[kind],
        "eps": d.choice("eps", (1e-12, 0.5, 0.0, 2.0)),
    }
    if out:
        arguments["out"] = d.tensor(*shape, fill="zeros", batched=rank > 1, written=True)
    return Call(arguments, {}, () if out else ("input",), d.cotangent())


def with_the_rounded_eps_of(dtype: torch.dtype) -> Callable[..., Tensor]:
    """normalize's oracle: eps is compared with norms in the input's dtype (#32137)."""

    def normalize(
        input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None
    ) -> Tensor:
        del out  # which would hold the same
        with no_dispatch():  # not under the error analysis
            rounded = torch.tensor(eps, dtype=dtype.to_real()).item()
        return F.normalize(input, p, dim, rounded)

    return normalize


def twice(call: Call) -> Mapping[str, Any] | None:
    """An axis named twice."""
    return {"dim": (-1, -1)} if call.arguments["input"].shape else None


NORMALIZE = Op(
    name="normalize",
    signature="(input, p=2.0, dim=1, eps=1e-12, out=None)",
    definition=normalization_to_norm_one,
    draw=draw_normalize,
    differentiable=("input",),
    dtypes=(*FLOATS, *COMPLEX),
    levels={
        "p": POWERS,
        "dim": ("one", "negative", "several", "all"),
        "axes": (0, 1, 2, 3, 4),
        "eps": (1e-12, 0.5, 0.0, 2.0),
        "out": (False, True),
    },
    bad=(
        Bad("dim", "beyond the axes", lambda c: {"dim": len(c.arguments["input"].shape) + 1}),
        Bad("dim", "an axis twice", twice),
        Bad("dim", "no integer", put(dim=1.0)),
        Bad("p", "complex", put(p=2j)),
        Bad("eps", "no number", put(eps=None)),
        Bad("input", "integers", put(input=Recipe((2, 2), dtype="int64"), dim=1, out=None)),
        Bad("out", "integers", put(input=Recipe((2,)), dim=0, out=Recipe((2,), dtype="int64"))),
        Bad("input", "no tensor", put(input=None)),
    ),
    oracle=with_the_rounded_eps_of,
    without={("p", "tensor"): "torch takes roots by its inverse in single precision"},
    primitives=("sgn", "can_cast"),
    pinned=(
        # Rows of zeros, of equal extremes, and an axis of size one.
        Call({"input": Recipe((2, 3), "zeros")}, wanted=("input",)),
        Call({"input": Recipe((2, 3), "ones"), "p": math.inf}, wanted=("input",)),
        Call({"input": Recipe((3, 1, 2)), "p": 0, "dim": (0, -1)}),
        Call({"input": Recipe((3, 4)), "p": -1, "dim": 0}),
        Call({"input": Recipe((3, 4)), "p": -math.inf, "dim": 0}),
        # Zero by zero. Beside an odd number in the cotangent no infinity is taken for an overflow.
        Call(
            {"input": Recipe((2, 3), "zeros"), "p": math.inf, "eps": 0.0},
            wanted=("input",),
            cotangent=Recipe((), "odd_one"),
        ),
    ),
)


NORMS = (
    GROUP_NORM,
    GROUP_NORM_LAYER,
    INSTANCE_NORM,
    *map(instance_norm_layer, (1, 2, 3)),
    LAYER_NORM,
    LAYER_NORM_LAYER,
    RMS_NORM,
    RMS_NORM_LAYER,
    LOCAL_RESPONSE_NORM,
    LOCAL_RESPONSE_NORM_LAYER,
    NORMALIZE,
)
