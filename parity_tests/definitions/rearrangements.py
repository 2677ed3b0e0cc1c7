"""Padding and shuffles, and the kinds of convolution as convolutions with a restricted kernel."""

from __future__ import annotations

from typing import Any

from parity_tests.definitions.array import Array
from parity_tests.definitions.convolution import (
    Ints,
    convolution,
    reflected,
    replicated,
    wrapped,
)

Amounts = tuple[int, ...] | list[int]


def padded(input: Array, pad: Amounts, mode: str = "constant", value: float | None = None) -> Array:
    """y[…, i] = x[…, j(i)], axis by axis; amounts come last axis first, negative ones crop."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    split = len(input.shape) - len(pairs)
    axes = [(n, *pair) for n, pair in zip(input.shape[split:], pairs, strict=True)]

    def y(*index: int) -> Any:
        places = (source(i, *axis, mode) for i, axis in zip(index[split:], axes, strict=True))
        j = (*index[:split], *places)
        inside = all(0 <= place < n for place, n in zip(j, input.shape, strict=True))
        return input[j] if inside else value or 0

    return Array((*input.shape[:split], *(n + lo + hi for n, lo, hi in axes)), y)


def source(i: int, n: int, lo: int, hi: int, mode: str) -> int:
    """Where entry i of a padded axis of n is taken from; outside the axis: from nowhere."""
    match mode:
        case "reflect":
            return reflected(i - lo, n)
        case "replicate":
            return replicated(i - lo, n)
        case "circular":  # what is cropped is gone before the rest is wrapped around
            first = max(0, -lo)
            return first + wrapped(i - max(lo, 0), n - first - max(0, -hi))
        case _:
            return i - lo


def padding_layer(mode: str, rank: int) -> Any:
    """A padding module's definition: ``padding`` may be one number for all sides."""

    def layer(input: Array, padding: int | Amounts, value: float | None = None) -> Array:
        amounts = (padding,) * (2 * rank) if isinstance(padding, int) else tuple(padding)
        return padded(input, amounts, mode, value)

    return layer


def pixels_from_channels(input: Array, upscale_factor: int) -> Array:
    """y[…, c, r·h + i, r·w + j] = x[…, r²·c + r·i + j, h, w]."""
    *N, C, H, W = input.shape
    r = upscale_factor

    def y(*index: int) -> Any:
        *n, c, h, w = index
        return input[(*n, r * r * c + r * (h % r) + w % r, h // r, w // r)]

    return Array((*N, C // (r * r), H * r, W * r), y)


def channels_from_pixels(input: Array, downscale_factor: int) -> Array:
    """y[…, r²·c + r·i + j, h, w] = x[…, c, r·h + i, r·w + j]."""
    *N, C, H, W = input.shape
    r = downscale_factor

    def y(*index: int) -> Any:
        *n, c, h, w = index
        return input[(*n, c // (r * r), r * h + c // r % r, r * w + c % r)]

    return Array((*N, C * r * r, H // r, W // r), y)


def channels_dealt(input: Array, groups: int) -> Array:
    """y[n, G·k + g] = x[n, K·g + k], with K channels in each of G groups."""
    K = input.shape[1] // groups
    return Array(input.shape, lambda n, c, *rest: input[(n, K * (c % groups) + c // groups, *rest)])


# --- kinds of convolution ---


def depthwise(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
) -> Array:
    """Each channel with a kernel of its own."""
    return convolution(input, weight, bias, stride, padding, groups=weight.shape[0])


def depthwise_separable(
    input: Array,
    depthwise_weight: Array,
    pointwise_weight: Array,
    pointwise_bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
) -> Array:
    """w[o, c, k, l] = p[o, c] · d[c, k, l]."""
    O, C, K, L = *pointwise_weight.shape[:2], *depthwise_weight.shape[2:]
    kernel = Array(
        (O, C, K, L),
        lambda o, c, k, l: pointwise_weight[o, c, 0, 0] * depthwise_weight[c, 0, k, l],
    )
    return convolution(input, kernel, pointwise_bias, stride, padding)


def spatially_separable(
    input: Array,
    column_weight: Array,
    row_weight: Array,
    row_bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
) -> Array:
    """w[c, k, l] = u[c, k] · v[c, l], for each channel."""
    C, K, L = column_weight.shape[0], column_weight.shape[2], row_weight.shape[3]
    kernel = Array(
        (C, 1, K, L), lambda c, _, k, l: column_weight[c, 0, k, 0] * row_weight[c, 0, 0, l]
    )
    return convolution(input, kernel, row_bias, stride, padding, groups=C)


def flattened(
    input: Array,
    lateral_weight: Array,
    column_weight: Array,
    row_weight: Array,
    row_bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
) -> Array:
    """w[o, c, k, l] = a[o, c] · u[o, k] · v[o, l]."""
    O, C, K, L = *lateral_weight.shape[:2], column_weight.shape[2], row_weight.shape[3]

    def kernel(o: int, c: int, k: int, l: int) -> Any:
        return lateral_weight[o, c, 0, 0] * column_weight[o, 0, k, 0] * row_weight[o, 0, 0, l]

    return convolution(input, Array((O, C, K, L), kernel), row_bias, stride, padding)


def shuffled_grouped(
    input: Array,
    convolution_weight: Array,
    convolution_bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    groups: int = 1,
) -> Array:
    """A grouped convolution whose channels are then dealt out."""
    y = convolution(input, convolution_weight, convolution_bias, stride, padding, 1, groups)
    return channels_dealt(y, groups)
