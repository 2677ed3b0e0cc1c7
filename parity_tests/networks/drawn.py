"""Networks drawn at random: chains of layers with ways around them, valid by construction.

Hypothesis draws and shrinks them; Module's own text shows what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

Size = tuple[int, int, int]  # channels, height, width
DrawFn = st.DrawFn


@dataclass(frozen=True)
class Drawn:
    """A network, how it is fed, and how it is set."""

    model: nn.Module
    shape: tuple[int, ...]
    dtype: torch.dtype
    channels_last: bool
    seed: int

    def batch(self) -> Tensor:
        """Normal numbers, from the seed."""
        generator = torch.Generator().manual_seed(self.seed)
        batch = torch.randn(self.shape, dtype=torch.float64, generator=generator).to(self.dtype)
        order = torch.channels_last if self.channels_last else torch.contiguous_format
        return batch.contiguous(memory_format=order)


class Around(nn.Module):
    """What goes through the layers, and what goes around them, added or side by side."""

    def __init__(self, through: nn.Module, *, add: bool) -> None:
        super().__init__()
        self.through, self.add = through, add

    def forward(self, x: Tensor) -> Tensor:
        """F(x) + x, or both as channels."""
        y = self.through(x)
        return y + x if self.add else torch.cat([y, x], 1)

    def extra_repr(self) -> str:
        """How the two meet."""
        return f"add={self.add}"


@st.composite
def networks(draw: DrawFn) -> Drawn:
    """A network of up to ten layers, trained or evaluated."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed := draw(st.integers(0, 2**16)))
        start = (draw(st.integers(1, 4)), draw(st.integers(3, 9)), draw(st.integers(3, 9)))
        layers, size = chain(draw, start, draw(st.integers(1, 6)), deep=0)
        if draw(st.booleans()):
            layers += [nn.Flatten(), nn.Linear(size[0] * size[1] * size[2], 3)]
        model = nn.Sequential(*layers)
    dtype = draw(st.sampled_from((torch.float64, torch.float32)))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train(draw(st.booleans()))
    shape = (draw(st.integers(2, 3)), *start)
    return Drawn(model.to(dtype), shape, dtype, draw(st.booleans()), seed)


def chain(draw: DrawFn, size: Size, length: int, *, deep: int) -> tuple[list[nn.Module], Size]:
    """Layers one after another, and what size they make of the input's."""
    layers: list[nn.Module] = []
    for _ in range(length):
        if deep < 2 and draw(st.integers(1, 8)) == 8:
            added, size = around(draw, size, deep)
        else:
            added, size = draw(st.sampled_from(KINDS))(draw, size)
        layers += added
    return layers, size


Mode = Literal["zeros", "reflect", "replicate", "circular"]
MODES: tuple[Mode, ...] = ("zeros", "reflect", "replicate", "circular")
Layers = tuple[list[nn.Module], Size]


def around(draw: DrawFn, size: Size, deep: int) -> Layers:
    """A way around some layers; a pointwise convolution makes their sizes fit."""
    layers, (channels, *sides) = chain(draw, size, draw(st.integers(1, 3)), deep=deep + 1)
    add = draw(st.booleans())
    outer = size[0] if add else channels
    if sides != list(size[1:]):
        layers.append(nn.Upsample(size[1:], mode="bilinear", align_corners=draw(st.booleans())))
    if outer != channels:
        layers.append(nn.Conv2d(channels, outer, 1))
    way = Around(nn.Sequential(*layers), add=add)
    return [way], (outer if add else outer + size[0], *size[1:])


def convolution(draw: DrawFn, size: Size) -> Layers:
    """Any kernel, stride, padding, dilation and groups that fit; perhaps a norm, a rectifier."""
    channels, *sides = size
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if channels % g == 0]))
    outer = groups * draw(st.integers(1, 4))
    axes = []  # of each: kernel, stride, padding, dilation, the side of the output
    for side in sides:
        p = draw(st.integers(0, 2))
        k = draw(st.integers(1, min(4, side + 2 * p)))
        d = draw(st.integers(1, (side + 2 * p - 1) // (k - 1))) if k > 1 else 1
        s = draw(st.integers(1, 3))
        axes.append((k, s, p, d, (side + 2 * p - d * (k - 1) - 1) // s + 1))
    kernel, stride, padding, dilation, after = zip(*axes, strict=True)
    mode: Mode = "zeros"
    if max(padding) < min(sides):
        mode = draw(st.sampled_from(MODES))
    layer = nn.Conv2d(
        channels, outer, kernel, stride, padding, dilation, groups, draw(st.booleans()), mode
    )
    new = (outer, after[0], after[1])
    return [layer, *followers(draw, new)], new


def transposed(draw: DrawFn, size: Size) -> Layers:
    """A transposed convolution that at most doubles the sides."""
    channels, height, width = size
    if max(height, width) > 12:
        return convolution(draw, size)
    kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    padding = draw(st.integers(0, (kernel - 1) // 2))
    extra = draw(st.integers(0, stride - 1))
    outer = draw(st.integers(1, 4))
    layer = nn.ConvTranspose2d(channels, outer, kernel, stride, padding, extra)
    sides = [(side - 1) * stride - 2 * padding + kernel + extra for side in (height, width)]
    new = (outer, sides[0], sides[1])
    return [layer, *followers(draw, new)], new


def followers(draw: DrawFn, size: Size) -> list[nn.Module]:
    """Perhaps a norm, perhaps an activation in place: neither keeps what comes before it."""
    layers = [draw(st.sampled_from(NORMS))(size)] if draw(st.booleans()) else []
    if draw(st.booleans()):
        layers.append(draw(st.sampled_from(IN_PLACE))())
    return layers


def norm(draw: DrawFn, size: Size) -> Layers:
    """A norm of its own."""
    return [draw(st.sampled_from(NORMS))(size)], size


def activation(draw: DrawFn, size: Size) -> Layers:
    """An activation that is not in place."""
    return [draw(st.sampled_from(ACTIVATIONS))()], size


def pool(draw: DrawFn, size: Size) -> Layers:
    """A pool with windows that fit."""
    channels, height, width = size
    k = draw(st.integers(1, min(3, height, width)))
    s, p, ceil = draw(st.integers(1, 3)), draw(st.integers(0, k // 2)), draw(st.booleans())
    layer: nn.Module = nn.AvgPool2d(k, s, p, ceil)
    if draw(st.booleans()):
        layer = nn.MaxPool2d(k, s, p, ceil_mode=ceil)
    with torch.no_grad():
        shape = layer(torch.zeros(1, *size)).shape
    return [layer], (channels, shape[2], shape[3])


def adaptive_pool(draw: DrawFn, size: Size) -> Layers:
    """A pool with as many windows as are asked for."""
    sides = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    average = draw(st.booleans())
    layer = nn.AdaptiveAvgPool2d(sides) if average else nn.AdaptiveMaxPool2d(sides)
    return [layer], (size[0], *sides)


def pad(draw: DrawFn, size: Size) -> Layers:
    """A frame of one or two, of any mode."""
    channels, height, width = size
    wide = draw(st.integers(1, 2 if min(height, width) > 2 else 1))
    fits = [nn.ZeroPad2d, nn.ReplicationPad2d]
    if min(height, width) > wide:
        fits += [nn.ReflectionPad2d, nn.CircularPad2d]
    layer = draw(st.sampled_from(fits))(wide)
    return [layer], (channels, height + 2 * wide, width + 2 * wide)


def resample(draw: DrawFn, size: Size) -> Layers:
    """Another size, by any mode of interpolation."""
    sides = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    mode = draw(st.sampled_from(("nearest", "bilinear", "bicubic")))
    corners = None if mode == "nearest" else draw(st.booleans())
    return [nn.Upsample(sides, mode=mode, align_corners=corners)], (size[0], *sides)


def shuffle(draw: DrawFn, size: Size) -> Layers:
    """Channels to pixels where there are four of them, or channels among themselves."""
    channels, height, width = size
    if channels % 4 == 0 and max(height, width) < 10 and draw(st.booleans()):
        return [nn.PixelShuffle(2)], (channels // 4, 2 * height, 2 * width)
    groups = [g for g in range(1, channels + 1) if channels % g == 0]
    return [nn.ChannelShuffle(draw(st.sampled_from(groups)))], size


def norm_in_groups(size: Size) -> nn.Module:
    """As many groups as the channels allow, up to two."""
    return nn.GroupNorm(2 if size[0] % 2 == 0 else 1, size[0])


# An instance of one number has no variance: batch norm stands in for instance norm there.
NORMS: tuple[Callable[[Size], nn.Module], ...] = (
    lambda size: nn.BatchNorm2d(size[0]),
    lambda size: nn.BatchNorm2d(size[0], affine=False, momentum=None),
    norm_in_groups,
    lambda size: nn.LayerNorm(size),
    lambda size: (nn.InstanceNorm2d if size[1] * size[2] > 1 else nn.BatchNorm2d)(size[0]),
)
IN_PLACE: tuple[Callable[[], nn.Module], ...] = (
    lambda: nn.ReLU(inplace=True),
    lambda: nn.LeakyReLU(0.2, inplace=True),
    lambda: nn.Hardtanh(inplace=True),
    lambda: nn.ELU(inplace=True),
)
ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.ELU,
    nn.LeakyReLU,
    nn.Softplus,
    nn.Sigmoid,
    nn.Tanh,
    nn.Softmax2d,
    lambda: nn.LocalResponseNorm(3),
)
KINDS = (
    convolution, activation, norm, pool, adaptive_pool, transposed, pad, resample, shuffle,
)  # fmt: skip
