"""conv_transpose1d to conv_transpose3d, and ConvTranspose1d to ConvTranspose3d."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from parity_tests import relations
from parity_tests.definitions.convolution import (
    transposed_convolution,
    transposed_convolution_layer,
)
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import (
    AT_THE_SWITCHES,
    LEVELS,
    LINEAR,
    Geometry,
    Ints,
    another_rank,
    geometry,
    longer_bias,
    put,
    retyped,
    weight_of,
)
from parity_tests.ops.dtypes import COMPLEX, FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw


def draw_transposed(d: Draw, *, rank: int, layer: bool) -> Call:
    """A valid call of the function, or of the module with its constructor's arguments."""
    groups = d.groups("groups", (1, 2, 3, 4))
    # No channels at all is an error here, unlike in convolution (pytorch#101356).
    I, O = max(1, d.channels()) * groups, max(1, d.channels()) * groups
    if groups > 4 or (groups > 1 and d.integer(0, 2) == 2):
        I = O = groups  # depthwise, for which kernels are written
    g = geometry(d, rank)
    # An output_size reaches up to the stride, output_padding up to the dilation if that is more.
    asked = layer and d.choice("output_size", (False, True))
    limits = [s if asked else max(s, k) for s, k in zip(g.stride, g.dilation, strict=True)]
    extra = d.per_axis("output_padding", rank, lambda axis: range(min(3, limits[axis])))
    L = sizes_that_leave_some(d, g, extra)
    batch = d.batch()
    lead = (I,) if batch is None else (batch, I)
    with_bias = d.choice("bias", (False, True))
    x = d.tensor(*lead, *L, batched=batch is not None)
    state = {"weight": d.tensor(I, O // groups, *g.kernel)}
    if with_bias:
        state["bias"] = d.tensor(O)
    options = {
        "stride": d.spelled(g.stride),
        "padding": d.spelled(g.padding),
        "output_padding": d.spelled(extra),
        "groups": groups,
        "dilation": d.spelled(g.dilation),
    }
    wanted = d.subset(("input", "weight", *(("bias",) if with_bias else ())))
    # As in convolution: here the padding stands around the cotangent.
    special = ("cotangent", "bias") if any(g.padding) else ("cotangent", "bias", "input", "weight")
    if not layer:
        call = Call({"input": x} | state | options, {}, wanted, d.cotangent())
        return d.finite_but(call, *special)
    arguments: dict[str, Any] = {
        "in_channels": I,
        "out_channels": O,
        "kernel_size": d.spelled(g.kernel),
        **options,
        "bias": with_bias,
        "input": x,
    }
    if asked:
        arguments["output_size"] = sizes_asked_for(g, L, extra)
    return d.finite_but(Call(arguments, state, wanted, d.cotangent()), *special)


def sizes_that_leave_some(d: Draw, g: Geometry, extra: Ints) -> Ints:
    """Input sizes whose output, cut by the padding on both sides, keeps at least one element."""
    sizes = []
    for s, p, span, e in zip(g.stride, g.padding, g.span, extra, strict=True):
        least = 1 + max(0, -(-(2 * p + 1 - span - e) // s))  # (m − 1)s − 2p + span + e ≥ 1
        more = d.integer(0, 0 if d.degenerate or s > 10 else 3 - len(g.kernel) // 2)
        sizes.append(d.row(least + more))
    return tuple(sizes)


def sizes_asked_for(g: Geometry, L: Ints, extra: Ints) -> list[int]:
    """The output_size that means this output padding."""
    return [
        (l - 1) * s - 2 * p + span + e
        for l, s, p, span, e in zip(L, g.stride, g.padding, g.span, extra, strict=True)
    ]


FUNCTION_FAULTS = (
    Bad("stride", "zero", put(stride=0)),
    Bad("stride", "negative", put(stride=-1)),
    Bad("stride", "a float, as misprinted in a note", put(stride=1.0)),
    Bad("padding", "negative", put(padding=-1)),
    Bad("padding", "a word", put(padding="same")),
    Bad("dilation", "zero", put(dilation=0)),
    Bad(
        "output_padding",
        "as wide as stride and dilation",
        put(output_padding=3, stride=2, dilation=3),
    ),
    Bad("output_padding", "negative", put(output_padding=-1)),
    Bad("groups", "zero", put(groups=0)),
    Bad("groups", "does not divide", put(groups=7)),
    Bad("weight", "an input channel too many", weight_of(1)),
    Bad("weight", "another dtype", lambda c: {"weight": retyped(c.arguments["weight"])}),
    Bad("bias", "an element too many", longer_bias),
    Bad("input", "two axes too many", another_rank),
    Bad("input", "no tensor", put(input=None)),
)


def far_too_large(call: Call) -> Mapping[str, Any]:
    """An output_size that no output padding reaches."""
    rank = len(call.state["weight"].shape) - 2
    return {"output_size": [5000] * rank}


LAYER_FAULTS = (
    Bad("padding_mode", "reflect", put(padding_mode="reflect")),
    Bad("padding_mode", "misprinted in a note", put(padding_mode="zores")),
    Bad("groups", "zero", put(groups=0)),
    Bad("groups", "does not divide", lambda c: {"groups": c.arguments["in_channels"] + 1}),
    Bad("output_size", "out of reach", far_too_large),
    Bad("output_size", "too few", put(output_size=[])),
    Bad("input", "two axes too many", another_rank),
)

LEVELS_WITH_EXTRA = LEVELS | {"output_padding": (0, 1, 2)}


def extra_below_stride_or_dilation(levels: Mapping[str, Any]) -> bool:
    """output_padding < max(stride, dilation), not stride alone; but an output_size is a size."""
    if levels.get("output_size"):
        return bool(levels["output_padding"] < levels["stride"])
    return bool(levels["output_padding"] < max(levels["stride"], levels["dilation"]))


def pinned(rank: int) -> tuple[Call, ...]:
    """The notes' examples: 2 x 2 with a 3 x 3 kernel gives 4 x 4; and output_padding ≥ stride.

    Along three axes, where kernels change.
    """
    if rank == 3:
        return AT_THE_SWITCHES
    if rank == 1:
        return ()
    x, w = Recipe((1, 1, 2, 2), seed=1), Recipe((1, 1, 3, 3), seed=2)
    wanted = ("input", "weight")
    wide = {"stride": 1, "dilation": 3, "output_padding": 2}
    return (
        Call({"input": x, "weight": w}, {}, wanted),
        Call({"input": x, "weight": w, **wide}, {}, wanted),
    )


def function(rank: int) -> Op:
    """Declare ``conv_transpose{rank}d``."""
    return Op(
        name=f"conv_transpose{rank}d",
        signature=(
            "(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, "
            "dilation=1)"
        ),
        definition=transposed_convolution,
        draw=partial(draw_transposed, rank=rank, layer=False),
        differentiable=("input", "weight", "bias"),
        dtypes=(*FLOATS, *COMPLEX, torch.int64),
        levels=LEVELS_WITH_EXTRA,
        feasible=extra_below_stride_or_dilation,
        bad=FUNCTION_FAULTS,
        relations=(*LINEAR, relations.split_by_groups),
        pinned=pinned(rank),
        primitives=("constant_pad_nd",),
    )


def module(rank: int) -> Op:
    """Declare ``ConvTranspose{rank}d``."""
    return Op(
        name=f"ConvTranspose{rank}d",
        signature=(
            "(in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, "
            "groups=1, bias=True, dilation=1, padding_mode='zeros', device=None, dtype=None)"
        ),
        definition=transposed_convolution_layer,
        draw=partial(draw_transposed, rank=rank, layer=True),
        differentiable=("input", "weight", "bias"),
        dtypes=FLOATS,
        levels=LEVELS_WITH_EXTRA | {"output_size": (False, True)},
        feasible=extra_below_stride_or_dilation,
        bad=LAYER_FAULTS,
        relations=LINEAR,
        primitives=("constant_pad_nd",),
    )


TRANSPOSED_CONVOLUTIONS = (*map(function, (1, 2, 3)), *map(module, (1, 2, 3)))
