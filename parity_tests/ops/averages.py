"""Average, adaptive and power-average pooling, unfold and fold; as functions and as modules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import inf, prod
from typing import Any

import torch

from parity_tests import relations
from parity_tests.definitions.averages import (
    adaptive_average_pooling,
    average_pooling,
    folding,
    positions_of_windows,
    power_average_pooling,
    unfolding,
)
from parity_tests.kinds import computed_with
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import another_rank, geometry, put, retyped, with_shape
from parity_tests.ops.dtypes import COMPLEX, FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

Ints = tuple[int, ...]
WIDE = (torch.float64, torch.float32)
# Named by words, since the report is JSON and has no infinity.
NORMS = {
    "2": 2,
    "1": 1,
    "3": 3,
    "3/2": 1.5,
    "inf": inf,
    "-inf": -inf,
    "4": 4.0,
    "1/2": 0.5,
    "-1": -1,
}

# --- drawing calls ---


def windows(d: Draw, rank: int, *, padded: bool) -> tuple[dict[str, Any], Ints]:
    """The arguments that say where windows lie, and sizes that hold a few of them."""
    kernel = d.kernel(rank, (1, 2, 3, 5) if rank < 3 else (1, 2, 3))
    free = d.choice("stride given", (True, False))
    steps = (1, 2, 3, 1000) if d.degenerate else (1, 2, 3)
    stride = d.per_axis("stride", rank, lambda axis: steps if free else (kernel[axis],))
    half = (lambda axis: range(kernel[axis] // 2 + 1)) if padded else lambda _: range(1)
    padding = d.per_axis("padding", rank, half)
    ceil = d.choice("ceil_mode", (False, True))
    sizes = []
    for k, s, p in zip(kernel, stride, padding, strict=True):
        m = d.integer(1, 1 if d.degenerate or d.large else 4 - rank // 2)
        # Rounded up, a kernel may overhang the only window; torch's avg_pool3d wants it to fit in.
        short = 0 if rank == 3 or not ceil else d.integer(0, min(s, k) - 1)
        rest = d.integer(0, min(s, 10) - 1)
        least = k if rank == 3 else 1
        sizes.append(d.row(max(least, k - 2 * p + s * (m - 1) + rest - short)))
    given: dict[str, Any] = {
        "kernel_size": d.spelled(kernel),
        "stride": d.spelled(stride) if free else None,
    }
    if padded:
        given["padding"] = d.spelled(padding)
    return given | {"ceil_mode": ceil}, tuple(sizes)


def image(d: Draw, sizes: Ints, fill: str | None = None) -> Recipe:
    """(N, C, *L) or (C, *L)."""
    batch, C = d.batch(), max(1, d.channels())
    lead = (C,) if batch is None else (batch, C)
    return d.tensor(*lead, *sizes, fill=fill, batched=batch is not None)


def draw_average(d: Draw, *, rank: int) -> Call:
    """A valid call of avg_pool, function or module."""
    given, sizes = windows(d, rank, padded=True)
    given["count_include_pad"] = d.choice("count_include_pad", (True, False))
    if rank > 1:
        given["divisor_override"] = d.choice("divisor_override", (None, 4, 3, -2))
    return Call(given | {"input": image(d, sizes)}, {}, ("input",), d.cotangent())


def draw_adaptive(d: Draw, *, rank: int) -> Call:
    """A valid call of adaptive_avg_pool; None is for axes of two and three."""
    outputs = (1, 2, 3, 5, 7)
    M = d.per_axis("output size", rank, lambda _: (1, 2) if d.degenerate else outputs)
    if d.one_of((False, True)):
        M = (1,) * rank  # of all there is, as networks end
    M = tuple(int(d.long("windows", m)) for m in M)
    how = ("fewer", "as many", "more", "a multiple") if not d.degenerate else ("fewer", "more")
    sizes = []
    for m in M:
        relation = d.choice("entries", how)
        more, fewer = m + d.integer(1, 9), d.integer(1, m)
        size = {"fewer": more, "as many": m, "more": fewer, "a multiple": 3 * m}[relation]
        sizes.append(d.row(size))
    kept = rank > 1 and d.choice("None", (False, True))
    wanted: Any = d.spelled(M) if not kept else (None, *M[1:])
    return Call(
        {"output_size": wanted, "input": image(d, tuple(sizes))}, {}, ("input",), d.cotangent()
    )


def draw_power(d: Draw, *, rank: int) -> Call:
    """A valid call of lp_pool; of positive numbers where the power is not even."""
    p = NORMS[d.choice("norm_type", tuple(NORMS))]
    given, sizes = windows(d, rank, padded=False)
    if rank == 1:
        given["kernel_size"] = per_axis_number(given["kernel_size"])
    # Odd powers of negative numbers may have no root; that is for the other regimes.
    rooted = p in (1, 2, 4, inf, -inf) or d.regime not in ("ordinary", "layout", "degenerate")
    fill = None if rooted else "positive"
    return Call(
        {"norm_type": p, **given, "input": image(d, sizes, fill)}, {}, ("input",), d.cotangent()
    )


def per_axis_number(value: Any) -> int:
    """The number, however it is spelled: torch multiplies with it."""
    return value if isinstance(value, int) else value[0]


def draw_unfold(d: Draw) -> Call:
    """A valid call of unfold, function or module."""
    options, sizes = blocks(d)
    return Call(options | {"input": image(d, sizes)}, {}, ("input",), d.cotangent())


def draw_fold(d: Draw) -> Call:
    """A valid call of fold: columns as many as there are windows over the output."""
    options, sizes = blocks(d)
    names = ("kernel_size", "dilation", "padding", "stride")
    K, dilation, p, s = (both(options[name]) for name in names)
    M = positions_of_windows(sizes, K, dilation, p, s)
    batch, rows = d.batch(), max(1, d.channels()) * prod(K)
    lead = () if batch is None else (batch,)
    x = d.tensor(*lead, rows, prod(M), batched=batch is not None)
    return Call(
        {"output_size": d.spelled(sizes), **options, "input": x}, {}, ("input",), d.cotangent()
    )


def blocks(d: Draw) -> tuple[dict[str, Any], Ints]:
    """Where the windows of (un)folding lie, and a size that holds a few of them."""
    g = geometry(d, 2)
    sizes = []
    for s, p, span in zip(g.stride, g.padding, g.span, strict=True):
        m = d.integer(1, 1 if d.degenerate or d.large else 3)
        rest = d.integer(0, min(s, 10) - 1)
        sizes.append(d.row(max(1, span - 2 * p + s * (m - 1) + rest)))
    names = {
        "kernel_size": g.kernel,
        "dilation": g.dilation,
        "padding": g.padding,
        "stride": g.stride,
    }
    return {name: d.spelled(value) for name, value in names.items()}, tuple(sizes)


def both(value: Any) -> Ints:
    """The two numbers of a geometric argument, however it is spelled."""
    return (value, value) if isinstance(value, int) else tuple(value)


# --- bad calls ---


def wider_kernel(call: Call) -> Mapping[str, Any]:
    """A kernel that does not fit."""
    return {"kernel_size": max(call.arguments["input"].shape) + 9, "padding": 0, "stride": 1}


def wider_pool(call: Call) -> Mapping[str, Any]:
    """Likewise, where there is no padding to take away."""
    wide = wider_kernel(call)
    return (
        wide if "padding" in call.arguments else {k: v for k, v in wide.items() if k != "padding"}
    )


def complex_input(call: Call) -> Mapping[str, Any]:
    """An input without a kernel in torch."""
    return {"input": retyped(call.arguments["input"])}


def integer_input(call: Call) -> Mapping[str, Any]:
    """Likewise."""
    x = call.arguments["input"]
    return {"input": Recipe(x.shape, "ones", "contiguous", x.seed, dtype="int64")}


def longer(axis: int) -> Any:
    """The edit that makes an axis of the input, counted from the last, longer by one."""

    def edit(call: Call) -> Mapping[str, Any]:
        shape = list(call.arguments["input"].shape)
        shape[axis] += 1
        return {"input": with_shape(call.arguments["input"], *shape)}

    return edit


WINDOW_FAULTS = (
    Bad("kernel_size", "zero", put(kernel_size=0)),
    Bad("kernel_size", "negative", put(kernel_size=-2)),
    Bad("kernel_size", "a float", put(kernel_size=2.0)),
    Bad("kernel_size", "too many", put(kernel_size=(1, 1, 1, 1, 1))),
    Bad("kernel_size", "wider than the input", wider_pool),
    Bad("stride", "zero", put(stride=0)),
    Bad("stride", "a float, as misprinted in a note", put(stride=1.0)),
    Bad("ceil_mode", "a number", put(ceil_mode=1)),
    Bad("input", "an axis too many", another_rank),
    Bad("input", "no tensor", put(input=None)),
)

AVERAGE_FAULTS = (
    *WINDOW_FAULTS,
    Bad("padding", "negative", put(padding=-1)),
    Bad("padding", "more than half of the kernel", put(kernel_size=3, padding=2)),
    Bad("count_include_pad", "a number", put(count_include_pad=0)),
    Bad("input", "complex", complex_input),
)

DIVISOR_FAULTS = (
    Bad("divisor_override", "zero", put(divisor_override=0)),
    Bad("divisor_override", "a float", put(divisor_override=2.0)),
)

POWER_FAULTS = (*WINDOW_FAULTS, Bad("norm_type", "zero", put(norm_type=0)))

ADAPTIVE_FAULTS = (
    Bad("output_size", "negative", put(output_size=-1)),
    Bad("output_size", "a float", put(output_size=2.0)),
    Bad("output_size", "too many", put(output_size=(2, 2, 2, 2, 2, 2, 2))),
    Bad("input", "an axis too many", lambda c: {**another_rank(c), "output_size": 2}),
    Bad("input", "integers", integer_input),
    Bad("input", "no tensor", put(input=None)),
)

BLOCK_FAULTS = (
    Bad("kernel_size", "zero", put(kernel_size=0)),
    Bad("kernel_size", "one entry", put(kernel_size=[2])),
    Bad("kernel_size", "a float", put(kernel_size=2.0)),
    Bad("dilation", "zero", put(dilation=0)),
    Bad("padding", "negative", put(padding=-1)),
    Bad("stride", "zero", put(stride=0)),
    Bad("stride", "a float, as misprinted in a note", put(stride=1.0)),
    Bad("input", "an axis too many", another_rank),
    Bad("input", "integers", integer_input),
    Bad("input", "no tensor", put(input=None)),
)

UNFOLD_FAULTS = (*BLOCK_FAULTS, Bad("kernel_size", "wider than the image", wider_kernel))

FOLD_FAULTS = (
    *BLOCK_FAULTS,
    Bad("output_size", "negative", put(output_size=-1)),
    Bad("output_size", "one entry", put(output_size=[7])),
    Bad("input", "a column too many", longer(-1)),
    Bad("input", "a row too many", longer(-2)),
)


# --- declarations ---

LINEAR = (
    relations.homogeneous,
    relations.blind_to_order_of_samples,
    relations.blind_to_other_samples,
)
WINDOW_LEVELS = {
    "kernel": (1, 2, 3),
    "stride": (1, 2, 3),
    "stride given": (True, False),
    "ceil_mode": (False, True),
}


def possible(levels: Mapping[str, Any]) -> bool:
    """Padding is at most half a kernel; a stride that is not given is the kernel's size."""
    own = levels["stride given"] or levels["stride"] == levels["kernel"]
    return bool(own and 2 * levels.get("padding", 0) <= levels["kernel"])


def example(rank: int, **arguments: Any) -> Call:
    """A call of a small image with numbers to count on."""
    shape = (2, 3, *(9, 8, 4)[:rank])
    return Call({"input": Recipe(shape, "integers", seed=1), **arguments}, {}, ("input",))


def bright(rank: int, **arguments: Any) -> Call:
    """A call of a small image of large numbers."""
    pixels = Recipe((1, 1, *(2,) * rank), values=(40000.0,) * 2**rank)
    return Call({"input": pixels, **arguments}, {}, ("input",))


def average(rank: int, name: str) -> Op:
    """Declare ``avg_pool{rank}d`` or ``AvgPool{rank}d``."""
    divisor = ", divisor_override=None" if rank > 1 else ""
    start = "input, " if name.islower() else ""
    return Op(
        name=f"{name}{rank}d",
        signature=(
            f"({start}kernel_size, stride=None, padding=0, ceil_mode=False, "
            f"count_include_pad=True{divisor})"
        ),
        definition=partial(average_pooling, rank),
        draw=partial(draw_average, rank=rank),
        differentiable=("input",),
        dtypes=(*(FLOATS if rank < 3 else WIDE), torch.int64),
        levels=WINDOW_LEVELS
        | {"padding": (0, 1), "count_include_pad": (True, False)}
        | ({"divisor_override": (None, 4, 3, -2)} if rank > 1 else {}),
        feasible=possible,
        bad=AVERAGE_FAULTS + (DIVISOR_FAULTS if rank > 1 else ()),
        pinned=(
            example(rank, kernel_size=2, stride=2),
            # The divisor counts padding, but not what overhangs (pytorch#88144, #46929).
            example(rank, kernel_size=3, stride=2, padding=1, ceil_mode=True),
            # The last window would start in the padding behind and is dropped (pytorch#57178).
            example(rank, kernel_size=2, stride=5, padding=1, ceil_mode=True),
        ),
        primitives=("floor_divide", "constant_pad_nd"),
        relations=(*LINEAR, relations.moves_with_its_input),
    )


def adaptive(rank: int, name: str) -> Op:
    """Declare ``adaptive_avg_pool{rank}d`` or ``AdaptiveAvgPool{rank}d``."""
    return Op(
        name=f"{name}{rank}d",
        signature="(input, output_size)" if name.islower() else "(output_size)",
        definition=partial(adaptive_average_pooling, rank),
        draw=partial(draw_adaptive, rank=rank),
        differentiable=("input",),
        dtypes=FLOATS,
        levels={
            "output size": (1, 2, 3, 5, 7),
            "entries": ("fewer", "as many", "more", "a multiple"),
        },
        bad=ADAPTIVE_FAULTS,
        pinned=(
            example(rank, output_size=3),
            example(rank, output_size=1),
            # In float16 the sum overflows, and the mean of all pixels does not.
            bright(rank, output_size=1),
        ),
        primitives=("floor_divide",),
        relations=LINEAR,
    )


def powered(rank: int, name: str) -> Op:
    """Declare ``lp_pool{rank}d`` or ``LPPool{rank}d``."""
    start = "input, " if name.islower() else ""
    return Op(
        name=f"{name}{rank}d",
        signature=f"({start}norm_type, kernel_size, stride=None, ceil_mode=False)",
        definition=partial(power_average_pooling, rank),
        draw=partial(draw_power, rank=rank),
        differentiable=("input",),
        dtypes=FLOATS if rank < 3 else WIDE,
        levels=WINDOW_LEVELS | {"norm_type": tuple(NORMS)[:6]},
        feasible=possible,
        without=computed_with("norm_type")
        | {("input", "subnormal"): "powers of them underflow in double precision, the oracle's"},
        bad=POWER_FAULTS,
        pinned=(
            example(rank, norm_type=2, kernel_size=3, stride=2, ceil_mode=True),
            # Sums of zero give no gradient (pytorch#6766).
            Call(
                {"input": Recipe((1, 1, *(2,) * rank), "zeros"), "norm_type": 2, "kernel_size": 2},
                {},
                ("input",),
            ),
        ),
        primitives=("floor_divide", "constant_pad_nd"),  # as average and maximum
    )


def block(name: str, **declared: Any) -> Op:
    """Declare one of unfold, fold, Unfold and Fold."""
    return Op(
        name=name,
        differentiable=("input",),
        dtypes=(*FLOATS, *COMPLEX),
        levels={
            "kernel": (1, 2, 3),
            "stride": (1, 2, 3),
            "dilation": (1, 2, 3),
            "padding": (0, 1, 2),
        },
        primitives=("constant_pad_nd",),
        relations=(*LINEAR, relations.affine_in("input")),
        **declared,
    )


UNFOLD = {"definition": unfolding, "draw": draw_unfold, "bad": UNFOLD_FAULTS}
FOLD = {"definition": folding, "draw": draw_fold, "bad": FOLD_FAULTS}
GEOMETRY = "kernel_size, dilation=1, padding=0, stride=1"

AVERAGES = (
    block("unfold", signature=f"(input, {GEOMETRY})", **UNFOLD),
    block("fold", signature=f"(input, output_size, {GEOMETRY})", **FOLD),
    block("Unfold", signature=f"({GEOMETRY})", **UNFOLD),
    block("Fold", signature=f"(output_size, {GEOMETRY})", **FOLD),
    *(average(rank, name) for name in ("avg_pool", "AvgPool") for rank in (1, 2, 3)),
    *(
        adaptive(rank, name)
        for name in ("adaptive_avg_pool", "AdaptiveAvgPool")
        for rank in (1, 2, 3)
    ),
    *(powered(rank, name) for name in ("lp_pool", "LPPool") for rank in (1, 2, 3)),
)
