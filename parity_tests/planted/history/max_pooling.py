"""Maxima: NaN, windows behind the input, what indices count, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_arguments, with_result, wrapped
from parity_tests.planted.history.calls import with_valid_arguments
from reimpl.arguments import Ints, per_axis
from reimpl.windows import fitting

Run = Callable[..., Any]


def _pair(value: Any) -> Ints:
    return per_axis("max_pool2d", "its geometry", value, 2, 0)


def _windows(given: Arguments) -> list[Ints]:
    """Size, kernel, stride, padding and dilation of each of two axes."""
    kernel = _pair(given["kernel_size"])
    stride = _pair(given["stride"] or kernel)
    rest = _pair(given["padding"]), _pair(given["dilation"])
    return list(zip(given["input"].shape[-2:], kernel, stride, *rest, strict=True))


def window_behind_the_input(found: Any, given: Arguments) -> Any:
    if not given["ceil_mode"]:
        return found
    whole, indices = found if given["return_indices"] else (found, None)
    for axis, (l, k, s, p, d) in enumerate(_windows(given), start=-2):
        if p == 0 and fitting(l + s - 1, k, s, d) > whole.shape[axis]:
            low = -inf if whole.is_floating_point() else torch.iinfo(whole.dtype).min
            last = whole.narrow(axis, 0, 1)
            whole = torch.cat((whole, torch.full_like(last, low)), axis)
            if indices is not None:
                row = indices.narrow(axis, 0, 1)
                indices = torch.cat((indices, torch.zeros_like(row)), axis)
    return whole if indices is None else (whole, indices)


def nan_counts_as_lowest(given: Arguments) -> None:
    x = given["input"]
    if x.is_floating_point():
        given["input"] = torch.where(x.isnan(), torch.finfo(x.dtype).min, x)


def nan_only_where_first(run: Run, given: Arguments) -> Any:
    x = given["input"]
    if not x.is_floating_point():
        return run(**given)
    y, indices = run(**given | {"input": torch.where(x.isnan(), -inf, x), "return_indices": True})
    first = x
    place = torch.arange(x.shape[-2:].numel(), device=x.device).view(x.shape[-2:])
    for axis, (_, _, s, p, d) in enumerate(_windows(given), start=-2):
        start = torch.arange(y.shape[axis], device=x.device) * s - p
        start = torch.where(start < 0, start % d, start).clamp_max(x.shape[axis] - 1)
        first, place = first.index_select(axis, start), place.index_select(axis, start)
    y, indices = torch.where(first.isnan(), first, y), torch.where(first.isnan(), place, indices)
    return (y, indices) if given["return_indices"] else y


def dilation_ignored(run: Run, given: Arguments) -> Any:
    run(**given)  # what it refuses stays refused
    return run(**given | {"dilation": 1})


def integers_become_floats(found: Any, given: Arguments) -> Any:
    y = found[0] if given["return_indices"] else found
    if y.is_floating_point() or not max(_pair(given["padding"])):
        return found
    y = y.float()
    return (y, found[1]) if given["return_indices"] else y


def indices_count_through_channels(found: Any, given: Arguments) -> Any:
    if not given["return_indices"]:
        return found
    y, indices = found
    C, L = given["input"].shape[-2:]
    return y, indices + L * torch.arange(C, device=y.device).view(-1, 1)


def negative_padding_crops(given: Arguments) -> None:
    (p,) = per_axis("max_pool1d", "padding", given["padding"], 1, -9)
    x = given["input"]
    if given["return_indices"] and p < 0 and isinstance(x, Tensor) and x.shape[-1] + 2 * p > 0:
        given["input"], given["padding"] = reimpl.pad(given["input"], (p, p)), 0


def whole_shape_refused(given: Arguments) -> None:
    size = given["output_size"]
    if isinstance(size, tuple | list) and len(size) == 3:
        raise ValueError(f"max_unpool1d: output_size must have 1 entry, got {size}")


MAX_POOLING = (
    Fault(
        name="max-pool2d-window-behind-the-input",
        op="max_pool2d",
        kind="history",
        says="ceil_mode keeps a last window that starts behind an input without padding",
        expected=("forward",),
        broken=with_result("max_pool2d", window_behind_the_input),
        source="PyTorch #45357: max_pool2d with ceil_mode gave −inf for windows out of bounds",
    ),
    Fault(
        name="max-pool1d-nan-counts-as-lowest",
        op="max_pool1d",
        kind="history",
        says="NaN is ignored, and a window of nothing else gives the lowest finite number",
        expected=("forward",),
        broken=with_valid_arguments("max_pool1d", nan_counts_as_lowest),
        source="PyTorch #7645: max pooling ignored NaN",
    ),
    Fault(
        name="max-pool2d-nan-only-where-first",
        op="max_pool2d",
        kind="history",
        says="NaN counts only as the first entry of its window",
        expected=("forward",),
        broken=wrapped("max_pool2d", nan_only_where_first),
        source="tracel-ai/burn #5662: max pooling lost NaN unless it came first in the window",
    ),
    Fault(
        name="max-pool2d-dilation-ignored",
        op="max_pool2d",
        kind="history",
        says="windows are never dilated",
        expected=("forward",),
        broken=wrapped("max_pool2d", dilation_ignored),
        source="PyTorch #100531: inductor lowered max_pool2d for dilation 1, whatever it was",
    ),
    Fault(
        name="max-pool2d-integers-become-floats",
        op="max_pool2d",
        kind="history",
        says="with padding the maxima of integers come as float32",
        expected=("forward",),
        broken=with_result("max_pool2d", integers_become_floats),
        source="tinygrad #7726: max_pool2d of integers with padding had the wrong dtype",
    ),
    Fault(
        name="max-pool1d-indices-count-through-channels",
        op="max_pool1d",
        kind="history",
        says="indices count through the channels instead of along one",
        expected=("forward",),
        broken=with_result("max_pool1d", indices_count_through_channels),
        source="PyTorch #771: MaxPool1d's indices were not what MaxUnpool1d takes",
    ),
    Fault(
        name="max-pool1d-negative-padding-crops",
        op="max_pool1d",
        kind="history",
        says="with return_indices a negative padding is accepted",
        expected=("errors",),
        broken=with_arguments("max_pool1d", negative_padding_crops),
        source="PyTorch #83224: MaxPool1d accepted a negative padding with return_indices",
    ),
    Fault(
        name="max-unpool1d-whole-shape-refused",
        op="max_unpool1d",
        kind="history",
        says="an output_size with batch and channels is refused",
        expected=("forward", "errors"),
        broken=with_arguments("max_unpool1d", whole_shape_refused),
        source="PyTorch #17004: MaxUnpool1d refused its own documented output_size=input.size()",
    ),
)
