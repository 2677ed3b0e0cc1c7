"""The operators of torch.nn, written by hand.

Functions carry torch.nn.functional's names and signatures, modules torch.nn's. Forward and
backward are formulas on tensor primitives; nothing but torch and the standard library is imported.

    windows     sliding-window geometry: gather and its adjoint
    trilinear   convolution, transposed convolution and weight gradient as one form
    columns, slabs      its products: at once, and frugally
    taps, blocks        and for groups of one channel: with few taps, and with many
    linear_map  linear maps in adjoint pairs: padding, resampling, averages, shuffles, folding
    selection   elements chosen by index: maxima and unpooling
    pullback    a map with its pullback and pushforward as formulas: activations, softmax
    function    the autograd Function that these derive from
    standardize mean zero and variance one over chosen axes; affine scales and shifts
    pooling     where pooling windows lie
    resampling  interpolation as one sparse matrix per axis
    correlation filters of images, along one axis at a time
    sift        keypoints and descriptors, which have no derivative: import reimpl.sift
    cooley_tukey  the fast Fourier transform of any length; spectrum over several axes
    rerouting   any model on these operators; spellings are torch's other names for them
    arguments   what is checked and how it is said
    layout      which strides torch gives an output

Beside the operators, to be imported by name: :mod:`reimpl.analysis`, what can be said about
convolutions without running them, and :mod:`reimpl.tensorflow`, TensorFlow's conventions.
"""

from reimpl.activation_modules import (
    ELU,
    Hardtanh,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ReLU6,
    Sigmoid,
    Softmax,
    Softmax2d,
    Softmin,
    Softplus,
    Tanh,
)
from reimpl.activations import (
    elu,
    elu_,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    relu,
    relu6,
    relu_,
)
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
from reimpl.filters import (
    gamma,
    laplacian,
    sobel,
    sobel_magnitude,
    sobel_orientation,
)
from reimpl.fold import Fold, Unfold, fold, unfold
from reimpl.fourier import fft, fftn, ifft, ifftn
from reimpl.frequency_filters import (
    gaussian_high_pass,
    gaussian_low_pass,
    ideal_high_pass,
    ideal_low_pass,
)
from reimpl.group_norm import GroupNorm, group_norm
from reimpl.initial import kaiming_normal_, kaiming_uniform_, xavier_normal_, xavier_uniform_
from reimpl.instance_norm import instance_norm
from reimpl.instance_norm_modules import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from reimpl.interpolate import interpolate
from reimpl.layer_norm import layer_norm, rms_norm
from reimpl.layer_norm_modules import LayerNorm, RMSNorm
from reimpl.linear import Linear, linear
from reimpl.local_response_norm import LocalResponseNorm, local_response_norm
from reimpl.logistic import sigmoid, softplus, tanh
from reimpl.lp_pool import lp_pool1d, lp_pool2d, lp_pool3d
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
from reimpl.normalize import normalize
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
from reimpl.rerouting import everywhere
from reimpl.scale_space import (
    difference_of_gaussians,
    gaussian_blur,
    gaussian_pyramid,
    laplacian_of_gaussian,
)
from reimpl.shuffle import (
    ChannelShuffle,
    PixelShuffle,
    PixelUnshuffle,
    channel_shuffle,
    pixel_shuffle,
    pixel_unshuffle,
)
from reimpl.softmax import log_softmax, softmax, softmin
from reimpl.upsampling_modules import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d

__all__ = [
    "ELU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
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
    "Fold",
    "GroupNorm",
    "GroupedConv2d",
    "Hardtanh",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSoftmax",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "PixelShuffle",
    "PixelUnshuffle",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ShuffledGroupedConv2d",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "SpatiallySeparableConv2d",
    "Tanh",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "difference_of_gaussians",
    "elu",
    "elu_",
    "everywhere",
    "fft",
    "fftn",
    "fold",
    "gamma",
    "gaussian_blur",
    "gaussian_high_pass",
    "gaussian_low_pass",
    "gaussian_pyramid",
    "group_norm",
    "hardtanh",
    "hardtanh_",
    "ideal_high_pass",
    "ideal_low_pass",
    "ifft",
    "ifftn",
    "instance_norm",
    "interpolate",
    "kaiming_normal_",
    "kaiming_uniform_",
    "laplacian",
    "laplacian_of_gaussian",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "local_response_norm",
    "log_softmax",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "normalize",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "sigmoid",
    "sobel",
    "sobel_magnitude",
    "sobel_orientation",
    "softmax",
    "softmin",
    "softplus",
    "tanh",
    "unfold",
    "xavier_normal_",
    "xavier_uniform_",
]
