"""Slips in interpolation and initialisers: scales, rules by rank, gains."""

from __future__ import annotations

import torch
from torch import Tensor

from parity_tests.planted.fault import Arguments, Fault, with_arguments, with_result


def scale_recomputed(given: Arguments) -> None:
    """Take the scale from the sizes although the caller gave it."""
    if given["mode"] == "linear" and given["scale_factor"] is not None:
        given["recompute_scale_factor"] = True


def overshoot_clipped(y: Tensor, given: Arguments) -> Tensor:
    """Clip what cubic interpolation overshoots to the range of the input."""
    x = given["input"]
    if given["mode"] != "bicubic" or given["antialias"] or not x.numel():
        return y
    return y.clamp(x.amin(), x.amax())


def exact_in_planes_only(given: Arguments) -> None:
    """Take the nearest voxel by the old rule in volumes."""
    if given["mode"] == "nearest-exact" and given["input"].dim() == 5:
        given["mode"] = "nearest"


def fan_out_of_one_tap(tensor: Tensor, given: Arguments) -> Tensor:
    """Count a kernel's outputs without its taps."""
    if given["mode"] == "fan_out" and tensor.dim() > 2:
        with torch.no_grad():
            tensor.mul_(tensor[0, 0].numel() ** 0.5)
    return tensor


def gain_twice(tensor: Tensor, given: Arguments) -> Tensor:
    """Apply the gain once more."""
    with torch.no_grad():
        return tensor.mul_(given["gain"])


RESAMPLING = tuple(
    Fault(name=name, op=op, kind=kind, says=says, expected=expected, broken=broken)
    for name, op, kind, says, expected, broken in (
        (
            "interpolate-linear-scale-recomputed",
            "interpolate",
            "conventions",
            "mode='linear' takes the scale from the sizes although it was given",
            ("forward",),
            with_arguments("interpolate", scale_recomputed),
        ),
        (
            "interpolate-bicubic-clipped",
            "interpolate",
            "hostile",
            "bicubic overshoot is clipped to the input's range",
            ("forward",),
            with_result("interpolate", overshoot_clipped),
        ),
        (
            "interpolate-exact-volumes",
            "interpolate",
            "geometry",
            "mode='nearest-exact' is 'nearest' in volumes",
            ("forward",),
            with_arguments("interpolate", exact_in_planes_only),
        ),
        (
            "kaiming-normal-fan-out-taps",
            "kaiming_normal_",
            "conventions",
            "mode='fan_out' does not count the kernel's taps",
            ("forward", "contract"),
            with_result("kaiming_normal_", fan_out_of_one_tap),
        ),
        (
            "xavier-uniform-gain-twice",
            "xavier_uniform_",
            "conventions",
            "the gain is applied twice",
            ("forward", "contract"),
            with_result("xavier_uniform_", gain_twice),
        ),
    )
)
