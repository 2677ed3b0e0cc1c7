"""Max pooling, its inverse and adaptive max pooling as modules, without parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from reimpl.arguments import repeated
from reimpl.max_pool import (
    Pooled,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from reimpl.max_unpool import max_unpool1d, max_unpool2d, max_unpool3d

Size = int | tuple[int, ...]


class _MaxPool(torch.nn.Module):
    """What the three classes share: they keep the geometry as it was written."""

    __constants__: ClassVar[list[str]] = [
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "return_indices",
        "ceil_mode",
    ]
    _pool: ClassVar[Callable[..., Pooled]]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Pooled:
        """Pool ``input``; with ``return_indices`` also tell where the maxima are."""
        geometry = self.kernel_size, self.stride, self.padding, self.dilation
        return self._pool(input, *geometry, self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class MaxPool1d(_MaxPool):
    """Max pooling of (N, C, L) or (C, L); see :func:`reimpl.max_pool2d`.

    >>> MaxPool1d(3, stride=2)
    MaxPool1d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=False)
    """

    _pool = staticmethod(max_pool1d)


class MaxPool2d(_MaxPool):
    """Max pooling of (N, C, H, W) or (C, H, W); see :func:`reimpl.max_pool2d`.

    >>> MaxPool2d(2)(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[[4.]]])
    """

    _pool = staticmethod(max_pool2d)


class MaxPool3d(_MaxPool):
    """Max pooling of (N, C, D, H, W) or (C, D, H, W); see :func:`reimpl.max_pool2d`.

    >>> MaxPool3d(2)(torch.ones(1, 1, 4, 4, 4)).shape
    torch.Size([1, 1, 2, 2, 2])
    """

    _pool = staticmethod(max_pool3d)


class _MaxUnpool(torch.nn.Module):
    """What the three classes share: the geometry of the pooling to undo, as tuples."""

    _rank: ClassVar[int]
    _unpool: ClassVar[Callable[..., Tensor]]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        self.kernel_size = repeated(kernel_size, self._rank)
        self.stride = repeated(kernel_size if stride is None else stride, self._rank)
        self.padding = repeated(padding, self._rank)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """Write ``input`` at ``indices``, among zeros."""
        geometry = self.kernel_size, self.stride, self.padding
        return self._unpool(input, indices, *geometry, output_size)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """The inverse of :class:`MaxPool1d`, but for what it dropped; see :func:`max_unpool2d`.

    >>> y, indices = MaxPool1d(2, return_indices=True)(torch.tensor([[1.0, 3.0, 4.0, 2.0]]))
    >>> MaxUnpool1d(2)(y, indices)
    tensor([[0., 3., 4., 0.]])
    """

    _rank, _unpool = 1, staticmethod(max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """The inverse of :class:`MaxPool2d`, but for what it dropped; see :func:`max_unpool2d`.

    >>> MaxUnpool2d(2, stride=1)
    MaxUnpool2d(kernel_size=(2, 2), stride=(1, 1), padding=(0, 0))
    """

    _rank, _unpool = 2, staticmethod(max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """The inverse of :class:`MaxPool3d`, but for what it dropped; see :func:`max_unpool2d`.

    >>> MaxUnpool3d(2)(torch.ones(1, 1, 1, 1), torch.tensor([[[[7]]]])).flatten()
    tensor([0., 0., 0., 0., 0., 0., 0., 1.])
    """

    _rank, _unpool = 3, staticmethod(max_unpool3d)


class _AdaptiveMaxPool(torch.nn.Module):
    """What the three classes share."""

    __constants__: ClassVar[list[str]] = ["output_size", "return_indices"]
    _pool: ClassVar[Callable[..., Pooled]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Pooled:
        """Pool ``input``; with ``return_indices`` also tell where the maxima are."""
        return self._pool(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Max pooling of (N, C, L) or (C, L) to a given length; see :func:`adaptive_max_pool2d`.

    >>> AdaptiveMaxPool1d(1)(torch.tensor([[1.0, 3.0, 2.0]]))
    tensor([[3.]])
    """

    _pool = staticmethod(adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Max pooling to a given height and width, None for unchanged; see :func:`adaptive_max_pool2d`.

    >>> AdaptiveMaxPool2d((5, None))
    AdaptiveMaxPool2d(output_size=(5, None))
    """

    _pool = staticmethod(adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Max pooling to a given depth, height and width; see :func:`adaptive_max_pool2d`.

    >>> AdaptiveMaxPool3d(2)(torch.ones(1, 5, 6, 7)).shape
    torch.Size([1, 2, 2, 2])
    """

    _pool = staticmethod(adaptive_max_pool3d)
