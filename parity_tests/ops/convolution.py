"""conv1d to conv3d, and Conv1d to Conv3d."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from parity_tests import relations
from parity_tests.definitions.convolution import convolution, convolution_layer
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.dtypes import COMPLEX, FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

Ints = tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    """How windows lie on a grid, axis by axis; shared with transposed convolution."""

    kernel: Ints
    stride: Ints
    dilation: Ints
    padding: Ints

    @property
    def span(self) -> Ints:
        """The width of a dilated kernel: d(k − 1) + 1."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))


def geometry(d: Draw, rank: int, word: str = "numbers") -> Geometry:
    """Kernel, stride, dilation and padding; degenerate ones huge on the first axis."""
    # Beyond five taps kernels block and unroll, each in its own way.
    kernels = (1, 2, 3, *((d.integer(5, 9),) if rank < 3 else ()))

    def usual(*values: int, huge: int) -> Callable[[int], Ints]:
        return lambda axis: (*values, huge) if d.degenerate and axis == 0 else values

    def only(value: int) -> Callable[[int], Ints]:
        return lambda _: (value,)

    # 'same' is defined for stride 1 only, and a word leaves no number to choose.
    strides = only(1) if word == "same" else usual(1, 2, 3, huge=1000)
    paddings = usual(0, 1, 2, huge=9) if word == "numbers" else only(0)
    return Geometry(
        kernel=d.kernel(rank, kernels),
        stride=d.per_axis("stride", rank, strides),
        dilation=d.per_axis("dilation", rank, usual(1, 2, 3, huge=40)),
        padding=d.per_axis("padding", rank, paddings),
    )


def sizes_that_fit(d: Draw, g: Geometry, least: Ints) -> Ints:
    """Input sizes that hold a drawn number of windows, and up to a stride more."""
    windows = 1 if d.degenerate or d.large else 4 - len(g.kernel) // 2
    sizes = []
    for s, p, span, low in zip(g.stride, g.padding, g.span, least, strict=True):
        m = d.integer(1, windows)
        rest = d.integer(0, s - 1) if s < 10 else 0
        sizes.append(d.row(max(low, span - 2 * p + s * (m - 1) + rest)))
    return tuple(sizes)


def draw_convolution(d: Draw, *, rank: int, layer: bool) -> Call:
    """A valid call of the function, or of the module with its constructor's arguments."""
    groups = d.groups("groups", (1, 2, 3, 4))
    word = d.choice("padding given as", ("numbers", "numbers", "valid", "same"))
    g = geometry(d, rank, word)
    mode = "zeros"
    if layer:
        mode = d.choice("padding_mode", ("zeros", "reflect", "replicate", "circular"))
    # Torch's padding kernels want channels; without padding modes none will do (pytorch#101356).
    C = max(0 if mode == "zeros" else 1, d.channels()) * groups
    O = max(1, d.channels()) * groups
    if groups > 4 or (groups > 1 and d.integer(0, 2) == 2):
        C = O = groups  # depthwise, for which kernels are written
    # Reflection reaches as far into the input as the padding is wide, and needs one element more.
    reach = tuple(s - 1 for s in g.span) if word == "same" else g.padding
    L = sizes_that_fit(d, g, tuple(1 if mode == "zeros" else r + 1 for r in reach))
    padding = d.spelled(g.padding) if word == "numbers" else word
    batch = d.batch()
    lead = (C,) if batch is None else (batch, C)
    with_bias = d.choice("bias", (False, True))
    tensors = {
        "input": d.tensor(*lead, *L, batched=batch is not None),
        "weight": d.tensor(O, C // groups, *g.kernel),
    }
    if with_bias:
        tensors["bias"] = d.tensor(O)
    options: dict[str, Any] = {
        "stride": d.spelled(g.stride),
        "padding": padding,
        "dilation": d.spelled(g.dilation),
        "groups": groups,
    }
    if not layer:
        arguments = tensors | options
        state = {}
    else:
        options |= {"bias": with_bias, "padding_mode": mode}
        arguments = {"in_channels": C, "out_channels": O, "kernel_size": d.spelled(g.kernel)}
        arguments |= options | {"input": tensors.pop("input")}
        state = tensors
    # Torch drops the bias where there are no channels, and its gradients of gradients fail there.
    wanted = d.subset(("input", "weight", *(("bias",) if with_bias and C else ())))
    call = Call(arguments, state, wanted, d.cotangent())
    # 0·∞ is NaN, but whether padding takes part in products is each kernel's own business, so
    # padding meets finite numbers only: the weight's in the output, the cotangent's in gradients.
    return d.finite_but(call, "input", "bias") if word == "same" or any(g.padding) else call


# --- bad calls ---


def with_shape(recipe: Recipe, *shape: int) -> Recipe:
    """The recipe in another shape."""
    return Recipe(shape, recipe.fill, "contiguous", recipe.seed)


def put(**arguments: Any) -> Any:
    """The edit that replaces these arguments whatever the call."""
    return lambda _: arguments


def wider_kernel(call: Call) -> Mapping[str, Any]:
    """A kernel that does not fit."""
    weight, L = call.arguments["weight"], max(call.arguments["input"].shape[1:])
    return {
        "weight": with_shape(weight, *weight.shape[:-1], L + 9),
        "padding": 0,
        "dilation": 1,
        "stride": 1,
    }


def another_rank(call: Call) -> Mapping[str, Any]:
    """An input with an axis too many."""
    x = call.arguments["input"]
    return {"input": with_shape(x, 2, 2, *x.shape)}


def weight_of(*factor: int) -> Any:
    """The edit that adds to the weight's leading sizes."""

    def edit(call: Call) -> Mapping[str, Any]:
        w = call.arguments["weight"]
        lead = (size + more for size, more in zip(w.shape, factor, strict=False))
        return {"weight": with_shape(w, *lead, *w.shape[len(factor) :])}

    return edit


def longer_bias(call: Call) -> Mapping[str, Any]:
    """A bias with an element too many."""
    w = call.arguments["weight"]
    return {"bias": with_shape(w, w.shape[0] + 1)}


FUNCTION_FAULTS = (
    Bad("stride", "zero", put(stride=0)),
    Bad("stride", "negative", put(stride=-1)),
    Bad("stride", "too many", put(stride=(1, 1, 1, 1, 1))),
    Bad("stride", "a float, as misprinted in a note", put(stride=1.0)),
    Bad("padding", "negative", put(padding=-1)),
    Bad("padding", "an unknown word", put(padding="half")),
    Bad("padding", "same with a stride", put(padding="same", stride=2)),
    Bad("dilation", "zero", put(dilation=0)),
    Bad("groups", "zero", put(groups=0)),
    Bad("groups", "does not divide", put(groups=7)),
    Bad("weight", "an input channel too many", weight_of(0, 1)),
    Bad("weight", "another dtype", lambda c: {"weight": retyped(c.arguments["weight"])}),
    Bad("weight", "wider than the input", wider_kernel),
    Bad("bias", "an element too many", longer_bias),
    Bad("input", "an axis too many", another_rank),
    Bad("input", "no tensor", put(input=None)),
)

LAYER_FAULTS = (
    Bad("stride", "a float, as misprinted in a note", put(stride=1.0)),
    Bad("padding_mode", "misprinted in a note", put(padding_mode="zores")),
    Bad("padding", "an unknown word", put(padding="half")),
    Bad("padding", "same with a stride", put(padding="same", stride=2)),
    Bad("groups", "zero", put(groups=0)),
    Bad("groups", "does not divide", lambda c: {"groups": c.arguments["in_channels"] + 1}),
    Bad("input", "an axis too many", another_rank),
    Bad("transposed", "no argument of Conv", put(transposed=True)),
)


def retyped(recipe: Recipe) -> Recipe:
    """The recipe in a dtype that nothing else has."""
    return Recipe(recipe.shape, recipe.fill, "contiguous", recipe.seed, dtype="complex64")


# --- declarations ---

LEVELS = {
    "stride": (1, 2, 3),
    "dilation": (1, 2, 3),
    "kernel": (1, 2, 3),
    "padding": (0, 1, 2),
    "groups": (1, 2, 3),
    "bias": (False, True),
}


LINEAR = (
    relations.affine_in("input"),
    relations.affine_in("weight"),
    relations.blind_to_order_of_samples,
    relations.blind_to_other_samples,
)


def on(input: Ints, weight: Ints, **options: int) -> Call:
    """A call in channels last; the weight is the same for a transposed convolution."""
    tensors = {
        "input": Recipe(input, seed=1, layout="channels_last"),
        "weight": Recipe(weight, seed=2),
    }
    return Call(tensors | options, {}, ("input", "weight"), Recipe((), seed=3))


# Along three axes oneDNN's kernels keep channels last, and torch's own do not. On either side of
# where they make way (ConvParams::use_mkldnn in ATen's Convolution.cpp):
AT_THE_SWITCHES = (
    # A pointwise kernel takes 16 samples, or steps.
    on((15, 2, 2, 1, 2), (2, 2, 1, 1, 1)),
    on((16, 2, 2, 1, 2), (2, 2, 1, 1, 1)),
    on((2, 2, 3, 1, 3), (2, 2, 1, 1, 1), stride=2),
    on((2, 2, 3, 1, 2), (2, 2, 2, 1, 1), dilation=2),
    # A single sample takes a kernel above 3 on both of the last axes, or groups, or to be large.
    on((1, 2, 2, 4, 4), (2, 2, 1, 3, 4)),
    on((1, 2, 2, 4, 4), (2, 2, 1, 4, 4)),
    on((1, 4, 2, 1, 3), (4, 2, 1, 1, 2), groups=2),
    on((1, 8, 160, 16, 2), (8, 8, 1, 1, 2)),
    on((1, 8, 160, 17, 2), (8, 8, 1, 1, 2)),
)


def pinned(rank: int) -> tuple[Call, ...]:
    """The notes' example, 32 wide, kernel 3, dilation 3 gives 26; and where kernels change."""
    if rank == 3:
        return AT_THE_SWITCHES
    if rank == 1:
        return ()
    arguments = {
        "input": Recipe((1, 1, 32, 32), seed=1),
        "weight": Recipe((1, 1, 3, 3), seed=2),
        "dilation": 3,
    }
    return (Call(arguments, {}, ("input", "weight")),)


def function(rank: int) -> Op:
    """Declare ``conv{rank}d``."""
    return Op(
        name=f"conv{rank}d",
        signature="(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)",
        definition=convolution,
        draw=partial(draw_convolution, rank=rank, layer=False),
        differentiable=("input", "weight", "bias"),
        dtypes=(*FLOATS, *COMPLEX, torch.int64),
        levels=LEVELS | {"padding given as": ("numbers", "same", "valid")},
        feasible=same_has_no_stride,
        bad=FUNCTION_FAULTS,
        pinned=pinned(rank),
        relations=(
            *LINEAR,
            relations.moves_with_its_input,
            relations.split_by_groups,
            relations.adjoint_to(f"conv_transpose{rank}d"),
        ),
        primitives=("constant_pad_nd",),
    )


def module(rank: int) -> Op:
    """Declare ``Conv{rank}d``."""
    modes = ("zeros", "reflect", "replicate", "circular")
    return Op(
        name=f"Conv{rank}d",
        signature=(
            "(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, "
            "bias=True, padding_mode='zeros', device=None, dtype=None)"
        ),
        definition=convolution_layer,
        draw=partial(draw_convolution, rank=rank, layer=True),
        differentiable=("input", "weight", "bias"),
        dtypes=FLOATS,
        levels=LEVELS | {"padding given as": ("numbers", "same", "valid"), "padding_mode": modes},
        feasible=same_has_no_stride,
        bad=LAYER_FAULTS,
        relations=LINEAR,
        primitives=("constant_pad_nd",),
    )


def same_has_no_stride(levels: Mapping[str, Any]) -> bool:
    """The same, for the covering set."""
    if levels["padding given as"] == "same" and levels["stride"] != 1:
        return False
    return levels["padding given as"] == "numbers" or levels["padding"] == 0


CONVOLUTIONS = (*map(function, (1, 2, 3)), *map(module, (1, 2, 3)))
