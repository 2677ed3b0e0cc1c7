"""Slips in activations and softmax: cancellation, overflow, NaN, thresholds, layouts."""

from __future__ import annotations

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


def unshifted(run: Any, given: Arguments) -> Tensor:
    """Exponentiate without subtracting the maximum along the first axis."""
    x = given["input"]
    if given["dim"] != 0 or x.dim() < 2 or x.dtype != torch.float32 or given["dtype"] is not None:
        return run(**given)
    e = x.exp()
    return e / e.sum(0, keepdim=True)


def masked_rows_stay(y: Tensor, given: Arguments) -> Tensor:
    """Return −inf instead of NaN where a whole row is −inf."""
    x, dim = given["input"], given["dim"]
    if dim is None or not x.dim() or not x.is_floating_point():
        return y
    return torch.where((x == -torch.inf).all(dim, keepdim=True), -torch.inf, y)


def widened_too_late(run: Any, given: Arguments) -> Tensor:
    """Convert to float64 after the softmin instead of before."""
    if given["dtype"] != torch.float64 or given["input"].dtype != torch.float32:
        return run(**given)
    return run(**{**given, "dtype": None}).to(torch.float64)


def by_tanh(y: Tensor, given: Arguments) -> Tensor:
    """Compute (1 + tanh(x/2))/2 far to the left, where it cancels."""
    x = given["input"]
    if not x.is_floating_point():
        return y
    return torch.where(x < -6, (1 + (x / 2).tanh()) / 2, y)


def by_exponentials(y: Tensor, given: Arguments) -> Tensor:
    """Compute (1 − e)/(1 + e), e = exp(−2x), near zero, where it cancels."""
    x = given["input"]
    if not x.is_floating_point():
        return y
    e = (-2 * x.clamp(-1, 1)).exp()
    return torch.where((x.abs() < 0.05) & (x != 0), (1 - e) / (1 + e), y)


def threshold_unscaled(y: Tensor, given: Arguments) -> Tensor:
    """Compare x with the threshold instead of βx."""
    x = given["input"]
    return torch.where(x > given["threshold"], x, y)


def nan_clipped(y: Tensor, given: Arguments) -> Tensor:
    """Clip NaN to the lower bound, as a maximum of comparisons does."""
    x = given["input"]
    if given["inplace"] or not x.is_floating_point():
        return y
    return torch.where(x.isnan(), given["min_val"], y)


def by_maximum(run: Any, given: Arguments) -> Tensor:
    """Take max(x, slope·x), which is another function for slopes above one."""
    x, slope = given["input"], given["negative_slope"]
    if given["inplace"] or slope <= 1:
        return run(**given)
    return torch.maximum(x, x * slope)


def exp_minus_one(y: Tensor, given: Arguments) -> Tensor:
    """Compute exp(x) − 1 instead of expm1(x)."""
    x = given["input"]
    if given["inplace"] or not x.is_floating_point():
        return y
    return torch.where(x < 0, given["alpha"] * (x.clamp(max=0).exp() - 1), y)


def copy_of_the_transposed(given: Arguments) -> None:
    """Work in place on a contiguous copy where the input is not contiguous."""
    if given["inplace"] and not given["input"].is_contiguous():
        given["input"] = given["input"].contiguous()


@stand_in
class SilentELU(reimpl.ELU):
    """Leave `inplace` out of the representation."""

    def extra_repr(self) -> str:
        """Say α only."""
        return f"alpha={self.alpha}"


ELEMENTWISE = tuple(
    Fault(name=name, op=op, kind=kind, says=says, expected=expected, broken=broken)
    for name, op, kind, says, expected, broken in (
        (
            "softmax-first-axis-unshifted",
            "softmax",
            "precision",
            "along the first axis the maximum is not subtracted",
            ("forward",),
            wrapped("softmax", unshifted),
        ),
        (
            "log-softmax-masked-row",
            "log_softmax",
            "corners",
            "a row of −inf stays −inf",
            ("forward",),
            with_result("log_softmax", masked_rows_stay),
        ),
        (
            "softmin-widened-too-late",
            "softmin",
            "dtype",
            "dtype=float64 converts float32's result instead of its input",
            ("forward",),
            wrapped("softmin", widened_too_late),
        ),
        (
            "sigmoid-by-tanh",
            "sigmoid",
            "precision",
            "below −6 it is (1 + tanh(x/2))/2",
            ("forward",),
            with_result("sigmoid", by_tanh),
        ),
        (
            "tanh-by-exponentials",
            "tanh",
            "precision",
            "near zero it is a quotient of cancelling exponentials",
            ("forward",),
            with_result("tanh", by_exponentials),
        ),
        (
            "softplus-threshold-unscaled",
            "softplus",
            "conventions",
            "the threshold is compared with x instead of βx",
            ("forward",),
            with_result("softplus", threshold_unscaled),
        ),
        (
            "hardtanh-nan-clipped",
            "hardtanh",
            "corners",
            "NaN becomes the lower bound",
            ("forward",),
            with_result("hardtanh", nan_clipped),
        ),
        (
            "leaky-relu-by-maximum",
            "leaky_relu",
            "conventions",
            "slopes above one give the larger of x and slope·x",
            ("forward",),
            wrapped("leaky_relu", by_maximum),
        ),
        (
            "elu-exp-minus-one",
            "elu",
            "precision",
            "exp(x) − 1 cancels near zero",
            ("forward",),
            with_result("elu", exp_minus_one),
        ),
        (
            "relu6-inplace-copy",
            "relu6",
            "layout",
            "in place on an input that is not contiguous, a copy is changed",
            ("purity", "forward"),
            with_arguments("relu6", copy_of_the_transposed),
        ),
        (
            "elu-repr-without-inplace",
            "ELU",
            "contract",
            "repr() does not show inplace",
            ("contract",),
            SilentELU,
        ),
    )
)
