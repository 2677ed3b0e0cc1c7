"""Convolution, transposed convolution and batch norm of torch.nn, written by hand.

Functions carry torch.nn.functional's names and signatures, modules torch.nn's. Forward and
backward are formulas on tensor primitives; nothing but torch and the standard library is imported.

    windows     sliding-window geometry: gather and its adjoint
    trilinear   convolution, transposed convolution and weight gradient as one form
    linear_map  linear maps in adjoint pairs; padding is such a pair
    function    the autograd Function that these derive from
    standardize mean zero and variance one over chosen axes; affine scales and shifts
    arguments   what is checked and how it is said
    layout      which strides torch gives an output
"""

from reimpl.batch_norm import batch_norm
from reimpl.batch_norm_modules import BatchNorm1d, BatchNorm2d, BatchNorm3d
from reimpl.conv import conv1d, conv2d, conv3d
from reimpl.conv_kinds import (
    DepthwiseConv2d,
    DepthwiseSeparableConv2d,
    DilatedConv2d,
    FlattenedConv2d,
    GroupedConv2d,
    ShuffledGroupedConv2d,
    SpatiallySeparableConv2d,
)
from reimpl.conv_modules import Conv1d, Conv2d, Conv3d
from reimpl.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from reimpl.conv_transpose_modules import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from reimpl.padding import pad
from reimpl.padding_modules import (
    CircularPad1d,
    CircularPad2d,
    CircularPad3d,
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReflectionPad3d,
    ReplicationPad1d,
    ReplicationPad2d,
    ReplicationPad3d,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
)
from reimpl.shuffle import (
    ChannelShuffle,
    PixelShuffle,
    PixelUnshuffle,
    channel_shuffle,
    pixel_shuffle,
    pixel_unshuffle,
)

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "ChannelShuffle",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "DepthwiseConv2d",
    "DepthwiseSeparableConv2d",
    "DilatedConv2d",
    "FlattenedConv2d",
    "GroupedConv2d",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ShuffledGroupedConv2d",
    "SpatiallySeparableConv2d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    "batch_norm",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
]
