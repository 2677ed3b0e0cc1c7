"""Kinds of convolution: each is a convolution whose kernel is restricted, and so has fewer numbers.

torch.nn has no such names: all are made of :class:`reimpl.Conv2d`. Letters: C input and O output
channels, K×L the kernel's height and width, G groups. Where there are several stages only the last
has a bias: with zero padding, one before it would be no bias of the whole.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch.nn import Sequential

from reimpl.arguments import repeated
from reimpl.conv_modules import Conv2d
from reimpl.shuffle import ChannelShuffle

Size = int | tuple[int, ...]


class DilatedConv2d(Conv2d):
    """Convolution with dilation − 1 zeros between the kernel's taps; see :class:`reimpl.Conv2d`.

    The window is d(K−1) + 1 entries wide at the parameters of a plain one, C·O·K·L.

    >>> DilatedConv2d(1, 1, 3, dilation=3)(torch.ones(1, 1, 32, 32)).shape
    torch.Size([1, 1, 26, 26])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        dilation: Size = 2,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias
        )


class GroupedConv2d(Conv2d):
    """Convolution whose groups of outputs see their own inputs alone; see :class:`reimpl.Conv2d`.

    C·O·K·L / G parameters; the outputs stand in the order of the groups.

    >>> GroupedConv2d(4, 6, 3, groups=2).weight.shape
    torch.Size([6, 2, 3, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        groups: int,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias
        )


class DepthwiseConv2d(Conv2d):
    """Convolution of every channel by a kernel of its own; see :class:`reimpl.Conv2d`.

    C·K·L parameters: as many groups as channels.

    >>> DepthwiseConv2d(8, 3, bias=False).weight.numel()
    72
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(
            channels, channels, kernel_size, stride, padding, groups=channels, bias=bias
        )


class DepthwiseSeparableConv2d(Sequential):
    """Depthwise convolution, then a 1×1 convolution that mixes the channels; see :class:`Conv2d`.

    Its kernel is w[o,c,k,l] = pointwise[o,c] · depthwise[c,k,l]: C·K·L + C·O parameters against
    C·O·K·L. For 8 channels in and out and a 3×3 kernel, 136 against 576.

    >>> sum(p.numel() for p in DepthwiseSeparableConv2d(8, 8, 3, bias=False).parameters())
    136
    >>> Conv2d(8, 8, 3, bias=False).weight.numel()
    576
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
    ) -> None:
        depthwise = Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, groups=in_channels, bias=False
        )
        pointwise = Conv2d(in_channels, out_channels, 1, bias=bias)
        super().__init__(OrderedDict(depthwise=depthwise, pointwise=pointwise))


class SpatiallySeparableConv2d(Sequential):
    """A column of K taps, then a row of L taps, for every channel; see :class:`DepthwiseConv2d`.

    Its kernel is w[c,k,l] = column[c,k] · row[c,l], of rank one: C·(K + L) parameters against
    C·K·L. The order of the two makes no difference.

    >>> sum(p.numel() for p in SpatiallySeparableConv2d(1, 3, bias=False).parameters())
    6
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(OrderedDict(_column_and_row(channels, kernel_size, stride, padding, bias)))


class FlattenedConv2d(Sequential):
    """Three one-dimensional kernels, over channels, height and width (Jin et al. 2014).

    Its kernel is w[o,c,k,l] = lateral[o,c] · column[o,k] · row[o,l]; see :class:`Conv2d`. For each
    output channel C + K + L parameters against C·K·L, and C·H·W + K·H'·W + L·H'·W' products
    against C·K·L·H'·W', for an input of H×W and an output of H'×W': (C + K + L)·H·W if that is
    the same size.

    >>> sum(p.numel() for p in FlattenedConv2d(8, 1, 3, bias=False).parameters())
    14
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
    ) -> None:
        lateral = Conv2d(in_channels, out_channels, 1, bias=False)
        stages = _column_and_row(out_channels, kernel_size, stride, padding, bias)
        super().__init__(OrderedDict(lateral=lateral, **stages))


class ShuffledGroupedConv2d(Sequential):
    """Grouped convolution, then a shuffle of its channels; see :class:`GroupedConv2d`.

    C·O·K·L / G parameters. In a stack of two an output sees all groups of inputs (if groups have
    that many channels); without the shuffle it never does. The input is (N, C, H, W): a channel
    shuffle takes axis 1 for the channels, with or without a batch.

    >>> layer = ShuffledGroupedConv2d(4, 4, 1, groups=2, bias=False)
    >>> two = torch.autograd.functional.jacobian(lambda x: layer(layer(x)), torch.ones(1, 4, 1, 1))
    >>> bool(two.all())
    True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        groups: int,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
    ) -> None:
        convolution = Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias
        )
        super().__init__(OrderedDict(convolution=convolution, shuffle=ChannelShuffle(groups)))


def _column_and_row(
    channels: int, kernel_size: Size, stride: Size, padding: Size, bias: bool
) -> dict[str, torch.nn.Module]:
    (K, L), (s, t), (p, q) = (repeated(v, 2) for v in (kernel_size, stride, padding))
    return {
        "column": Conv2d(channels, channels, (K, 1), (s, 1), (p, 0), groups=channels, bias=False),
        "row": Conv2d(channels, channels, (1, L), (1, t), (0, q), groups=channels, bias=bias),
    }
