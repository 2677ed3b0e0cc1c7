"""Results that are too coarse in bfloat16 and float16 only."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.blind_spots.situations import Change, only, sixteen_bit
from parity_tests.planted.blind_spots.substituted import scaled, substituted
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    stand_in,
    tampered,
    with_arguments,
    with_result,
    wrapped,
)
from reimpl.arguments import HALF, repeated

coarse = partial(Fault, kind="sixteen-bit")
in_bfloat16, in_float16 = sixteen_bit(torch.bfloat16), sixteen_bit(torch.float16)


def too_large_by(share: float) -> Change:
    """Scale the output, unless it is written to `out`."""

    def change(y: Tensor, given: Arguments) -> Tensor:
        return y if given.get("out") is not None else scaled(y, 1 + share)

    return change


def gradient_too_large(name: str, dtype: torch.dtype, by: float) -> Any:
    """Scale the gradient of an argument where the input has this dtype."""

    def change(given: Arguments) -> None:
        if sixteen_bit(dtype)(given):
            given[name] = tampered(given[name], lambda g: g * by)

    return change


def exponentials_rounded(y: Tensor, given: Arguments) -> Tensor:
    """Round the exponentials and their sum to 16 bits before dividing."""
    x, dim = given["input"], given["dim"]
    if dim is None or given["dtype"] is not None or not x.dim() or not x.numel():
        return y
    x = x.detach()
    e = (x - x.amax(dim, keepdim=True)).exp()
    return substituted(y, e / e.sum(dim, keepdim=True))


def mean_rounded(y: Tensor, given: Arguments) -> Tensor:
    """Round the mean to 16 bits before it is subtracted."""
    x, axes = given["input"].detach(), tuple(range(-len(given["normalized_shape"]), 0))
    if x.dtype not in HALF or not x.numel():
        return y
    wide = x.float()
    scale = (wide.var(axes, correction=0, keepdim=True) + given["eps"]).rsqrt()
    z = (wide - wide.mean(axes, keepdim=True).to(x.dtype).float()) * scale
    z = z if given["weight"] is None else z * given["weight"].detach().float()
    return substituted(y, z if given["bias"] is None else z + given["bias"].detach().float())


def rounded_before_the_weight(run: Any, given: Arguments) -> Tensor:
    """Round to 16 bits between the normalization and the affine map."""
    y, x = run(**given), given["input"]
    if x.dtype not in HALF or given["weight"] is None or given["bias"] is None:
        return y
    z = run(**{**given, "input": x.detach(), "weight": None, "bias": None}).float()
    w, b = (t.detach().float().reshape(-1, *(1,) * (x.dim() - 2)) for t in affine(given))
    return substituted(y, (z * w).to(x.dtype) + b.to(x.dtype))


def affine(given: Arguments) -> tuple[Tensor, Tensor]:
    """The weight and the bias."""
    return given["weight"], given["bias"]


def estimates_in_two_roundings(run: Any, given: Arguments) -> Tensor:
    """Round both terms of the running mean to 16 bits before they are added."""
    mean, momentum, x = given["running_mean"], given["momentum"], given["input"]
    both = isinstance(x, Tensor) and isinstance(mean, Tensor)
    if not both or x.dtype not in HALF or mean.dtype != x.dtype or not x.numel():
        return run(**given)
    before = mean.clone()
    y = run(**given)
    with torch.no_grad():
        batch = x.detach().float().mean((0, *range(2, x.dim()))).to(x.dtype)
        if given["use_input_stats"]:
            mean.copy_(before * (1 - momentum) + batch * momentum)
    return y


def summed_one_by_one(run: Any, given: Arguments) -> Tensor:
    """Add up products in bfloat16."""
    y, x, w, b = run(**given), given["input"].detach(), given["weight"].detach(), given["bias"]
    if x.dtype != torch.bfloat16 or w.dim() != 2 or not w.shape[1]:
        return y
    total = x[..., :1] * w[:, 0]
    for k in range(1, w.shape[1]):
        total = total + x[..., k : k + 1] * w[:, k]
    return substituted(y, total if b is None else total + b.detach())


def bias_added_last(run: Any, given: Arguments) -> Tensor:
    """Round to 16 bits, then add the bias and round again."""
    y, b = run(**given), given["bias"]
    if b is None or y.dtype not in HALF or not y.numel():
        return y
    plain = run(**{**given, "bias": None}).detach()
    return substituted(y, plain + b.detach().reshape(-1, 1, 1, 1))


def of_rounded_blurs(run: Any, given: Arguments) -> Tensor:
    """Round both blurs to 16 bits before they are subtracted."""
    y, x = run(**given), given["input"].detach()
    if x.dtype not in HALF:
        return y
    rest = given["truncate"], given["padding_mode"]
    wide = reimpl.gaussian_blur(x, given["sigma"] * given["k"], *rest)
    return substituted(y, wide - reimpl.gaussian_blur(x, given["sigma"], *rest))


def of_rounded_derivatives(run: Any, given: Arguments) -> Tensor:
    """Round both derivatives to 16 bits and square them there."""
    y, x = run(**given), given["input"].detach()
    if x.dtype != torch.bfloat16:
        return y
    d = reimpl.sobel(x, given["padding_mode"])
    squares = d.square()
    return substituted(y, (squares.select(-3, 0) + squares.select(-3, 1)).sqrt().reshape(y.shape))


def rows_first(run: Any, given: Arguments) -> Tensor:
    """Round to 16 bits between the two axes of bicubic interpolation."""
    y, x, size = run(**given), given["input"], given["size"]
    if x.dtype not in HALF or given["mode"] != "bicubic" or size is None or not y.numel():
        return y
    rows = run(**{**given, "input": x.detach(), "size": (y.shape[-2], x.shape[-1])})
    return substituted(y, run(**{**given, "input": rows, "size": tuple(y.shape[-2:])}))


def cancelling_exponentials(y: Tensor, given: Arguments) -> Tensor:
    """Take (e − 1) / (e + 1), where e is rounded to bfloat16."""
    e = (2 * given["input"].detach().clamp(-4, 4)).exp()
    return substituted(y, torch.where(given["input"].abs() < 1, (e - 1) / (e + 1), y))


def reciprocal_rounded(run: Any, given: Arguments) -> Tensor:
    """Multiply by the reciprocal of the window's size, rounded to bfloat16."""
    y, x = run(**given), given["input"]
    plain = given["divisor_override"] is None and given["count_include_pad"]
    if x.dtype != torch.bfloat16 or not plain or given["ceil_mode"]:
        return y
    size = prod(repeated(given["kernel_size"], 2))
    exact = run(**{**given, "input": x.detach().float()})
    return substituted(y, exact * size * torch.tensor(1 / size).bfloat16().item())


@stand_in
class WeightTooSteep(reimpl.RMSNorm):
    """Make the weight's gradient 4 % too large in float16."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize."""
        w = self.weight
        if w is None or not in_float16({"input": x}):
            return super().forward(x)
        w = tampered(w, lambda g: g * 1.04)
        return reimpl.rms_norm(x, self.normalized_shape, w, self.eps)


SIXTEEN_BIT: tuple[Fault, ...] = tuple(
    coarse(name=name, op=op, says=says, expected=expected, broken=broken)
    for name, op, expected, broken, says in (
        ("rms-norm-four-percent", "rms_norm", ("forward",),
         with_result("rms_norm", only(in_bfloat16, too_large_by(0.04))),
         "in bfloat16 the output is 4 % too large"),
        ("local-response-norm-half-a-percent", "local_response_norm", ("forward",),
         with_result("local_response_norm", only(in_float16, too_large_by(0.005))),
         "in float16 the output is 0.5 % too large"),
        ("lp-pool2d-one-percent", "lp_pool2d", ("forward",),
         with_result("lp_pool2d", only(in_bfloat16, too_large_by(-0.01))),
         "in bfloat16 the output is 1 % too small"),
        ("normalize-one-percent", "normalize", ("forward",),
         with_result("normalize", only(in_bfloat16, too_large_by(0.01))),
         "in bfloat16 the output is 1 % too large"),
        ("gamma-half-a-percent", "gamma", ("forward",),
         with_result("gamma", only(in_float16, too_large_by(0.005))),
         "in float16 the output is 0.5 % too large"),
        ("log-softmax-gradient-one-percent", "log_softmax", ("gradients",),
         with_arguments("log_softmax", gradient_too_large("input", torch.bfloat16, 1.01)),
         "in bfloat16 the gradient is 1 % too large"),
        ("batch-norm-weight-gradient-one-percent", "batch_norm", ("gradients",),
         with_arguments("batch_norm", gradient_too_large("weight", torch.bfloat16, 0.99)),
         "in bfloat16 the weight's gradient is 1 % too small"),
        ("rms-norm-module-weight-gradient", "RMSNorm", ("gradients",), WeightTooSteep,
         "in float16 the weight's gradient is 4 % too large"),
        ("softmax-exponentials-rounded", "softmax", ("forward",),
         with_result("softmax", only(in_bfloat16, exponentials_rounded)),
         "in bfloat16 exponentials and their sum are rounded before the division"),
        ("layer-norm-mean-rounded", "layer_norm", ("forward",),
         with_result("layer_norm", mean_rounded),
         "the mean is rounded to 16 bits before it is subtracted"),
        ("group-norm-rounded-before-the-weight", "group_norm", ("forward",),
         wrapped("group_norm", rounded_before_the_weight),
         "the normalized values and their products are rounded to 16 bits"),
        ("instance-norm-estimates-rounded-twice", "instance_norm", ("forward", "buffers"),
         wrapped("instance_norm", estimates_in_two_roundings),
         "both terms of a 16-bit running mean are rounded before they are added"),
        ("linear-summed-in-bfloat16", "linear", ("forward",),
         wrapped("linear", summed_one_by_one), "products are added up in bfloat16"),
        ("conv-transpose3d-bias-added-last", "conv_transpose3d", ("forward",),
         wrapped("conv_transpose3d", bias_added_last),
         "in 16 bits the sum is rounded before the bias is added"),
        ("difference-of-gaussians-rounded", "difference_of_gaussians", ("forward",),
         wrapped("difference_of_gaussians", of_rounded_blurs),
         "both blurs are rounded to 16 bits before they are subtracted"),
        ("sobel-magnitude-rounded", "sobel_magnitude", ("forward",),
         wrapped("sobel_magnitude", of_rounded_derivatives),
         "in bfloat16 derivatives and their squares are rounded"),
        ("interpolate-bicubic-rows-first", "interpolate", ("forward",),
         wrapped("interpolate", rows_first),
         "with a size, 16-bit bicubic interpolation rounds between its two axes"),
        ("tanh-cancels-in-bfloat16", "tanh", ("forward",),
         with_result("tanh", only(in_bfloat16, cancelling_exponentials)),
         "in bfloat16, between −1 and 1, it is a quotient of cancelling exponentials"),
        ("avg-pool2d-reciprocal-rounded", "avg_pool2d", ("forward",),
         wrapped("avg_pool2d", reciprocal_rounded),
         "in bfloat16 the reciprocal of the window's size is rounded to bfloat16"),
    )
)  # fmt: skip
