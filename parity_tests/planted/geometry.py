"""Windows in the wrong place: sizes, strides, paddings, dilations, groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_arguments, with_result, wrapped


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    """A geometric argument as one integer per axis."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * rank if len(values) == 1 else values


def dilation_of_the_first_axis(given: Arguments) -> None:
    """Take the first axis's dilation for both, where the kernel has one row."""
    first, last = per_axis(given["dilation"], 2)
    if first != last and given["weight"].shape[2] == 1:
        given["dilation"] = (first, min(first, last))


def odd_padding_in_front(given: Arguments) -> None:
    """Put the odd zero of 'same' padding in front instead of behind."""
    taps = given["weight"].shape[2]
    total = per_axis(given["dilation"], 1)[0] * (taps - 1)
    if given["padding"] == "same" and total % 2:
        given["input"] = reimpl.pad(given["input"], (total - total // 2, total // 2))
        given["padding"] = 0


def groups_interleaved(run: Any, given: Arguments) -> Tensor:
    """Return the channels of three groups or more in the order k·G + g."""
    y, groups = run(**given), given["groups"]
    if groups < 3:
        return y
    axis = y.dim() - 4
    return y.unflatten(axis, (groups, -1)).transpose(axis, axis + 1).flatten(axis, axis + 1)


def output_padding_in_front(y: Tensor, given: Arguments) -> Tensor:
    """Shift the output where the extra rows are, but only along the last axis."""
    extra = per_axis(given["output_padding"], 2)[1]
    return torch.roll(y, 1, -1) if extra > 1 else y


GEOMETRY = (
    Fault(
        name="conv2d-dilation-of-one-row-kernels",
        op="conv2d",
        kind="geometry",
        says="a kernel of one row takes the smaller of both axes' dilations for its columns",
        expected=("forward", "errors"),
        broken=with_arguments("conv2d", dilation_of_the_first_axis),
    ),
    Fault(
        name="conv1d-same-pads-in-front",
        op="conv1d",
        kind="geometry",
        says="padding='same' puts the odd zero in front",
        expected=("forward",),
        broken=with_arguments("conv1d", odd_padding_in_front),
    ),
    Fault(
        name="conv2d-groups-interleaved",
        op="conv2d",
        kind="geometry",
        says="output channels of three or more groups are dealt out in turn",
        expected=("forward",),
        broken=wrapped("conv2d", groups_interleaved),
    ),
    Fault(
        name="conv-transpose2d-output-padding-in-front",
        op="conv_transpose2d",
        kind="geometry",
        says="an output_padding of two or more along the columns shifts the output",
        expected=("forward",),
        broken=with_result("conv_transpose2d", output_padding_in_front),
    ),
)
