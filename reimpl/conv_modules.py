"""Convolution as modules: parameters, their geometry and their state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reimpl import arguments
from reimpl.arguments import repeated
from reimpl.conv import convolve, same_padding
from reimpl.initial import conv_uniform_
from reimpl.padding import MODES

Size = int | tuple[int, ...]


class ConvolutionModule(nn.Module):
    """What the six classes share: attributes, parameters, initial values, repr."""

    __constants__: ClassVar[list[str]] = [
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
        "output_padding",
        "in_channels",
        "out_channels",
        "kernel_size",
    ]
    _rank: ClassVar[int]
    bias: nn.Parameter | None

    def _build(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: str | Size,
        dilation: Size,
        output_padding: Size,
        groups: int,
        padding_mode: str,
        transposed: bool,
    ) -> None:
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = repeated(kernel_size, self._rank)
        self.stride = repeated(stride, self._rank)
        self.padding = padding if isinstance(padding, str) else repeated(padding, self._rank)
        self.dilation = repeated(dilation, self._rank)
        self.transposed = transposed
        self.output_padding = repeated(output_padding, self._rank)
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        # torch's name, in F.pad's order: the last axis first, in front and behind.
        self._reversed_padding_repeated_twice = self._amounts()

    def _check(self) -> None:
        name = type(self).__name__
        if self.groups <= 0:
            raise ValueError(f"{name}: groups must be positive, got {self.groups}")
        for which in ("in_channels", "out_channels"):
            if getattr(self, which) % self.groups:
                raise ValueError(
                    f"{name}: {which} must be divisible by groups={self.groups}, "
                    f"got {getattr(self, which)}"
                )
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(
                    f"{name}: padding must be 'same', 'valid' or integers, got {self.padding!r}"
                )
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(
                    f"{name}: padding='same' must go with stride 1, got stride {self.stride}"
                )
        if self.padding_mode not in MODES:
            raise ValueError(
                f"{name}: padding_mode must be one of {MODES}, got {self.padding_mode!r}"
            )

    def _amounts(self) -> Sequence[int]:
        if isinstance(self.padding, tuple):
            return tuple([p for q in reversed(self.padding) for p in (q, q)])
        if self.padding == "valid":
            return [0, 0] * len(self.kernel_size)
        pairs = same_padding(self.kernel_size, self.dilation)
        return [p for pair in reversed(pairs) for p in pair]

    def _make_parameters(self, shape: Sequence[int], bias: bool, device: Any, dtype: Any) -> None:
        self.weight = nn.Parameter(torch.empty(tuple(shape), device=device, dtype=dtype))
        self.register_parameter(
            "bias",
            nn.Parameter(torch.empty(self.out_channels, device=device, dtype=dtype))
            if bias
            else None,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, as torch would under the same seed."""
        conv_uniform_(self.weight, self.bias)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"padding_mode": "zeros"} | state)  # pickled before there was a choice

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses; defaults are left out."""
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        for name, default in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            value = getattr(self, name)
            if value != (default,) * len(value):
                parts.append(f"{name}={value}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(ConvolutionModule):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: str | Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups,
            padding_mode, transposed=False,
        )  # fmt: skip
        name = type(self).__name__
        kernel = [arguments.extent(name, "kernel_size", k) for k in self.kernel_size]
        shape = (out_channels, in_channels // groups, *kernel)
        self._make_parameters(shape, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve ``input``, padded in the module's mode."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            amounts = self._reversed_padding_repeated_twice
            if len(amounts) != 2 * self._rank:
                raise NotImplementedError(
                    f"{type(self).__name__}: padding must have {self._rank} entries with "
                    f"padding_mode={self.padding_mode!r}, got {self.padding}"
                )
            amounts = arguments.integers(type(self).__name__, "padding", tuple(amounts))
            padding = tuple(zip(amounts[::2], amounts[1::2], strict=True))[::-1]
        return convolve(
            type(self).__name__,
            self._rank,
            input,
            self.weight,
            self.bias,
            self.stride,
            padding,
            self.dilation,
            self.groups,
            self.padding_mode,
        )


class Conv1d(_Conv):
    """Convolution of (N, C, L) or (C, L); see :class:`Conv2d`.

    Backward: as :func:`reimpl.conv1d`.

    Raises:
        As :class:`Conv2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html

    >>> Conv1d(4, 6, 3, padding="same", padding_mode="circular")(torch.ones(4, 7)).shape
    torch.Size([6, 7])
    """

    _rank = 1


class Conv2d(_Conv):
    """Convolution of (N, C, H, W) or (C, H, W) by a weight and a bias of its own.

    y = b + Σ w · x over the windows of the padded input; see :func:`reimpl.conv2d`. The padding
    is zeros, or with ``padding_mode`` the input reflected, replicated or wrapped around.

    Shapes:
        weight (out_channels, in_channels/groups, *kernel_size), bias (out_channels).

    Backward: as :func:`reimpl.conv2d`, followed by the adjoint of the padding.

    Raises:
        ValueError: channels not divisible by groups, unknown padding or padding_mode.
        RuntimeError: at the call, as :func:`reimpl.conv2d`, and padding too large for its mode.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html

    >>> Conv2d(4, 6, 3, padding=1)
    Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """

    _rank = 2


class Conv3d(_Conv):
    """Convolution of (N, C, D, H, W) or (C, D, H, W); see :class:`Conv2d`.

    Backward: as :func:`reimpl.conv3d`.

    Raises:
        As :class:`Conv2d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv3d.html

    >>> Conv3d(2, 4, 2, stride=2)(torch.ones(1, 2, 4, 4, 4)).shape
    torch.Size([1, 4, 2, 2, 2])
    """

    _rank = 3
