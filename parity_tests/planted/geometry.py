"""Windows in the wrong place: sizes, strides, paddings, dilations, groups, orders of axes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_arguments, with_result, wrapped

geometry = partial(Fault, kind="geometry")


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    """A geometric argument as one integer per axis."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * rank if len(values) == 1 else values


def smaller_dilation_for_rows(given: Arguments) -> None:
    """Take the smaller of both dilations for the columns of a kernel of one row."""
    first, last = per_axis(given["dilation"], 2)
    if first < last and given["weight"].shape[2] == 1:
        given["dilation"] = (first, first)


def odd_padding_in_front(given: Arguments) -> None:
    """Put the odd zero of 'same' padding in front instead of behind."""
    total = per_axis(given["dilation"], 1)[0] * (given["weight"].shape[2] - 1)
    if given["padding"] == "same" and total % 2:
        given["input"] = reimpl.pad(given["input"], (total - total // 2, total // 2))
        given["padding"] = 0


def groups_interleaved(y: Tensor, given: Arguments) -> Tensor:
    """Deal out the output channels of three groups or more."""
    groups, axis = given["groups"], y.dim() - 3
    if groups < 3:
        return y
    return y.unflatten(axis, (groups, -1)).transpose(axis, axis + 1).flatten(axis, axis + 1)


def shifted_by_output_padding(y: Tensor, given: Arguments) -> Tensor:
    """Put the second extra column in front."""
    return y.roll(1, -1) if per_axis(given["output_padding"], 2)[1] > 1 else y


def last_paddings_swapped(given: Arguments) -> None:
    """Swap the paddings of the last two axes where the kernel is a cube."""
    a, b, c = per_axis(given["padding"], 3) if given["padding"] != "same" else (0, 0, 0)
    if given["padding"] not in ("same", "valid") and len(set(given["weight"].shape[2:])) == 1:
        given["padding"] = (a, c, b)


def taps_reversed(given: Arguments) -> None:
    """Reverse the taps where stride and dilation are both above one."""
    if min(per_axis(given["stride"], 1) + per_axis(given["dilation"], 1)) > 1:
        given["weight"] = given["weight"].flip(-1)


def taps_by_columns(y: Tensor, given: Arguments) -> Tensor:
    """Order the taps of kernels that are not square column by column."""
    K, L = per_axis(given["kernel_size"], 2)
    return y.unflatten(-2, (-1, K, L)).transpose(-2, -3).flatten(-4, -2) if K != L else y


def one_window_more(y: Tensor, given: Arguments) -> Tensor:
    """Keep the last window of ceil_mode though it starts in the padding behind."""
    if not given["ceil_mode"] or given["return_indices"]:
        return y
    k, p, d = (per_axis(given[name], 1)[0] for name in ("kernel_size", "padding", "dilation"))
    s = per_axis(given["stride"] or k, 1)[0]
    windows = -(-(given["input"].shape[-1] + 2 * p - d * (k - 1) - 1) // s) + 1
    if windows == y.shape[-1]:
        return y
    return torch.cat((y, torch.full_like(y[..., :1], -torch.inf)), -1)


def no_override_under_ceil(given: Arguments) -> None:
    """Forget the divisor where ceil_mode is on."""
    if given["ceil_mode"]:
        given["divisor_override"] = None


def floors_for_ends(run: Any, given: Arguments) -> Tensor:
    """End adaptive windows at the floor of their end, where they have two entries at least."""
    x, m = given["input"], per_axis(given["output_size"], 1)[0]
    n = x.shape[-1]
    if m == 0 or n % m == 0 or n < m or x.dtype not in (torch.float32, torch.float64):
        return run(**given)
    ends = [(i * n // m, (i + 1) * n // m) for i in range(m)]
    return torch.stack([x[..., a:b].mean(-1) for a, b in ends], -1)


def rows_as_long_as_columns(found: Any, given: Arguments) -> Any:
    """Number the places of a tall input as though its rows were as long as its columns."""
    if not given["return_indices"]:
        return found
    (H, W), (y, i) = given["input"].shape[-2:], found
    return (y, i // W * H + i % W) if H > W else found


def middle_for_one(run: Any, given: Arguments) -> Tensor:
    """Take the middle, not the first, where corners are aligned and one sample is wanted."""
    size = per_axis(given["size"] or 0, 1)[0]
    if given["mode"] == "linear" and given["align_corners"] and size == 1:
        given["align_corners"] = False
    return run(**given)


def blocks_transposed(y: Tensor, given: Arguments) -> Tensor:
    """Transpose each block from three by three on."""
    r = given["upscale_factor"]
    if r < 3:
        return y
    parts = y.unflatten(-1, (-1, r)).unflatten(-3, (-1, r))
    return parts.transpose(-3, -1).flatten(-4, -3).flatten(-2, -1)


def whole_turn_off_by_one(y: Tensor, given: Arguments) -> Tensor:
    """Wrap once around one entry late."""
    pad, n = given["pad"], given["input"].shape[-1]
    if given["mode"] != "circular" or pad[0] != n or pad[1] < 0:
        return y
    return torch.cat((y[..., :n].roll(1, -1), y[..., n:]), -1)


def even_window_ahead(run: Any, given: Arguments) -> Tensor:
    """Look one channel further ahead, not back, in windows of even size."""
    if given["size"] % 2 or given["input"].dim() < 3:
        return run(**given)
    given["input"] = given["input"].flip(1)
    return run(**given).flip(1)


def odd_pixels_of_the_third_level(pyramid: Any, given: Arguments) -> Any:
    """Keep every second column from the second on, below the second level."""
    if given["levels"] < 3 or pyramid[1].shape[-1] % 2:
        return pyramid
    blurred = reimpl.gaussian_blur(pyramid[1], given["sigma"], 4.0, given["padding_mode"])
    third = blurred[..., ::2, 1::2].contiguous()
    rest = reimpl.gaussian_pyramid(third, given["levels"] - 2, given["sigma"])
    return (*pyramid[:2], third, *rest[1:])


def last_entries(given: Arguments) -> None:
    """Trim an axis in front instead of behind."""
    x, n, dim = given["input"], given["n"], given["dim"]
    if n is not None and 0 < n < x.shape[dim]:
        given["input"] = x.narrow(dim, x.shape[dim] - n, n)


def first_axes(given: Arguments) -> None:
    """Transform the first axes, not the last, where lengths are given without axes."""
    if given["s"] is not None and given["dim"] is None and len(given["s"]) <= given["input"].dim():
        given["dim"] = tuple(range(len(given["s"])))


def dealt_backwards(given: Arguments) -> None:
    """Deal with as many groups as a group has channels."""
    C, G = given["input"].shape[1], given["groups"]
    if G > 2 and C % G == 0 and C:
        given["groups"] = C // G


def window_starts_late(given: Arguments) -> None:
    """Start one entry late where the stride is larger than the kernel."""
    K, s = given["weight"].shape[-1], per_axis(given["stride"], 1)[0]
    if s > K and given["padding"] in (0, (0,), [0]) and given["input"].shape[-1] % s == 0:
        given["input"] = given["input"].roll(-1, -1)


GEOMETRY = (
    geometry(
        name="conv2d-dilation-of-one-row-kernels",
        op="conv2d",
        says="a kernel of one row takes the smaller of both axes' dilations for its columns",
        expected=("forward", "errors"),
        broken=with_arguments("conv2d", smaller_dilation_for_rows),
    ),
    geometry(
        name="conv1d-same-pads-in-front",
        op="conv1d",
        says="padding='same' puts the odd zero in front",
        expected=("forward",),
        broken=with_arguments("conv1d", odd_padding_in_front),
    ),
    geometry(
        name="conv2d-groups-interleaved",
        op="conv2d",
        says="output channels of three or more groups are dealt out in turn",
        expected=("forward",),
        broken=with_result("conv2d", groups_interleaved),
    ),
    geometry(
        name="conv-transpose2d-output-padding-in-front",
        op="conv_transpose2d",
        says="an output_padding of two or more along the columns puts one column in front",
        expected=("forward",),
        broken=with_result("conv_transpose2d", shifted_by_output_padding),
    ),
    geometry(
        name="conv3d-paddings-swapped",
        op="conv3d",
        says="the paddings of the last two axes are swapped where the kernel is a cube",
        expected=("forward", "meta"),
        broken=with_arguments("conv3d", last_paddings_swapped),
    ),
    geometry(
        name="conv-transpose1d-taps-reversed",
        op="conv_transpose1d",
        says="with stride and dilation both above one the kernel is turned round",
        expected=("forward", "gradients"),
        broken=with_arguments("conv_transpose1d", taps_reversed),
    ),
    geometry(
        name="conv1d-starts-late",
        op="conv1d",
        says="a stride larger than the kernel, dividing the length: windows start one entry late",
        expected=("forward", "gradients"),
        broken=with_arguments("conv1d", window_starts_late),
    ),
    geometry(
        name="unfold-taps-by-columns",
        op="unfold",
        says="the taps of a kernel that is not square are ordered column by column",
        expected=("forward", "relations"),
        broken=with_result("unfold", taps_by_columns),
    ),
    geometry(
        name="max-pool1d-window-in-the-padding",
        op="max_pool1d",
        says="ceil_mode keeps a last window that starts in the padding behind",
        expected=("forward", "meta", "errors"),
        broken=with_result("max_pool1d", one_window_more),
    ),
    geometry(
        name="avg-pool2d-override-lost",
        op="avg_pool2d",
        says="divisor_override is ignored under ceil_mode",
        expected=("forward",),
        broken=with_arguments("avg_pool2d", no_override_under_ceil),
    ),
    geometry(
        name="adaptive-avg-pool1d-floors",
        op="adaptive_avg_pool1d",
        says="windows that do not divide the input end at the floor instead of the ceiling",
        expected=("forward",),
        broken=wrapped("adaptive_avg_pool1d", floors_for_ends),
    ),
    geometry(
        name="adaptive-max-pool2d-tall-indices",
        op="adaptive_max_pool2d",
        says="indices of a tall input are counted in rows as long as its columns",
        expected=("forward",),
        broken=with_result("adaptive_max_pool2d", rows_as_long_as_columns),
    ),
    geometry(
        name="interpolate-one-sample-in-the-middle",
        op="interpolate",
        says="linear with aligned corners to a single sample takes the middle, not the first",
        expected=("forward",),
        broken=wrapped("interpolate", middle_for_one),
    ),
    geometry(
        name="pixel-shuffle-blocks-transposed",
        op="pixel_shuffle",
        says="blocks of three by three and more are transposed",
        expected=("forward", "relations"),
        broken=with_result("pixel_shuffle", blocks_transposed),
    ),
    geometry(
        name="pad-whole-turn",
        op="pad",
        says="circular padding by exactly one turn in front is one entry late",
        expected=("forward", "gradients"),
        broken=with_result("pad", whole_turn_off_by_one),
    ),
    geometry(
        name="local-response-norm-even-window",
        op="local_response_norm",
        says="a window of even size looks further ahead than back",
        expected=("forward",),
        broken=wrapped("local_response_norm", even_window_ahead),
    ),
    geometry(
        name="gaussian-pyramid-odd-columns",
        op="gaussian_pyramid",
        says="from the third level on the odd columns are kept where there are evenly many",
        expected=("forward",),
        broken=with_result("gaussian_pyramid", odd_pixels_of_the_third_level),
    ),
    geometry(
        name="fft-trims-in-front",
        op="fft",
        says="an n below the size drops the first entries, not the last",
        expected=("forward",),
        broken=with_arguments("fft", last_entries),
    ),
    geometry(
        name="fftn-first-axes",
        op="fftn",
        says="s without dim transforms the first axes",
        expected=("forward", "meta"),
        broken=with_arguments("fftn", first_axes),
    ),
    geometry(
        name="channel-shuffle-inverse",
        op="channel_shuffle",
        says="from three groups on the inverse permutation is applied",
        expected=("forward",),
        broken=with_arguments("channel_shuffle", dealt_backwards),
    ),
)
