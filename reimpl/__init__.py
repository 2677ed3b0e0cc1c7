"""Convolution, transposed convolution and batch norm of torch.nn, written by hand.

Functions carry torch.nn.functional's names and signatures, modules torch.nn's. Forward and
backward are formulas on tensor primitives; nothing but torch and the standard library is imported.

    windows     sliding-window geometry: gather and its adjoint
    trilinear   convolution, transposed convolution and weight gradient as one form
    linear_map  linear maps in adjoint pairs; padding is such a pair
    function    the autograd Function that these derive from
    resampling  interpolation along an axis: sparse matrices and their transposes
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
from reimpl.interpolate import interpolate
from reimpl.upsampling_modules import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d

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
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "interpolate",
]
