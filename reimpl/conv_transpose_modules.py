"""Transposed convolution as modules."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from reimpl import arguments
from reimpl.arguments import repeated
from reimpl.conv_modules import ConvolutionModule, Size
from reimpl.conv_transpose import convolve_transposed
from reimpl.windows import spanned


class _ConvTranspose(ConvolutionModule):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(
                f"{type(self).__name__}: padding_mode must be 'zeros', got {padding_mode!r}"
            )
        super().__init__()
        self._build(
            in_channels, out_channels, kernel_size, stride, repeated(padding, self._rank), dilation,
            output_padding, groups, padding_mode, transposed=True,
        )  # fmt: skip
        name = type(self).__name__
        kernel = [arguments.extent(name, "kernel_size", k) for k in self.kernel_size]
        shape = (in_channels, out_channels // groups, *kernel)
        self._make_parameters(shape, bias, device, dtype)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Spread ``input``; ``output_size`` chooses among the sizes that the stride leaves open."""
        arguments.tensor(type(self).__name__, "input", input)
        extra = self.output_padding
        if output_size is not None:
            extra = self._output_padding_for(input, list(output_size))
        return convolve_transposed(
            type(self).__name__,
            self._rank,
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,  # type: ignore[arg-type]
            extra,
            self.groups,
            self.dilation,
        )

    def _output_padding_for(self, input: Tensor, output_size: list[int]) -> tuple[int, ...]:
        name, rank = type(self).__name__, self._rank
        leading = 2 if input.dim() == rank + 2 else 1
        wanted = output_size[leading:] if len(output_size) == leading + rank else output_size
        if len(wanted) != rank:
            raise ValueError(
                f"{name}: output_size must have {rank} or {leading + rank} entries for an input "
                f"of {input.dim()} axes, got {output_size}"
            )
        least = [
            spanned(input.shape[leading + i], self.kernel_size[i], self.stride[i], self.dilation[i])
            - 2 * int(self.padding[i])
            for i in range(rank)
        ]
        extra = tuple([size - low for size, low in zip(wanted, least, strict=True)])
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
            raise ValueError(
                f"{name}: output_size must be between {least} and {most} for an input of shape "
                f"{tuple(input.shape)}, got {wanted}"
            )
        return extra


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of (N, C, L) or (C, L); see :class:`ConvTranspose2d`.

    Backward: as :func:`reimpl.conv_transpose1d`.

    Raises:
        As :class:`ConvTranspose2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose1d.html

    >>> import torch
    >>> ConvTranspose1d(4, 6, 3, stride=2)(torch.ones(4, 5), output_size=[12]).shape
    torch.Size([6, 12])
    """

    _rank = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of (N, C, H, W) or (C, H, W) by a weight and a bias of its own.

    The adjoint of a convolution with the same geometry; see :func:`reimpl.conv_transpose2d`.

    Shapes:
        weight (in_channels, out_channels/groups, *kernel_size), bias (out_channels).

    Backward: as :func:`reimpl.conv_transpose2d`.

    Raises:
        ValueError: channels not divisible by groups, padding_mode other than zeros, an
            ``output_size`` out of reach.
        RuntimeError: at the call, as :func:`reimpl.conv_transpose2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html

    >>> import torch
    >>> ConvTranspose2d(4, 6, 3, stride=2, output_padding=1)
    ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), output_padding=(1, 1))
    """

    _rank = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of (N, C, D, H, W) or (C, D, H, W); see :class:`ConvTranspose2d`.

    Backward: as :func:`reimpl.conv_transpose3d`.

    Raises:
        As :class:`ConvTranspose2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose3d.html

    >>> import torch
    >>> ConvTranspose3d(2, 4, 2, stride=2)(torch.ones(1, 2, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4, 4])
    """

    _rank = 3
