"""Shuffles: permutations of a tensor's entries, by splitting axes and swapping the parts.

Each is a view of the input with an axis split in two, two of the axes swapped, and the copy of
that in the output's shape. A permutation's adjoint is its inverse, which is another such shuffle.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from reimpl import arguments
from reimpl.gradient_layout import followed
from reimpl.layout import arrange, looks_channels_last, split
from reimpl.linear_map import linear_map


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    r"""Lay r² channels out as a block of r×r pixels.

    y[…, c, r·h + i, r·w + j] = x[…, r²·c + r·i + j, h, w], with r = upscale_factor

    Shapes:
        input (*, C·r², H, W), output (*, C, H·r, W·r).

    Backward: pixel_unshuffle.

    Raises:
        RuntimeError: factor not positive, channels no multiple of r², fewer than three axes.
        ValueError: a factor whose square does not fit in 64 bits.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pixel_shuffle.html

    >>> pixel_shuffle(torch.arange(4).view(4, 1, 1), 2)
    tensor([[[0, 1],
             [2, 3]]])
    """
    r = _checked("pixel_shuffle", input, "upscale_factor", upscale_factor)
    if r * r >= 2**63:
        raise ValueError(f"pixel_shuffle: upscale_factor squared must fit in 64 bits, got {r}")
    _divisible("pixel_shuffle", input, -3, r * r, f"upscale_factor={r}, squared")
    channels_last = input.dim() == 4 and looks_channels_last(input)
    y = linear_map(followed(input), lambda t: _to_blocks(t, r), lambda t: _to_channels(t, r))
    return arrange(y, channels_last)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    r"""Stack each block of r×r pixels as r² channels: the inverse of :func:`pixel_shuffle`.

    y[…, r²·c + r·i + j, h, w] = x[…, c, r·h + i, r·w + j], with r = downscale_factor

    Shapes:
        input (*, C, H·r, W·r), output (*, C·r², H, W).

    Backward: pixel_shuffle.

    Raises:
        RuntimeError: factor not positive, sizes no multiple of r, fewer than three axes.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pixel_unshuffle.html

    >>> pixel_unshuffle(torch.arange(4).view(1, 2, 2), 2).flatten()
    tensor([0, 1, 2, 3])
    """
    r = _checked("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    for axis in (-2, -1):
        _divisible("pixel_unshuffle", input, axis, r, f"downscale_factor={r}")
    channels_last = input.dim() == 4 and looks_channels_last(input)
    y = linear_map(followed(input), lambda t: _to_channels(t, r), lambda t: _to_blocks(t, r))
    return arrange(y, channels_last)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    r"""Deal the channels of G groups out in turn, so that neighbours come from all groups.

    y[n, G·k + g] = x[n, K·g + k], with K = C / G channels in each group

    Shapes:
        input (N, C, *) with at least one more axis, output the same.

    Backward: channel_shuffle with K groups.

    Raises:
        RuntimeError: groups not positive or no divisor of C, fewer than three axes.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.channel_shuffle.html

    >>> channel_shuffle(torch.arange(6).view(1, 6, 1), 2).flatten()
    tensor([0, 3, 1, 4, 2, 5])
    """
    G = _checked("channel_shuffle", input, "groups", groups)
    _divisible("channel_shuffle", input, 1, G, f"groups={G}")
    K, axis = max(1, input.shape[1] // G), 1 - input.dim()
    channels_last = input.dim() in (4, 5) and looks_channels_last(input)
    y = linear_map(followed(input), lambda t: _deal(t, axis, G), lambda t: _deal(t, axis, K))
    return arrange(y, channels_last)


def _checked(op: str, input: Tensor, name: str, value: int) -> int:
    arguments.tensor(op, "input", input)
    number = arguments.at_least(op, name, value, 1)
    if input.dim() < 3:
        raise RuntimeError(f"{op}: input must have at least 3 axes, got {tuple(input.shape)}")
    return number


def _divisible(op: str, input: Tensor, axis: int, by: int, what: str) -> None:
    if input.shape[axis] % by:
        raise RuntimeError(
            f"{op}: input's axis {axis} must be divisible by {what}, got {tuple(input.shape)}"
        )


def _to_blocks(t: Tensor, r: int) -> Tensor:
    *N, C, H, W = t.shape
    parts = t.reshape(*N, C // r**2, r, r, H, W).movedim((-4, -3), (-3, -1))  # …, C, H, r, W, r
    return _copied(parts).view(*N, C // r**2, H * r, W * r)


def _to_channels(t: Tensor, r: int) -> Tensor:
    *N, C, H, W = t.shape
    parts = t.reshape(*N, C, H // r, r, W // r, r).movedim((-3, -1), (-4, -3))  # …, C, r, r, H, W
    return _copied(parts).view(*N, C * r**2, H // r, W // r)


def _deal(t: Tensor, axis: int, groups: int) -> Tensor:
    parts = split(t, axis, groups, t.shape[axis] // groups).transpose(axis - 1, axis)
    return _copied(parts).view(t.shape)


def _copied(view: Tensor) -> Tensor:
    # clone, not contiguous: an output never shares the input's memory.
    return view.clone(memory_format=torch.contiguous_format)


class PixelShuffle(nn.Module):
    """Lay r² channels out as blocks of r×r pixels; see :func:`reimpl.pixel_shuffle`.

    >>> PixelShuffle(2)(torch.ones(1, 8, 3, 3)).shape
    torch.Size([1, 2, 6, 6])
    """

    __constants__: ClassVar[list[str]] = ["upscale_factor"]

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.pixel_shuffle` by the module's factor."""
        return pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(nn.Module):
    """Stack blocks of r×r pixels as r² channels; see :func:`reimpl.pixel_unshuffle`.

    >>> PixelUnshuffle(3)(torch.ones(1, 2, 6, 6)).shape
    torch.Size([1, 18, 2, 2])
    """

    __constants__: ClassVar[list[str]] = ["downscale_factor"]

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.pixel_unshuffle` by the module's factor."""
        return pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(nn.Module):
    """Deal the channels of all groups out in turn; see :func:`reimpl.channel_shuffle`.

    >>> ChannelShuffle(3)(torch.arange(6).view(1, 6, 1)).flatten()
    tensor([0, 2, 4, 1, 3, 5])
    """

    __constants__: ClassVar[list[str]] = ["groups"]

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.channel_shuffle` by the module's groups."""
        return channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"groups={self.groups}"
