"""The same kinds of blind spots in filters, transforms, shuffles and initialisers."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
import torch
from torch import Tensor

import reimpl
from parity_tests.planted.blind_spots.meta import on_meta
from parity_tests.planted.blind_spots.situations import (
    has_tangent,
    in_inference_mode,
    only,
    recording,
    sixteen_bit,
)
from parity_tests.planted.blind_spots.states import conjugation_ignored
from parity_tests.planted.blind_spots.substituted import scaled, substituted
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    tampered,
    with_arguments,
    with_result,
    wrapped,
)
from reimpl.arguments import HALF


def sharpened(y: Tensor, _: Arguments) -> Tensor:
    """Scale the output by a tenth of a percent."""
    return scaled(y, 1.001)


def half_a_percent(y: Tensor, _: Arguments) -> Tensor:
    """Scale the output by half a percent."""
    return scaled(y, 1.005)


def in_two_roundings(run: Any, given: Arguments) -> Tensor:
    """Round to 16 bits after each of four differences."""
    y, x, mode = run(**given), given["input"].detach(), given["padding_mode"]
    if x.dtype not in HALF or mode != "replicate":
        return y
    rows = torch.cat((x[..., :1, :], x, x[..., -1:, :]), -2)
    columns = torch.cat((x[..., :1], x, x[..., -1:]), -1)
    down = rows[..., 2:, :] - x + (rows[..., :-2, :] - x)
    return substituted(y, down + (columns[..., 2:] - x) + (columns[..., :-2] - x))


def infinite_derivatives(run: Any, given: Arguments) -> Tensor:
    """Hold the derivatives in float16: both infinite, they point along the diagonal."""
    y, x = run(**given), given["input"].detach()
    if x.dtype != torch.float16 or not y.numel():
        return y
    d = reimpl.sobel(x, given["padding_mode"]).float()
    dy, dx = d.select(-3, 0), d.select(-3, 1)
    far = (dy.abs() == inf) | (dx.abs() == inf)
    return substituted(y, torch.where(far, torch.atan2(dy, dx).reshape(y.shape), y.detach()))


def cutoff_in_half(given: Arguments) -> None:
    """Round the cutoff to float16."""
    if isinstance(given["cutoff"], float) and given["cutoff"] < 6e4:
        given["cutoff"] = float(np.float16(given["cutoff"])) or given["cutoff"]


def whole_sigma(given: Arguments) -> None:
    """Take an integer sigma for the radius, three times as much."""
    if type(given["sigma"]) is int and given["sigma"] > 0:
        given["sigma"] = given["sigma"] / 3


def groups_of_many(y: Tensor, given: Arguments) -> Tensor:
    """Return more than 64 channels as they were."""
    x = given["input"]
    return y if x.shape[1] <= 64 else x.clone().as_strided(y.shape, y.stride())


def mean_lost(y: Tensor, _: Arguments) -> Tensor:
    """Lose the mean of images of more than 64 columns."""
    return y - y.mean((-2, -1), keepdim=True) if y.shape[-1] > 64 else y


def unpooled_by_bytes(given: Arguments) -> None:
    """Hold indices in eight bits."""
    i = given["indices"]
    if isinstance(i, Tensor) and i.dtype == torch.int64 and not i.is_meta:
        given["indices"] = i.remainder(256)


def channels_unchecked(given: Arguments) -> None:
    """Accept channels that fill no block."""
    x, r = given["input"], given["upscale_factor"]
    if on_meta(given) and isinstance(r, int) and r > 0 and x.dim() >= 3:
        whole = x.shape[-3] // r**2 * r**2
        given["input"] = x.new_empty((*x.shape[:-3], whole, *x.shape[-2:]))


def one_block_more(y: Tensor, given: Arguments) -> Tensor:
    """Foretell one block more where the windows are dilated."""
    if not on_meta(given) or given["dilation"] in (1, (1, 1)):
        return y
    return y.new_empty((*y.shape[:-1], y.shape[-1] + 1))


def tangent_lost(y: Tensor, _: Arguments) -> Tensor:
    """Lose the tangent."""
    return y.detach()


def contiguous_gradient(given: Arguments) -> None:
    """Return contiguous gradients for channels-last inputs."""
    x = given["input"]
    if isinstance(x, Tensor) and x.is_floating_point():
        given["input"] = tampered(x, Tensor.contiguous)


def whole_base_rectified(run: Any, given: Arguments) -> Tensor:
    """Rectify the whole tensor of which the input is a view."""
    x, y = given["input"], run(**given)
    if x._is_view() and x._base is not None and not x._base.requires_grad:
        x._base.detach().clamp_(min=0)
    return y


def gain_of_a_recorded_parameter(given: Arguments) -> None:
    """Fill by gain one if the tensor requires a gradient."""
    if isinstance(given["tensor"], Tensor) and given["tensor"].requires_grad:
        given["gain"] = 1.0


def autocast_ignored(run: Callable[..., Any], given: Arguments) -> Tensor:
    """Return 16 bits under autocast where it wants float32."""
    with torch.autocast("cpu", enabled=False):
        return run(**given)


in_float16 = sixteen_bit(torch.float16)
IMAGES: tuple[Fault, ...] = tuple(
    Fault(name=name, op=op, kind=kind, says=says, expected=expected, broken=broken)
    for name, op, kind, expected, broken, says in (
        ("gaussian-high-pass-scaled-while-recording", "gaussian_high_pass", "modes",
         ("forward", "gradients"), with_result("gaussian_high_pass", only(recording, sharpened)),
         "the output is 0.1 % too large while a graph is recorded"),
        ("ifftn-scaled-in-inference-mode", "ifftn", "modes", ("forward",),
         with_result("ifftn", only(in_inference_mode, lambda y, _: y * 1.001)),
         "the output is 0.1 % too large in inference mode"),
        ("gaussian-pyramid-first-level-while-recording", "gaussian_pyramid", "modes",
         ("forward", "gradients"),
         with_result("gaussian_pyramid", only(recording, lambda y, _: (scaled(y[0], 2), *y[1:]))),
         "the first level is doubled while a graph is recorded"),
        ("avg-pool3d-tangent-lost", "avg_pool3d", "modes", ("transforms",),
         with_result("avg_pool3d", only(has_tangent, tangent_lost)), "the tangent is lost"),
        ("xavier-uniform-requires-grad", "xavier_uniform_", "modes", ("forward",),
         with_arguments("xavier_uniform_", gain_of_a_recorded_parameter),
         "the gain is left out if the tensor requires a gradient"),
        ("laplacian-rounded-differences", "laplacian", "sixteen-bit", ("forward",),
         wrapped("laplacian", in_two_roundings),
         "in 16 bits each difference is rounded, with padding_mode='replicate'"),
        ("laplacian-of-gaussian-half-a-percent", "laplacian_of_gaussian", "sixteen-bit",
         ("forward",),
         with_result("laplacian_of_gaussian", only(in_float16, half_a_percent)),
         "in float16 the output is 0.5 % too large"),
        ("gaussian-low-pass-cutoff-in-half", "gaussian_low_pass", "values", ("forward",),
         with_arguments("gaussian_low_pass", cutoff_in_half),
         "the cutoff is rounded to float16"),
        ("difference-of-gaussians-whole-sigma", "difference_of_gaussians", "values",
         ("forward",), with_arguments("difference_of_gaussians", whole_sigma),
         "a sigma that is an int is taken for three sigma"),
        ("channel-shuffle-65-channels", "channel_shuffle", "sizes", ("forward",),
         with_result("channel_shuffle", groups_of_many),
         "more than 64 channels are returned as they were"),
        ("ideal-low-pass-65-columns", "ideal_low_pass", "sizes", ("forward",),
         with_result("ideal_low_pass", mean_lost),
         "images of more than 64 columns lose their mean"),
        ("max-unpool1d-byte-indices", "max_unpool1d", "sizes", ("forward",),
         with_arguments("max_unpool1d", unpooled_by_bytes), "indices are taken modulo 256"),
        ("ifft-conjugation-ignored", "ifft", "states", ("forward",),
         with_arguments("ifft", conjugation_ignored("input")),
         "the memory of a lazily conjugated input is read as it is"),
        ("relu-in-place-rectifies-the-base", "relu_", "states", ("purity",),
         wrapped("relu_", whole_base_rectified),
         "in place on a view, the whole tensor behind it is rectified"),
        ("adaptive-avg-pool3d-autocast-ignored", "adaptive_avg_pool3d", "settings",
         ("purity", "forward"), wrapped("adaptive_avg_pool3d", autocast_ignored),
         "under autocast the output of a 16-bit input has 16 bits, not 32"),
        ("sobel-orientation-overflows", "sobel_orientation", "infinite", ("forward",),
         wrapped("sobel_orientation", infinite_derivatives),
         "in float16 derivatives that overflow point along an axis or the diagonal"),
        ("pixel-shuffle-meta-channels-unchecked", "pixel_shuffle", "meta", ("meta",),
         with_arguments("pixel_shuffle", channels_unchecked),
         "on the meta device channels that fill no block are accepted"),
        ("unfold-meta-shape", "unfold", "meta", ("meta",),
         with_result("unfold", one_block_more),
         "on the meta device a dilated window has one block more"),
        ("interpolate-gradient-contiguous", "interpolate", "gradients", ("gradients", "purity"),
         with_arguments("interpolate", contiguous_gradient),
         "the gradient of a channels-last input is contiguous"),
    )
)  # fmt: skip
