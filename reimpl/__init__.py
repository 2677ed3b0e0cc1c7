"""Convolution, transposed convolution and batch norm of torch.nn, written by hand.

Functions carry torch.nn.functional's names and signatures, modules torch.nn's. Forward and
backward are formulas on tensor primitives; nothing but torch and the standard library is imported.

    windows     sliding-window geometry: gather and its adjoint
    trilinear   convolution, transposed convolution and weight gradient as one form
    selection   selection at indices and its adjoint
    linear_map  linear maps in adjoint pairs; padding is such a pair
    pullback    a map with its pullback and pushforward as formulas: activations, softmax
    function    the autograd Function that these derive from
    standardize mean zero and variance one over chosen axes; affine scales and shifts
    arguments   what is checked and how it is said
    layout      which strides torch gives an output
"""

from reimpl.average_modules import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
)
from reimpl.avg_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
)
from reimpl.batch_norm import batch_norm
from reimpl.batch_norm_modules import BatchNorm1d, BatchNorm2d, BatchNorm3d
from reimpl.conv import conv1d, conv2d, conv3d
from reimpl.conv_modules import Conv1d, Conv2d, Conv3d
from reimpl.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from reimpl.conv_transpose_modules import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from reimpl.fold import Fold, Unfold, fold, unfold
from reimpl.lp_pool import lp_pool1d, lp_pool2d, lp_pool3d

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
from reimpl.max_pool import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from reimpl.max_pool_modules import (
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
)
from reimpl.max_unpool import max_unpool1d, max_unpool2d, max_unpool3d

__all__ = [
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Fold",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "Unfold",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "unfold",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]
