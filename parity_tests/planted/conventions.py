"""The other convention: which divisor, which side, which sign, which default."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_arguments, with_result, wrapped
from reimpl.arguments import accumulator

convention = partial(Fault, kind="conventions")


def biased_for_one_position(run: Any, given: Arguments) -> Tensor:
    """Divide the running variance by n, not n − 1, for inputs of two axes."""
    var, x = given["running_var"], given["input"]
    old = None if var is None else var.detach().clone()
    y = run(**given)
    if old is not None and given["training"] and x.dim() == 2 and x.numel():
        n, m = x.shape[0], given["momentum"]
        with torch.no_grad():
            var.copy_(old * (1 - m) + (var - old * (1 - m)) * ((n - 1) / n))
    return y


def first_samples_mean(run: Any, given: Arguments) -> Tensor:
    """Move the running mean by the first sample's instead of the average."""
    mean, x = given["running_mean"], given["input"]
    old = None if mean is None else mean.detach().clone()
    y = run(**given)
    if old is not None and given["use_input_stats"] and x.shape[0] > 2 and x.numel():
        m = given["momentum"]
        with torch.no_grad():
            mean.copy_(old * (1 - m) + m * x[0].detach().flatten(1).mean(1).to(old.dtype))
    return y


def second_axis_by_default(given: Arguments) -> None:
    """Take axis 1 where torch chooses axis 0 for three axes."""
    if given["dim"] is None and given["input"].dim() == 3:
        given["dim"] = 1


def linear_at_the_threshold(y: Tensor, given: Arguments) -> Tensor:
    """Be linear at the threshold itself, not only above it."""
    x = given["input"]
    return torch.where(x * given["beta"] == given["threshold"], x, y)


def eps_added(y: Tensor, given: Arguments) -> Tensor:
    """Add eps to the norm instead of taking the larger of the two."""
    x, dim, eps = given["input"], given["dim"], given["eps"]
    if given["p"] != 2 or not isinstance(dim, int) or given["out"] is not None:
        return y
    if x.dtype not in (torch.float32, torch.float64) or eps < 1e-6:
        return y
    n = x.square().sum(dim, keepdim=True).sqrt()
    return x / (n + eps)


def single_epsilon(given: Arguments) -> None:
    """Take float32's machine epsilon for float64 as well."""
    if given["eps"] is None and given["input"].dtype == torch.float64:
        given["eps"] = torch.finfo(torch.float32).eps


def unbiased_over_two_axes(run: Any, given: Arguments) -> Tensor:
    """Divide the variance by n − 1 where two axes are normalized."""
    n = math.prod(given["normalized_shape"])
    if len(given["normalized_shape"]) != 2 or n < 2 or given["weight"] is None:
        return run(**given)
    given["weight"] = given["weight"] * math.sqrt((n - 1) / n)
    return run(**given)


def fan_out_without_taps(run: Any, given: Arguments) -> Tensor:
    """Leave the taps out of fan_out for kernels of three axes."""
    tensor = run(**given)
    if given["mode"] == "fan_out" and tensor.dim() == 5 and tensor.numel():
        with torch.no_grad():
            tensor.mul_(math.sqrt(tensor.shape[2:].numel()))
    return tensor


def gain_squared(given: Arguments) -> None:
    """Apply the gain twice."""
    given["gain"] = given["gain"] ** 2


def always_backward(given: Arguments) -> None:
    """Normalise the inverse by 1/n though 'forward' asks for nothing."""
    if given["norm"] == "forward":
        given["norm"] = "backward"


def scaled_by_the_inputs_length(y: Tensor, given: Arguments) -> Tensor:
    """Normalise by the length the input had, not by the one asked for."""
    n = given["n"]
    if given["norm"] != "ortho" or n is None:
        return y
    return y * math.sqrt(n / max(1, given["input"].shape[given["dim"]]))


def one_radius(run: Any, given: Arguments) -> Tensor:
    """Cut both bells off where the narrow one ends."""
    x, sigma, k = given["input"], given["sigma"], given["k"]
    if not isinstance(x, Tensor) or not x.is_floating_point() or not k > 1:
        return run(**given)
    wide, truncate, mode = x.to(accumulator(x.dtype)), given["truncate"], given["padding_mode"]
    y = reimpl.gaussian_blur(wide, k * sigma, truncate / k, mode)
    return (y - reimpl.gaussian_blur(wide, sigma, truncate, mode)).to(x.dtype)


def minus_pi(y: Tensor, _: Arguments) -> Tensor:
    """Give −π for the direction straight back."""
    return torch.where(y == torch.tensor(math.pi, dtype=y.dtype), -y, y)


def moduli_of_odd_powers(given: Arguments) -> None:
    """Take moduli also where the power is odd and keeps the sign."""
    if given["norm_type"] % 2 == 1 and given["norm_type"] > 1:
        given["input"] = given["input"].abs()


def floored_limits(given: Arguments) -> None:
    """Round limits down for integers, where torch cuts the fraction off."""
    if not given["input"].is_floating_point():
        given["min_val"] = math.floor(given["min_val"])


def floor_division(run: Any, given: Arguments) -> Tensor:
    """Divide integers towards minus infinity by an override."""
    by = given["divisor_override"]
    if given["input"].is_floating_point() or not by:
        return run(**given)
    return run(**{**given, "divisor_override": 1}).div(by, rounding_mode="floor")


def moduli_squared(run: Any, given: Arguments) -> Tensor:
    """Take |z|² for z², for complex numbers."""
    x = given["input"]
    if not x.is_complex() or given["weight"] is not None:
        return run(**given)
    eps = torch.finfo(x.real.dtype).eps if given["eps"] is None else given["eps"]
    axes = tuple(range(-len(given["normalized_shape"]), 0))
    return x * (x.abs().square().mean(axes, keepdim=True) + eps).rsqrt()


def exclusive_cutoff(given: Arguments) -> None:
    """Drop the frequency at the cutoff itself."""
    given["cutoff"] = math.nextafter(given["cutoff"], 0.0)


CONVENTIONS = (
    convention(
        name="batch-norm-biased-running-var",
        op="batch_norm",
        says="for inputs (N, C) the running variance is divided by n",
        expected=("buffers",),
        broken=wrapped("batch_norm", biased_for_one_position),
    ),
    convention(
        name="instance-norm-first-samples-mean",
        op="instance_norm",
        says="from three samples on the running mean follows the first one alone",
        expected=("buffers",),
        broken=wrapped("instance_norm", first_samples_mean),
    ),
    convention(
        name="softmax-default-axis",
        op="softmax",
        says="without dim three axes are normalised along axis 1 instead of 0",
        expected=("forward",),
        broken=with_arguments("softmax", second_axis_by_default),
    ),
    convention(
        name="softplus-linear-at-the-threshold",
        op="softplus",
        says="x itself is returned at the threshold, not only above it",
        expected=("gradients", "forward"),
        broken=with_result("softplus", linear_at_the_threshold),
    ),
    convention(
        name="normalize-eps-added",
        op="normalize",
        says="eps, where it is not tiny, is added to the norm instead of bounding it",
        expected=("forward",),
        broken=with_result("normalize", eps_added),
    ),
    convention(
        name="rms-norm-single-epsilon",
        op="rms_norm",
        says="float64 without eps uses float32's machine epsilon",
        expected=("forward",),
        broken=with_arguments("rms_norm", single_epsilon),
    ),
    convention(
        name="layer-norm-unbiased",
        op="layer_norm",
        says="the variance over two axes is divided by n − 1, where there is a weight",
        expected=("forward",),
        broken=wrapped("layer_norm", unbiased_over_two_axes),
    ),
    convention(
        name="kaiming-uniform-fan-out",
        op="kaiming_uniform_",
        says="fan_out leaves the taps out for kernels of three axes",
        expected=("forward",),
        broken=wrapped("kaiming_uniform_", fan_out_without_taps),
    ),
    convention(
        name="xavier-normal-gain-squared",
        op="xavier_normal_",
        says="the gain is applied twice",
        expected=("forward",),
        broken=with_arguments("xavier_normal_", gain_squared),
    ),
    convention(
        name="ifft-forward-norm",
        op="ifft",
        says="norm='forward' is 'backward'",
        expected=("forward",),
        broken=with_arguments("ifft", always_backward),
    ),
    convention(
        name="fft-ortho-by-the-old-length",
        op="fft",
        says="norm='ortho' with n divides by the square root of the input's length",
        expected=("forward",),
        broken=with_result("fft", scaled_by_the_inputs_length),
    ),
    convention(
        name="difference-of-gaussians-one-radius",
        op="difference_of_gaussians",
        says="the wide bell is cut off where the narrow one ends",
        expected=("forward",),
        broken=wrapped("difference_of_gaussians", one_radius),
    ),
    convention(
        name="sobel-orientation-minus-pi",
        op="sobel_orientation",
        says="the direction straight back is −π instead of π",
        expected=("forward",),
        broken=with_result("sobel_orientation", minus_pi),
    ),
    convention(
        name="lp-pool2d-moduli",
        op="lp_pool2d",
        says="odd powers above one take the moduli of the input",
        expected=("forward",),
        broken=with_arguments("lp_pool2d", moduli_of_odd_powers),
    ),
    convention(
        name="hardtanh-floored-limits",
        op="hardtanh",
        says="a fractional lower limit is rounded down for integers",
        expected=("forward",),
        broken=with_arguments("hardtanh", floored_limits),
    ),
    convention(
        name="avg-pool3d-floor-division",
        op="avg_pool3d",
        says="integers are divided by an override towards minus infinity",
        expected=("forward",),
        broken=wrapped("avg_pool3d", floor_division),
    ),
    convention(
        name="rms-norm-moduli",
        op="rms_norm",
        says="complex numbers without a weight are normalised by their moduli",
        expected=("forward",),
        broken=wrapped("rms_norm", moduli_squared),
    ),
    convention(
        name="ideal-low-pass-excludes-the-cutoff",
        op="ideal_low_pass",
        says="the frequency at the cutoff itself is dropped",
        expected=("forward",),
        broken=with_arguments("ideal_low_pass", exclusive_cutoff),
    ),
)
