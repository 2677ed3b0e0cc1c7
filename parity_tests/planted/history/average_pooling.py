"""Averages: divisors at the borders, paddings, integers, powers."""

from __future__ import annotations

from collections.abc import Callable
from math import isinf, prod
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_result, wrapped
from parity_tests.planted.history.backward import exchanged
from parity_tests.planted.history.calls import with_valid_arguments
from reimpl.arguments import Ints, per_axis
from reimpl.layout import looks_channels_last

Run = Callable[..., Tensor]


def _pair(value: Any) -> Ints:
    return per_axis("avg_pool2d", "its geometry", value, 2, 0)


def overhang_counts(given: Arguments) -> None:
    if given["ceil_mode"] and given["count_include_pad"] and given["divisor_override"] is None:
        given["divisor_override"] = prod(_pair(given["kernel_size"]))


def overhang_counts_backward(run: Run, given: Arguments) -> Tensor:
    y = run(**given)
    if not (given["ceil_mode"] and given["count_include_pad"] and y.is_floating_point()):
        return y
    sizes = (given["kernel_size"], given["stride"] or given["kernel_size"], given["padding"])
    K, s, p = (per_axis("avg_pool1d", "its geometry", v, 1, 0)[0] for v in sizes)
    path = reimpl.avg_pool2d(
        given["input"].unsqueeze(-2), (1, K), (1, s), (0, p), True, divisor_override=K
    )
    return exchanged(y, path.squeeze(-2))


def override_ignored(given: Arguments) -> None:
    if not given["count_include_pad"] and given["divisor_override"]:
        given["divisor_override"] = None


def gradient_without_the_padding(run: Run, given: Arguments) -> Tensor:
    y, x, (down, right) = run(**given), given["input"], _pair(given["padding"])
    counted = given["count_include_pad"] or given["divisor_override"]
    last = x.dim() == 4 and looks_channels_last(x) and not x.is_contiguous()
    if not (last and counted and (down or right)):
        return y
    padded = reimpl.pad(x, (0, 2 * right, 0, 2 * down))
    return exchanged(y, run(**given | {"input": padded, "padding": 0}))


def integers_times_zero(y: Tensor, given: Arguments) -> Tensor:
    one = prod(_pair(given["kernel_size"])) == 1
    return y if y.is_floating_point() or one else torch.zeros_like(y)


def root_of_nothing(run: Run, given: Arguments) -> Tensor:
    y, p = run(**given), given["norm_type"]
    if isinf(p) or not y.is_floating_point():
        return y
    x = given["input"].to(torch.float64 if y.dtype == torch.float64 else torch.float32)
    windows = (given["kernel_size"], given["stride"], 0, given["ceil_mode"])
    K = prod(_pair(given["kernel_size"]))
    return exchanged(y, (K * reimpl.avg_pool2d(x.pow(p), *windows)).pow(1 / p))


AVERAGE_POOLING = (
    Fault(
        name="avg-pool2d-overhang-counts",
        op="avg_pool2d",
        kind="history",
        says="windows that ceil_mode lets overhang are divided by the kernel's size",
        expected=("forward",),
        broken=with_valid_arguments("avg_pool2d", overhang_counts),
        source="PyTorch #100987: inductor divided overhanging windows by the kernel's size "
        "(as did onnxruntime, microsoft/onnxruntime #16203)",
    ),
    Fault(
        name="avg-pool1d-overhang-counts-backward",
        op="avg_pool1d",
        kind="history",
        says="the gradient of overhanging windows is divided by the kernel's size",
        expected=("gradients",),
        broken=wrapped("avg_pool1d", overhang_counts_backward),
        source="tracel-ai/burn #5604: avg_pool2d's backward divided overhanging windows by the "
        "kernel's size",
    ),
    Fault(
        name="avg-pool2d-override-ignored",
        op="avg_pool2d",
        kind="history",
        says="divisor_override is ignored without count_include_pad",
        expected=("forward",),
        broken=with_valid_arguments("avg_pool2d", override_ignored),
        source="pytorch/executorch #18616: divisor_override was ignored without count_include_pad",
    ),
    Fault(
        name="avg-pool2d-gradient-without-the-padding",
        op="avg_pool2d",
        kind="history",
        says="the gradient of a channels-last input with padding is that of the padded input's "
        "first pixels",
        expected=("gradients",),
        broken=wrapped("avg_pool2d", gradient_without_the_padding),
        source="PyTorch #188344: avg_pool2d's backward on CUDA forgot the padding in channels last",
    ),
    Fault(
        name="avg-pool2d-integers-times-zero",
        op="avg_pool2d",
        kind="history",
        says="averages of integers are zero",
        expected=("forward",),
        broken=with_result("avg_pool2d", integers_times_zero),
        source="PyTorch #143738: inductor's avg_pool2d of int64 was zero",
    ),
    Fault(
        name="lp-pool2d-root-of-nothing",
        op="lp_pool2d",
        kind="history",
        says="the gradient of a window whose powers add up to zero is NaN",
        expected=("gradients",),
        broken=wrapped("lp_pool2d", root_of_nothing),
        source="PyTorch #6765: the gradient of LP pooling was NaN where the sum was zero",
    ),
)
