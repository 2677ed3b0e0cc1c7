"""The kinds of convolution, which torch.nn has no names for: its compositions are defined here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from parity_tests.definitions.array import per_axis
from parity_tests.definitions.convolution import convolution
from parity_tests.definitions.rearrangements import (
    depthwise,
    depthwise_separable,
    flattened,
    shuffled_grouped,
    spatially_separable,
)
from parity_tests.op import Bad, Call, Op, signature_of
from parity_tests.ops.convolution import Geometry, another_rank, put, sizes_that_fit, with_shape
from parity_tests.ops.dtypes import FLOATS
from parity_tests.strategies import Draw

Shapes = dict[str, tuple[int, ...]]

# --- torch's compositions ---


class DilatedConv2d(nn.Conv2d):
    """dilation, and no more."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        dilation: Any = 2,
        stride: Any = 1,
        padding: Any = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias
        )


class GroupedConv2d(nn.Conv2d):
    """groups, and no more."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        groups: int,
        stride: Any = 1,
        padding: Any = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias
        )


class DepthwiseConv2d(nn.Conv2d):
    """As many groups as channels."""

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(
            channels, channels, kernel_size, stride, padding, groups=channels, bias=bias
        )


class DepthwiseSeparableConv2d(nn.Sequential):
    """Each channel by itself, then 1 x 1."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        bias: bool = True,
    ) -> None:
        I = in_channels
        depthwise = nn.Conv2d(I, I, kernel_size, stride, padding, groups=I, bias=False)
        pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=bias)
        super().__init__(OrderedDict(depthwise=depthwise, pointwise=pointwise))


def column_and_row(
    C: int, kernel_size: Any, stride: Any, padding: Any, bias: bool
) -> dict[str, nn.Module]:
    """A column's convolution and a row's, for each channel."""
    k, s, p = (per_axis(v, 2) for v in (kernel_size, stride, padding))
    return {
        "column": nn.Conv2d(C, C, (k[0], 1), (s[0], 1), (p[0], 0), groups=C, bias=False),
        "row": nn.Conv2d(C, C, (1, k[1]), (1, s[1]), (0, p[1]), groups=C, bias=bias),
    }


class SpatiallySeparableConv2d(nn.Sequential):
    """A column, then a row."""

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(OrderedDict(column_and_row(channels, kernel_size, stride, padding, bias)))


class FlattenedConv2d(nn.Sequential):
    """Over the channels, then a column, then a row."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        bias: bool = True,
    ) -> None:
        lateral = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        stages = column_and_row(out_channels, kernel_size, stride, padding, bias)
        super().__init__(OrderedDict(lateral=lateral, **stages))


class ShuffledGroupedConv2d(nn.Sequential):
    """Groups, then a shuffle."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        groups: int,
        stride: Any = 1,
        padding: Any = 0,
        bias: bool = True,
    ) -> None:
        convolution = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias
        )
        super().__init__(OrderedDict(convolution=convolution, shuffle=nn.ChannelShuffle(groups)))


# --- calls ---


def draw_kind(d: Draw, *, names: Sequence[str], shapes: Callable[..., Shapes], last: str) -> Call:
    """A valid call: the constructor's ``names``, the ``shapes`` of the weights, the ``last`` bias.

    The corners of convolution are conv2d's to test: here the padding is narrower than the window
    and the input no smaller, which also keeps clear of where oneDNN crashes (pytorch#195394).
    """
    groups = d.choice("groups", (1, 2, 3)) if "groups" in names else 1
    kernel = d.kernel(2, (1, 2, 3))
    stride = d.per_axis("stride", 2, lambda _: (1, 2, 3))
    dilation = d.per_axis("dilation", 2, lambda _: (1, 2, 3) if "dilation" in names else (1,))
    span = tuple(k * (n - 1) + 1 for k, n in zip(dilation, kernel, strict=True))
    padding = d.per_axis("padding", 2, lambda axis: range(min(3, span[axis])))
    C, O = (max(1, d.channels()) * groups for _ in "CO")
    O = C if "channels" in names else O
    L = sizes_that_fit(d, Geometry(kernel, stride, dilation, padding), span)
    # A channel shuffle takes axis 1 for the channels, batch or not.
    batch = d.choice("batch", (2, 1, 3)) if "convolution" in last else d.batch()
    lead = (C,) if batch is None else (batch, C)
    with_bias = d.choice("bias", (False, True))
    state = {n: d.tensor(*shape) for n, shape in shapes(C, O, groups, *kernel).items()}
    if with_bias:
        state[last] = d.tensor(O)
    every = {
        "channels": C,
        "in_channels": C,
        "out_channels": O,
        "kernel_size": d.spelled(kernel),
        "stride": d.spelled(stride),
        "padding": d.spelled(padding),
        "dilation": d.spelled(dilation),
        "groups": groups,
        "bias": with_bias,
    }
    arguments: dict[str, Any] = {k: v for k, v in every.items() if k in names}
    arguments["input"] = d.tensor(*lead, *L, batched=batch is not None)
    wanted = d.subset(("input", *state))
    # As in convolution, padding meets finite numbers only; and so do the numbers in between.
    return d.finite_but(Call(arguments, state, wanted, d.cotangent()), "input", last)


def narrower_than_the_kernel(call: Call) -> Mapping[str, Any]:
    """An input that no window fits into."""
    window = {"column.weight": (3, 1), "row.weight": (1, 3)}
    window |= dict.fromkeys(("pointwise.weight", "lateral.weight"), (1, 1))
    weights = {
        f"state {name}": with_shape(recipe, *recipe.shape[:2], *window.get(name, (3, 3)))
        for name, recipe in call.state.items()
        if name.endswith("weight")
    }
    x = call.arguments["input"]
    narrow = with_shape(x, *x.shape[:-2], 2, 2)
    return {"input": narrow, "padding": 0, "kernel_size": 3, **weights}


def faults(names: Sequence[str]) -> tuple[Bad, ...]:
    """The ways to misuse the arguments that a kind has."""
    indivisible = Bad(
        "groups", "does not divide", lambda c: {"groups": c.arguments["in_channels"] + 1}
    )
    return (
        Bad("stride", "zero", put(stride=0)),
        Bad("padding", "negative", put(padding=-1)),
        Bad("weight", "wider than the input", narrower_than_the_kernel),
        Bad("input", "an axis too many", another_rank),
        *((Bad("groups", "zero", put(groups=0)), indivisible) if "groups" in names else ()),
        *((Bad("dilation", "zero", put(dilation=0)),) if "dilation" in names else ()),
    )


def kind(
    reference: type[nn.Module],
    signature: str,
    definition: Callable[..., Any],
    shapes: Callable[..., Shapes],
    last: str = "bias",
) -> Op:
    """Declare a kind of convolution."""
    names = tuple(signature_of(signature).parameters)
    weights = tuple(shapes(1, 1, 1, 1, 1))
    numbers = {"kernel": (1, 2, 3), "stride": (1, 2, 3), "padding": (0, 1, 2)}
    own = {name: (1, 2, 3) for name in ("groups", "dilation") if name in names}
    return Op(
        name=reference.__name__,
        signature=signature,
        definition=definition,
        draw=partial(draw_kind, names=names, shapes=shapes, last=last),
        differentiable=("input", *weights, last),
        dtypes=FLOATS,
        levels=numbers | own | {"bias": (False, True)},
        feasible=lambda v: v["padding"] <= v.get("dilation", 1) * (v["kernel"] - 1),
        bad=faults(names),
        primitives=("constant_pad_nd",),
        reference=reference,
    )


REST = "stride=1, padding=0, bias=True)"

KINDS = (
    kind(
        DilatedConv2d,
        f"(in_channels, out_channels, kernel_size, dilation=2, {REST}",
        convolution,
        lambda C, O, _, K, L: {"weight": (O, C, K, L)},
    ),
    kind(
        GroupedConv2d,
        f"(in_channels, out_channels, kernel_size, groups, {REST}",
        convolution,
        lambda C, O, G, K, L: {"weight": (O, C // G, K, L)},
    ),
    kind(
        DepthwiseConv2d,
        f"(channels, kernel_size, {REST}",
        depthwise,
        lambda C, _O, _G, K, L: {"weight": (C, 1, K, L)},
    ),
    kind(
        DepthwiseSeparableConv2d,
        f"(in_channels, out_channels, kernel_size, {REST}",
        depthwise_separable,
        lambda C, O, _, K, L: {"depthwise.weight": (C, 1, K, L), "pointwise.weight": (O, C, 1, 1)},
        "pointwise.bias",
    ),
    kind(
        SpatiallySeparableConv2d,
        f"(channels, kernel_size, {REST}",
        spatially_separable,
        lambda C, _O, _G, K, L: {"column.weight": (C, 1, K, 1), "row.weight": (C, 1, 1, L)},
        "row.bias",
    ),
    kind(
        FlattenedConv2d,
        f"(in_channels, out_channels, kernel_size, {REST}",
        flattened,
        lambda C, O, _, K, L: {
            "lateral.weight": (O, C, 1, 1),
            "column.weight": (O, 1, K, 1),
            "row.weight": (O, 1, 1, L),
        },
        "row.bias",
    ),
    kind(
        ShuffledGroupedConv2d,
        f"(in_channels, out_channels, kernel_size, groups, {REST}",
        shuffled_grouped,
        lambda C, O, G, K, L: {"convolution.weight": (O, C // G, K, L)},
        "convolution.bias",
    ),
)
