"""Arguments that are rounded, replaced or misread: small eps, inexact constants, number types."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

import reimpl
from parity_tests.planted.blind_spots.substituted import substituted
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    stand_in,
    with_arguments,
    with_result,
    wrapped,
)
from reimpl.arguments import HALF, INTEGERS

values = partial(Fault, kind="values")


def at_least(least: float) -> Callable[[Arguments], None]:
    """Replace an eps below this bound by the bound."""

    def change(given: Arguments) -> None:
        if isinstance(given["eps"], float) and 0 < given["eps"] < least:
            given["eps"] = least

    return change


def nothing_below(least: float) -> Callable[[Arguments], None]:
    """Take an eps below this bound for zero."""

    def change(given: Arguments) -> None:
        if isinstance(given["eps"], float) and 0 < given["eps"] < least:
            given["eps"] = 0.0

    return change


def single(name: str) -> Callable[[Arguments], None]:
    """Round a number to float32."""

    def change(given: Arguments) -> None:
        if isinstance(given[name], float):
            given[name] = float(np.float32(given[name]))

    return change


def truncated_numpy(*names: str) -> Callable[[Arguments], None]:
    """Cut off the fraction of NumPy scalars."""

    def change(given: Arguments) -> None:
        for name in names:
            if isinstance(given[name], np.floating) and np.isfinite(given[name]):
                given[name] = int(given[name])

    return change


def default_if_zero(name: str, default: float) -> Callable[[Arguments], None]:
    """Take zero for a number that was not given, as `x or default` does."""

    def change(given: Arguments) -> None:
        if isinstance(given[name], int | float) and not given[name]:
            given[name] = default

    return change


def value_in_half(given: Arguments) -> None:
    """Round the value to float16, which all of them can hold."""
    if isinstance(given["value"], float) and abs(given["value"]) < 6e4:
        given["value"] = float(np.float16(given["value"]))


def integer_through_double(given: Arguments) -> None:
    """Round an integer value to a double."""
    if type(given["value"]) is int:
        given["value"] = int(float(given["value"]))


def flag_for_a_number(given: Arguments) -> None:
    """Take a bool for the choice whether to scale at all."""
    if isinstance(given["alpha"], bool):
        given["alpha"] = 1.0


def corners_of_whole_factors(given: Arguments) -> None:
    """Align the corners if the factor is an integer."""
    linear = given["mode"] in ("linear", "bilinear", "trilinear", "bicubic")
    if linear and type(given["scale_factor"]) is int and given["align_corners"] is None:
        factor = given["scale_factor"]
        given["scale_factor"], given["align_corners"] = float(factor), True


def powers_of_magnitudes(given: Arguments) -> None:
    """Take magnitudes if the power is an integer."""
    if type(given["norm_type"]) is int and isinstance(given["input"], Tensor):
        given["input"] = given["input"] * given["input"].detach().sign()


def whole_gain(given: Arguments) -> None:
    """Cut off the fraction of gains above one."""
    if isinstance(given["gain"], float) and 1 < given["gain"] < 2:
        given["gain"] = 1.0


def without_subnormals(y: Any, given: Arguments) -> Any:
    """Take subnormal numbers of the result for zero."""
    if not isinstance(y, Tensor) or not y.is_floating_point() or given.get("inplace"):
        return y
    tiny = torch.finfo(y.dtype).tiny
    return substituted(y, torch.where(y.detach().abs() < tiny, 0, y.detach()))


def single_beyond_ten_thousand(run: Any, given: Arguments) -> Tensor:
    """Compute in float32 what is beyond ten thousand."""
    y, x = run(**given), given["input"]
    if x.dtype != torch.float64 or not y.numel():
        return y
    coarse = run(**{**given, "input": x.detach().float()}).double()
    return substituted(y, torch.where(y.detach().abs() > 1e4, coarse, y.detach()))


def computed_before_the_cast(run: Any, given: Arguments) -> Tensor:
    """Convert a 16-bit input to float32 after the softmax instead of before."""
    x, dtype = given["input"], given["dtype"]
    if not isinstance(x, Tensor) or x.dtype not in HALF or dtype != torch.float32:
        return run(**given)
    return run(**{**given, "dtype": None}).float()


def integers_through_half(given: Arguments) -> None:
    """Convert integers to float16 before they become what was asked for."""
    x = given["input"]
    if isinstance(x, Tensor) and x.dtype in INTEGERS and given["dtype"] is not None:
        given["input"] = x.to(torch.float16)


@stand_in
class SlopeInSingle(reimpl.LeakyReLU):
    """Round the slope to float32."""

    def forward(self, input: Tensor) -> Tensor:
        """Rectify."""
        slope = self.negative_slope
        rounded = float(np.float32(slope)) if isinstance(slope, float) else slope
        return reimpl.leaky_relu(input, rounded, self.inplace)


@stand_in
class AveragesIfWhole(reimpl.BatchNorm1d):
    """Take an integer momentum for none: the average of all batches."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        momentum = self.momentum
        if type(momentum) is int:
            self.momentum = None
        try:
            return super().forward(input)
        finally:
            self.momentum = momentum


@stand_in
class NoMissingValue(reimpl.ConstantPad2d):
    """Pad with zeros where the value is NaN."""

    def forward(self, input: Tensor) -> Tensor:
        """Pad."""
        value = 0.0 if self.value != self.value else self.value
        return reimpl.pad(input, self.padding, "constant", value)


VALUES: tuple[Fault, ...] = tuple(
    values(name=name, op=op, says=says, expected=("forward",), broken=broken)
    for name, op, broken, says in (
        ("batch-norm-eps-at-least-default", "batch_norm",
         with_arguments("batch_norm", at_least(1e-5)), "an eps below 1e-5 becomes 1e-5"),
        ("group-norm-eps-ignored", "group_norm",
         with_arguments("group_norm", nothing_below(1e-6)), "an eps below 1e-6 is taken for zero"),
        ("layer-norm-eps-at-least-1e-8", "layer_norm",
         with_arguments("layer_norm", at_least(1e-8)), "an eps below 1e-8 becomes 1e-8"),
        ("normalize-eps-at-least-1e-7", "normalize",
         with_arguments("normalize", at_least(1e-7)), "an eps below 1e-7 becomes 1e-7"),
        ("instance-norm-momentum-zero", "instance_norm",
         with_arguments("instance_norm", default_if_zero("momentum", 0.1)),
         "a momentum of zero is taken for the default"),
        ("local-response-norm-k-zero", "local_response_norm",
         with_arguments("local_response_norm", default_if_zero("k", 1.0)),
         "k = 0 is taken for the default"),
        ("hardtanh-bound-in-single", "hardtanh", with_arguments("hardtanh", single("max_val")),
         "the upper bound is rounded to float32"),
        ("elu-alpha-in-single", "elu", with_arguments("elu", single("alpha")),
         "alpha is rounded to float32"),
        ("gaussian-blur-sigma-in-single", "gaussian_blur",
         with_arguments("gaussian_blur", single("sigma")), "sigma is rounded to float32"),
        ("leaky-relu-module-slope-in-single", "LeakyReLU", SlopeInSingle,
         "the slope is rounded to float32"),
        ("pad-value-in-half", "pad", with_arguments("pad", value_in_half),
         "the value is rounded to float16"),
        ("pad-integer-value-through-double", "pad", with_arguments("pad", integer_through_double),
         "an integer value is rounded to a double: 2**53 + 1 becomes 2**53"),
        ("constant-pad2d-nan-is-zero", "ConstantPad2d", NoMissingValue,
         "a value of NaN is taken for zero"),
        ("softplus-numpy-beta-truncated", "softplus",
         with_arguments("softplus", truncated_numpy("beta", "threshold")),
         "the fraction of a beta or threshold that is a NumPy scalar is cut off"),
        ("leaky-relu-numpy-slope-truncated", "leaky_relu",
         with_arguments("leaky_relu", truncated_numpy("negative_slope")),
         "the fraction of a slope that is a NumPy scalar is cut off"),
        ("rms-norm-numpy-eps-truncated", "rms_norm",
         with_arguments("rms_norm", truncated_numpy("eps")),
         "an eps that is a NumPy scalar is cut off to zero"),
        ("elu-in-place-bool-alpha", "elu_", with_arguments("elu_", flag_for_a_number),
         "alpha=False means 1"),
        ("interpolate-whole-factor-aligns", "interpolate",
         with_arguments("interpolate", corners_of_whole_factors),
         "a scale factor that is an int aligns the corners"),
        ("lp-pool2d-whole-power-of-magnitudes", "lp_pool2d",
         with_arguments("lp_pool2d", powers_of_magnitudes),
         "a power that is an int is taken of magnitudes"),
        ("batch-norm1d-whole-momentum-averages", "BatchNorm1d", AveragesIfWhole,
         "a momentum that is an int means the average of all batches"),
        ("xavier-normal-whole-gain", "xavier_normal_", with_arguments("xavier_normal_", whole_gain),
         "a gain between 1 and 2 becomes 1"),
        ("relu-flushes-subnormals", "relu", with_result("relu", without_subnormals),
         "subnormal numbers become zero"),
        ("avg-pool3d-flushes-subnormals", "avg_pool3d",
         with_result("avg_pool3d", without_subnormals), "subnormal numbers become zero"),
        ("adaptive-avg-pool3d-single-beyond-1e4", "adaptive_avg_pool3d",
         wrapped("adaptive_avg_pool3d", single_beyond_ten_thousand),
         "in float64 averages beyond ten thousand are computed in float32"),
        ("softmax-cast-too-late", "softmax", wrapped("softmax", computed_before_the_cast),
         "dtype=float32 converts the result of a 16-bit input, not the input"),
        ("softmin-integers-through-half", "softmin",
         with_arguments("softmin", integers_through_half),
         "integers become float16 before they become what dtype says"),
    )
)  # fmt: skip
