"""The average pools as modules: no parameters, no state, the arguments as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from reimpl.arguments import repeated
from reimpl.avg_pool import adapt, pool
from reimpl.lp_pool import lp_pool

Size = int | tuple[int, ...]
OptionalSize = int | None | Sequence[int | None]


class _AvgPool(torch.nn.Module):
    __constants__: ClassVar[list[str]] = [
        "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override",
    ]  # fmt: skip
    _rank: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Average ``input`` over windows."""
        geometry = self.kernel_size, self.stride, self.padding, self.ceil_mode
        counting = self.count_include_pad, self.divisor_override
        return pool(type(self).__name__, self._rank, input, *geometry, *counting)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The function as a module, see :func:`reimpl.avg_pool1d`.

    >>> AvgPool1d(3, stride=2)
    AvgPool1d(kernel_size=(3,), stride=(2,), padding=(0,))
    """

    __constants__: ClassVar[list[str]] = _AvgPool.__constants__[:-1]
    _rank = 1

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        stride = repeated(kernel_size if stride is None else stride, 1)
        kernel_size, padding = repeated(kernel_size, 1), repeated(padding, 1)
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool):
    """The function as a module, see :func:`reimpl.avg_pool2d`.

    >>> AvgPool2d(2)(torch.arange(4.0).view(1, 2, 2))
    tensor([[[1.5000]]])
    """

    _rank = 2


class AvgPool3d(_AvgPool):
    """The function as a module, see :func:`reimpl.avg_pool3d`.

    >>> AvgPool3d(2, divisor_override=1)(torch.ones(1, 2, 2, 2))
    tensor([[[[8.]]]])
    """

    _rank = 3

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickled before there were these choices.
        choices = {"padding": 0, "ceil_mode": False, "count_include_pad": True}
        super().__setstate__(choices | state)


class _LPPool(torch.nn.Module):
    __constants__: ClassVar[list[str]] = ["norm_type", "kernel_size", "stride", "ceil_mode"]
    _rank: ClassVar[int]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Size,
        stride: Size | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """Pool the powers of ``input``."""
        geometry: Any = self.kernel_size, self.stride, self.ceil_mode
        return lp_pool(type(self).__name__, self._rank, input, float(self.norm_type), *geometry)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.__constants__)


class LPPool1d(_LPPool):
    """The function as a module, see :func:`reimpl.lp_pool1d`.

    >>> LPPool1d(2, 2)
    LPPool1d(norm_type=2, kernel_size=2, stride=None, ceil_mode=False)
    """

    _rank = 1


class LPPool2d(_LPPool):
    """The function as a module, see :func:`reimpl.lp_pool2d`.

    >>> LPPool2d(1, (1, 2))(torch.ones(1, 1, 4))
    tensor([[[2., 2.]]])
    """

    _rank = 2


class LPPool3d(_LPPool):
    """The function as a module, see :func:`reimpl.lp_pool3d`.

    >>> LPPool3d(float("inf"), 2)(-torch.ones(1, 2, 2, 2))
    tensor([[[[1.]]]])
    """

    _rank = 3


class _AdaptiveAvgPool(torch.nn.Module):
    __constants__: ClassVar[list[str]] = ["output_size"]
    _rank: ClassVar[int]

    def __init__(self, output_size: OptionalSize) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """Average ``input`` over as many windows as the output has positions."""
        output_size: Any = self.output_size
        return adapt(type(self).__name__, self._rank, input, output_size)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The function as a module, see :func:`reimpl.adaptive_avg_pool1d`.

    >>> AdaptiveAvgPool1d(2)(torch.arange(4.0).view(1, 4))
    tensor([[0.5000, 2.5000]])
    """

    _rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The function as a module, see :func:`reimpl.adaptive_avg_pool2d`.

    >>> AdaptiveAvgPool2d((None, 1))(torch.ones(1, 3, 4)).shape
    torch.Size([1, 3, 1])
    """

    _rank = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The function as a module, see :func:`reimpl.adaptive_avg_pool3d`.

    >>> AdaptiveAvgPool3d(1)(torch.ones(1, 3, 4, 5))
    tensor([[[[1.]]]])
    """

    _rank = 3
