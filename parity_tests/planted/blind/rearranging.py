"""Padding, folding, shuffles, Fourier transforms and filters of images."""

from __future__ import annotations

from math import nextafter, prod, sqrt
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
from reimpl.arguments import repeated


def stops_before_the_far_edge(y: Tensor, given: Arguments) -> Tensor:
    """Reflect to the second entry at most: with L − 1 behind, the first is never reached."""
    L, pad = given["input"].shape[-1], tuple(given["pad"])
    if given["mode"] != "reflect" or len(pad) != 2 or pad[1] != L - 1 or L < 3:
        return y
    return torch.cat((y[..., :-1], y[..., -2:-1]), -1)


def rounded_value(given: Arguments) -> None:
    """Round the value for integers, instead of cutting off."""
    if given["value"] is not None and not given["input"].is_floating_point():
        given["value"] = float(round(given["value"]))


def reflects_one_too_many(run: Any, given: Arguments) -> Tensor:
    """Accept to reflect as many entries as there are, and repeat the last one read."""
    L, pad = given["input"].shape[-1:], tuple(given["pad"])
    if given["mode"] != "reflect" or len(pad) != 2 or (pad[1],) != L or pad[1] < 2:
        return run(**given)
    y = run(**{**given, "pad": (pad[0], pad[1] - 1)})
    return torch.cat((y, y[..., -1:]), -1)


def channels_last_among_rows(given: Arguments) -> None:
    """Take rows for taps of channels, instead of channels of taps, without a batch."""
    x, K = given["input"], prod(repeated(given["kernel_size"], 2))
    if x.dim() == 2 and x.shape[0] % K == 0:
        given["input"] = x.unflatten(0, (K, -1)).transpose(0, 1).flatten(0, 1)


def first_row_forgotten(given: Arguments) -> None:
    """Give the first row no gradient where windows are padded and strided."""
    x, p, s = given["input"], repeated(given["padding"], 2), repeated(given["stride"], 2)
    if x.dim() > 2 and x.is_floating_point() and p[0] > 0 and s[0] > 1:
        given["input"] = altered(
            x, lambda g: torch.cat((torch.zeros_like(g[..., :1, :]), g[..., 1:, :]), -2)
        )


def blocks_transposed(given: Arguments) -> None:
    """Lay out blocks of three and more column by column, without a batch."""
    x, r = given["input"], given["upscale_factor"]
    if isinstance(r, int) and r > 2 and x.dim() == 3 and x.shape[0] % r**2 == 0:
        given["input"] = x.unflatten(0, (-1, r, r)).transpose(1, 2).flatten(0, 2)


def crops(given: Arguments) -> None:
    """Drop the columns that fill no block."""
    x, r = given["input"], given["downscale_factor"]
    if isinstance(r, int) and r > 0 and x.dim() > 2 and x.shape[-1] >= r:
        given["input"] = x[..., : x.shape[-1] // r * r]


def contiguous(y: Tensor, _: Arguments) -> Tensor:
    """Return a contiguous tensor for a channels-last input."""
    return y.contiguous()


def scaled_by_the_entries(y: Tensor, given: Arguments) -> Tensor:
    """Divide by the number of entries there were, not by n."""
    n = given["n"]
    return y * (n / given["input"].shape[given["dim"]]) if n and given["norm"] == "forward" else y


def forward_for_integers(y: Tensor, given: Arguments) -> Tensor:
    """Leave out that an inverse turns the other way for integers."""
    x = given["input"]
    return y if x.is_floating_point() or x.is_complex() else y.conj().resolve_conj()


def scaled_by_the_last(y: Tensor, given: Arguments) -> Tensor:
    """Scale by the last length alone where axes are given."""
    dim = given["dim"]
    if given["norm"] != "ortho" or dim is None or len(dim) < 2:
        return y
    return y * sqrt(prod(y.shape[d] for d in dim[:-1]))


def strictly_inside(given: Arguments) -> None:
    """Drop the cutoff's own frequency."""
    if isinstance(given["cutoff"], float):
        given["cutoff"] = nextafter(given["cutoff"], 0)


def what_the_low_pass_leaves(run: Any, given: Arguments) -> Tensor:
    """Subtract the low-pass from the image, which cancels for large cutoffs."""
    run(**given)  # for its errors
    return given["input"] - reimpl.gaussian_low_pass(**given)


def never_black(given: Arguments) -> None:
    """Keep brightness above the rounding unit, for the slope's sake."""
    x = given["input"]
    if x.is_floating_point() and given["gamma"] < 1:
        given["input"] = torch.where(x == 0, torch.finfo(x.dtype).eps, x)


@stand_in
class TopAndBottom(reimpl.ReflectionPad2d):
    """Pad the top by the bottom's amount."""

    def forward(self, input: Tensor) -> Tensor:
        """Pad."""
        left, right, top, bottom = self.padding
        return reimpl.pad(input, (left, right, bottom, top), "reflect")


@stand_in
class ReprOfTheBase(reimpl.ZeroPad3d):
    """Show the value, as the pads by a constant do."""

    extra_repr = reimpl.ConstantPad3d.extra_repr


@stand_in
class NumberKept(reimpl.ReplicationPad1d):
    """Keep a single amount as a number."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding)
        self.padding = padding

    def forward(self, input: Tensor) -> Tensor:
        """Pad."""
        return reimpl.pad(input, repeated(self.padding, 2), "replicate")


@stand_in
class ValueTimesMask(reimpl.ConstantPad3d):
    """Add the value times a mask of the border, which is NaN inside for an infinite value."""

    def forward(self, input: Tensor) -> Tensor:
        """Pad."""
        if not input.is_floating_point():
            return super().forward(input)
        inside = reimpl.pad(torch.ones_like(input), self.padding)
        return reimpl.pad(input, self.padding) + (1 - inside) * self.value


REARRANGING = tuple(
    Fault(name=name, op=op, kind=kind, says=says, expected=expected, broken=broken)
    for name, op, kind, expected, broken, says in (
        ("pad-reflect-far-edge", "pad", "boundary", ("forward",),
         with_result("pad", stops_before_the_far_edge),
         "a reflection of all but one entry never reaches the far edge"),
        ("pad-integer-value-rounded", "pad", "dtype", ("forward",),
         with_arguments("pad", rounded_value), "the value for integers is rounded"),
        ("pad-reflects-one-too-many", "pad", "errors", ("errors",),
         wrapped("pad", reflects_one_too_many), "as many entries as there are can be reflected"),
        ("fold-unbatched-channels", "fold", "geometry", ("forward",),
         with_arguments("fold", channels_last_among_rows),
         "without a batch rows are taken for taps of channels"),
        ("unfold-first-row-gradient", "unfold", "backward", ("gradients",),
         with_arguments("unfold", first_row_forgotten),
         "with padding and stride the first row has no gradient"),
        ("pixel-shuffle-unbatched-transposed", "pixel_shuffle", "geometry", ("forward",),
         with_arguments("pixel_shuffle", blocks_transposed),
         "without a batch blocks of three and more are transposed"),
        ("pixel-unshuffle-crops", "pixel_unshuffle", "errors", ("errors",),
         with_arguments("pixel_unshuffle", crops), "columns that fill no block are dropped"),
        ("channel-shuffle-contiguous", "channel_shuffle", "layout", ("forward",),
         with_result("channel_shuffle", contiguous),
         "the output of a channels-last input is contiguous"),
        ("fft-forward-norm-of-entries", "fft", "conventions", ("forward",),
         with_result("fft", scaled_by_the_entries),
         "norm='forward' divides by the entries before n padded or trimmed them"),
        ("ifft-integers-forward", "ifft", "dtype", ("forward",),
         with_result("ifft", forward_for_integers), "integers are transformed forwards"),
        ("fftn-ortho-last-length", "fftn", "conventions", ("forward",),
         with_result("fftn", scaled_by_the_last),
         "norm='ortho' scales by the last length where axes are given"),
        ("ideal-low-pass-strict", "ideal_low_pass", "boundary", ("forward",),
         with_arguments("ideal_low_pass", strictly_inside), "the cutoff itself is dropped"),
        ("gaussian-high-pass-difference", "gaussian_high_pass", "precision", ("forward",),
         wrapped("gaussian_high_pass", what_the_low_pass_leaves),
         "the high-pass is the image less its low-pass, which cancels for large cutoffs"),
        ("gamma-never-black", "gamma", "corners", ("forward",),
         with_arguments("gamma", never_black), "below γ = 1 black is not quite black"),
        ("reflection-pad2d-top-and-bottom", "ReflectionPad2d", "geometry", ("forward",),
         TopAndBottom, "top and bottom are exchanged"),
        ("zero-pad3d-repr", "ZeroPad3d", "contract", ("contract",),
         ReprOfTheBase, "repr shows the value"),
        ("replication-pad1d-number-kept", "ReplicationPad1d", "contract", ("contract",),
         NumberKept, "an int stays an int"),
        ("constant-pad3d-infinite", "ConstantPad3d", "corners", ("forward",),
         ValueTimesMask, "an infinite value makes the inside NaN"),
    )
)  # fmt: skip
