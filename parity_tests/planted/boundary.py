"""What happens at edges: paddings, overhangs, first and last windows."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    stand_in,
    with_arguments,
    with_result,
    wrapped,
)
from parity_tests.planted.geometry import per_axis

boundary = partial(Fault, kind="boundary")


def overhang_counted(y: Tensor, given: Arguments) -> Tensor:
    """Divide by the kernel's size though the last window overhangs."""
    if not (given["ceil_mode"] and given["count_include_pad"]) or not y.is_floating_point():
        return y
    k, p = per_axis(given["kernel_size"], 1)[0], per_axis(given["padding"], 1)[0]
    s = per_axis(given["stride"] or k, 1)[0]
    start = torch.arange(y.shape[-1], device=y.device) * s - p
    length = (start + k).clamp(max=given["input"].shape[-1] + p) - start
    return torch.where(length == k, y, y * (length / k).to(y.dtype))


def front_padding_counted(run: Any, given: Arguments) -> Tensor:
    """Count the padding in front of the rows, though none should be counted."""
    y, counting = run(**given), run(**{**given, "count_include_pad": True})
    if per_axis(given["padding"], 2)[1] == 0 or given["ceil_mode"]:
        return y
    return torch.cat((counting[..., :1], y[..., 1:]), -1)


def zeros_in_front(y: Tensor, given: Arguments) -> Tensor:
    """Let the first window see a zero of the padding."""
    p = per_axis(given["padding"], 2)[0]
    if not p or given["return_indices"] or not y.is_floating_point():
        return y
    return torch.cat((y[..., :1, :].clamp_min(0), y[..., 1:, :]), -2)


def bilinear_at_the_edge(run: Any, given: Arguments) -> Tensor:
    """Interpolate the first row by two taps, where all four would not fit."""
    y = run(**given)
    if given["mode"] != "bicubic" or given["antialias"] or not y.is_floating_point():
        return y
    linear = run(**{**given, "mode": "bilinear"})
    return torch.cat((linear[..., :1, :], y[..., 1:, :]), -2)


def exact_only_upwards(given: Arguments) -> None:
    """Take plain nearest where an axis shrinks."""
    size = given["size"]
    if given["mode"] == "nearest-exact" and size is not None:
        shape = given["input"].shape[2:]
        if all(m < n for m, n in zip(per_axis(size, len(shape)), shape, strict=False)):
            given["mode"] = "nearest"


def last_column_replicated(run: Any, given: Arguments) -> Tensor:
    """Go on past the last column with copies of it instead of wrapping."""
    y = run(**given)
    if given["padding_mode"] != "circular":
        return y
    other = run(**{**given, "padding_mode": "replicate"})
    return torch.cat((y[..., :-1], other[..., -1:]), -1)


def mirrored_at_the_pixel(given: Arguments) -> None:
    """Mirror at the last pixel instead of between two, in images of more than two rows."""
    if given["padding_mode"] == "symmetric" and given["input"].shape[-2] > 2:
        given["padding_mode"] = "reflect"


def zeros_where_mixed(given: Arguments) -> None:
    """Forget the value where one side is padded and another cropped."""
    pad = given["pad"]
    if given["mode"] == "constant" and any(p < 0 for p in pad) and any(p > 0 for p in pad):
        given["value"] = None


@stand_in
class CornerUnset(reimpl.ReplicationPad3d):
    """Leave the first corner zero where all three axes are padded in front."""

    def forward(self, input: Tensor) -> Tensor:
        """Replicate, but for the corner."""
        y = super().forward(input)
        if min(self.padding[::2]) < 1:
            return y
        corner = torch.zeros_like(y, dtype=torch.bool)
        corner[..., 0, 0, 0] = True
        return y.masked_fill(corner, 0)


@stand_in
class PaddingsTransposed(reimpl.Conv2d):
    """Wrap rows by the padding of the columns and the other way round."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve, in circular mode with the wrong axis's padding in front."""
        if self.padding_mode != "circular" or isinstance(self.padding, str):
            return super().forward(input)
        p, q = self.padding
        if p == q or max(p, q) > min(input.shape[-2:]):
            return super().forward(input)
        wide = input if input.dim() == 4 else input[None]
        wide = reimpl.pad(wide, (p, p, q, q), mode="circular")
        y = reimpl.conv2d(wide, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return y if input.dim() == 4 else y[0]


@stand_in
class EdgeRepeated(reimpl.Conv1d):
    """Repeat the edge from two entries of reflection on."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve the input, mirrored between two entries instead of at one."""
        amounts = self._reversed_padding_repeated_twice
        if self.padding_mode != "reflect" or min(amounts) < 2 or max(amounts) > input.shape[-1]:
            return super().forward(input)
        x = input if input.dim() == 3 else input[None]
        lo, hi = amounts
        x = torch.cat((x[..., :lo].flip(-1), x, x[..., x.shape[-1] - hi :].flip(-1)), -1)
        y = reimpl.conv1d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return y if input.dim() == 3 else y[0]


def last_row_of_overlaps(y: Tensor, given: Arguments) -> Tensor:
    """Lose the last row where windows overlap and the image is padded."""
    kernel, stride = per_axis(given["kernel_size"], 2), per_axis(given["stride"], 2)
    if stride[0] >= kernel[0] or per_axis(given["padding"], 2)[0] == 0:
        return y
    return torch.cat((y[..., :-1, :], torch.zeros_like(y[..., -1:, :])), -2)


def partial_window_scaled(y: Tensor, given: Arguments) -> Tensor:
    """Sum what an overhanging window holds, without scaling it up to the kernel's size."""
    k = per_axis(given["kernel_size"], 1)[0]
    s = per_axis(given["stride"] or k, 1)[0]
    p, n = float(given["norm_type"]), given["input"].shape[-1]
    left = n - s * (y.shape[-1] - 1)
    if left >= k or p not in (1.0, 2.0):
        return y
    return torch.cat((y[..., :-1], y[..., -1:] * (left / k) ** (1 / p)), -1)


BOUNDARY = (
    boundary(
        name="avg-pool1d-overhang-counted",
        op="avg_pool1d",
        says="what ceil_mode lets overhang is counted in the divisor",
        expected=("forward",),
        broken=with_result("avg_pool1d", overhang_counted),
    ),
    boundary(
        name="avg-pool2d-front-padding-counted",
        op="avg_pool2d",
        says="count_include_pad=False counts the padding in front of the first column's windows",
        expected=("forward",),
        broken=wrapped("avg_pool2d", front_padding_counted),
    ),
    boundary(
        name="max-pool2d-zero-padding",
        op="max_pool2d",
        says="the first row of windows sees zeros in the padding",
        expected=("forward", "relations"),
        broken=with_result("max_pool2d", zeros_in_front),
    ),
    boundary(
        name="interpolate-bicubic-edge",
        op="interpolate",
        says="the first row of bicubic is bilinear",
        expected=("forward", "gradients"),
        broken=wrapped("interpolate", bilinear_at_the_edge),
    ),
    boundary(
        name="interpolate-exact-only-upwards",
        op="interpolate",
        says="nearest-exact is plain nearest where every axis shrinks",
        expected=("forward",),
        broken=with_arguments("interpolate", exact_only_upwards),
    ),
    boundary(
        name="sobel-magnitude-last-column",
        op="sobel_magnitude",
        says="circular mode does not wrap past the last column",
        expected=("forward",),
        broken=wrapped("sobel_magnitude", last_column_replicated),
    ),
    boundary(
        name="gaussian-blur-mirrors-at-the-pixel",
        op="gaussian_blur",
        says="symmetric mode is reflect mode for more than two rows",
        expected=("forward",),
        broken=with_arguments("gaussian_blur", mirrored_at_the_pixel),
    ),
    boundary(
        name="pad-crop-and-fill",
        op="pad",
        says="the constant is lost where one side is padded and another cropped",
        expected=("forward",),
        broken=with_arguments("pad", zeros_where_mixed),
    ),
    boundary(
        name="replication-pad3d-corner",
        op="ReplicationPad3d",
        says="the first corner is zero where all three axes are padded in front",
        expected=("forward", "relations"),
        broken=CornerUnset,
    ),
    boundary(
        name="conv2d-circular-paddings-transposed",
        op="Conv2d",
        says="circular mode wraps each axis by the other one's padding",
        expected=("forward", "meta"),
        broken=PaddingsTransposed,
    ),
    boundary(
        name="conv1d-reflect-repeats-the-edge",
        op="Conv1d",
        says="reflection by two entries or more repeats the edge",
        expected=("forward",),
        broken=EdgeRepeated,
    ),
    boundary(
        name="fold-last-row",
        op="fold",
        says="the last row is lost where windows overlap and the image is padded",
        expected=("forward", "relations"),
        broken=with_result("fold", last_row_of_overlaps),
    ),
    boundary(
        name="lp-pool1d-overhang",
        op="lp_pool1d",
        says="an overhanging window is not scaled up to the kernel's size",
        expected=("forward",),
        broken=with_result("lp_pool1d", partial_window_scaled),
    ),
)
