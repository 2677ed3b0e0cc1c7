"""Shuffles, columns, transforms and initial weights: orders, empty images, scales, axes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt
from typing import Any

from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_result, wrapped
from parity_tests.planted.history.calls import with_valid_arguments
from reimpl.arguments import per_axis

Run = Callable[..., Tensor]


def depth_before_column_and_row(given: Arguments) -> None:
    x, r = given["input"], given["upscale_factor"]
    blocks = x.unflatten(-3, (r * r, x.shape[-3] // r**2))
    given["input"] = blocks.transpose(-4, -3).flatten(-4, -3) if x.shape[-3] else x


def empty_image_refused(y: Tensor, given: Arguments) -> Tensor:
    if 0 in given["input"].shape[-3:]:
        raise RuntimeError("pixel_shuffle: input must not be empty, got a size of 0")
    return y


def dilation_of_the_columns_for_both(run: Run, given: Arguments) -> Tensor:
    cols, x = run(**given), given["input"]
    sizes = (given[name] for name in ("kernel_size", "dilation", "padding", "stride"))
    K, d, p, s = (per_axis("unfold", "its geometry", v, 2, 0) for v in sizes)
    if d[0] == d[1] or K[0] == 1:
        return cols
    rows = (x.shape[-2] + 2 * p[0] - d[0] * (K[0] - 1) - 1) // s[0] + 1
    x = reimpl.pad(x, (0, 0, 0, max(0, d[1] - d[0]) * (K[0] - 1)))
    wrong = run(**given | {"input": x, "dilation": d[1]})
    return wrong.narrow(-1, 0, rows * (cols.shape[-1] // rows)).clone()


def all_axes_count(y: Tensor, given: Arguments) -> Tensor:
    x, dim = given["input"], given["dim"]
    if dim is None or given["s"] is not None or given["norm"] != "ortho":
        return y
    dims = dim if isinstance(dim, tuple | list) else (dim,)
    others = prod(x.shape) // max(1, prod(x.shape[d] for d in dims))
    return y / sqrt(max(1, others))


def own_length_counts(y: Tensor, given: Arguments) -> Tensor:
    x, n = given["input"], given["n"]
    if n is None or given["norm"] != "ortho":
        return y
    length = x.shape[given["dim"]]
    return y if n == length else y * sqrt(n / max(1, length))


def nothing_to_fill(run: Callable[..., Any], given: Arguments) -> Any:
    tensor = given["tensor"]
    if isinstance(tensor, Tensor) and tensor.dim() > 1 and tensor.numel() == 0:
        raise ZeroDivisionError("kaiming_uniform_: tensor must have elements, got none")
    return run(**given)


REARRANGEMENTS = (
    Fault(
        name="pixel-shuffle-depth-before-column-and-row",
        op="pixel_shuffle",
        kind="history",
        says="the channels of a block lie a whole depth apart instead of side by side",
        expected=("forward",),
        broken=with_valid_arguments("pixel_shuffle", depth_before_column_and_row),
        source="PINTO0309/onnx2tf #91: DepthToSpace in CRD mode, PixelShuffle, was converted wrong",
    ),
    Fault(
        name="pixel-shuffle-empty-image-refused",
        op="pixel_shuffle",
        kind="history",
        says="an input without channels, rows or columns raises (the original crashed)",
        expected=("forward",),
        broken=with_result("pixel_shuffle", empty_image_refused),
        source="PyTorch #85155: PixelShuffle crashed on inputs of size 0",
    ),
    Fault(
        name="unfold-dilation-of-the-columns-for-both",
        op="unfold",
        kind="history",
        says="rows are dilated like columns, while there are as many positions as there should be",
        expected=("forward",),
        broken=wrapped("unfold", dilation_of_the_columns_for_both),
        source="apache/mxnet #6986: im2col passed dilation[1] for both axes",
    ),
    Fault(
        name="fftn-all-axes-count",
        op="fftn",
        kind="history",
        says="norm='ortho' counts the axes that are not transformed",
        expected=("forward",),
        broken=with_result("fftn", all_axes_count),
        source="IntelPython/mkl_fft #336: norm='ortho' ignored which axes were transformed",
    ),
    Fault(
        name="fft-own-length-counts",
        op="fft",
        kind="history",
        says="norm='ortho' divides by the root of the input's length instead of n",
        expected=("forward",),
        broken=with_result("fft", own_length_counts),
        source="numpy/numpy #8444: rfft with norm='ortho' and n scaled by the input's length",
    ),
    Fault(
        name="kaiming-uniform-nothing-to-fill",
        op="kaiming_uniform_",
        kind="history",
        says="a tensor without elements raises",
        expected=("forward",),
        broken=wrapped("kaiming_uniform_", nothing_to_fill),
        source="PyTorch #56505: initialising a Linear with in_features=0 raised",
    ),
)
