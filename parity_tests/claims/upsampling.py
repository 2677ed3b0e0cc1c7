"""Claims about ways of upsampling: rows C2, D2, E5, E6b and E7."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import CLOSE, SEEDS, differs, numbers, refusal, unless
from reimpl.analysis import costs

# Modes and the number of spatial axes each takes.
MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
}
FACTORS = st.integers(1, 4)


# --- C2 ---


def interpolation_learns_nothing(nn: Any, mode: str) -> Contradiction:
    """The parameters and buffers of an Upsample layer."""
    layer = nn.Upsample(scale_factor=2, mode=mode)
    held = [*layer.parameters(), *layer.buffers()]
    return unless(not held, f"it has {len(held)}")


def interpolated_size(nn: Any, mode: str, rank: int, size: int, scale: float) -> Contradiction:
    """Whether so many spatial axes are taken, and the output's size against ⌊L·scale⌋."""
    x = torch.zeros(1, 1, *[size] * rank)

    def output() -> tuple[int, ...]:
        return tuple(nn.interpolate(x, scale_factor=scale, mode=mode).shape)

    refused, taken = refusal(output), rank in MODES[mode]
    if not taken or refused:
        return unless(taken == (refused is None), refused or f"{rank} axes are taken")
    expected = (1, 1, *[int(size * scale)] * rank)
    return unless(output() == expected, f"the shape is {output()}, not {expected}")


# --- D2 ---


def shuffled_size(nn: Any, factor: int, shape: tuple[int, ...]) -> Contradiction:
    """The shape that PixelShuffle gives, and PixelUnshuffle of that."""
    N, C, H, W = shape
    r, x = factor, torch.zeros(N, C * factor**2, H, W)
    y = nn.PixelShuffle(r)(x)
    found = tuple(y.shape), tuple(nn.PixelUnshuffle(r)(y).shape)
    expected = (N, C, H * r, W * r), tuple(x.shape)
    return unless(found == expected, f"the shapes are {found}, not {expected}")


def shuffled_pixels(nn: Any, factor: int, shape: tuple[int, ...], seed: int) -> Contradiction:
    """Pixel (h·r + i, w·r + j) of channel c against channel c·r² + i·r + j of pixel (h, w)."""
    N, C, H, W = shape
    r, x = factor, numbers(seed, N, C * factor**2, H, W)
    y = nn.pixel_shuffle(x, r)
    for i in range(r):
        for j in range(r):
            wrong = differs(y[:, :, i::r, j::r], x[:, i * r + j :: r * r])
            if wrong:
                return wrong
    return differs(nn.pixel_unshuffle(y, r), x)


# --- E5 ---


class Upscaling(NamedTuple):
    """A transposed convolution along one axis, that leaves a positive size."""

    kernel: int
    stride: int
    padding: int
    output_padding: int
    dilation: int

    @property
    def fixed(self) -> int:
        """What one input becomes."""
        reach = self.dilation * (self.kernel - 1) + 1
        return reach - 2 * self.padding + self.output_padding


@st.composite
def upscalings(draw: st.DrawFn) -> Upscaling:
    """Among them, often, those whose padding matches."""
    kernel, stride, dilation = (draw(st.integers(1, n)) for n in (6, 4, 2))
    reach = dilation * (kernel - 1) + 1
    matching = max(0, reach - stride + 1) // 2
    padding = draw(st.sampled_from([matching, 0, 1]).filter(lambda p: 2 * p < reach))
    rest = stride - (reach - 2 * padding)
    extras = [n for n in (rest, 0, 1) if 0 <= n < stride]
    return Upscaling(kernel, stride, padding, draw(st.sampled_from(extras)), dilation)


def size_times_stride(nn: Any, upscaling: Upscaling, size: int) -> Contradiction:
    """The output's size against S times the input's."""
    kernel, s, padding, extra, dilation = upscaling
    w = torch.zeros(1, 1, kernel)
    y = nn.conv_transpose1d(torch.zeros(1, 1, size), w, None, s, padding, extra, 1, dilation)
    found = y.shape[-1]
    return unless(found == s * size, f"{size} becomes {found}, not {s * size}")


def bilinear_kernel(factor: int) -> Tensor:
    """1 − |distance from the centre| / factor over 2·factor − factor mod 2 places, squared out."""
    K = 2 * factor - factor % 2
    places = torch.arange(K, dtype=torch.float64) - (K - 1) / 2
    line = 1 - places.abs() / factor
    return line[:, None] * line


def bilinear_initialised(
    nn: Any, factor: int, size: tuple[int, int], where: str, seed: int
) -> Contradiction:
    """A transposed convolution with a bilinear kernel against interpolate, in an image's part."""
    x, w = numbers(seed, 1, 1, *size), bilinear_kernel(factor)[None, None]
    found = nn.conv_transpose2d(x, w, None, factor, factor // 2)
    expected = nn.interpolate(x, scale_factor=factor, mode="bilinear")
    if where == "away from the border":
        b = factor // 2
        found, expected = (
            y[:, :, b : y.shape[2] - b, b : y.shape[3] - b] for y in (found, expected)
        )
    return differs(found, expected, within=CLOSE)


def skips_fit(nn: Any, size: int) -> Contradiction:
    """FCN-8s: sizes of maps at strides 32, 16, 8 upsampled by 2, 2, 8, and of what they meet."""

    def doubled(maps: Tensor, s: int) -> Tensor:
        return nn.conv_transpose1d(maps, torch.ones(1, 1, 2 * s), None, s, s // 2)

    maps = [torch.ones(1, 1, size)]
    for _ in range(5):
        maps.append(nn.max_pool1d(maps[-1], 2))
    pairs = [(doubled(maps[5], 2), maps[4]), (doubled(maps[4], 2), maps[3])]
    pairs.append((doubled(maps[3], 8), maps[0]))
    sizes = [(up.shape[-1], skip.shape[-1]) for up, skip in pairs]
    return unless(all(a == b for a, b in sizes), f"of {size}: {sizes} meet")


# --- E6b ---


def takes_more_multiplications(
    _: Any, kernel: int, stride: int, channels: tuple[int, int], size: int, rival: str
) -> Contradiction:
    """Multiplications to an S times larger output, of as many channels and the same reach."""
    I, O = channels
    own = costs.convolution(I, O, (kernel, kernel), (size, size)).multiplications
    if rival == "resize, then convolve":
        L = size * stride
        other = costs.convolution(I, O, (kernel, kernel), (L, L)).multiplications
    else:
        K = -(-kernel // stride)  # each of the S² outputs is made of ⌈K/S⌉² inputs
        other = costs.convolution(I, O * stride**2, (K, K), (size, size)).multiplications
    return unless(own > other, f"it takes {own} multiplications, the other {other}")


# --- E7 ---


def unpooled(nn: Any, factor: int, shape: tuple[int, int], seed: int) -> Contradiction:
    """Unpooling what was pooled: maxima in their places, zeros elsewhere."""
    H, W = shape
    x = numbers(seed, 1, 2, H * factor, W * factor)
    pooled, indices = nn.max_pool2d(x, factor, return_indices=True)
    repeated = nn.interpolate(pooled, scale_factor=factor, mode="nearest")
    return differs(
        nn.max_unpool2d(pooled, indices, factor), torch.where(x == repeated, x, torch.zeros_like(x))
    )


def unpooled_size(nn: Any, factor: int, size: int, told: bool) -> Contradiction:
    """The size that pooling and unpooling return to, with and without output_size."""
    x = torch.arange(float(size)).reshape(1, 1, size)
    pooled, indices = nn.max_pool1d(x, factor, return_indices=True)
    y = nn.max_unpool1d(pooled, indices, factor, output_size=(size,) if told else None)
    return unless(y.shape == x.shape, f"{size} becomes {y.shape[-1]}")


def three_ways_up(nn: Any, factor: int, shape: tuple[int, int]) -> Contradiction:
    """The shapes of unpooling, bilinear interpolation and transposed convolution."""
    H, W = shape
    indices = torch.arange(H * W).reshape(1, 1, H, W)
    x, w = torch.ones(1, 1, H, W), bilinear_kernel(factor).float()[None, None]
    found = {
        "unpooling": nn.max_unpool2d(x, indices, factor),
        "interpolation": nn.interpolate(x, scale_factor=factor, mode="bilinear"),
        "transposed convolution": nn.conv_transpose2d(x, w, None, factor, factor // 2),
    }
    shapes = {name: tuple(y.shape) for name, y in found.items()}
    return unless(set(shapes.values()) == {(1, 1, H * factor, W * factor)}, f"they are {shapes}")


IMAGES = st.tuples(*[st.integers(1, 3)] * 4)
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4))

CLAIMS = (
    Claim(
        row="C2",
        says="Interpolation learns no parameters.",
        verdict="holds",
        property=interpolation_learns_nothing,
        cases={"mode": st.sampled_from(list(MODES))},
    ),
    Claim(
        row="C2",
        says="Nearest and area interpolation take one to three spatial axes, linear one, bilinear "
        "and bicubic two, trilinear three; a scale factor gives the size ⌊L·scale⌋.",
        verdict="holds",
        property=interpolated_size,
        cases={
            "mode": st.sampled_from(list(MODES)),
            "rank": st.integers(1, 3),
            "size": st.integers(2, 5),
            "scale": st.sampled_from([2, 1.5, 0.5, 2.7]),
        },
    ),
    Claim(
        row="D2",
        says="PixelShuffle(r) takes (N, C·r², H, W) to (N, C, H·r, W·r), PixelUnshuffle back.",
        verdict="holds",
        property=shuffled_size,
        cases={"factor": FACTORS, "shape": IMAGES},
    ),
    Claim(
        row="D2",
        says="It spreads r² channels over r×r pixels, row by row; nothing is computed.",
        verdict="holds",
        property=shuffled_pixels,
        cases={"factor": FACTORS, "shape": IMAGES, "seed": SEEDS},
    ),
    Claim(
        row="E5",
        says="A transposed convolution with stride S has the output size H' = H·S.",
        verdict="holds if",
        condition="D(F−1) + 1 − 2P + output_padding = S",
        within=lambda upscaling, **_: upscaling.fixed == upscaling.stride,
        property=size_times_stride,
        cases={"upscaling": upscalings(), "size": st.integers(1, 6)},
    ),
    Claim(
        row="E5",
        says="Initialised with a bilinear kernel it is bilinear interpolation.",
        verdict="holds if",
        condition="away from the border, half a stride wide, where interpolation repeats the edge "
        "and the transposed convolution has zeros",
        within=lambda where, **_: where == "away from the border",
        property=bilinear_initialised,
        cases={
            "factor": st.integers(2, 5),
            "size": st.tuples(st.integers(2, 4), st.integers(2, 4)),
            "where": st.sampled_from(["away from the border", "everywhere"]),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="E5",
        says="In FCN-8s the maps at strides 32, 16 and 8, upsampled by 2, 2 and 8, fit what they "
        "are fused with.",
        verdict="holds if",
        condition="32 divides the input's size: otherwise they must be cropped",
        within=lambda size: size % 32 == 0,
        property=skips_fit,
        cases={"size": st.integers(32, 160) | st.sampled_from([32, 64, 96, 224])},
    ),
    Claim(
        row="E6b",
        says="Transposed convolution is inefficient: it takes more multiplications than resizing "
        "and convolving, or convolving and pixel shuffle, for an output of the same size.",
        verdict="refuted",
        property=takes_more_multiplications,
        cases={
            "kernel": st.sampled_from([4, 3, 2, 5]),
            "stride": st.sampled_from([2, 3, 4]),
            "channels": st.tuples(st.integers(1, 4), st.integers(1, 4)),
            "size": st.integers(4, 16),
            "rival": st.sampled_from(["resize, then convolve", "convolve, then shuffle"]),
        },
        subjects=("reimpl",),
    ),
    Claim(
        row="E7",
        says="Unpooling returns the maxima to their places and puts zeros elsewhere.",
        verdict="holds",
        property=unpooled,
        cases={"factor": st.integers(2, 3), "shape": SHAPES, "seed": SEEDS},
    ),
    Claim(
        row="E7",
        says="Unpooling returns to the size that was pooled.",
        verdict="holds if",
        condition="the stride divides it, or output_size names it",
        within=lambda factor, size, told: told or size % factor == 0,
        property=unpooled_size,
        cases={"factor": st.integers(2, 3), "size": st.integers(3, 9), "told": st.booleans()},
    ),
    Claim(
        row="E7",
        says="Unpooling, bilinear interpolation and transposed convolution upsample to one size.",
        verdict="holds",
        property=three_ways_up,
        cases={"factor": FACTORS, "shape": SHAPES},
    ),
)
