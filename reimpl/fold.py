r"""Unfolding an image into the columns of its windows, and folding columns back into an image.

    unfold   cols[n, c·k, m] = x[n, c, s·m + d·k − p], zero outside the image
    fold     x[n, c, l] = Σ cols[n, c·k, m] over the m and k with s·m + d·k − p = l

Each is the other's adjoint. Letters: N samples, C channels, L the image's height and width,
K the kernel's, M the positions of the windows; s stride, d dilation, p padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reimpl import arguments
from reimpl.arguments import REALS, Ints
from reimpl.linear_map import linear_map
from reimpl.windows import Windows, fitting

Size = int | Sequence[int]
_DTYPES = (*REALS, torch.complex64, torch.complex128, torch.bool)


def unfold(
    input: Tensor,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Tensor:
    r"""The windows of an image as columns of a matrix (im2col).

    cols[n, c·k, m] = x[n, c, s·m + d·k − p], zero outside the image

    Shapes:
        input (N, C, *L) or (C, *L) with two axes L, output (N, C·K, M) or (C·K, M) with the taps
        and the positions in row-major order, M = ⌊(L + 2p − d(K−1) − 1) / s⌋ + 1 on each axis.

    Backward: fold.

    Raises:
        RuntimeError: geometry out of range, an input of another rank or empty.
        NotImplementedError: integers.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html

    >>> unfold(torch.arange(6.0).view(1, 2, 3), 2)
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    op = "unfold"
    arguments.tensor(op, "input", input)
    if input.dim() not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError(
            f"{op}: input must be (N, C, H, W) or (C, H, W) and empty in its batch only, "
            f"got {tuple(input.shape)}"
        )
    size = tuple(input.shape[-2:])
    windows = _windows(op, size, kernel_size, dilation, padding, stride)
    return _converted(op, input, windows, _columns, _image)


def fold(
    input: Tensor,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Tensor:
    r"""The columns of windows added up to an image (col2im).

    x[n, c, l] = Σ cols[n, c·k, m] over the m and k with s·m + d·k − p = l

    Shapes:
        input (N, C·K, M) or (C·K, M), output (N, C, *L) or (C, *L), L = ``output_size``.

    Backward: unfold.

    Raises:
        RuntimeError: geometry out of range, an input of another rank or empty, or one whose sizes
            do not belong to windows over ``output_size``.
        NotImplementedError: integers.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.fold.html

    >>> fold(torch.ones(4, 2), (2, 3), 2)
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """
    op = "fold"
    arguments.tensor(op, "input", input)
    if input.dim() not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            f"{op}: input must be (N, C*K, M) or (C*K, M) and empty in its batch only, "
            f"got {tuple(input.shape)}"
        )
    size = _pair(op, "output_size", output_size, 1)
    windows = _windows(op, size, kernel_size, dilation, padding, stride)
    taps, blocks = input.shape[-2:]
    if taps % prod(windows.kernel) or blocks != prod(windows.positions):
        raise RuntimeError(
            f"{op}: input must have a multiple of {prod(windows.kernel)} rows and "
            f"{prod(windows.positions)} columns for output_size {size}, kernel_size "
            f"{windows.kernel}, dilation {windows.dilation}, padding {windows.padding} and stride "
            f"{windows.stride}, got {tuple(input.shape)}"
        )
    return _converted(op, input, windows, _image, _columns)


def _converted(op: str, input: Tensor, windows: Windows, there: Any, back: Any) -> Tensor:
    """One of the two maps, with the other as its adjoint."""
    arguments.dtype_among(op, input, _DTYPES)
    return linear_map(input, lambda t: there(t, windows), lambda t: back(t, windows))


def _columns(x: Tensor, windows: Windows) -> Tensor:
    """(*N, C, *L) -> (*N, C·K, M)."""
    *N, C = x.shape[:-2]
    cols = windows.gather(x.reshape(prod(N), 1, C, *windows.size))  # (1, C, *K, N, *M)
    cols = cols[0].movedim(3, 0).clone(memory_format=torch.contiguous_format)
    return cols.view(*N, C * prod(windows.kernel), prod(windows.positions))


def _image(cols: Tensor, windows: Windows) -> Tensor:
    """(*N, C·K, M) -> (*N, C, *L)."""
    *N, taps = cols.shape[:-1]
    C = taps // prod(windows.kernel)
    blocks = cols.reshape(prod(N), 1, C, *windows.kernel, *windows.positions)
    return windows.scatter(blocks.movedim(0, 4)).reshape(*N, C, *windows.size)


def _windows(
    op: str, size: Ints, kernel_size: Size, dilation: Size, padding: Size, stride: Size
) -> Windows:
    K = _pair(op, "kernel_size", kernel_size, 1)
    d = _pair(op, "dilation", dilation, 1)
    p = _pair(op, "padding", padding, 0)
    s = _pair(op, "stride", stride, 1)
    geometry = zip(size, K, s, p, d, strict=True)
    M = tuple([fitting(l + 2 * pp, k, ss, dd) for l, k, ss, pp, dd in geometry])
    if min(M) < 1:
        raise RuntimeError(
            f"{op}: kernel_size must span no more than the padded image, got {K} with dilation "
            f"{d} for {size} with padding {p}"
        )
    windows = Windows(size, M, K, s, p, d).nearby
    arguments.storable(op, "padding", p, windows.extent, torch.uint8)
    return windows


def _pair(op: str, name: str, value: Size, least: int) -> Ints:
    """An int for both axes, or two; unlike elsewhere a single entry does not serve both."""
    value = arguments.unpacked(value)
    if isinstance(value, (tuple, list)) and len(value) != 2:
        raise RuntimeError(f"{op}: {name} must be an int or 2 ints, got {value}")
    return arguments.per_axis(op, name, value, 2, least)


class Unfold(nn.Module):
    """The function as a module, see :func:`unfold`.

    >>> Unfold(2, stride=2)(torch.zeros(1, 3, 4, 4)).shape
    torch.Size([1, 12, 4])
    """

    __constants__: ClassVar[list[str]] = ["kernel_size", "dilation", "padding", "stride"]

    def __init__(
        self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """Unfold ``input``."""
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.__constants__)


class Fold(nn.Module):
    """The function as a module, see :func:`fold`.

    >>> Fold((4, 4), 2, stride=2)(torch.ones(1, 12, 4)).shape
    torch.Size([1, 3, 4, 4])
    """

    __constants__: ClassVar[list[str]] = [
        "output_size", "kernel_size", "dilation", "padding", "stride",
    ]  # fmt: skip

    def __init__(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """Fold ``input``."""
        return fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.__constants__)
