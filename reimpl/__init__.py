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
from reimpl.conv_modules import Conv1d, Conv2d, Conv3d
from reimpl.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from reimpl.conv_transpose_modules import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from reimpl.group_norm import GroupNorm, group_norm
from reimpl.instance_norm import instance_norm
from reimpl.instance_norm_modules import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from reimpl.layer_norm import layer_norm, rms_norm
from reimpl.layer_norm_modules import LayerNorm, RMSNorm
from reimpl.local_response_norm import LocalResponseNorm, local_response_norm
from reimpl.normalize import normalize

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]
