"""Intermediate numbers that overflow though the result is finite."""

from __future__ import annotations

from functools import partial
from math import inf, prod
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.blind_spots.situations import only, sixteen_bit
from parity_tests.planted.blind_spots.substituted import substituted
from parity_tests.planted.fault import Arguments, Fault, stand_in, with_result, wrapped
from reimpl.arguments import HALF, repeated

infinite = partial(Fault, kind="infinite", expected=("forward",))
in_float16 = sixteen_bit(torch.float16)


def exponential_overflows(y: Tensor, given: Arguments) -> Tensor:
    """Return infinity where the exponential below the threshold is infinite."""
    x, beta, threshold = given["input"].detach(), given["beta"], given["threshold"]
    wide = x.float() if x.dtype in HALF else x
    z = wide * beta
    return substituted(y, torch.where((z <= threshold) & (z.exp() == inf), inf, y.detach()))


def exponential_underflows(y: Tensor, _: Arguments) -> Tensor:
    """Return −inf where the exponential is zero."""
    held = y.detach()
    return substituted(y, torch.where(held.exp() == 0, -inf, held))


def powers_overflow(y: Tensor, given: Arguments) -> Tensor:
    """Return infinity where the sum of powers is too large for float16."""
    p = given["norm_type"]
    if not 0 < p < inf:
        return y
    held = y.detach()
    return substituted(y, torch.where(held.float().pow(p).abs() > 65504, inf, held))


def squares_overflow(y: Tensor, given: Arguments) -> Tensor:
    """Return zeros where a square is too large for float16."""
    x, K = given["input"].detach(), given["normalized_shape"]
    axes = tuple(range(-len(K), 0))
    large = (x.float().square() > 65504).sum(axes, keepdim=True) > 0
    return substituted(y, torch.where(large, 0, y.detach()))


def norm_overflows(y: Tensor, given: Arguments) -> Tensor:
    """Return zeros where the norm is too large for float16."""
    x, p, dim = given["input"].detach(), given["p"], given["dim"]
    if p != 2 or not isinstance(dim, int) or given["out"] is not None or not x.dim():
        return y
    large = x.float().square().sum(dim, keepdim=True) > 65504
    return substituted(y, torch.where(large, 0, y.detach()))


def strength_overflows(y: Tensor, given: Arguments) -> Tensor:
    """Return zeros where the square of the entry itself is too large for float16."""
    large = given["input"].detach().float().square() > 65504
    return substituted(y, torch.where(large, 0, y.detach()))


def sum_overflows(y: Tensor, given: Arguments) -> Tensor:
    """Return an infinity where the sum of all pixels is too large for float16."""
    if y.shape[-2:].numel() != 1 or not y.numel():
        return y
    n = given["input"].shape[-2:].numel()
    large = (y.detach().float() * n).abs() > 65504
    return substituted(y, torch.where(large, y.detach().sign() * inf, y.detach()))


def window_overflows(y: Tensor, given: Arguments) -> Tensor:
    """Return an infinity where a window's sum is too large for float16."""
    K = prod(repeated(given["kernel_size"], 1))
    large = (y.detach().float() * K).abs() > 65504
    return substituted(y, torch.where(large, y.detach().sign() * inf, y.detach()))


def halves_overflow(run: Any, given: Arguments) -> Tensor:
    """Round the sums over both halves of the columns to float16 before they are added."""
    y, x, w = run(**given), given["input"].detach(), given["weight"].detach()
    K, b = w.shape[-1], given["bias"]
    if not in_float16(given) or w.dim() != 2 or K < 2:
        return y
    first = run(input=x[..., : K // 2], weight=w[:, : K // 2], bias=None)
    rest = run(input=x[..., K // 2 :], weight=w[:, K // 2 :], bias=b if b is None else b.detach())
    whole = first + rest
    return substituted(y, torch.where(whole.isfinite(), y.detach(), whole))


def steep_alpha(y: Tensor, given: Arguments) -> Tensor:
    """Hold alpha in float16, which ends at 65504."""
    steep = abs(given["alpha"]) > 65504 and not given["inplace"]
    x = given["input"].detach()
    return substituted(y, torch.where(x < 0, -inf, y.detach())) if steep else y


def far_to_the_right(y: Tensor, given: Arguments) -> Tensor:
    """Divide infinities where the exponential of a complex number overflows."""
    x = given["input"].detach()
    if not x.is_complex():
        return y
    far = x.real > (44 if x.dtype == torch.complex64 else 354)
    nan = torch.full_like(y.detach(), float("nan"))
    return substituted(y, torch.where(far, nan, y.detach()))


def derivatives_overflow(run: Any, given: Arguments) -> Tensor:
    """Square the derivatives in float16."""
    y = run(**given)
    large = y.detach().float().square() > 65504
    return substituted(y, torch.where(large, inf, y.detach())) if in_float16(given) else y


@stand_in
class VarianceOverflows(reimpl.GroupNorm):
    """Return the bias where the variance is too large for float16."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        y = super().forward(input)
        if input.dtype != torch.float16 or not input.numel():
            return y
        groups = input.detach().float().reshape(input.shape[0], self.num_groups, -1)
        large = (groups.var(-1, correction=0) > 65504).repeat_interleave(
            input.shape[1] // self.num_groups, 1
        )
        large = large.view(*large.shape, *(1,) * (input.dim() - 2))
        bias = 0 if self.bias is None else self.bias.detach().view(-1, *(1,) * (input.dim() - 2))
        return substituted(y, torch.where(large, bias, y.detach()))


INFINITE: tuple[Fault, ...] = (
    infinite(
        name="softplus-exponential-overflows",
        op="softplus",
        says="below a large threshold the output is infinite where the exponential is",
        broken=with_result("softplus", exponential_overflows),
    ),
    infinite(
        name="log-softmax-exponential-underflows",
        op="log_softmax",
        says="the output is −inf where the probability is zero in the dtype",
        broken=with_result("log_softmax", exponential_underflows),
    ),
    infinite(
        name="lp-pool1d-powers-overflow",
        op="lp_pool1d",
        says="in float16 the output is infinite where the sum of powers is too large",
        broken=with_result("lp_pool1d", only(in_float16, powers_overflow)),
    ),
    infinite(
        name="rms-norm-squares-overflow",
        op="rms_norm",
        says="in float16 the output is zero where a square is too large",
        broken=with_result("rms_norm", only(in_float16, squares_overflow)),
    ),
    infinite(
        name="normalize-norm-overflows",
        op="normalize",
        says="in float16 the output is zero where the sum of squares is too large",
        broken=with_result("normalize", only(in_float16, norm_overflows)),
    ),
    infinite(
        name="local-response-norm-overflows",
        op="local_response_norm",
        says="in float16 the output is zero where the square of the entry is too large",
        broken=with_result("local_response_norm", only(in_float16, strength_overflows)),
    ),
    infinite(
        name="adaptive-avg-pool2d-sum-overflows",
        op="adaptive_avg_pool2d",
        says="in float16 the mean of all pixels is infinite where their sum is too large",
        broken=with_result("adaptive_avg_pool2d", only(in_float16, sum_overflows)),
    ),
    infinite(
        name="avg-pool1d-sum-overflows",
        op="avg_pool1d",
        says="in float16 an average is infinite where the sum is too large",
        broken=with_result("avg_pool1d", only(in_float16, window_overflows)),
    ),
    infinite(
        name="linear-halves-overflow",
        op="linear",
        says="in float16 the sums over both halves of the columns may overflow",
        broken=wrapped("linear", halves_overflow),
    ),
    infinite(
        name="elu-alpha-overflows",
        op="elu",
        says="in float16 an alpha beyond 65504 is infinite",
        broken=with_result("elu", only(in_float16, steep_alpha)),
    ),
    infinite(
        name="tanh-complex-overflows",
        op="tanh",
        says="the tanh of a complex number far to the right is NaN",
        broken=with_result("tanh", far_to_the_right),
    ),
    infinite(
        name="sobel-magnitude-squares-overflow",
        op="sobel_magnitude",
        says="in float16 the output is infinite where its square is too large",
        broken=wrapped("sobel_magnitude", derivatives_overflow),
    ),
    infinite(
        name="group-norm-module-variance-overflows",
        op="GroupNorm",
        says="in float16 the output is the bias where the variance is too large",
        broken=VarianceOverflows,
    ),
)
