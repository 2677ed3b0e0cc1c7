"""Conditions on calls, by name: what the expectations file may say of a region."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor, prod
from typing import Any

import torch
from torch._prims_common import suggest_memory_format

from parity_tests.definitions.array import per_axis
from parity_tests.definitions.convolution import zero_padding
from parity_tests.definitions.interpolation import HALF, each
from parity_tests.definitions.maxima import misses_the_grid, unpooled_size
from parity_tests.op import Call
from parity_tests.recipe import ODD

__all__ = [
    "empty_output",
    "empty_with_parameters",
    "evaluates",
    "filled_with",
    "has_a_negative_padding",
    "has_a_tap_of_padding",
    "has_a_window_of_padding",
    "has_a_window_of_padding_alone",
    "in_state",
    "keeps_a_size",
    "laid_out_oddly",
    "looks_like_an_image",
    "not_finite",
    "of_another_dtype",
    "one_value_to_a_group",
    "one_wide_and_filtered",
    "outreaches_the_grid",
    "overhangs",
    "padded_by_its_size",
    "pads_to_nothing",
    "permuted_positions",
    "repeats_an_index",
    "rescales_in_place",
    "rounds_before_the_bias",
    "selects_by_rounding",
    "sites",
    "sixteen_samples_or_channels",
    "strides_over_one_column",
    "to_one_pixel",
    "unpools_to_nothing",
    "weighs_in_storage",
    "windows_overlap",
    "without_cudnn",
    "without_onednn",
    "wraps_beyond_what_is_left",
    "zero_dilation",
]


def not_finite(call: Call) -> bool:
    """NaN or infinities among the numbers, cotangent included."""
    return any(r.fill in ODD for r in (*call.recipes().values(), call.cotangent))


def of_another_dtype(call: Call, name: str) -> bool:
    """A tensor is there, and not of the dtype under test."""
    recipe = call.recipes().get(name)
    return recipe is not None and recipe.dtype is not None


def filled_with(call: Call, fill: str) -> bool:
    """Some tensor, the cotangent included, has that fill."""
    return any(r.fill == fill for r in (*call.recipes().values(), call.cotangent))


def in_state(call: Call, state: str) -> bool:
    """Some tensor, the cotangent included, is in that state, besides how it lies."""
    return any(r.state == state for r in (*call.recipes().values(), call.cotangent))


def without_onednn(call: Call) -> bool:
    """The share of the calls in which the suite turns oneDNN off."""
    return call.one_in(4, "without oneDNN")


def without_cudnn(call: Call) -> bool:
    """The share of the calls in which the suite turns cuDNN off: the same."""
    return without_onednn(call)


def sixteen_samples_or_channels(call: Call) -> bool:
    """As many as NNPACK wants before it takes over."""
    return any(n >= 16 for r in call.recipes().values() for n in r.shape[:2])


def laid_out_oddly(call: Call) -> bool:
    """Some tensor, the cotangent included, is not contiguous."""
    return any(r.layout != "contiguous" for r in (*call.recipes().values(), call.cotangent))


def empty_with_parameters(call: Call) -> bool:
    """No samples or no channels, in some step at least, with a weight, a bias or estimates."""
    tensors = call.recipes()
    empty = any(0 in r.shape[:2] for name, r in tensors.items() if name.endswith("input"))
    return empty and any(n in tensors for n in ("weight", "bias", "running_mean"))


def permuted_positions(call: Call) -> bool:
    """Five axes or more, and the later ones not in their order in memory."""
    shape, layout = call.arguments["input"].shape, call.arguments["input"].layout
    return len(shape) > 4 and layout == "permuted"


def evaluates(call: Call) -> bool:
    """A normalisation uses its running statistics, in some step at least."""
    flags = [call.training]
    for given in (call.arguments, *call.steps):
        flags += [given.get(name, True) for name in ("training", "use_input_stats")]
        flags.append(given.get("action") != "eval")
    return not all(flags)


@dataclass(frozen=True)
class Axis:
    """The windows of a convolution along one axis, or of the one that a call transposes."""

    size: int  # of the grid that the windows look at
    windows: int
    kernel: int
    stride: int
    dilation: int
    padding: int  # in front


def axes(call: Call) -> Iterator[Axis]:
    """The geometry of a convolution of either kind, axis by axis."""
    a = call.arguments
    weights = [t.shape[2:] for name, t in call.recipes().items() if name.endswith("weight")]
    kernel = tuple(map(max, zip(*weights, strict=True)))  # a stage has 1 along the others' axes
    rank = len(kernel)
    s, d = (per_axis(a.get(name, 1), rank) for name in ("stride", "dilation"))
    before, total = zero_padding(a.get("padding", 0), list(kernel), d)
    extra = per_axis(a.get("output_padding", 0), rank)
    for i, size in enumerate(a["input"].shape[-rank:]):
        span = d[i] * (kernel[i] - 1) + 1
        if "output_padding" in a:  # the input holds the windows, the output is the grid
            windows = size
            size = (windows - 1) * s[i] + span - total[i] + extra[i]
        else:
            windows = (size + total[i] - span) // s[i] + 1
        yield Axis(size, windows, kernel[i], s[i], d[i], before[i])


def one_value_to_a_group(call: Call) -> bool:
    """A group of channels holds a single value, whose variance is zero."""
    channels, *positions = call.arguments["input"].shape[1:]
    return channels == call.arguments["num_groups"] and prod(positions) == 1


def outreaches_the_grid(call: Call) -> bool:
    """On the last axis a window, or a tap of the first window, starts beyond the grid's end."""
    axis = list(axes(call))[-1]
    # A transposed convolution with a large output_padding has fewer windows than its output holds.
    fit = (axis.size + 2 * axis.padding - axis.dilation * (axis.kernel - 1) - 1) // axis.stride + 1
    window = axis.stride * (max(axis.windows, fit) - 1) - axis.padding
    tap = axis.dilation * (axis.kernel - 1) - axis.padding
    # A second derivative swaps stride and dilation: then padding as wide as the grid will do.
    return max(window, tap, axis.padding) >= axis.size


def has_a_window_of_padding_alone(call: Call) -> bool:
    """On some axis a window of a convolution meets padding with all of its taps, of several."""
    return any(
        all(not 0 <= a.stride * m + a.dilation * k - a.padding < a.size for k in range(a.kernel))
        for a in axes(call)
        for m in range(a.windows if a.kernel > 1 else 0)
    )


def strides_over_one_column(call: Call) -> bool:
    """Strided windows of several taps fit once along the last axis, and more often elsewhere."""
    *others, last = axes(call)
    several = any(axis.windows > 1 for axis in others)
    return several and last.windows == 1 and last.stride > 1 and last.kernel > 1


def padded_by_its_size(call: Call) -> bool:
    """On some axis the padding is as wide as the grid, or wider."""
    return any(axis.padding >= axis.size for axis in axes(call))


def has_a_tap_of_padding(call: Call) -> bool:
    """On some axis a tap meets padding alone, in every window."""
    return any(
        all(not 0 <= a.stride * m + a.dilation * k - a.padding < a.size for m in range(a.windows))
        for a in axes(call)
        for k in range(a.kernel)
    )


def empty_output(call: Call) -> bool:
    """A transposed convolution whose padding leaves nothing of its output on some axis."""
    return any(axis.size <= 0 for axis in axes(call))


def overhangs(call: Call) -> bool:
    """A transposed convolution whose output_padding is on some axis no smaller than the stride."""
    rank = len(call.recipes()["weight"].shape) - 2
    extra, stride = (
        per_axis(call.arguments.get(name, default), rank)
        for name, default in (("output_padding", 0), ("stride", 1))
    )
    return any(e >= s for e, s in zip(extra, stride, strict=True))


def has_a_negative_padding(call: Call) -> bool:
    """On some axis a padding is below zero."""
    return any(p < 0 for p in per_axis(call.arguments["padding"], 2))


def zero_dilation(call: Call) -> bool:
    """A dilation of zero, which the formula would allow and torch's documentation does not."""
    return 0 in per_axis(call.arguments.get("dilation", 1), 1)


def rounds_before_the_bias(call: Call) -> bool:
    """A linear layer whose bias cannot be had in one pass with the product, for its layout's sake.

    That is a bias with gaps. Where the input has one axis, or more than two, it is also a bias
    without axes, and any bias if the input is not contiguous.
    """
    x, bias = call.arguments["input"], call.recipes().get("bias")
    if bias is None:
        return False
    apart = x.layout != "contiguous" or not bias.shape
    return bias.layout != "contiguous" or (len(x.shape) != 2 and apart)


def sites(call: Call) -> int:
    """The number of positions in a channel of a pool's input."""
    x = call.arguments["input"]
    return prod(x.shape[1 + x.batched :])


def windows_overlap(call: Call) -> bool:
    """On some axis a window of a pool or of a fold begins before the one before it ends."""
    a = call.arguments
    x = a["input"]
    L = x.shape[1 + x.batched :]
    if "kernel_size" not in a:  # adaptive
        sizes = a["output_size"]
        sizes = (sizes,) * len(L) if sizes is None else per_axis(sizes, len(L))
        return any(n % m != 0 for n, m in zip(L, sizes, strict=True) if m)
    rank = 2 if "output_size" in a else len(L)
    kernel, dilation = (per_axis(a.get(name, 1), rank) for name in ("kernel_size", "dilation"))
    stride = a.get("stride")
    if stride is None:
        stride = kernel if "dilation" not in a or "ceil_mode" in a else 1
    spans = zip(per_axis(stride, rank), dilation, kernel, strict=True)
    return any(s < d * (k - 1) + 1 for s, d, k in spans)


def has_a_window_of_padding(call: Call) -> bool:
    """Some window of a max pool has the input between two of its dilated taps."""
    a = call.arguments
    rest = (a.get("padding", 0), a.get("dilation", 1), a.get("ceil_mode", False))
    L = a["input"].shape[1 + a["input"].batched :]
    return misses_the_grid(L, a["kernel_size"], a.get("stride"), *rest)


def looks_like_an_image(call: Call, *, moduli: bool = False) -> bool:
    """A volume without a batch has strides that torch takes for an image's in channels last.

    Its moduli may have others where sizes are one.
    """
    x = call.arguments["input"]
    if x.batched or len(x.shape) != 4:
        return False
    t = x.tensor(torch.float32)
    return suggest_memory_format(t.abs() if moduli else t) == torch.channels_last


def repeats_an_index(call: Call) -> bool:
    """Among the indices of an unpooling one comes twice, in one channel or in two."""
    values = call.arguments["indices"].values
    return values is not None and len(set(values)) < len(values)


def unpools_to_nothing(call: Call) -> bool:
    """A max unpooling whose output has an axis of size zero."""
    a = call.arguments
    if a.get("output_size") is not None:
        return 0 in a["output_size"]
    M = a["input"].shape[-len(a["kernel_size"]) :]
    return 0 in unpooled_size(M, a["kernel_size"], a.get("stride"), a.get("padding", 0))


# --- interpolation ---


def resampled(call: Call) -> Iterator[tuple[int, int, float | None]]:
    """Per axis the size, the size it becomes, and the scale if that is given and used."""
    a = call.arguments
    L = a["input"].shape[2:]
    scales = each(a.get("scale_factor"), len(L))
    for n, m, scale in zip(L, each(a.get("size"), len(L)), scales, strict=True):
        used = None if a.get("recompute_scale_factor") or a.get("align_corners") else scale
        yield n, int(n * scale) if m is None else m, used


def keeps_a_size(call: Call) -> bool:
    """Some axis of an interpolation keeps its size."""
    return any(n == m for n, m, _ in resampled(call))


def rescales_in_place(call: Call) -> bool:
    """Some axis of an interpolation keeps its size, though its samples lie at another scale."""
    return any(n == m and scale not in (None, 1) for n, m, scale in resampled(call))


def one_wide_and_filtered(call: Call) -> bool:
    """An interpolation whose output is one column, of another height than the input."""
    (n, height, _), (_, width, _) = resampled(call)
    return width == 1 and height != n


def to_one_pixel(call: Call) -> bool:
    """An interpolation of images of several rows to a single pixel."""
    axes = list(resampled(call))
    return len(axes) == 2 and axes[0][0] > 1 and all(m == 1 for _, m, _ in axes)


def weighs_in_storage(call: Call) -> bool:
    """An interpolation that runs in torch's kernel for any rank, which stores its weights.

    Of bilinear ones these are the larger. UpsamplingBilinear2d does not name its mode.
    """
    mode = call.arguments.get("mode", "bilinear")
    larger = sum(m for _, m, _ in resampled(call)) > 128
    return mode in ("linear", "bicubic", "trilinear") or (mode == "bilinear" and larger)


def selects_by_rounding(call: Call) -> bool:
    """Torch's ways of finding the nearest element disagree among themselves, or with the formula.

    They are single and double precision, the one or the other after a detour, and shortcuts for
    the same and the double size.
    """
    exact = call.arguments.get("mode") == "nearest-exact"
    half = HALF if exact else 0
    for n, m, scale in resampled(call):
        ratio = Fraction(n, m) if scale is None else Fraction(1 / scale)
        if not exact and m in (n, 2 * n) and ratio != Fraction(n, m):
            return True
        fine, coarse = float(ratio), single(float(ratio))
        for o in range(m):
            ways: list[Any] = [(o + half) * ratio, (o + half) * fine, (o + half) * coarse]
            if exact:
                ways += [float(ways[1]) - 0.5 + 0.5, single(ways[2] - 0.5) + 0.5]
            found = {floor(float(ways[0])), *(floor(single(float(u))) for u in ways[1:])}
            if len({min(j, n - 1) for j in found}) > 1:
                return True
    return False


def single(x: float) -> float:
    """Rounded to single precision."""
    return float(struct.unpack("f", struct.pack("f", x))[0])


def wraps_beyond_what_is_left(call: Call) -> bool:
    """Circular padding crops an axis at one end and wraps more than is left around the other."""
    a = call.arguments
    circular = a.get("mode", "constant" if "pad" in a else "circular") == "circular"
    return circular and any(
        min(lo, hi) < 0 and size + min(lo, 0) + min(hi, 0) < max(lo, hi) <= size
        for size, lo, hi in padded_axes(call)
    )


def pads_to_nothing(call: Call) -> bool:
    """A padding crops all of some axis that had something."""
    return any(size > 0 == size + lo + hi for size, lo, hi in padded_axes(call))


def padded_axes(call: Call) -> Iterator[tuple[int, int, int]]:
    """Size and amounts of every axis that a padding pads; the last axis first."""
    amounts = call.arguments.get("pad", call.arguments.get("padding"))
    if isinstance(amounts, int):  # three axes: where one number matters the module has that many
        amounts = (amounts,) * 6
    return zip(reversed(call.arguments["input"].shape), amounts[::2], amounts[1::2], strict=False)
