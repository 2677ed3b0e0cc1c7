"""The meta device, and bytes: what is foretold wrongly, and errors that all channels share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
from reimpl.arguments import INTEGERS

meta = partial(Fault, kind="meta")
of_bytes = partial(Fault, kind="bytes", expected=("forward",))


def foretold(change: Callable[[Any, Arguments], Any]) -> Callable[[Any, Arguments], Any]:
    """Change the result on the meta device only."""
    return lambda y, given: change(y, given) if given["input"].is_meta else y


def on_meta(given: Arguments) -> bool:
    """Whether the input is a tensor on the meta device."""
    return isinstance(given["input"], Tensor) and given["input"].is_meta


def contiguous(y: Tensor, _: Arguments) -> Tensor:
    """Foretell contiguous strides."""
    return y.contiguous()


def single_for_integers(y: Tensor, given: Arguments) -> Tensor:
    """Foretell float64 for integers."""
    return y.double() if given["input"].dtype in INTEGERS else y


def wide_for_complex(y: Tensor, _: Arguments) -> Tensor:
    """Foretell complex128."""
    return y.to(torch.complex128)


def narrow_indices(found: Any, given: Arguments) -> Any:
    """Foretell 32-bit indices."""
    return (found[0], found[1].int()) if given["return_indices"] else found


def floor_for_ceil(given: Arguments) -> None:
    """Foretell the size without ceil_mode."""
    if on_meta(given) and given["ceil_mode"] is True:
        given["ceil_mode"] = False


def channels_unchecked(run: Any, given: Arguments) -> Tensor:
    """Accept a weight for other channels than the input has."""
    x, w = given["input"], given["weight"]
    if on_meta(given) and isinstance(w, Tensor) and x.dim() == w.dim() == 3:
        channels = w.shape[1] * given["groups"] if isinstance(given["groups"], int) else x.shape[1]
        given["input"] = x.new_empty((x.shape[0], channels, x.shape[2]))
    return run(**given)


def columns_unchecked(given: Arguments) -> None:
    """Accept a weight for other features than the input has."""
    x, w = given["input"], given["weight"]
    if on_meta(given) and isinstance(w, Tensor) and w.dim() == 2 and x.dim() > 0:
        given["weight"] = w.new_empty((w.shape[0], x.shape[-1]))


def groups_unchecked(given: Arguments) -> None:
    """Accept groups that do not divide the channels."""
    if on_meta(given) and isinstance(given["num_groups"], int) and given["num_groups"] > 0:
        given["num_groups"] = 1


def shape_unchecked(given: Arguments) -> None:
    """Accept a weight of another shape than the axes that are normalized."""
    w, K = given["weight"], given["normalized_shape"]
    if on_meta(given) and isinstance(w, Tensor) and isinstance(K, (tuple, list)):
        given["weight"] = w.new_empty(tuple(given["input"].shape[-len(K) :]))


def rows_unchecked(given: Arguments) -> None:
    """Accept rows that do not fill the last channel."""
    x, K = given["input"], given["kernel_size"]
    if on_meta(given) and isinstance(K, int) and K > 0 and x.dim() in (2, 3):
        rows = -(-x.shape[-2] // K**2) * K**2
        given["input"] = x.new_empty((*x.shape[:-2], rows, x.shape[-1]))


def padding_unchecked(run: Any, given: Arguments) -> Any:
    """Accept more padding than half of the kernel."""
    K, p = given["kernel_size"], given["padding"]
    wide = isinstance(K, int) and isinstance(p, int) and 2 * p > K > 0
    if on_meta(given) and wide:
        given["padding"] = K // 2
    return run(**given)


def one_brighter(y: Tensor, given: Arguments) -> Tensor:
    """Add one to every byte between 1 and 254."""
    smooth = given["mode"] in ("bilinear", "bicubic")
    if y.dtype != torch.uint8 or not smooth:
        return y
    return torch.where((y > 0) & (y < 255), y + 1, y)


def rounded_down(y: Tensor, run: Any, given: Arguments) -> Tensor:
    """Cut off fractions of bytes instead of rounding."""
    x = given["input"]
    if y.dtype != torch.uint8 or given["mode"] != "bilinear" or not given["antialias"]:
        return y
    exact = run(**{**given, "input": x.float()})
    return torch.empty_like(y).copy_(exact.floor())


@stand_in
class HalvesRoundedDown(reimpl.UpsamplingBilinear2d):
    """Return one less in all channels where a byte is odd."""

    def forward(self, input: Tensor) -> Tensor:
        """Interpolate."""
        y = super().forward(input)
        return y & 254 if input.dtype == torch.uint8 else y


META: tuple[Fault, ...] = tuple(
    meta(name=name, op=op, says=says, expected=("meta",), broken=broken)
    for name, op, broken, says in (
        ("interpolate-meta-strides", "interpolate",
         with_result("interpolate", foretold(contiguous)),
         "on the meta device the output of a channels-last input is contiguous"),
        ("tanh-meta-dtype", "tanh", with_result("tanh", foretold(single_for_integers)),
         "on the meta device the output of integers is float64"),
        ("fftn-meta-dtype", "fftn", with_result("fftn", foretold(wide_for_complex)),
         "on the meta device the output is complex128"),
        ("max-pool1d-meta-indices", "max_pool1d",
         with_result("max_pool1d", foretold(narrow_indices)),
         "on the meta device indices are 32-bit"),
        ("lp-pool2d-meta-shape", "lp_pool2d", with_arguments("lp_pool2d", floor_for_ceil),
         "on the meta device ceil_mode is ignored"),
        ("conv1d-meta-channels-unchecked", "conv1d", wrapped("conv1d", channels_unchecked),
         "on the meta device a weight for other channels is accepted"),
        ("linear-meta-features-unchecked", "linear", with_arguments("linear", columns_unchecked),
         "on the meta device a weight for other features is accepted"),
        ("group-norm-meta-groups-unchecked", "group_norm",
         with_arguments("group_norm", groups_unchecked),
         "on the meta device groups that do not divide the channels are accepted"),
        ("layer-norm-meta-shape-unchecked", "layer_norm",
         with_arguments("layer_norm", shape_unchecked),
         "on the meta device a weight of another shape is accepted"),
        ("fold-meta-rows-unchecked", "fold", with_arguments("fold", rows_unchecked),
         "on the meta device rows that do not fill the last channel are accepted"),
        ("max-pool2d-meta-padding-unchecked", "max_pool2d",
         wrapped("max_pool2d", padding_unchecked),
         "on the meta device more padding than half of the kernel is accepted"),
    )
)  # fmt: skip

BYTES: tuple[Fault, ...] = (
    of_bytes(
        name="interpolate-bytes-one-brighter",
        op="interpolate",
        says="smooth interpolation of bytes is one too bright between 1 and 254",
        broken=with_result("interpolate", one_brighter),
    ),
    of_bytes(
        name="interpolate-bytes-rounded-down",
        op="interpolate",
        says="antialiased bilinear interpolation of bytes cuts fractions off",
        broken=wrapped("interpolate", lambda run, given: rounded_down(run(**given), run, given)),
    ),
    of_bytes(
        name="upsampling-bilinear2d-bytes-even",
        op="UpsamplingBilinear2d",
        says="odd bytes are one too small in all channels",
        broken=HalvesRoundedDown,
    ),
)
