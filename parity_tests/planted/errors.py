"""Calls accepted that are wrong, refused that are right, or refused with another exception."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, stand_in, with_arguments, wrapped
from parity_tests.planted.geometry import per_axis

errors = partial(Fault, kind="errors", expected=("errors",))


def negative_padding_crops(given: Arguments) -> None:
    """Crop by a negative padding."""
    p = given["padding"]
    if isinstance(p, int) and p < 0 and given["input"].shape[-1] + 2 * p > 0:
        given["input"], given["padding"] = given["input"][..., -p:p], 0


def as_much_padding_as_you_like(run: Any, given: Arguments) -> Any:
    """Allow padding beyond half a kernel."""
    try:
        return run(**given)
    except RuntimeError as error:
        if "half of kernel_size" not in str(error):
            raise
        p = per_axis(given["padding"], 2)
        wide = reimpl.pad(given["input"], (p[1], p[1], p[0], p[0]), value=-torch.inf)
        return run(**{**given, "input": wide, "padding": 0})


def one_value_is_enough(run: Any, given: Arguments) -> Tensor:
    """Normalize a single value per channel in training."""
    try:
        return run(**given)
    except ValueError as error:
        if "more than 1 value" not in str(error):
            raise
        return torch.zeros_like(given["input"])


def output_padding_capped(given: Arguments) -> None:
    """Cap an output_padding at what is allowed."""
    extra, s, d = (given[name] for name in ("output_padding", "stride", "dilation"))
    if all(isinstance(v, int) for v in (extra, s, d)) and 0 < max(s, d) <= extra:
        given["output_padding"] = max(s, d) - 1


def output_padding_below_stride(run: Any, given: Arguments) -> Tensor:
    """Refuse an output_padding that reaches the stride though it is below the dilation."""
    pairs = zip(per_axis(given["output_padding"], 2), per_axis(given["stride"], 2), strict=False)
    if any(extra >= s for extra, s in pairs if isinstance(extra, int) and isinstance(s, int)):
        raise RuntimeError(f"output_padding must be below the stride, got {given}")
    return run(**given)


def positive_divisors_only(run: Any, given: Arguments) -> Tensor:
    """Refuse a negative divisor_override."""
    D = given["divisor_override"]
    if isinstance(D, int) and D < 0:
        raise RuntimeError(f"divisor_override must be positive, got {D}")
    return run(**given)


def whole_floats(given: Arguments) -> None:
    """Accept whole floats for the stride."""
    if isinstance(given["stride"], float) and given["stride"].is_integer():
        given["stride"] = int(given["stride"])


def index_error(run: Any, given: Arguments) -> Tensor:
    """Raise IndexError for shapes that do not fit."""
    try:
        return run(**given)
    except RuntimeError as error:
        if isinstance(error, NotImplementedError):
            raise
        raise IndexError(str(error)) from error


def weights_broadcast(run: Any, given: Arguments) -> Tensor:
    """Accept a weight of one element for all."""
    w, shape = given["weight"], given["normalized_shape"]
    if isinstance(w, Tensor) and isinstance(shape, tuple | list) and w.numel() == 1:
        given["weight"] = w.reshape(()).expand(tuple(shape))
    return run(**given)


def reflect_as_far_as_you_like(run: Any, given: Arguments) -> Tensor:
    """Reflect by as much as the axis is long, instead of one less."""
    x, pad = given["input"], given["pad"]
    try:
        return run(**given)
    except RuntimeError:
        fits = given["mode"] == "reflect" and isinstance(pad, tuple | list) and len(pad) == 2
        if not fits or max(pad) != x.shape[-1] or min(pad) < 0 or x.dim() not in (2, 3):
            raise
        return run(**{**given, "pad": [min(p, x.shape[-1]) for p in pad], "mode": "circular"})


def blocks_cut_off(run: Any, given: Arguments) -> Tensor:
    """Ignore one block too many."""
    try:
        return run(**given)
    except RuntimeError:
        given["input"] = given["input"][..., :-1]
        return run(**given)


def channels_left_over(run: Any, given: Arguments) -> Tensor:
    """Drop channels that do not fill a block."""
    x, r = given["input"], given["upscale_factor"]
    if isinstance(r, int) and r > 1 and isinstance(x, Tensor) and x.dim() > 2:
        C = x.shape[-3]
        if r * r < C and C % (r * r) == 1:
            given["input"] = x.narrow(-3, 0, C - 1)
    return run(**given)


def any_second_axis(run: Any, given: Arguments) -> Tensor:
    """Refuse images of a single row."""
    if given["mode"] == "bicubic" and given["input"].dim() == 4 and given["input"].shape[2] == 1:
        raise RuntimeError("interpolate: bicubic needs more than one row")
    return run(**given)


def axis_clamped(run: Any, given: Arguments) -> Tensor:
    """Take the last axis for one beyond it."""
    x, dim = given["input"], given["dim"]
    if isinstance(x, Tensor) and isinstance(dim, int) and dim == x.dim() > 0:
        given["dim"] = dim - 1
    return run(**given)


def groups_rounded(run: Any, given: Arguments) -> Tensor:
    """Refuse more than one group for a single position."""
    x = given["input"]
    if isinstance(x, Tensor) and x.dim() == 2 and given["num_groups"] == x.shape[1] > 1:
        raise ValueError(f"group_norm: one value in each group of {tuple(x.shape)}")
    return run(**given)


@stand_in
class AnyChannels(reimpl.Conv2d):
    """Raise AssertionError, not ValueError, for channels that no group divides."""

    def _check(self) -> None:
        assert self.groups <= 0 or self.in_channels % self.groups == 0
        super()._check()


ERRORS = (
    errors(
        name="conv1d-negative-padding-crops",
        op="conv1d",
        says="a negative padding is accepted and crops",
        broken=with_arguments("conv1d", negative_padding_crops),
    ),
    errors(
        name="max-pool2d-any-padding",
        op="max_pool2d",
        says="padding beyond half a kernel is accepted",
        broken=wrapped("max_pool2d", as_much_padding_as_you_like),
    ),
    errors(
        name="batch-norm-single-value",
        op="batch_norm",
        says="a single value per channel is accepted in training",
        broken=wrapped("batch_norm", one_value_is_enough),
    ),
    errors(
        name="conv-transpose1d-output-padding-capped",
        op="conv_transpose1d",
        says="an output_padding that is too large is cut down",
        broken=with_arguments("conv_transpose1d", output_padding_capped),
    ),
    Fault(
        kind="errors",
        name="conv-transpose2d-output-padding-refused",
        op="conv_transpose2d",
        says="an output_padding from the stride up to the dilation is refused",
        expected=("errors", "forward", "meta"),
        broken=wrapped("conv_transpose2d", output_padding_below_stride),
    ),
    Fault(
        kind="errors",
        name="avg-pool2d-negative-divisor",
        op="avg_pool2d",
        says="a negative divisor_override is refused",
        expected=("errors", "forward"),
        broken=wrapped("avg_pool2d", positive_divisors_only),
    ),
    errors(
        name="conv2d-whole-floats",
        op="conv2d",
        says="a whole float is accepted for the stride",
        broken=with_arguments("conv2d", whole_floats),
    ),
    errors(
        name="linear-index-error",
        op="linear",
        says="shapes that do not fit raise IndexError",
        broken=wrapped("linear", index_error),
    ),
    errors(
        name="layer-norm-weight-broadcast",
        op="layer_norm",
        says="a weight of one element is accepted for all",
        broken=wrapped("layer_norm", weights_broadcast),
    ),
    errors(
        name="pad-reflects-too-far",
        op="pad",
        says="reflection by the whole length of an axis is accepted",
        broken=wrapped("pad", reflect_as_far_as_you_like),
    ),
    errors(
        name="fold-block-too-many",
        op="fold",
        says="one block too many is accepted",
        broken=wrapped("fold", blocks_cut_off),
    ),
    errors(
        name="pixel-shuffle-channel-too-many",
        op="pixel_shuffle",
        says="one channel too many is accepted",
        broken=wrapped("pixel_shuffle", channels_left_over),
    ),
    Fault(
        kind="errors",
        name="interpolate-single-row-refused",
        op="interpolate",
        says="bicubic refuses images of a single row",
        expected=("forward", "errors"),
        broken=wrapped("interpolate", any_second_axis),
    ),
    errors(
        name="log-softmax-axis-clamped",
        op="log_softmax",
        says="the axis one beyond the last is taken for the last",
        broken=wrapped("log_softmax", axis_clamped),
    ),
    Fault(
        kind="errors",
        name="group-norm-single-values-refused",
        op="group_norm",
        says="(N, C) with a group for each channel is refused",
        expected=("errors", "forward"),
        broken=wrapped("group_norm", groups_rounded),
    ),
    errors(
        name="conv2d-assertion",
        op="Conv2d",
        says="channels that the groups do not divide raise AssertionError",
        broken=AnyChannels,
    ),
)
