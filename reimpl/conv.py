r"""Convolution over one, two or three axes.

All three functions check their arguments, split the channels into groups and correlate (see
:mod:`reimpl.trilinear`); bias, layout and the single rounding of 16-bit types follow.

Letters: N samples, G groups, C input and O output channels of a group, *L input and *M output
positions, *K taps, one per spatial axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.affine import affine
from reimpl.arguments import COMPLEX, INTEGERS, REALS, Ints, accumulator
from reimpl.autocast import autocasted
from reimpl.gradient_layout import followed
from reimpl.layout import arrange, convolution_layout, nnpack
from reimpl.padding import Amounts, pad_by_selection
from reimpl.trilinear import correlate
from reimpl.windows import Windows, fitting

Size = int | Sequence[int]

_FLOATING = (*REALS, *COMPLEX)
_ANY = (*_FLOATING, *INTEGERS)
WIDE = (*_FLOATING, torch.int64)  # small integers have no kernel in torch once taps are spread


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: str | Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    r"""Convolution (cross-correlation) over one axis; see :func:`conv2d` for the formula.

    Shapes:
        input (N, G·C, L) or (G·C, L), weight (G·O, C, K), bias (G·O), output (N, G·O, M).

    Backward: transposed convolution for input, windows times cotangent for weight, sum for bias.

    Raises:
        As :func:`conv2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html

    >>> conv1d(torch.arange(5.0).view(1, 1, 5), torch.tensor([[[-1.0, 1.0]]]), stride=2)
    tensor([[[1., 1.]]])
    """
    return convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: str | Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    r"""Convolution (cross-correlation) over two axes.

    y[n,g,o,m] = b[g,o] + Σ_{c,k} w[g,o,c,k] · x[n,g,c, s·m + d·k − p], with zero outside the input

    Shapes:
        input (N, G·C, *L) or (G·C, *L), weight (G·O, C, *K), bias (G·O), output (N, G·O, *M),
        M = ⌊(L + 2p − d(K−1) − 1) / s⌋ + 1; padding='same' makes M = L, with the odd extra zero
        behind (#67551), 'valid' is 0. Without input channels there are no output channels either.

    Backward: transposed convolution for input, windows times cotangent for weight, sum for bias.

    Raises:
        RuntimeError: geometry out of range, or shapes, dtypes or devices that do not fit.
        NotImplementedError: bool, and integers other than int64 with dilation.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html

    >>> conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), padding="same")
    tensor([[[[4., 6., 4.],
              [6., 9., 6.],
              [4., 6., 4.]]]])
    """
    return convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: str | Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    r"""Convolution (cross-correlation) over three axes; see :func:`conv2d` for the formula.

    Shapes:
        input (N, G·C, *L) or (G·C, *L), weight (G·O, C, *K), bias (G·O), output (N, G·O, *M).

    Backward: transposed convolution for input, windows times cotangent for weight, sum for bias.

    Raises:
        As :func:`conv2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv3d.html

    >>> conv3d(torch.ones(1, 2, 4, 4, 4), torch.ones(3, 2, 2, 2, 2), stride=2).unique()
    tensor([16.])
    """
    return convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def convolve(
    op: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: str | Size | Amounts,
    dilation: Size,
    groups: int,
    padding_mode: str = "zeros",
) -> Tensor:
    """Convolution over ``rank`` axes; ``op`` is the name that messages carry.

    With a ``padding_mode`` other than zeros, ``padding`` is one pair of amounts per axis, and the
    input is padded in the dtype of the computation, so that 16-bit gradients are rounded once.
    """
    input, weight, bias = autocasted("conv", input, weight, bias)
    G = check_tensors(op, rank, input, weight, bias, groups)
    s = arguments.per_axis(op, "stride", stride, rank, 1)
    d = arguments.per_axis(op, "dilation", dilation, rank, 1)
    arguments.dtype_among(op, input, _ANY if max(d) == 1 else WIDE)
    x = followed(input)
    x = x if x.dim() == rank + 2 else x.unsqueeze(0)
    if x.shape[1] != G * weight.shape[1]:
        raise RuntimeError(
            f"{op}: input must have {G * weight.shape[1]} channels for a weight of shape "
            f"{tuple(weight.shape)} with groups={G}, got {x.shape[1]}"
        )
    check_bias(op, bias, weight.shape[0])
    dtype = accumulator(input.dtype)
    kernel, pads = tuple(weight.shape[2:]), ((0, 0),) * rank
    if padding_mode == "zeros":
        pads = paddings(op, padding, kernel, s, d)
    strided, uneven = max(s) > 1 or max(d) > 1, [hi - lo for lo, hi in pads]
    channels_last = convolution_layout(x, weight, strided, G, padding_mode, uneven=uneven)
    channels_last &= not nnpack(x, kernel, max(d) > 1, [lo for lo, _ in pads])
    x, weight = x.to(dtype), weight.to(dtype)
    if padding_mode != "zeros":
        x = pad_by_selection(op, x, padding, padding_mode)  # type: ignore[arg-type]
    windows = windows_over(op, tuple(x.shape[2:]), kernel, s, pads, d)
    N, O, L = x.shape[0], weight.shape[0], x.shape[2:]
    check_not_empty(op, x)
    y = correlate(
        x.reshape(N, G, x.shape[1] // G, *L),
        weight.reshape(G, O // G, weight.shape[1], *kernel),
        windows,
    )
    if x.shape[1] == 0:
        # Torch drops the output channels (#101356); the bias has a gradient of zeros all the same.
        y, bias = y[:, :, :0], None if bias is None else bias[:0]
    return finish(y, bias, channels_last, input)


def finish(y: Tensor, bias: Tensor | None, channels_last: bool, input: Tensor) -> Tensor:
    """(N, G, O, *M) -> (N, G·O, *M), with bias, in torch's layout and input's dtype and rank."""
    rank = y.dim() - 3
    N, G, O, *M = y.shape
    y = y.reshape(N, G * O, *M)
    if bias is not None:
        b = bias.to(y.dtype).reshape(1, -1, *(1,) * rank)
        y = affine(y, None, b, (0, *range(2, rank + 2)))
    y = arrange(y, channels_last).to(input.dtype)
    return y if input.dim() == rank + 2 else y.squeeze(0)


def check_tensors(
    op: str, rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int
) -> int:
    """Ranks, dtypes and devices fit together, and the groups fit the weight; returns the groups."""
    arguments.tensor(op, "input", input)
    arguments.tensor(op, "weight", weight)
    arguments.optional_tensor(op, "bias", bias)
    if weight.dim() != rank + 2:
        raise RuntimeError(f"{op}: weight must have {rank + 2} axes, got {tuple(weight.shape)}")
    if input.dim() not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"{op}: input must have {rank + 2} axes, or {rank + 1} without a batch, "
            f"got {tuple(input.shape)}"
        )
    arguments.alike(op, input, weight=weight, bias=bias)
    G = arguments.at_least(op, "groups", groups, 1)
    if weight.shape[0] < G or weight.shape[0] % G:
        raise RuntimeError(
            f"{op}: weight's first axis must be a positive multiple of groups={G}, "
            f"got {tuple(weight.shape)}"
        )
    if min(weight.shape[2:]) < 1:
        raise RuntimeError(f"{op}: weight must have at least one tap, got {tuple(weight.shape)}")
    return G


def check_bias(op: str, bias: Tensor | None, channels: int) -> None:
    """One number per output channel."""
    if bias is not None and bias.shape != (channels,):
        raise RuntimeError(f"{op}: bias must have shape ({channels},), got {tuple(bias.shape)}")


def check_not_empty(op: str, x: Tensor) -> None:
    """Every spatial axis has an entry, as torch demands even where the formula would not."""
    if x.numel() == 0 and x.shape[0] != 0 and x.shape[1] != 0:
        raise RuntimeError(
            f"{op}: input may be empty in its batch or its channels only, got {tuple(x.shape)}"
        )


def paddings(op: str, padding: object, kernel: Ints, s: Ints, d: Ints) -> Amounts:
    """Zeros in front and behind, per axis."""
    if not isinstance(padding, str):
        return tuple([(p, p) for p in arguments.per_axis(op, "padding", padding, len(kernel), 0)])
    if padding not in ("same", "valid"):
        raise RuntimeError(f"{op}: padding must be 'same', 'valid' or integers, got {padding!r}")
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if max(s) > 1:
        raise RuntimeError(f"{op}: padding='same' must go with stride 1, got stride {s}")
    return same_padding(kernel, d)


def same_padding(kernel: Ints, dilation: Ints) -> Amounts:
    """The zeros that keep the size at stride 1: d(K−1) in all, the odd one behind (#67551)."""
    # Not strict: a module accepts tuples of any length, and the first call rejects them.
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=False)]
    return tuple([(t // 2, t - t // 2) for t in totals])


def windows_over(op: str, size: Ints, kernel: Ints, s: Ints, pads: Amounts, d: Ints) -> Windows:
    """All windows that fit into the padded grid."""
    geometry = zip(size, pads, kernel, s, d, strict=True)
    positions = tuple([fitting(l + lo + hi, k, ss, dd) for l, (lo, hi), k, ss, dd in geometry])
    if min(positions) < 1:
        raise RuntimeError(
            f"{op}: weight must span no more than the padded input, got kernel {kernel} with "
            f"dilation {d} for an input of {size} with padding {pads}"
        )
    windows = Windows(size, positions, kernel, s, tuple([lo for lo, _ in pads]), d).nearby
    arguments.storable(op, "padding", pads, windows.extent, torch.uint8)
    return windows
