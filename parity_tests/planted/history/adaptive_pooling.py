"""Adaptive pools: windows of unequal sizes, layouts, 16-bit sums, what output_size may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_arguments, with_result, wrapped
from parity_tests.planted.history.backward import exchanged
from parity_tests.planted.history.memory import written_in_order
from reimpl.arguments import HALF
from reimpl.layout import arrange

Run = Callable[..., Any]


def one_kernel_for_all_windows(run: Run, given: Arguments) -> Any:
    found = run(**given)
    y, x = found[0] if given["return_indices"] else found, given["input"]
    sizes = list(zip(x.shape[-2:], y.shape[-2:], strict=True))
    if any(not 0 < m <= l for l, m in sizes) or all(l % m == 0 for l, m in sizes):
        return found
    stride = [l // m for l, m in sizes]
    kernel = [l - (m - 1) * s for (l, m), s in zip(sizes, stride, strict=True)]
    return reimpl.max_pool2d(x, kernel, stride, return_indices=given["return_indices"])


def channels_last_written_in_order(found: Any, given: Arguments) -> Any:
    if given["input"].dim() != 4:
        return found
    if given["return_indices"]:
        return tuple(map(written_in_order, found))
    return written_in_order(found)


def none_refused(given: Arguments) -> None:
    size = given["output_size"]
    if isinstance(size, tuple | list) and None in size:
        raise TypeError(f"adaptive_max_pool2d: output_size must be integers, got {size}")


def window_ends_rounded_down(run: Run, given: Arguments) -> Tensor:
    y, x = run(**given), given["input"]
    sizes = list(zip(x.shape[-2:], y.shape[-2:], strict=True))
    if 0 in y.shape or all(l % m == 0 for l, m in sizes):
        return y
    for axis, (l, m) in enumerate(sizes, start=-2):
        ends = [(i * l // m, max(i * l // m + 1, (i + 1) * l // m)) for i in range(m)]
        means = [x.narrow(axis, a, b - a).mean(axis, keepdim=True) for a, b in ends]
        x = torch.cat(means, axis)
    return arrange(x, y.dim() == 4 and not y.is_contiguous())


def sums_in_sixteen_bits(run: Run, given: Arguments) -> Tensor:
    y, x = run(**given), given["input"]
    if x.dtype not in HALF or 0 in y.shape:
        return y
    right, x = y, x.detach()
    for axis in (-1, -2, -3):
        l, m = x.shape[axis], y.shape[axis]
        sums = []
        for i in range(m):
            window = range(i * l // m, -(-(i + 1) * l // m))
            sums.append(sum(x.select(axis, j) for j in window) / len(window))
        x = torch.stack(sums, axis)
    return exchanged(arrange(x, not right.is_contiguous()), right)


def more_entries_ignored(given: Arguments) -> None:
    size = given["output_size"]
    if isinstance(size, tuple | list) and len(size) > 3:
        given["output_size"] = size[:3]


ADAPTIVE_POOLING = (
    Fault(
        name="adaptive-max-pool2d-one-kernel-for-all-windows",
        op="adaptive_max_pool2d",
        kind="history",
        says="sizes that do not divide are pooled with one kernel and one stride",
        expected=("forward",),
        broken=wrapped("adaptive_max_pool2d", one_kernel_for_all_windows),
        source="PyTorch #190064: adaptive_max_pool2d on MPS was wrong for sizes that do not divide",
    ),
    Fault(
        name="adaptive-max-pool2d-channels-last-written-in-order",
        op="adaptive_max_pool2d",
        kind="history",
        says="a channels-last output's memory is filled channel by channel",
        expected=("forward",),
        broken=with_result("adaptive_max_pool2d", channels_last_written_in_order),
        source="PyTorch #67239: adaptive_max_pool2d on CUDA wrote channels-last outputs as NCHW",
    ),
    Fault(
        name="adaptive-max-pool2d-none-refused",
        op="adaptive_max_pool2d",
        kind="history",
        says="None in output_size, which keeps an axis, is refused",
        expected=("forward", "errors"),
        broken=with_arguments("adaptive_max_pool2d", none_refused),
        source="PyTorch #7884: AdaptiveMaxPool2d((None, 7)) raised",
    ),
    Fault(
        name="adaptive-avg-pool2d-window-ends-rounded-down",
        op="adaptive_avg_pool2d",
        kind="history",
        says="windows end at the floor of (i + 1)·L/M instead of the ceiling",
        expected=("forward",),
        broken=wrapped("adaptive_avg_pool2d", window_ends_rounded_down),
        source="flagos-ai/FlagGems #4915: adaptive_avg_pool2d rounded the ends of windows down",
    ),
    Fault(
        name="adaptive-avg-pool3d-sums-in-sixteen-bits",
        op="adaptive_avg_pool3d",
        kind="history",
        says="16-bit windows are summed, and divided axis by axis, in 16 bits",
        expected=("forward",),
        broken=wrapped("adaptive_avg_pool3d", sums_in_sixteen_bits),
        source="PyTorch #165534: adaptive_avg_pool3d accumulated bfloat16 and half in themselves",
    ),
    Fault(
        name="adaptive-avg-pool3d-more-entries-ignored",
        op="adaptive_avg_pool3d",
        kind="history",
        says="the entries of an output_size that is too long are ignored",
        expected=("errors",),
        broken=with_arguments("adaptive_avg_pool3d", more_entries_ignored),
        source="PyTorch #42831: adaptive_avg_pool3d did not check the length of output_size",
    ),
)
