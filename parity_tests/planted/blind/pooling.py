"""Pools and unpooling: overhanging windows, indices, divisors, ties of layout."""

from __future__ import annotations

from math import prod
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
from parity_tests.planted.history.backward import altered
from reimpl.arguments import HALF, repeated


def index_in_the_padded_line(pooled: Any, given: Arguments) -> Any:
    """Count the index of the last, overhanging window from the padding's beginning."""
    p = repeated(given["padding"], 1)[0]
    if not (given["return_indices"] and given["ceil_mode"] and p):
        return pooled
    y, i = pooled
    return y, torch.cat((i[..., :-1], i[..., -1:] + p), -1)


def never_a_number(given: Arguments) -> None:
    """Compare with `>` from −∞ on in 16 bits, so that NaN never wins."""
    x = given["input"]
    if x.dtype in HALF:
        given["input"] = torch.where(x.isnan(), -torch.inf, x)


def overwritten(run: Any, given: Arguments) -> Any:
    """Write gradients instead of adding them where dilated windows share a maximum."""
    x = given["input"]
    if repeated(given["dilation"], 1)[0] == 1 or not x.is_floating_point():
        return run(**given)
    y, i = run(**{**given, "return_indices": True})
    flat = i.detach().flatten(-2)
    later = (flat.unsqueeze(-1) == flat.unsqueeze(-2)).triu(1).any(-1).view(i.shape)
    y = altered(y, lambda g: g.masked_fill(later, 0))
    return (y, i) if given["return_indices"] else y


def planes_of_squares(pooled: Any, given: Arguments) -> Any:
    """Count H·H entries to a plane in the indices."""
    if not given["return_indices"]:
        return pooled
    (y, i), (H, W) = pooled, given["input"].shape[-2:]
    return y, i + (i // (H * W)) * (H * H - H * W)


def counted_without_batch(given: Arguments) -> None:
    """Count the padding in the divisor whatever was asked, without a batch."""
    if given["input"].dim() == 2:
        given["count_include_pad"] = True


def overhang_counted(given: Arguments) -> None:
    """Divide overhanging windows of a padded input by the whole kernel."""
    padded = any(repeated(given["padding"], 2))
    if padded and given["ceil_mode"] and given["count_include_pad"]:
        given["divisor_override"] = given["divisor_override"] or prod(
            repeated(given["kernel_size"], 2)
        )


def one_step_of_newton(run: Any, given: Arguments) -> Tensor:
    """Multiply with a reciprocal that one step of Newton's method left 18 bits exact."""
    D = given["divisor_override"]
    if given["input"].dtype != torch.float32 or not D:
        return run(**given)
    guess = torch.tensor(1 / D).bfloat16().float()
    return run(**{**given, "divisor_override": 1}) * (guess * (2 - D * guess))


def nearest_of_few(run: Any, given: Arguments) -> Tensor:
    """Take one entry for each of more positions than there are entries."""
    x, (M,) = given["input"], repeated(given["output_size"], 1)
    L = x.shape[-1]
    if x.dim() < 2 or not 0 < L < M or not x.numel():
        return run(**given)
    return x.index_select(-1, torch.arange(M, device=x.device) * L // M)


def height_from_width(given: Arguments) -> None:
    """Take the width for a height of None."""
    size = given["output_size"]
    if isinstance(size, (tuple, list)) and len(size) == 2 and size[0] is None:
        given["output_size"] = (given["input"].shape[-1], size[1])


def always_contiguous(pooled: Any, _: Arguments) -> Any:
    """Return contiguous tensors for a channels-last input."""
    return (
        tuple(t.contiguous() for t in pooled)
        if isinstance(pooled, tuple)
        else (pooled.contiguous())
    )


def end_rounded_down(run: Any, given: Arguments) -> Any:
    """End windows at ⌊(m+1)·L/M⌋ where the input is a multiple of no size, without indices."""
    x, (M,) = given["input"], repeated(given["output_size"], 1)
    L = x.shape[-1]
    if given["return_indices"] or not 0 < M < L or not L % M or x.dim() < 2:
        return run(**given)
    windows = (x[..., m * L // M : (m + 1) * L // M] for m in range(M))
    return torch.stack([w.amax(-1) for w in windows], -1)


def magnitudes(given: Arguments) -> None:
    """Take magnitudes before an odd power."""
    if given["norm_type"] in (1, 3, 5) and given["input"].is_floating_point():
        given["input"] = given["input"].abs()


def overhang_summed(given: Arguments) -> None:
    """Add up what an overhanging window has, not scaled to a whole window."""
    K = repeated(given["kernel_size"], 2)
    s = repeated(given["stride"], 2) if given["stride"] else K
    if given["ceil_mode"] and given["norm_type"] == 2 and s <= K and min(s) > 0:
        given["input"] = reimpl.pad(given["input"], (0, s[-1] - 1, 0, s[0] - 1))
        given["ceil_mode"] = False


def size_without_batch(given: Arguments) -> None:
    """Forget output_size without a batch."""
    if given["input"].dim() == 2:
        given["output_size"] = None


def clamped(given: Arguments) -> None:
    """Clamp indices behind the output to its last entry."""
    M, K = given["input"].shape[-3:], repeated(given["kernel_size"], 3)
    s = repeated(given["stride"], 3) if given["stride"] is not None else K
    p = repeated(given["padding"], 3)
    if given["output_size"] is None and len(M) == len(K) == len(s) == len(p) == 3:
        L = prod((m - 1) * ss + k - 2 * pp for m, ss, k, pp in zip(M, s, K, p, strict=True))
        given["indices"] = given["indices"].clamp(max=max(L - 1, 0))


@stand_in
class NoStride(reimpl.MaxPool2d):
    """Keep a stride of None."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, dilation, return_indices, ceil_mode)
        self.stride = stride


@stand_in
class PaddingForgotten(reimpl.MaxUnpool2d):
    """Show no padding where it is zero."""

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return super().extra_repr().removesuffix(", padding=(0, 0)")


POOLING = tuple(
    Fault(name=name, op=op, kind=kind, says=says, expected=expected, broken=broken)
    for name, op, kind, expected, broken, says in (
        ("max-pool1d-overhanging-index", "max_pool1d", "boundary", ("forward",),
         with_result("max_pool1d", index_in_the_padded_line),
         "with ceil_mode the last window's index counts from the padding's beginning"),
        ("max-pool2d-half-nan", "max_pool2d", "corners", ("forward",),
         with_arguments("max_pool2d", never_a_number), "in 16 bits NaN never wins"),
        ("max-pool2d-dilated-overwrites", "max_pool2d", "backward", ("gradients",),
         wrapped("max_pool2d", overwritten),
         "with dilation the gradients of windows that share a maximum overwrite each other"),
        ("max-pool3d-planes-of-squares", "max_pool3d", "geometry", ("forward",),
         with_result("max_pool3d", planes_of_squares), "indices count H·H entries to a plane"),
        ("avg-pool1d-unbatched-divisor", "avg_pool1d", "conventions", ("forward",),
         with_arguments("avg_pool1d", counted_without_batch),
         "without a batch the padding is always counted"),
        ("avg-pool2d-overhang-counted", "avg_pool2d", "conventions", ("forward",),
         with_arguments("avg_pool2d", overhang_counted),
         "with padding and ceil_mode what overhangs the padding is counted"),
        ("avg-pool3d-reciprocal", "avg_pool3d", "precision", ("forward",),
         wrapped("avg_pool3d", one_step_of_newton),
         "the reciprocal of divisor_override has 18 bits"),
        ("adaptive-avg-pool1d-nearest", "adaptive_avg_pool1d", "geometry", ("forward",),
         wrapped("adaptive_avg_pool1d", nearest_of_few),
         "more positions than entries are copies, without the means between"),
        ("adaptive-avg-pool2d-height-of-none", "adaptive_avg_pool2d", "conventions", ("forward",),
         with_arguments("adaptive_avg_pool2d", height_from_width),
         "a height of None is the width"),
        ("adaptive-max-pool1d-end", "adaptive_max_pool1d", "boundary", ("forward",),
         wrapped("adaptive_max_pool1d", end_rounded_down),
         "windows that do not divide the input end one entry early"),
        ("adaptive-max-pool2d-layout", "adaptive_max_pool2d", "layout", ("forward",),
         with_result("adaptive_max_pool2d", always_contiguous),
         "the output of a channels-last input is contiguous"),
        ("lp-pool1d-magnitudes", "lp_pool1d", "conventions", ("forward",),
         with_arguments("lp_pool1d", magnitudes), "odd powers are of magnitudes"),
        ("lp-pool2d-overhang", "lp_pool2d", "boundary", ("forward",),
         with_arguments("lp_pool2d", overhang_summed),
         "overhanging windows are not scaled to whole ones"),
        ("max-unpool1d-unbatched-size", "max_unpool1d", "geometry", ("forward",),
         with_arguments("max_unpool1d", size_without_batch),
         "without a batch output_size is ignored"),
        ("max-unpool3d-clamped", "max_unpool3d", "errors", ("errors",),
         with_arguments("max_unpool3d", clamped),
         "indices behind the output write to its last entry"),
        ("max-pool2d-module-no-stride", "MaxPool2d", "contract", ("contract",),
         NoStride, "a stride of None stays None"),
        ("max-unpool2d-module-repr", "MaxUnpool2d", "contract", ("contract",),
         PaddingForgotten, "repr leaves out a padding of zero"),
    )
)  # fmt: skip
