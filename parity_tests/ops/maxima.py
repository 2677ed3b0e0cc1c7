"""max_pool, adaptive_max_pool and max_unpool, 1-d to 3-d; as functions and as modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import inf, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from parity_tests import relations
from parity_tests.definitions.array import per_axis
from parity_tests.definitions.maxima import (
    adaptive_max_pooling,
    max_pooling,
    max_unpooling,
    misses_the_grid,
    unpooled_size,
)
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import another_rank, put, retyped
from parity_tests.ops.dtypes import FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

Ints = tuple[int, ...]

# --- drawing calls ---


def image(d: Draw, sizes: Ints) -> Recipe:
    """(N, C, *L) or (C, *L)."""
    batch, C = d.batch(), max(1, d.channels())
    lead = (C,) if batch is None else (batch, C)
    return d.tensor(*lead, *sizes, batched=batch is not None)


def draw_max_pool(d: Draw, *, rank: int) -> Call:
    """A valid call of max_pool, function or module."""
    kernel = d.kernel(rank, (1, 2, 3, 5) if rank < 3 else (1, 2, 3))
    given = d.choice("stride given", (True, False))
    steps = (1, 2, 3, 1000) if d.degenerate else (1, 2, 3)
    stride = d.per_axis("stride", rank, lambda axis: steps if given else (kernel[axis],))
    padding = d.per_axis("padding", rank, lambda axis: range(kernel[axis] // 2 + 1))
    spread = (1, 2, 3, 40) if d.degenerate else (1, 2, 3)
    dilation = d.per_axis("dilation", rank, lambda axis: spread if kernel[axis] > 1 else (1,))
    ceil = d.choice("ceil_mode", (False, True))
    sizes = []
    for k, s, p, dilated in zip(kernel, stride, padding, dilation, strict=True):
        m = d.integer(1, 1 if d.degenerate or d.large else 4 - rank // 2)
        span = dilated * (k - 1) + 1
        short = d.integer(0, min(s, span) - 1) if ceil else 0  # rounded up, a window may overhang
        rest = d.integer(0, min(s, 10) - 1)
        sizes.append(d.row(max(1, span - 2 * p + s * (m - 1) + rest - short)))
    arguments = {
        "input": image(d, tuple(sizes)),
        "kernel_size": d.spelled(kernel),
        "padding": d.spelled(padding),
        "dilation": d.spelled(dilation),
        "ceil_mode": ceil,
        "return_indices": d.choice("return_indices", (False, True)),
    }
    if given:
        arguments["stride"] = d.spelled(stride)
    return Call(arguments, {}, ("input",), d.cotangent())


def draw_adaptive(d: Draw, *, rank: int) -> Call:
    """A valid call of adaptive_max_pool; None is for axes of two and three."""
    M = d.per_axis("output size", rank, lambda _: (1, 2, 0) if d.degenerate else (1, 2, 3, 5))
    if d.one_of((False, True)):
        M = (1,) * rank  # of all there is, as networks end
    M = tuple(int(d.long("windows", m)) for m in M)
    how = ("as many", "a multiple", "fewer", "more")
    sizes = []
    for m in M:
        relation = d.choice("entries", how)
        fewer, more = d.integer(1, max(1, m)), m + d.integer(1, 7)
        drawn = {"as many": m, "a multiple": 3 * m, "fewer": fewer, "more": more}
        sizes.append(d.row(max(1, drawn[relation])))
    kept = rank > 1 and d.choice("None", (False, True))
    wanted: Any = (None, *M[1:]) if kept else d.spelled(M)
    arguments = {
        "input": image(d, tuple(sizes)),
        "output_size": wanted,
        "return_indices": d.choice("return_indices", (False, True)),
    }
    return Call(arguments, {}, ("input",), d.cotangent())


def draw_max_unpool(d: Draw, *, rank: int) -> Call:
    """A valid call of max_unpool, with indices that some pooling might have returned or not.

    Where an index occurs twice torch's backward is not the derivative of its forward
    (pytorch#80204): such a call has values and no derivative to compare.
    """
    kernel = d.kernel(rank, (1, 2, 3))
    given = d.choice("stride given", (True, False))
    stride = d.per_axis("stride", rank, lambda axis: (1, 2, 3) if given else (kernel[axis],))
    padding = d.per_axis("padding", rank, lambda axis: range(kernel[axis] // 2 + 1))
    low, high = (0, 1) if d.degenerate else (1, 4 - rank // 2)  # an output of size zero is legal
    M = tuple(
        d.row(d.integer(1 if k - 2 * p >= low else 2, high))
        for k, p in zip(kernel, padding, strict=True)
    )
    L = unpooled_size(M, kernel, stride, padding)
    asked = d.choice("output_size", ("none", "spatial", "whole"))
    if asked != "none":  # anything less than a stride away
        L = tuple(l + d.integer(max(1 - s, low - l), s - 1) for l, s in zip(L, stride, strict=True))
    batch, C = d.batch(), max(1, d.channels())
    lead = (C,) if batch is None else (batch, C)
    repeated = d.choice("indices", ("distinct", "repeated")) == "repeated"
    repeated = prod(L) > 0 and (repeated or prod(L) < prod(M))
    arguments: dict[str, Any] = {
        "input": d.tensor(*lead, *M),
        "indices": places(d, lead, M, prod(L), repeated),
        "kernel_size": kernel if d.degenerate else d.spelled(kernel),
        "padding": d.spelled(padding),
    }
    if given:
        arguments["stride"] = d.spelled(stride)
    if asked != "none":
        arguments["output_size"] = [*lead, *L] if asked == "whole" and batch is not None else L
    return Call(arguments, {}, () if repeated else ("input",), d.cotangent())


def places(d: Draw, lead: Ints, M: Ints, size: int, repeated: bool) -> Recipe:
    """Indices below ``size`` for every plane, literally: a recipe's numbers know no bounds."""
    random = np.random.Generator(np.random.PCG64(d.integer(0, 2**16)))
    planes = [
        random.choice(max(1, size), prod(M), replace=repeated or size == 0)
        for _ in range(prod(lead))
    ]
    values = tuple(float(i) for plane in planes for i in plane)
    shape = d.tensor(*lead, *M)  # for its layout
    return replace(shape, fill="zeros", dtype="int64", values=values)


# --- bad calls ---


def edited(name: str, **changes: Any) -> Callable[[Call], Mapping[str, Any]]:
    """The edit that changes the recipe of a tensor."""
    return lambda call: {name: replace(call.arguments[name], **changes)}


def plus(by: int) -> Callable[[Call], Mapping[str, Any]]:
    """The edit that adds to every index."""

    def edit(call: Call) -> Mapping[str, Any]:
        indices = call.arguments["indices"]
        return {"indices": replace(indices, values=tuple(i + by for i in indices.values))}

    return edit


def shorter(call: Call) -> Mapping[str, Any]:
    """Fewer indices than values."""
    recipe = call.arguments["indices"]
    size = prod(recipe.shape[1:])
    shape = (recipe.shape[0] + 1, *recipe.shape[1:])
    return {"indices": replace(recipe, shape=shape, values=recipe.values + (0.0,) * size)}


def integers_into_something(call: Call) -> Mapping[str, Any]:
    """Integer values and an output that is not empty: to an empty one torch writes any dtype."""
    room = {"kernel_size": 2, "padding": 0, "output_size": None}
    return {"input": replace(call.arguments["input"], dtype="int64"), **room}


POOL_FAULTS = (
    Bad("kernel_size", "zero", put(kernel_size=0)),
    Bad("kernel_size", "too many", put(kernel_size=(1, 1, 1, 1, 1))),
    Bad("kernel_size", "a float", put(kernel_size=2.0)),
    Bad("kernel_size", "wider than the input", put(kernel_size=99, padding=0)),
    Bad("stride", "zero", put(stride=0)),
    Bad("stride", "negative", put(stride=-1)),
    Bad("stride", "a float, as misprinted in a note", put(stride=1.0)),
    Bad("padding", "negative", put(padding=-1)),
    Bad("padding", "more than half a kernel", put(kernel_size=3, padding=2)),
    Bad("padding", "more than half a kernel, dilated", put(kernel_size=3, padding=2, dilation=2)),
    Bad("dilation", "zero", put(dilation=0)),
    Bad("ceil_mode", "a number", put(ceil_mode=1)),
    Bad("input", "an axis too many", another_rank),
    Bad("input", "complex", lambda c: {"input": retyped(c.arguments["input"])}),
    Bad("input", "no tensor", put(input=None)),
)

ADAPTIVE_FAULTS = (
    Bad("output_size", "negative", put(output_size=-1)),
    Bad("output_size", "too many", put(output_size=(1, 1, 1, 1, 1))),
    Bad("output_size", "a float", put(output_size=2.0)),
    Bad("output_size", "not given", put(output_size=None)),
    Bad("input", "an axis too many", another_rank),
    Bad("input", "integers", edited("input", dtype="int64")),
    Bad("input", "no tensor", put(input=None)),
)

UNPOOL_FAULTS = (
    Bad("kernel_size", "a float", put(kernel_size=2.0, output_size=None)),
    Bad("stride", "a float, as misprinted in a note", put(stride=1.0, output_size=None)),
    Bad("padding", "wider than the output", put(padding=99, output_size=None)),
    Bad("output_size", "too many", put(output_size=(1,) * 7)),
    Bad("output_size", "a number", put(output_size=4)),
    Bad("output_size", "too large", put(output_size=(999, 999, 999, 999))),
    Bad("indices", "of another type", edited("indices", dtype="int32")),
    Bad("indices", "of another shape", shorter),
    Bad("indices", "beyond the output", plus(9999)),
    Bad("indices", "negative", plus(-9999)),
    Bad("indices", "no tensor", put(indices=None)),
    Bad("input", "integers", integers_into_something),
    Bad("input", "no tensor", put(input=None)),
)


# --- torch's operator, where a window misses the grid ---


def careful(rank: int) -> Callable[..., Any]:
    """Torch's max pooling, whose derivative is safe to take.

    To a window that lies in the padding altogether torch gives a place outside its row, and its
    backward adds the cotangent there: to a wrong element, or beyond the tensor. The input padded
    with −∞ has the same maxima, and a place for each of them.
    """
    pool = getattr(functional, f"max_pool{rank}d")

    def max_pool(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        options = kernel_size, stride, padding, dilation, ceil_mode
        L = tuple(input.shape[-rank:])
        if not (input.is_floating_point() and misses_the_grid(L, *options)):
            return pool(input, *options, return_indices)
        y, indices = pool(input.detach(), *options, True)
        amounts = [a for p in reversed(per_axis(padding, rank)) for a in (p, p)]
        padded = functional.pad(input, amounts, value=-inf)
        whole = pool(padded, kernel_size, stride, 0, dilation, ceil_mode)
        y = whole[(..., *(slice(m) for m in y.shape[-rank:]))]
        return (y, indices) if return_indices else y

    return max_pool


def careful_module(rank: int) -> Callable[..., nn.Module]:
    """The module likewise."""
    pool = careful(rank)

    class MaxPool(getattr(nn, f"MaxPool{rank}d")):  # type: ignore[misc]
        def forward(self, input: Tensor) -> Any:
            geometry = self.kernel_size, self.stride, self.padding, self.dilation
            return pool(input, *geometry, self.ceil_mode, self.return_indices)

    return MaxPool


# --- declarations ---

SELECTING = (
    relations.never_decreasing,
    relations.blind_to_order_of_samples,
    relations.blind_to_other_samples,
)

POOL_LEVELS = {
    "kernel": (1, 2, 3),
    "stride given": (True, False),
    "padding": (0, 1),
    "dilation": (1, 2, 3),
    "ceil_mode": (False, True),
    "return_indices": (False, True),
}


def half_padded(levels: Mapping[str, Any]) -> bool:
    """Padding is at most half a kernel; a single tap has no neighbours to be spread from."""
    return bool(levels["kernel"] > 1 or (levels["padding"] == 0 and levels["dilation"] == 1))


def on(shape: Ints, fill: str = "integers", **arguments: Any) -> Call:
    """A call on a batch of that shape."""
    return Call({"input": Recipe(shape, fill, seed=7, batched=True), **arguments}, {}, ("input",))


def pinned_pools(rank: int) -> tuple[Call, ...]:
    """Ties, NaN, windows of −∞ and of padding, and the notes' example at an eighth of its size."""
    more = (1,) * (rank - 1)
    notes = (on((1, 4, 28, 28), kernel_size=2, stride=2, return_indices=True),)
    return (
        on((2, 2, *more, 7), "ones", kernel_size=(*more, 3), stride=1, return_indices=True),
        on((2, 2, *more, 9), "special", kernel_size=(*more, 3), return_indices=True),
        # pytorch#57178: a window that would start in the padding behind is none.
        on((1, 1, *more, 3), kernel_size=(*more, 2), stride=4, padding=(*more, 1), ceil_mode=True)
        if rank == 1
        else notes[0],
    )


def integers_alone(call: Call) -> Mapping[str, Any]:
    """Integers without their indices, for which torch's kernel along one axis has no types."""
    return {"input": replace(call.arguments["input"], dtype="int64"), "return_indices": False}


def pool_faults(rank: int) -> tuple[Bad, ...]:
    """Along one axis one more."""
    return (*POOL_FAULTS, Bad("input", "integers", integers_alone)) if rank == 1 else POOL_FAULTS


def max_pool(rank: int) -> Op:
    """Declare ``max_pool{rank}d``."""
    return Op(
        name=f"max_pool{rank}d",
        signature=(
            "(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, "
            "return_indices=False)"
        ),
        definition=partial(max_pooling, rank),
        draw=partial(draw_max_pool, rank=rank),
        differentiable=("input",),
        dtypes=(*FLOATS, torch.int64, torch.uint8),
        levels=POOL_LEVELS,
        feasible=half_padded,
        bad=pool_faults(rank),
        relations=SELECTING,
        pinned=pinned_pools(rank),
        primitives=("constant_pad_nd",),
        oracle=lambda _: careful(rank),
    )


def max_pool_module(rank: int) -> Op:
    """Declare ``MaxPool{rank}d``."""
    return Op(
        name=f"MaxPool{rank}d",
        signature=(
            "(kernel_size, stride=None, padding=0, dilation=1, return_indices=False, "
            "ceil_mode=False)"
        ),
        definition=partial(max_pooling, rank),
        draw=partial(draw_max_pool, rank=rank),
        differentiable=("input",),
        dtypes=(*FLOATS, torch.int64, torch.uint8),
        levels=POOL_LEVELS,
        feasible=half_padded,
        bad=pool_faults(rank),
        relations=SELECTING,
        primitives=("constant_pad_nd",),
        oracle=lambda _: careful_module(rank),
    )


def adaptive(rank: int, *, module: bool) -> Op:
    """Declare ``adaptive_max_pool{rank}d`` or ``AdaptiveMaxPool{rank}d``."""
    levels = {
        "output size": (1, 2, 3, 5),
        "entries": ("as many", "a multiple", "fewer", "more"),
        "return_indices": (False, True),
    }
    signature = "output_size, return_indices=False"
    return Op(
        name=f"AdaptiveMaxPool{rank}d" if module else f"adaptive_max_pool{rank}d",
        signature=f"({signature})" if module else f"(input, {signature})",
        definition=partial(adaptive_max_pooling, rank),
        draw=partial(draw_adaptive, rank=rank),
        differentiable=("input",),
        dtypes=FLOATS,
        levels=levels | ({"None": (False, True)} if rank > 1 else {}),
        bad=ADAPTIVE_FAULTS,
        relations=SELECTING,
        primitives=("constant_pad_nd",),
    )


def unpool(rank: int, *, module: bool) -> Op:
    """Declare ``max_unpool{rank}d`` or ``MaxUnpool{rank}d``."""
    geometry = "kernel_size, stride=None, padding=0"
    return Op(
        name=f"MaxUnpool{rank}d" if module else f"max_unpool{rank}d",
        signature=f"({geometry})" if module else f"(input, indices, {geometry}, output_size=None)",
        definition=partial(max_unpooling, rank),
        draw=partial(draw_max_unpool, rank=rank),
        differentiable=("input",),
        dtypes=FLOATS,
        levels={
            "kernel": (1, 2, 3),
            "stride given": (True, False),
            "padding": (0, 1),
            "output_size": ("none", "spatial", "whole"),
            "indices": ("distinct", "repeated"),
        },
        feasible=lambda levels: bool(levels["padding"] == 0 or levels["kernel"] > 1),
        bad=UNPOOL_FAULTS,
    )


RANKS = (1, 2, 3)
MAXIMA = (
    *map(max_pool, RANKS),
    *(adaptive(rank, module=False) for rank in RANKS),
    *(unpool(rank, module=False) for rank in RANKS),
    *map(max_pool_module, RANKS),
    *(adaptive(rank, module=True) for rank in RANKS),
    *(unpool(rank, module=True) for rank in RANKS),
)
