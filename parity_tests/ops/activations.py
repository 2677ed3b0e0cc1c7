"""Elementwise activations and the softmax family, functions and modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests.definitions import activations as definitions
from parity_tests.input_class import FINITE, HALF, Class
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import put, with_shape
from parity_tests.ops.dtypes import COMPLEX, FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

INPLACE = (False, True)

# What each function takes beside its input: by name, the values to choose from.
OPTIONS: dict[str, dict[str, tuple[Any, ...]]] = {
    "relu": {"inplace": INPLACE},
    "relu6": {"inplace": INPLACE},
    "hardtanh": {
        "min_val": (-1.0, -2, 0.25),
        "max_val": (1.0, 0.25, 3),
        "inplace": INPLACE,
    },
    "leaky_relu": {"negative_slope": (0.01, 0.5, 2, 0.0, -1.0), "inplace": INPLACE},
    "elu": {"alpha": (1.0, 0.25, 3, 0.0, -1.0), "inplace": INPLACE},
    "softplus": {"beta": (1, 0.25, 3.0, -2.0), "threshold": (20, 1.5, 0, -3.0)},
    "sigmoid": {},
    "tanh": {},
}


def draw_shape(d: Draw, ranks: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes of up to three, but for one axis that may fill a vector register and more."""
    rank = d.choice("axes", tuple(r for r in ranks if r) if d.large else ranks)
    low, high = (0, 1) if d.degenerate else (1, 3)
    sizes = [d.integer(low, high) for _ in range(rank)]
    if rank:
        sizes[d.integer(0, rank - 1)] = d.row(d.channels())
    return tuple(sizes)


def draw_input(d: Draw, ranks: tuple[int, ...] = (2, 4, 1, 3, 0, 5), *, written: bool) -> Recipe:
    """A tensor of any rank; samples vary its first axis."""
    shape = draw_shape(d, ranks)
    return d.tensor(*shape, batched=bool(shape), written=written)


def draw_activation(d: Draw, *, options: Mapping[str, tuple[Any, ...]]) -> Call:
    """A valid call of a function, or of a module with its constructor's arguments.

    Torch's backward of an in-place call reads the sign of the input from the output, and has none
    for a slope below zero.
    """
    chosen: dict[str, Any] = {}
    for name, values in options.items():
        if name == "max_val":
            values = tuple(v for v in values if v > chosen["min_val"])
        chosen[name] = d.choice(name, values)
    if chosen.get("inplace"):
        for name in ("alpha", "negative_slope"):
            if chosen.get(name, 0) < 0:
                chosen[name] = 0.5
    arguments = {"input": draw_input(d, written=bool(chosen.get("inplace"))), **chosen}
    return Call(arguments, {}, ("input",), d.cotangent())


def limits_in_order(levels: Mapping[str, Any]) -> bool:
    """Limits the right way round, and slopes that torch can differentiate in place."""
    if "max_val" in levels and levels["min_val"] >= levels["max_val"]:
        return False
    slope = levels.get("alpha", levels.get("negative_slope", 0))
    return not (levels.get("inplace") and slope < 0)


def draw_in_place(d: Draw, *, options: Mapping[str, tuple[Any, ...]]) -> Call:
    """A valid call of a function whose name ends in an underscore."""
    chosen = {
        name: d.choice(name, tuple(v for v in values if name not in SLOPES or v >= 0))
        for name, values in options.items()
    }
    arguments = {"input": draw_input(d, written=True), **chosen}
    return Call(arguments, {}, ("input",), d.cotangent())


SLOPES = ("alpha", "negative_slope")


def draw_softmax(d: Draw, *, layer: bool, ranks: tuple[int, ...] = (2, 4, 1, 3, 0)) -> Call:
    """A valid call of the softmax family."""
    x = draw_input(d, ranks, written=False)
    rank = max(1, len(x.shape))
    axis = d.choice("dim", ("last", "first", "negative", "implicit"))
    dim = {"last": rank - 1, "first": 0, "negative": -d.integer(1, rank), "implicit": None}[axis]
    if d.large and dim is not None and x.shape:
        dim = x.shape.index(max(x.shape))  # the long axis is the one to add up along
    arguments: dict[str, Any] = {"input": x, "dim": dim}
    if not layer:
        arguments["dtype"] = d.choice("dtype", (None, torch.float64))
    return Call(arguments, {}, ("input",), d.cotangent())


def draw_softmax_of_channels(d: Draw) -> Call:
    """A valid call of Softmax2d: (N, C, H, W) or (C, H, W)."""
    return Call({"input": draw_input(d, (4, 3), written=False)}, {}, ("input",), d.cotangent())


# --- bad calls ---


def ranked(*shape: int) -> Any:
    """The edit that gives the input this shape."""
    return lambda call: {"input": with_shape(call.arguments["input"], *shape)}


def beyond(call: Call) -> Mapping[str, Any]:
    """An axis that the input has not."""
    return {"dim": max(1, len(call.arguments["input"].shape))}


NO_TENSOR = Bad("input", "no tensor", put(input=None))

FAULTS: dict[str, tuple[Bad, ...]] = {
    "hardtanh": (
        Bad("min_val", "above max_val", put(min_val=2.0, max_val=1.0)),
        Bad("max_val", "text", put(max_val="1")),
    ),
    "leaky_relu": (Bad("negative_slope", "no number", put(negative_slope=None)),),
    "elu": (Bad("alpha", "text", put(alpha="1")),),
    "softplus": (
        Bad("beta", "no number", put(beta=None)),
        Bad("threshold", "text", put(threshold="20")),
    ),
}

SOFTMAX_FAULTS = (
    NO_TENSOR,
    Bad("dim", "an axis too far", beyond),
    Bad("dim", "a float", put(dim=1.0)),
)

DTYPE_FAULTS = (
    Bad("dtype", "integers", put(dtype=torch.int32)),
    Bad("dtype", "text", put(dtype="float32")),
)


# --- declarations ---

DEFINITIONS: dict[str, Callable[..., Any]] = {
    name: getattr(definitions, name) for name in (*OPTIONS, "softmax", "log_softmax", "softmin")
}

SIGNATURES = {
    "relu": "(input, inplace=False)",
    "relu6": "(input, inplace=False)",
    "hardtanh": "(input, min_val=-1.0, max_val=1.0, inplace=False)",
    "leaky_relu": "(input, negative_slope=0.01, inplace=False)",
    "elu": "(input, alpha=1.0, inplace=False)",
    "softplus": "(input, beta=1, threshold=20, *, out=None)",
    "sigmoid": "(input)",
    "tanh": "(input)",
}

DTYPES = {
    "relu": (*FLOATS, torch.int64, torch.uint8),
    "relu6": (*FLOATS, torch.int64, torch.uint8),
    "hardtanh": (*FLOATS, torch.int64),
    "sigmoid": (*FLOATS, *COMPLEX, torch.int64),
    "tanh": (*FLOATS, *COMPLEX, torch.int64),
}

LOGISTIC = ("sigmoid", "tanh")

LAYER_SIGNATURES = {
    "ReLU": "(inplace=False)",
    "ReLU6": "(inplace=False)",
    "Hardtanh": "(min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None)",
    "LeakyReLU": "(negative_slope=0.01, inplace=False)",
    "ELU": "(alpha=1.0, inplace=False)",
    "Softplus": "(beta=1.0, threshold=20.0)",
    "Sigmoid": "()",
    "Tanh": "()",
}

FUNCTION_OF = {"LeakyReLU": "leaky_relu"}


def pinned(*values: float, **options: Any) -> Call:
    """A call on these very numbers."""
    x = Recipe((len(values),), values=values)
    return Call({"input": x, **options}, {}, ("input",))


PINNED = {
    "elu": (pinned(-1.0, 0.0, 1.0, alpha=-1.0), pinned(-1.0, 0.0, 1.0, alpha=3.0)),
    "softplus": (
        pinned(-1.0, 0.0, 30.0, beta=0.0),
        pinned(1.0, 2.0, 2.5, beta=2, threshold=4),
        pinned(-3.0, 100.0, 800.0, threshold=1000.0),  # exp overflows on the way to 100 and to 800
    ),
    "hardtanh": (pinned(-1.0, 0.0, 1.0, min_val=1.0, max_val=1.0),),
    "tanh": (pinned(1e-30, -1e-8, 0.5, 9.0, -20.0, 90.0),),
    "sigmoid": (pinned(1e-30, -1e-8, 0.5, -17.0, -87.0, 90.0),),
}


def double_of_integers(name: str) -> Callable[[torch.dtype], Callable[..., Tensor]]:
    """The oracle of a function whose results of integers are none: in torch's default dtype."""
    function: Callable[[Tensor], Tensor] = getattr(torch, name)
    return lambda dtype: (
        (lambda input: function(input.double())) if dtype == torch.int64 else function
    )


def function(name: str) -> Op:
    """Declare an activation."""
    return Op(
        name=name,
        oracle=double_of_integers(name) if name in LOGISTIC else None,
        signature=SIGNATURES[name],
        definition=DEFINITIONS[name],
        draw=partial(draw_activation, options=OPTIONS[name]),
        differentiable=("input",),
        dtypes=DTYPES.get(name, FLOATS),
        levels=OPTIONS[name],
        feasible=limits_in_order,
        bad=(NO_TENSOR, *FAULTS.get(name, ())),
        pinned=PINNED.get(name, ()),
    )


def in_place(name: str) -> Op:
    """Declare its twin that writes into its input."""
    options = {k: v for k, v in OPTIONS[name].items() if k != "inplace"}
    if name == "hardtanh":  # which compares no limits
        options["max_val"] = (1.0, -1.0, 3)
    return Op(
        name=f"{name}_",
        signature=SIGNATURES[name].replace(", inplace=False", ""),
        definition=DEFINITIONS[name],
        draw=partial(draw_in_place, options=options),
        differentiable=("input",),
        dtypes=DTYPES.get(name, FLOATS),
        levels={
            k: tuple(v for v in values if k not in SLOPES or v >= 0)
            for k, values in options.items()
        },
        bad=(
            NO_TENSOR,
            *(bad for bad in FAULTS.get(name, ()) if bad.what != "above max_val"),
            # The sign of x cannot be read from y then, and there is nothing else to read it from.
            *(Bad(k, "negative, differentiated", put(**{k: -0.5})) for k in SLOPES if k in options),
        ),
    )


def module(name: str) -> Op:
    """Declare an activation's module."""
    of = FUNCTION_OF.get(name, name.lower())
    options = OPTIONS[of]
    dtypes = (*FLOATS, *COMPLEX) if of in LOGISTIC else DTYPES.get(of, FLOATS)
    return Op(
        name=name,
        signature=LAYER_SIGNATURES[name],
        definition=DEFINITIONS[of],
        draw=partial(draw_activation, options=options),
        differentiable=("input",),
        dtypes=dtypes,
        levels=options,
        feasible=limits_in_order,
        bad=(NO_TENSOR, *LAYER_FAULTS.get(name, ())),
    )


LAYER_FAULTS = {
    "Hardtanh": (Bad("max_val", "not above min_val", put(min_val=1.0, max_val=1.0)),),
}


def in_double(name: str) -> Callable[..., Tensor]:
    """Torch's softmax or its kin, in double precision where the call asks for single."""

    def told(input: Tensor, dim: int | None = None, dtype: torch.dtype | None = None) -> Tensor:
        wide = None if dtype is None else torch.float64
        return getattr(F, name)(input, dim, dtype=wide)

    return told


def single(call: Call) -> Call:
    """The call for a result in single precision."""
    return replace(call, arguments={**call.arguments, "dtype": torch.float32})


def of_integers(call: Call) -> Call:
    """A call on integers, which without a dtype have no kernel, and no derivative."""
    x = replace(call.arguments["input"], dtype="int64")
    return replace(single(call), arguments={**single(call).arguments, "input": x}, wanted=())


# Narrower dtypes than the input's are not drawn: the truth would be of the rounded input.
DTYPE_CLASSES = (
    Class(
        "dtype",
        "float32 beside 16 bits",
        single,
        lambda call: call.arguments["dtype"] == torch.float32,
        FINITE,
        HALF,
    ),
    Class(
        "input",
        "integers beside a dtype",
        of_integers,
        lambda call: call.arguments["input"].dtype == "int64",
        FINITE,
        check="forward",
    ),
)


def softmax_function(name: str) -> Op:
    """Declare softmax, log_softmax or softmin."""
    return Op(
        oracle=lambda _: in_double(name),
        classes=DTYPE_CLASSES,
        name=name,
        signature="(input, dim=None, _stacklevel=3, dtype=None)",
        definition=DEFINITIONS[name],
        draw=partial(draw_softmax, layer=False),
        differentiable=("input",),
        dtypes=FLOATS,
        levels={
            "dim": ("last", "first", "negative", "implicit"),
            "axes": (0, 1, 2, 3, 4),
            "dtype": (None, torch.float64),
        },
        bad=(*SOFTMAX_FAULTS, *DTYPE_FAULTS),
        pinned=(
            pinned(0.0, 1000.0, -1000.0, dim=0),
            pinned(*[float("-inf")] * 3, dim=0),
            pinned(1.0, float("inf"), 0.0, dim=0),
        ),
    )


def softmax_module(name: str) -> Op:
    """Declare its module."""
    of = {"LogSoftmax": "log_softmax"}.get(name, name.lower())
    return Op(
        name=name,
        signature="(dim=None)",
        definition=DEFINITIONS[of],
        draw=partial(draw_softmax, layer=True),
        differentiable=("input",),
        dtypes=FLOATS,
        levels={"dim": ("last", "first", "negative", "implicit"), "axes": (0, 1, 2, 3, 4)},
        bad=SOFTMAX_FAULTS,
    )


SOFTMAX2D = Op(
    name="Softmax2d",
    signature="()",
    definition=definitions.softmax_of_channels,
    draw=draw_softmax_of_channels,
    differentiable=("input",),
    dtypes=FLOATS,
    levels={"axes": (3, 4)},
    bad=(
        Bad("input", "two axes", ranked(2, 3)),
        Bad("input", "five axes", ranked(1, 2, 1, 1, 2)),
        NO_TENSOR,
    ),
)

ACTIVATIONS = (
    *map(function, OPTIONS),
    *map(in_place, ("relu", "hardtanh", "leaky_relu", "elu")),
    *map(softmax_function, ("softmax", "log_softmax", "softmin")),
    *map(module, LAYER_SIGNATURES),
    *map(softmax_module, ("Softmax", "LogSoftmax", "Softmin")),
    SOFTMAX2D,
)
