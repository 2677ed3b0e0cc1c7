"""Right formulas evaluated badly: accumulators, cancellation, overflow, rounded constants.

Several are wrong by some tens of rounding units, and on some numbers only.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_arguments, with_result, wrapped
from reimpl import resampling, scale_space
from reimpl.arguments import HALF, accumulator

precision = partial(Fault, kind="precision")


def channels_in_two_halves(run: Any, given: Arguments) -> Tensor:
    """Round the sum over each half of the channels to 16 bits."""
    x, w, axis = given["input"], given["weight"], given["input"].dim() - 3
    if x.dtype not in HALF or given["groups"] != 1 or w.shape[1] < 4 or x.shape[axis] != w.shape[1]:
        return run(**given)
    h = w.shape[1] // 2
    first = run(**{**given, "input": x.narrow(axis, 0, h), "weight": w[:, :h], "bias": None})
    rest = {"input": x.narrow(axis, h, w.shape[1] - h), "weight": w[:, h:]}
    return first + run(**{**given, **rest})


def long_kernels_in_single(run: Any, given: Arguments) -> Tensor:
    """Compute kernels of six taps and more in float32."""
    x, w, b = given["input"], given["weight"], given["bias"]
    if x.dtype != torch.float64 or w.dtype != torch.float64 or w.shape[-1] < 6:
        return run(**given)
    single = {"input": x.float(), "weight": w.float(), "bias": b if b is None else b.float()}
    return run(**{**given, **single}).double()


def ten_bits(run: Any, given: Arguments) -> Tensor:
    """Round float32 factors to ten bits, as TF32 does, where a row is long."""
    x, w = given["input"], given["weight"]
    if x.dtype == w.dtype == torch.float32 and x.shape[-1] >= 8:
        given["input"] = x + (cut(x) - x).detach()
    return run(**given)


def cut(t: Tensor) -> Tensor:
    """Keep ten bits of the fraction."""
    bits = t.detach().contiguous().view(torch.int32)
    return ((bits + 4096) & ~8191).view(torch.float32)


def one_pass(run: Any, given: Arguments) -> Tensor:
    """Take ⟨x²⟩ − ⟨x⟩² for the variance."""
    x, weight, bias = given["input"], given["weight"], given["bias"]
    if x.dtype not in (torch.float32, torch.float64) or not given["normalized_shape"]:
        return run(**given)
    run(**given)  # its checks
    axes = tuple(range(-len(given["normalized_shape"]), 0))
    mean = x.mean(axes, keepdim=True)
    var = (x.square().mean(axes, keepdim=True) - mean.square()).clamp_min(0)
    y = (x - mean) * (var + given["eps"]).rsqrt()
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias).contiguous()


def without_the_maximum(run: Any, given: Arguments) -> Tensor:
    """Exponentiate without subtracting the maximum first."""
    x, dim = given["input"], given["dim"]
    y = run(**given)
    if dim is None or given["dtype"] is not None or x.dtype != torch.float64 or x.dim() == 0:
        return y
    e = x.exp()
    return (e / e.sum(dim, keepdim=True)).contiguous()


def logarithm_of_softmax(run: Any, given: Arguments) -> Tensor:
    """Take the logarithm of softmax."""
    x = given["input"]
    if given["dim"] is None or given["dtype"] is not None or x.dtype != torch.float32:
        return run(**given)
    run(**given)
    return reimpl.softmax(x, given["dim"]).log()


def without_log1p(y: Tensor, given: Arguments) -> Tensor:
    """Take log(1 + e^z) where e^z is small."""
    x, beta = given["input"], given["beta"]
    if x.dtype not in (torch.float32, torch.float64) or beta <= 0:
        return y
    z = x * beta
    return torch.where((z < -8) & (z > -30), (z.exp() + 1).log() / beta, y)


def without_expm1(y: Tensor, given: Arguments) -> Tensor:
    """Take e^x − 1 next to zero."""
    if given["inplace"] or not y.is_floating_point():
        return y
    x = given["input"]
    plain = (x.exp() - 1) * given["alpha"]
    return torch.where((x < 0) & (x > -1e-3), plain, y)


def quotient_of_exponentials(y: Tensor, given: Arguments) -> Tensor:
    """Take (e^2x − 1)/(e^2x + 1) next to zero."""
    x = given["input"]
    if x.dtype not in (torch.float32, torch.float64):
        return y
    e = (2 * x).exp()
    return torch.where(x.abs() < 0.01, (e - 1) / (e + 1), y)


def approximate_root(y: Tensor, given: Arguments) -> Tensor:
    """Be off by 2^−18, as a reciprocal root with one Newton step is."""
    return y * (1 + 2**-18) if given["input"].dtype == torch.float32 else y


def rounded_eps(given: Arguments) -> None:
    """Hold eps in bfloat16."""
    if given["eps"] > 0:
        given["eps"] = float(torch.tensor(given["eps"], dtype=torch.bfloat16))


def another_cubic(run: Any, given: Arguments) -> Tensor:
    """Take a = −1/2 for −3/4 where scale factors are given."""
    if given["scale_factor"] is None:
        return run(**given)
    with mock.patch.dict("reimpl.interpolate._KERNELS", bicubic=resampling.KEYS):
        return run(**given)


def single_taps(run: Any, given: Arguments) -> Tensor:
    """Hold the taps of the bell in float32."""
    right = scale_space.gaussian_taps

    def rounded(sigma: float, r: int) -> tuple[float, ...]:
        return tuple(torch.tensor(right(sigma, r), dtype=torch.float32).tolist())

    with mock.patch("reimpl.scale_space.gaussian_taps", rounded):
        return run(**given)


def odd_lengths_in_single(run: Any, given: Arguments) -> Tensor:
    """Transform odd lengths from seven on in single precision."""
    x, n = given["input"], given["n"]
    if x.dtype != torch.complex128 or x.dim() == 0:
        return run(**given)
    length = x.shape[given["dim"]] if n is None else n
    if length < 7 or length % 2 == 0:
        return run(**given)
    return run(**{**given, "input": x.to(torch.complex64)}).to(torch.complex128)


def single_mask(run: Any, given: Arguments) -> Tensor:
    """Compute the bell over the frequencies in float32."""

    def bell(f: Tensor, cutoff: float) -> Tensor:
        return (-f.float().square() / (2 * cutoff**2)).double()

    with mock.patch("reimpl.frequency_filters._bell", bell):
        return run(**given)


def bias_after_rounding(run: Any, given: Arguments) -> Tensor:
    """Round to 16 bits before the bias is added."""
    bias = given["bias"]
    if bias is None or bias.dtype not in HALF or bias.dim() != 1 or given["weight"].dim() != 2:
        return run(**given)
    run(**given)
    return run(**{**given, "bias": None}) + bias


def exponentials_in_16_bits(run: Any, given: Arguments) -> Tensor:
    """Round exponentials to 16 bits before they are added up."""
    x, dim, y = given["input"], given["dim"], run(**given)
    if x.dtype not in HALF or dim is None or given["dtype"] is not None or not x.numel():
        return y
    e = (x - x.amax(dim, keepdim=True)).exp()
    return (e.float() / e.float().sum(dim, keepdim=True)).to(x.dtype).contiguous()


def cumulative_sums(run: Any, given: Arguments) -> Tensor:
    """Take window sums as differences of cumulative sums."""
    x, k = given["input"], given["kernel_size"]
    y = run(**given)
    k = k if isinstance(k, int) else k[0]
    padded = given["padding"] not in (0, (0,), [0]) or given["ceil_mode"]
    if padded or not x.is_floating_point() or given["stride"] is not None or k < 2:
        return y
    wide = x.to(accumulator(x.dtype))
    total = reimpl.pad(wide.cumsum(-1), (1, 0))
    ends = torch.arange(y.shape[-1], device=x.device) * k
    sums = total.index_select(-1, ends + k) - total.index_select(-1, ends)
    return (sums / k).to(x.dtype)


def rounded_power(y: Tensor, given: Arguments) -> Tensor:
    """Hold the exponent of the root in float32."""
    p = float(given["norm_type"])
    if y.dtype != torch.float64 or p != 3:
        return y
    exponent = float(torch.tensor(1 / p, dtype=torch.float32)) * p
    return torch.where(y > 0, y.clamp_min(1e-300) ** exponent, y)


def factors_multiplied_first(run: Any, given: Arguments) -> Tensor:
    """Scale the weight up and the result down again by 2¹⁰, in 16 bits."""
    w = given["weight"]
    if w.dtype != torch.float16 or given["bias"] is not None:
        return run(**given)
    given["weight"] = w * 1024
    return run(**given) / 1024


PRECISION = (
    precision(
        name="conv2d-two-halves",
        op="conv2d",
        says="16-bit sums over four channels and more are rounded halfway",
        expected=("forward",),
        broken=wrapped("conv2d", channels_in_two_halves),
    ),
    precision(
        name="conv1d-long-kernels-single",
        op="conv1d",
        says="float64 kernels of six taps and more are computed in float32",
        expected=("forward",),
        broken=wrapped("conv1d", long_kernels_in_single),
    ),
    precision(
        name="linear-tf32",
        op="linear",
        says="rows of eight and more are rounded to ten bits in float32",
        expected=("forward",),
        broken=wrapped("linear", ten_bits),
    ),
    precision(
        name="layer-norm-one-pass",
        op="layer_norm",
        says="the variance is ⟨x²⟩ − ⟨x⟩²",
        expected=("forward",),
        broken=wrapped("layer_norm", one_pass),
    ),
    precision(
        name="softmax-no-maximum",
        op="softmax",
        says="the maximum is not subtracted in float64",
        expected=("forward",),
        broken=wrapped("softmax", without_the_maximum),
    ),
    precision(
        name="log-softmax-by-softmax",
        op="log_softmax",
        says="in float32 the logarithm of softmax",
        expected=("forward",),
        broken=wrapped("log_softmax", logarithm_of_softmax),
    ),
    precision(
        name="softplus-no-log1p",
        op="softplus",
        says="log(1 + e^z) for z from −30 to −8",
        expected=("forward",),
        broken=with_result("softplus", without_log1p),
    ),
    precision(
        name="elu-no-expm1",
        op="elu",
        says="e^x − 1 within a thousandth below zero",
        expected=("forward",),
        broken=with_result("elu", without_expm1),
    ),
    precision(
        name="tanh-quotient",
        op="tanh",
        says="(e^2x − 1)/(e^2x + 1) within a hundredth of zero",
        expected=("forward",),
        broken=with_result("tanh", quotient_of_exponentials),
    ),
    precision(
        name="rms-norm-approximate-root",
        op="rms_norm",
        says="in float32 off by 2^−18, 32 rounding units",
        expected=("forward",),
        broken=with_result("rms_norm", approximate_root),
    ),
    precision(
        name="group-norm-rounded-eps",
        op="group_norm",
        says="eps is held in bfloat16: off by up to 0.4 % of eps",
        expected=("forward",),
        broken=with_arguments("group_norm", rounded_eps),
    ),
    precision(
        name="interpolate-another-cubic",
        op="interpolate",
        says="bicubic by a scale factor uses a = −1/2, as Pillow does",
        expected=("forward",),
        broken=wrapped("interpolate", another_cubic),
    ),
    precision(
        name="gaussian-blur-single-taps",
        op="gaussian_blur",
        says="the taps are held in float32",
        expected=("forward",),
        broken=wrapped("gaussian_blur", single_taps),
    ),
    precision(
        name="fft-odd-lengths-single",
        op="fft",
        says="complex128 of odd lengths from seven on goes through complex64",
        expected=("forward",),
        broken=wrapped("fft", odd_lengths_in_single),
    ),
    precision(
        name="gaussian-low-pass-single-mask",
        op="gaussian_low_pass",
        says="the exponent of the mask is computed in float32",
        expected=("forward",),
        broken=wrapped("gaussian_low_pass", single_mask),
    ),
    precision(
        name="linear-bias-after-rounding",
        op="linear",
        says="16-bit products are rounded before the bias is added",
        expected=("forward",),
        broken=wrapped("linear", bias_after_rounding),
    ),
    precision(
        name="softmax-16-bit-exponentials",
        op="softmax",
        says="16-bit exponentials are rounded before they are added up",
        expected=("forward",),
        broken=wrapped("softmax", exponentials_in_16_bits),
    ),
    precision(
        name="avg-pool1d-cumulative-sums",
        op="avg_pool1d",
        says="without stride and padding window sums are differences of cumulative sums",
        expected=("forward",),
        broken=wrapped("avg_pool1d", cumulative_sums),
    ),
    precision(
        name="lp-pool1d-rounded-exponent",
        op="lp_pool1d",
        says="in float64 the cube root's exponent is a float32",
        expected=("forward",),
        broken=with_result("lp_pool1d", rounded_power),
    ),
    precision(
        name="conv3d-scaled-weight",
        op="conv3d",
        says="float16 weights without a bias are scaled by 2¹⁰ and the result back: overflow",
        expected=("forward",),
        broken=wrapped("conv3d", factors_multiplied_first),
    ),
)
