"""pad and the padding modules; pixel_shuffle, pixel_unshuffle, channel_shuffle and theirs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parity_tests import relations
from parity_tests.definitions.rearrangements import (
    channels_dealt,
    channels_from_pixels,
    padded,
    padding_layer,
    pixels_from_channels,
    source,
)
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import put, with_shape
from parity_tests.ops.dtypes import COMPLEX, FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

Pairs = list[tuple[int, int]]

MODES = ("constant", "reflect", "replicate", "circular")
INTEGERS = (torch.int64, torch.uint8, torch.bool)

# --- padding ---


def least_size(mode: str, lo: int, hi: int, left: int) -> int:
    """The smallest axis that these amounts fit and leave so much of."""
    cropped = -min(lo, 0) - min(hi, 0)
    match mode:
        case "constant":
            return max(left, cropped, left - lo - hi)
        case "circular":  # it wraps what the cropping leaves, and once only
            return max(left, cropped + max(lo, hi, 0), left - lo - hi)
        case _:
            return max(1, left - lo - hi, 1 + max(lo, hi) if mode == "reflect" else 1)


def sizes_and_amounts(d: Draw, mode: str, rank: int) -> tuple[tuple[int, ...], Pairs]:
    """Padded axes with what is added to them, in the axes' order."""
    far = (-3, 5) if mode in ("constant", "replicate") else (-3,)

    def amounts(axis: int) -> tuple[int, ...]:
        return (0, 1, 2, -1, *far) if d.degenerate and axis == 0 else (0, 1, 2, -1)

    front, behind = (d.per_axis(name, rank, amounts) for name in ("front", "behind"))
    front = tuple(int(d.long("amounts", amount)) for amount in front)
    pairs = list(zip(front, behind, strict=True))
    sizes = []
    for axis, (lo, hi) in enumerate(pairs):
        # Torch's kernels that reflect and replicate want something left on one axis at least.
        last = mode in ("reflect", "replicate") and axis == rank - 1
        least = least_size(mode, lo, hi, 0 if d.degenerate and not last else 1)
        sizes.append(d.row(least + d.integer(0, 1 if d.degenerate else 4 - rank)))
    return tuple(sizes), pairs


def in_pads_order(pairs: Pairs) -> tuple[int, ...]:
    """The last axis first."""
    return tuple(amount for pair in reversed(pairs) for amount in pair)


def draw_leading(d: Draw, mode: str) -> tuple[tuple[int, ...], bool]:
    """The axes before the padded ones, and whether the first is a batch that samples may vary."""
    fewer = d.choice("axes before", (2, 1, 0) if mode == "constant" and not d.large else (2,))
    if fewer < 2:
        return (d.channels(),) * fewer, False
    batch = d.batch()
    channels = d.channels() if mode in ("constant", "circular") else max(1, d.channels())
    return ((channels,), False) if batch is None else ((batch, channels), True)


def draw_pad(d: Draw) -> Call:
    """A valid call of the function."""
    mode = d.choice("mode", MODES)
    value = d.choice("value", (None, 0, 2.0, 1.5) if mode == "constant" else (None, 0))
    sizes, pairs = sizes_and_amounts(d, mode, d.choice("padded axes", (1, 2, 3)))
    lead, batched = draw_leading(d, mode)
    pad = in_pads_order(pairs)
    arguments = {
        "input": d.tensor(*lead, *sizes, batched=batched),
        "pad": list(pad) if d.integer(0, 1) else pad,
        "mode": mode,
        "value": value,
    }
    return Call(arguments, {}, ("input",), d.cotangent())


def draw_pad_layer(d: Draw, *, mode: str, rank: int, valued: bool) -> Call:
    """A valid call of a padding module."""
    sizes, pairs = sizes_and_amounts(d, mode, rank)
    lead, batched = draw_leading(d, mode)
    arguments: dict[str, Any] = {"padding": d.spelled(in_pads_order(pairs))}
    if valued:
        arguments["value"] = d.choice("value", (0.0, 1.5, -2, -math.inf))
    arguments["input"] = d.tensor(*lead, *sizes, batched=batched)
    return Call(arguments, {}, ("input",), d.cotangent())


class Layer(nn.Module):
    """The module of a function."""

    def __init__(self, function: Callable[..., Tensor], **arguments: Any) -> None:
        super().__init__()
        self.forward = partial(function, **arguments)


def by_index(
    input: Tensor, pad: tuple[int, ...], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Padding as torch's own indexing, the sums of whose backward have no order of their own.

    And reflection in three axes leaves the gradient of an empty output uninitialised.
    """
    if mode == "constant":
        # Torch takes integers for floats, of which large ones are no integers any more.
        if not isinstance(value, int) or abs(value) < 2**53:
            return F.pad(input, pad, mode, value)
        y = F.pad(input, pad)
        return y.masked_fill(F.pad(torch.ones_like(input), pad) == 0, value)
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    places = [
        torch.tensor([source(i, n, lo, hi, mode) for i in range(n + lo + hi)], dtype=torch.int64)
        for n, (lo, hi) in zip(input.shape[-len(pairs) :], pairs, strict=True)
    ]
    grid: Any = (..., *torch.meshgrid(*places, indexing="ij"))
    return input[grid]


def layer_by_index(input: Tensor, padding: Any, mode: str, rank: int, **value: float) -> Tensor:
    """Likewise, where one number may stand for all sides."""
    pad = (padding,) * (2 * rank) if isinstance(padding, int) else tuple(padding)
    return by_index(input, pad, mode, **value)


def one_too_many(call: Call) -> Mapping[str, Any]:
    """Amounts for one axis more than there are."""
    return {"pad": (0, 0) * (len(call.arguments["input"].shape) + 1), "mode": "constant"}


def more_than_there_is(*, before: bool) -> Callable[[Call], Mapping[str, Any]]:
    """A crop that is larger than the last axis, which padding on the other side makes up for."""

    def edit(call: Call) -> Mapping[str, Any]:
        crop = -call.arguments["input"].shape[-1] - 1
        return {"pad": (crop, 2) if before else (2, crop), "mode": "constant"}

    return edit


def too_far(mode: str) -> Any:
    """Further than the mode reaches on an axis of size three."""
    return lambda c: {
        "input": with_shape(c.arguments["input"], 2, 3),
        "pad": (3 if mode == "reflect" else 4, 0),
        "mode": mode,
        "value": None,
    }


PAD_FAULTS = (
    Bad("pad", "an odd number of amounts", put(pad=(1,))),
    Bad("pad", "more axes than there are", one_too_many),
    Bad("pad", "a single number", put(pad=1)),
    Bad("pad", "a float", put(pad=(1.0, 1))),
    Bad("pad", "crops more than there is in front", more_than_there_is(before=True)),
    Bad("pad", "crops more than there is behind", more_than_there_is(before=False)),
    Bad("pad", "reflects as far as the axis is long", too_far("reflect")),
    Bad("pad", "wraps around more than once", too_far("circular")),
    Bad("pad", "four axes by reflection", put(pad=(0,) * 8, mode="reflect", value=None)),
    Bad("mode", "of another library", put(mode="symmetric")),
    Bad("mode", "none", put(mode=None)),
    Bad("value", "beside reflection", put(mode="reflect", value=1.0)),
    Bad("value", "complex", put(mode="constant", value=1j)),
    Bad("input", "no tensor", put(input=None)),
)

LAYER_FAULTS = (
    Bad("pad", "an odd number of amounts", put(padding=(1, 1, 1))),
    Bad("pad", "a float", put(padding=1.0)),
    Bad("input", "no tensor", put(input=3)),
)

AMOUNTS = {"front": (0, 1, 2, -1), "behind": (0, 1, 2, -1)}


def only_a_constant_is_free(levels: Mapping[str, Any]) -> bool:
    """Other modes take no value, or zero, and want a channel before the padded axes."""
    if levels["mode"] == "constant":
        return True
    return levels["value"] in (None, 0) and levels["axes before"] == 2


PAD = Op(
    name="pad",
    signature="(input, pad, mode='constant', value=None)",
    definition=padded,
    draw=draw_pad,
    differentiable=("input",),
    dtypes=(*FLOATS, *COMPLEX, *INTEGERS),
    levels={
        "mode": MODES,
        "padded axes": (1, 2, 3),
        "axes before": (2, 1, 0),
        "value": (None, 0, 2.0, 1.5),
        **AMOUNTS,
    },
    feasible=only_a_constant_is_free,
    bad=PAD_FAULTS,
    relations=(relations.affine_in("input"),),
    oracle=lambda _: by_index,
    pinned=(
        Call({"input": Recipe((3, 4), seed=1), "pad": (1, 2, 3, 0), "value": 2.0}, {}, ("input",)),
        Call({"input": Recipe((2, 3), seed=1), "pad": ()}, {}, ("input",)),
        Call({"input": Recipe((1, 5), seed=1), "pad": (-2, 2), "mode": "circular"}, {}, ("input",)),
        Call(
            {"input": Recipe((1, 1), seed=1), "pad": (-9, 9), "mode": "replicate"}, {}, ("input",)
        ),
    ),
)


OTHER_AXES = {
    ("input", "five axes and more"): (
        "an axis at the end takes the place of a padded one, which then may be too short: torch "
        "wraps what is cropped"
    )
}


def layer(family: str, mode: str, rank: int) -> Op:
    """Declare a padding module."""
    valued = family == "Constant"
    return Op(
        name=f"{family}Pad{rank}d",
        signature="(padding, value)" if valued else "(padding)",
        definition=padding_layer(mode, rank),
        draw=partial(draw_pad_layer, mode=mode, rank=rank, valued=valued),
        differentiable=("input",),
        dtypes=(*FLOATS, *COMPLEX),
        levels=AMOUNTS | ({"value": (0.0, 1.5, -2)} if valued else {}),
        without=OTHER_AXES if mode == "circular" else {},
        bad=LAYER_FAULTS,
        relations=(relations.affine_in("input"), relations.blind_to_other_samples),
        oracle=lambda _: partial(Layer, layer_by_index, mode=mode, rank=rank),
    )


FAMILIES = {
    "Constant": "constant",
    "Zero": "constant",
    "Reflection": "reflect",
    "Replication": "replicate",
    "Circular": "circular",
}

# --- shuffles ---


def draw_pixels(d: Draw, *, name: str, up: bool) -> Call:
    """A valid call of pixel_shuffle or pixel_unshuffle, function or module."""
    r = d.choice(name, (2, 1, 3))
    # Nothing to shuffle in one direction only: torch's pixel_unshuffle gives the shape of its input
    # back (pytorch#192816), whatever its meta function says.
    low = 0 if d.degenerate and up else 1
    C = max(low, d.channels() if d.large else d.channels() % 7)
    H, W = d.row(d.integer(low, 3)), d.integer(low, 3)
    # Not two: torch has no kernel for five axes in channels_last_3d (pytorch#133665).
    before = d.choice("axes before", (1, 0, 3))
    lead = tuple(d.choice("batch", (2, 1, 3)) for _ in range(before))
    shape = (C * r * r, H, W) if up else (C, H * r, W * r)
    x = d.tensor(*lead, *shape, batched=before == 1)
    return Call({"input": x, name: r}, {}, ("input",), d.cotangent())


def draw_channels(d: Draw) -> Call:
    """A valid call of channel_shuffle, function or module."""
    groups = d.groups("groups", (2, 1, 3))
    K = d.channels() if d.degenerate or d.large else d.choice("channels of a group", (2, 1, 3, 5))
    low = 0 if d.degenerate else 1
    L = tuple(d.row(d.integer(low, 3)) for _ in range(d.choice("spatial axes", (2, 1, 3))))
    N = int(d.long("batch", d.choice("batch", (2, 1, 3))))
    x = d.tensor(N, groups * K, *L, batched=True)
    return Call({"input": x, "groups": groups}, {}, ("input",), d.cotangent())


def laid_out(input: Tensor, upscale_factor: int) -> Tensor:
    """pixel_shuffle by views, which torch can differentiate for empty tensors too."""
    *N, C, H, W = input.shape
    r = upscale_factor
    parts = input.reshape(*N, C // r**2, r, r, H, W).movedim((-4, -3), (-3, -1))
    return parts.reshape(*N, C // r**2, H * r, W * r)


def stacked(input: Tensor, downscale_factor: int) -> Tensor:
    """pixel_unshuffle by views, which gives empty tensors their shape."""
    *N, C, H, W = input.shape
    r = downscale_factor
    parts = input.reshape(*N, C, H // r, r, W // r, r).movedim((-3, -1), (-4, -3))
    return parts.reshape(*N, C * r**2, H // r, W // r)


def dealt(input: Tensor, groups: int) -> Tensor:
    """channel_shuffle by views, which torch can differentiate without channels too."""
    N, C, *L = input.shape
    return input.reshape(N, groups, C // groups, *L).transpose(1, 2).reshape(input.shape)


def reshaped(*shape: int) -> Any:
    """The edit that gives the input another shape."""
    return lambda c: {"input": with_shape(c.arguments["input"], *shape)}


def shuffle_faults(name: str, *, indivisible: Any) -> tuple[Bad, ...]:
    """The ways to misuse a shuffle's two arguments."""
    return (
        Bad(name, "zero", put(**{name: 0})),
        Bad(name, "negative", put(**{name: -2})),
        Bad(name, "a float", put(**{name: 2.0})),
        Bad(name, "none", put(**{name: None})),
        Bad(name, "does not divide", indivisible),
        Bad("input", "two axes only", reshaped(4, 4)),
        Bad("input", "no tensor", put(input=[1.0])),
    )


def shuffle(
    name: str,
    argument: str,
    definition: Any,
    by_views: Callable[..., Tensor],
    draw: Any,
    bad: Any,
    levels: Any,
    relating: tuple[relations.Relation, ...],
) -> Op:
    """Declare a shuffle, function or module."""
    function = name.islower()
    oracle = by_views if function else partial(Layer, by_views)
    return Op(
        name=name,
        signature=f"(input, {argument})" if function else f"({argument})",
        definition=definition,
        draw=draw,
        differentiable=("input",),
        dtypes=(*FLOATS, *COMPLEX, *(INTEGERS if function else ())),
        levels=levels,
        bad=bad,
        relations=relating,
        oracle=lambda _: oracle,
    )


def pixels(name: str, argument: str, definition: Any, *, up: bool) -> Op:
    """Declare pixel_shuffle, its inverse, or the module of either."""
    odd = (1, 3, 4, 4) if up else (1, 1, 3, 3)
    inverse = "pixel_unshuffle" if up else "pixel_shuffle"
    factors = {"downscale_factor" if up else "upscale_factor": argument}
    undone = (relations.undone_by(inverse, **factors),) if name.islower() else ()
    indivisible = {"input": with_shape(Recipe(()), *odd), argument: 2}
    return shuffle(
        name,
        argument,
        definition,
        laid_out if up else stacked,
        partial(draw_pixels, name=argument, up=up),
        shuffle_faults(argument, indivisible=put(**indivisible)),
        {argument: (1, 2, 3), "axes before": (0, 1, 3)},
        undone,
    )


def channels(name: str) -> Op:
    """Declare channel_shuffle or its module."""
    indivisible = put(input=with_shape(Recipe(()), 1, 3, 4), groups=2)
    return shuffle(
        name,
        "groups",
        channels_dealt,
        dealt,
        draw_channels,
        shuffle_faults("groups", indivisible=indivisible),
        {"groups": (1, 2, 3), "spatial axes": (1, 2, 3), "channels of a group": (1, 2, 3, 5)},
        (relations.blind_to_order_of_samples,),
    )


REARRANGEMENTS = (
    PAD,
    *(layer(family, mode, rank) for family, mode in FAMILIES.items() for rank in (1, 2, 3)),
    pixels("pixel_shuffle", "upscale_factor", pixels_from_channels, up=True),
    pixels("PixelShuffle", "upscale_factor", pixels_from_channels, up=True),
    pixels("pixel_unshuffle", "downscale_factor", channels_from_pixels, up=False),
    pixels("PixelUnshuffle", "downscale_factor", channels_from_pixels, up=False),
    channels("channel_shuffle"),
    channels("ChannelShuffle"),
)
