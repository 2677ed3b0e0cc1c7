r"""TensorFlow's convolution and its transpose, built on torch's.

TensorFlow has the channels last, pads by names or unequal amounts, takes the groups from the
channels, and is told a transposed convolution's output shape, from which it checks the input's.
Letters: N samples, C channels and *L size of the wide side (a convolution's input, a transpose's
output), O and *M of the other, *K taps, G groups; stride s, dilation d.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from reimpl import arguments
from reimpl.arguments import Ints
from reimpl.conv import conv2d as torch_conv2d
from reimpl.conv_transpose import conv_transpose2d as torch_conv_transpose2d
from reimpl.padding import pad
from reimpl.tensorflow_geometry import (
    Padding,
    PerAxis,
    geometries,
    spatial,
    strides_and_dilations,
)


def conv2d(
    input: Tensor,
    filters: Tensor,
    strides: PerAxis,
    padding: Padding,
    data_format: str = "NHWC",
    dilations: PerAxis = None,
) -> Tensor:
    r"""TensorFlow's convolution over two axes, ``tf.nn.conv2d``.

    y[n,m,o] = Σ w[k,c,o] · x[n, s·m + d·k − lo, c]   over c, k, with zero outside the input

    Strides and dilations are an integer, one, two, or four as ``data_format`` has it; padding is
    'SAME', 'VALID', or four pairs as ``data_format`` has it. Channels in groups if the filters
    have fewer than the input.

    Shapes:
        input (…, *L, C) with one or more axes in front, filters (*K, C / G, O), output
        (…, *M, O); with ``'NCHW'`` input (…, C, *L), output (…, O, *M), filters the same.
        M as in :mod:`reimpl.tensorflow_geometry`; it may be 0.

    Backward: that of :func:`reimpl.conv2d`, cropped where it was padded.

    Raises:
        ValueError: geometry, channels or a data format that TensorFlow rejects too.
        RuntimeError: dtypes or devices that differ.
        NotImplementedError: a dtype without a kernel in :func:`reimpl.conv2d`.
        TypeError: a value of the wrong kind.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn/conv2d

    >>> import torch
    >>> x, w = torch.ones(1, 4, 4, 1), torch.ones(3, 3, 1, 1)
    >>> conv2d(x, w, strides=2, padding="SAME")[0, ..., 0]
    tensor([[9., 6.],
            [6., 4.]])
    """
    op = "conv2d"
    _check_tensors(op, input, filters, data_format)
    if input.dim() < 4:
        raise ValueError(f"{op}: input must have at least four axes, got {tuple(input.shape)}")
    x = _channels_first(input.flatten(0, -4), data_format)
    groups = _groups(op, "input", x.shape[1], filters.shape[2])
    if filters.shape[3] % groups:
        raise ValueError(
            f"{op}: filters must have output channels in {groups} groups, as many as input has, "
            f"got {tuple(filters.shape)}"
        )
    kernel = tuple(filters.shape[:2])
    s, d = strides_and_dilations(op, strides, dilations, data_format)
    axes = geometries(op, tuple(x.shape[2:]), kernel, s, d, padding, data_format)
    x = pad(x, [n for axis in axes[::-1] for n in (axis.front, axis.behind)])
    w = filters.permute(3, 2, 0, 1)  # HWIO -> OIHW
    y = torch_conv2d(x, w, None, s, tuple(axis.padding for axis in axes), d, groups)
    (rows, columns) = (axis.positions for axis in axes)
    y = _channels_as(y[..., :rows, :columns], data_format)
    return y.reshape(*input.shape[:-3], *y.shape[1:])


def conv2d_transpose(
    input: Tensor,
    filters: Tensor,
    output_shape: Sequence[int] | Tensor,
    strides: PerAxis,
    padding: Padding = "SAME",
    data_format: str = "NHWC",
    dilations: PerAxis = None,
) -> Tensor:
    r"""TensorFlow's transposed convolution over two axes, ``tf.nn.conv2d_transpose``.

    x[n,l,c] = Σ w[k,c,o] · y[n,m,o]   over o, m, k with s·m + d·k − lo = l

    It is the adjoint of :func:`conv2d` on inputs of ``output_shape``, so that :func:`conv2d` must
    take this shape to ``input``'s.

    Shapes:
        input y (N, *M, O), filters (*K, C / G, O): HWOI, seen from the output; output x
        ``output_shape`` = (N, *L, C), or just *L where C is the filters' then; with ``'NCHW'``
        input (N, O, *M), output (N, C, *L), filters the same.

    Backward: :func:`conv2d` for input, windows of the cotangent times input for filters.

    Raises:
        ValueError: an output_shape that does not belong to input and filters, and geometry,
            channels or a data format that TensorFlow rejects too.
        RuntimeError: dtypes or devices that differ.
        NotImplementedError: a dtype without a kernel in :func:`reimpl.conv_transpose2d`.
        TypeError: a value of the wrong kind.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn/conv2d_transpose

    >>> import torch
    >>> y, w = torch.ones(1, 2, 2, 1), torch.ones(3, 3, 1, 1)
    >>> conv2d_transpose(y, w, (1, 4, 4, 1), strides=2)[0, ..., 0]
    tensor([[1., 1., 2., 1.],
            [1., 1., 2., 1.],
            [2., 2., 4., 2.],
            [1., 1., 2., 1.]])
    """
    op = "conv2d_transpose"
    _check_tensors(op, input, filters, data_format)
    if input.dim() != 4:
        raise ValueError(f"{op}: input must have four axes, got {tuple(input.shape)}")
    y = _channels_first(input, data_format)
    if y.shape[1] != filters.shape[3]:
        raise ValueError(
            f"{op}: input must have {filters.shape[3]} channels for filters of shape "
            f"{tuple(filters.shape)}, got {y.shape[1]}"
        )
    C, L = _output_channels_and_size(op, output_shape, y.shape[0], filters.shape[2], data_format)
    groups = _groups(op, "output_shape", C, filters.shape[2])
    if filters.shape[3] % groups:
        raise ValueError(
            f"{op}: filters must have input channels in {groups} groups, as many as output_shape "
            f"has, got {tuple(filters.shape)}"
        )
    kernel = tuple(filters.shape[:2])
    s, d = strides_and_dilations(op, strides, dilations, data_format)
    axes = geometries(op, L, kernel, s, d, padding, data_format)
    M = tuple(axis.positions for axis in axes)
    if tuple(y.shape[2:]) != M:
        raise ValueError(
            f"{op}: output_shape must be of a size that strides {s}, padding {padding} and "
            f"dilations {d} take to input's {tuple(y.shape[2:])}, got {L}, which goes to {M}"
        )
    y = pad(y, [n for m in M[::-1] for n in (0, max(1 - m, 0))])  # torch takes no empty input
    w = filters.permute(3, 2, 0, 1)  # HWOI -> IOHW
    p, extra = (tuple(axis[i] for axis in axes) for i in (1, 2))
    x = torch_conv_transpose2d(y, w, None, s, p, extra, groups, d)
    x = pad(x, [-n for axis in axes[::-1] for n in (axis.front, axis.behind)])
    return _channels_as(x, data_format)


def _check_tensors(op: str, input: Tensor, filters: Tensor, data_format: str) -> None:
    arguments.tensor(op, "input", input)
    arguments.tensor(op, "filters", filters)
    arguments.alike(op, input, filters=filters)
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"{op}: data_format must be 'NHWC' or 'NCHW', got {data_format!r}")
    if filters.dim() != 4 or filters.numel() == 0:
        raise ValueError(f"{op}: filters must have four axes, none empty, got {filters.shape}")


def _channels_first(x: Tensor, data_format: str) -> Tensor:
    return x.movedim(-1, 1) if data_format == "NHWC" else x


def _channels_as(x: Tensor, data_format: str) -> Tensor:
    return (x.movedim(1, -1) if data_format == "NHWC" else x).contiguous()


def _groups(op: str, name: str, channels: int, of_a_group: int) -> int:
    if channels < 1 or channels % of_a_group:
        raise ValueError(
            f"{op}: {name} must have a positive multiple of the filters' {of_a_group} channels, "
            f"got {channels}"
        )
    return channels // of_a_group


def _output_channels_and_size(
    op: str, output_shape: Sequence[int] | Tensor, batch: int, channels: int, data_format: str
) -> tuple[int, Ints]:
    if not isinstance(output_shape, (list, tuple, Tensor)):
        raise TypeError(f"{op}: output_shape must be integers, got {output_shape!r}")
    entries = tuple(arguments.integer(op, "output_shape", n) for n in output_shape)
    if len(entries) not in (2, 4) or min(entries) < 0:
        raise ValueError(
            f"{op}: output_shape must be 4 integers that are not negative, or 2 for the spatial "
            f"axes, got {entries}"
        )
    if len(entries) == 2:
        return channels, entries
    space, _ = spatial(entries, data_format)
    if entries[0] != batch:
        raise ValueError(f"{op}: output_shape must have input's batch of {batch}, got {entries}")
    return entries[3 if data_format == "NHWC" else 1], space
