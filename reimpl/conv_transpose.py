r"""Transposed convolution over one, two or three axes: convolution's adjoint.

All three functions check their arguments, split the channels into groups and spread (see
:mod:`reimpl.trilinear`); bias, layout and the single rounding of 16-bit types follow.

Letters: N samples, G groups, O input and C output channels of a group (they are the output and the
input of the convolution that is transposed), *M input and *L output positions, *K taps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import Ints, accumulator
from reimpl.autocast import autocasted
from reimpl.conv import WIDE, Size, check_bias, check_not_empty, check_tensors, finish
from reimpl.gradient_layout import followed
from reimpl.layout import convolution_layout
from reimpl.trilinear import spread
from reimpl.windows import Windows, spanned


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    r"""Transposed convolution over one axis; see :func:`conv_transpose2d` for the formula.

    Shapes:
        input (N, G·O, M) or (G·O, M), weight (G·O, C, K), bias (G·C), output (N, G·C, L).

    Backward: convolution for input, windows of the cotangent times input for weight, sum for bias.

    Raises:
        As :func:`conv_transpose2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose1d.html

    >>> import torch
    >>> conv_transpose1d(torch.tensor([[1.0, 2.0]]), torch.ones(1, 1, 3), stride=2)
    tensor([[1., 1., 3., 2., 2.]])
    """
    return convolve_transposed(
        "conv_transpose1d",
        1, input, weight, bias, stride, padding, output_padding, groups, dilation,
    )  # fmt: skip


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    r"""Transposed convolution over two axes: the adjoint of convolution in its input.

    x[n,g,c,l] = b[g,c] + Σ w[g,o,c,k] · y[n,g,o,m]   over o, m, k with s·m + d·k − p = l

    Shapes:
        input y (N, G·O, *M) or (G·O, *M), weight (G·O, C, *K), bias (G·C), output (N, G·C, *L),
        L = (M−1)s − 2p + d(K−1) + 1 + output_padding.

    Backward: convolution for input, windows of the cotangent times input for weight, sum for bias.

    Raises:
        RuntimeError: geometry out of range (output_padding must be below the larger of stride and
            dilation, the output must not be empty), or shapes, dtypes, devices that do not fit.
        NotImplementedError: bool, and integers other than int64.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html

    >>> import torch
    >>> conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    return convolve_transposed(
        "conv_transpose2d",
        2, input, weight, bias, stride, padding, output_padding, groups, dilation,
    )  # fmt: skip


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    r"""Transposed convolution over three axes; see :func:`conv_transpose2d` for the formula.

    Shapes:
        input (N, G·O, *M) or (G·O, *M), weight (G·O, C, *K), bias (G·C), output (N, G·C, *L).

    Backward: convolution for input, windows of the cotangent times input for weight, sum for bias.

    Raises:
        As :func:`conv_transpose2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose3d.html

    >>> import torch
    >>> conv_transpose3d(torch.ones(1, 1, 1, 1, 1), torch.ones(1, 2, 2, 3, 4)).shape
    torch.Size([1, 2, 2, 3, 4])
    """
    return convolve_transposed(
        "conv_transpose3d",
        3, input, weight, bias, stride, padding, output_padding, groups, dilation,
    )  # fmt: skip


def convolve_transposed(
    op: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> Tensor:
    """Transposed convolution over ``rank`` axes; ``op`` is the name that messages carry."""
    input, weight, bias = autocasted("conv_transpose", input, weight, bias)
    G = check_tensors(op, rank, input, weight, bias, groups)
    s = arguments.per_axis(op, "stride", stride, rank, 1)
    p = arguments.per_axis(op, "padding", padding, rank, 0)
    extra = arguments.per_axis(op, "output_padding", output_padding, rank, 0)
    d = arguments.per_axis(op, "dilation", dilation, rank, 1)
    arguments.dtype_among(op, input, WIDE)
    y = followed(input)
    y = y if y.dim() == rank + 2 else y.unsqueeze(0)
    if weight.shape[1] < 1:
        raise RuntimeError(
            f"{op}: weight must have at least one output channel, got {tuple(weight.shape)}"
        )
    if y.shape[1] != weight.shape[0]:
        raise RuntimeError(
            f"{op}: input must have {weight.shape[0]} channels for a weight of shape "
            f"{tuple(weight.shape)}, got {y.shape[1]}"
        )
    check_bias(op, bias, G * weight.shape[1])
    kernel, dtype = tuple(weight.shape[2:]), accumulator(input.dtype)
    windows = _windows_under(op, tuple(y.shape[2:]), kernel, s, p, d, extra, y.shape[0] == 0)
    check_not_empty(op, y)
    N, O, M = y.shape[0], y.shape[1] // G, y.shape[2:]
    x = spread(
        y.to(dtype).reshape(N, G, O, *M),
        weight.to(dtype).reshape(G, O, weight.shape[1], *kernel),
        windows,
    )
    channels_last = convolution_layout(
        y,
        weight,
        max(s) > 1 or max(d) > 1,
        G,
        overhangs=any(e >= ss for e, ss in zip(extra, s, strict=True)),
    )
    return finish(x, bias, channels_last, input)


def _check_output_padding(op: str, extra: Ints, s: Ints, d: Ints) -> None:
    if any(e >= max(ss, dd) for e, ss, dd in zip(extra, s, d, strict=True)):
        raise RuntimeError(
            f"{op}: output_padding must be smaller than either stride or dilation, "
            f"got {extra} with stride {s} and dilation {d}"
        )


def _windows_under(
    op: str, positions: Ints, kernel: Ints, s: Ints, p: Ints, d: Ints, extra: Ints, empty: bool
) -> Windows:
    """The grid that the given number of windows spans, and ``extra`` behind it.

    torch judges neither ``extra`` nor an empty grid when the batch is empty.
    """
    if not empty:
        _check_output_padding(op, extra, s, d)
    size = tuple(
        [
            spanned(m, k, ss, dd) - 2 * pp + e
            for m, ss, pp, dd, k, e in zip(positions, s, p, d, kernel, extra, strict=True)
        ]
    )
    if min(size) < (0 if empty else 1):
        raise RuntimeError(
            f"{op}: padding must leave an output of at least one entry per axis, got {p} "
            f"for an output of size {size}"
        )
    arguments.storable(op, "stride", (s, d), size, torch.uint8)
    return Windows(size, positions, kernel, s, p, d).nearby
