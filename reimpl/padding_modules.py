"""Padding as modules: how much, in which mode, and with what."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import repeated
from reimpl.padding import pad

Size = int | tuple[int, ...]


class _Pad(torch.nn.Module):
    """What all share: the amounts, in the order of :func:`reimpl.pad`, and the mode."""

    __constants__: ClassVar[list[str]] = ["padding"]
    _rank: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: Size) -> None:
        super().__init__()
        self.padding = repeated(padding, 2 * self._rank)

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.pad` in the module's mode."""
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    __constants__: ClassVar[list[str]] = ["padding", "value"]
    _mode = "constant"

    def __init__(self, padding: Size, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.pad` with the module's value."""
        return pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"padding={self.padding}, value={self.value}"


class _CircularPad(_Pad):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.pad` around the module's axes, with one or two axes before them."""
        arguments.tensor(type(self).__name__, "input", input)
        if input.dim() - self._rank not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: input must have {self._rank + 1} or {self._rank + 2} "
                f"axes, got {tuple(input.shape)}"
            )
        return super().forward(input)


class ConstantPad1d(_ConstantPad):
    """A value around the last axis; see :func:`reimpl.pad`.

    >>> ConstantPad1d((0, 2), 3.5)(torch.zeros(1))
    tensor([0.0000, 3.5000, 3.5000])
    """

    _rank = 1


class ConstantPad2d(_ConstantPad):
    """A value around the last two axes; see :func:`reimpl.pad`.

    >>> ConstantPad2d(1, 7)(torch.zeros(1, 1)).int()
    tensor([[7, 7, 7],
            [7, 0, 7],
            [7, 7, 7]], dtype=torch.int32)
    """

    _rank = 2


class ConstantPad3d(_ConstantPad):
    """A value around the last three axes; see :func:`reimpl.pad`.

    >>> ConstantPad3d((1, 1, 0, 0, -1, 0), 2.0)
    ConstantPad3d(padding=(1, 1, 0, 0, -1, 0), value=2.0)
    """

    _rank = 3


class ZeroPad1d(ConstantPad1d):
    """Zeros around the last axis; see :func:`reimpl.pad`.

    >>> ZeroPad1d(1)(torch.ones(2))
    tensor([0., 1., 1., 0.])
    """

    extra_repr = _Pad.extra_repr

    def __init__(self, padding: Size) -> None:
        super().__init__(padding, 0.0)


class ZeroPad2d(ConstantPad2d):
    """Zeros around the last two axes; see :func:`reimpl.pad`.

    >>> ZeroPad2d((1, 0, 0, 1))(torch.ones(1, 1))
    tensor([[0., 1.],
            [0., 0.]])
    """

    extra_repr = _Pad.extra_repr

    def __init__(self, padding: Size) -> None:
        super().__init__(padding, 0.0)


class ZeroPad3d(ConstantPad3d):
    """Zeros around the last three axes; see :func:`reimpl.pad`.

    >>> ZeroPad3d(1)
    ZeroPad3d((1, 1, 1, 1, 1, 1))
    """

    extra_repr = _Pad.extra_repr

    def __init__(self, padding: Size) -> None:
        super().__init__(padding, 0.0)


class ReflectionPad1d(_Pad):
    """Reflection at the ends of the last axis; see :func:`reimpl.pad`.

    >>> ReflectionPad1d(2)(torch.arange(3).view(1, 3))
    tensor([[2, 1, 0, 1, 2, 1, 0]])
    """

    _rank = 1
    _mode = "reflect"


class ReflectionPad2d(_Pad):
    """Reflection at the ends of the last two axes; see :func:`reimpl.pad`.

    >>> ReflectionPad2d(1)(torch.arange(4).view(1, 2, 2))[0, 0]
    tensor([3, 2, 3, 2])
    """

    _rank = 2
    _mode = "reflect"


class ReflectionPad3d(_Pad):
    """Reflection at the ends of the last three axes; see :func:`reimpl.pad`.

    >>> ReflectionPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _rank = 3
    _mode = "reflect"


class ReplicationPad1d(_Pad):
    """Repetition of the ends of the last axis; see :func:`reimpl.pad`.

    >>> ReplicationPad1d((1, 2))(torch.arange(3).view(1, 3))
    tensor([[0, 0, 1, 2, 2, 2]])
    """

    _rank = 1
    _mode = "replicate"


class ReplicationPad2d(_Pad):
    """Repetition of the ends of the last two axes; see :func:`reimpl.pad`.

    >>> ReplicationPad2d(1)(torch.arange(4).view(1, 2, 2))[0, 0]
    tensor([0, 0, 1, 1])
    """

    _rank = 2
    _mode = "replicate"


class ReplicationPad3d(_Pad):
    """Repetition of the ends of the last three axes; see :func:`reimpl.pad`.

    >>> ReplicationPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _rank = 3
    _mode = "replicate"


class CircularPad1d(_CircularPad):
    """Wrapping around of the last axis; see :func:`reimpl.pad`.

    >>> CircularPad1d((1, 2))(torch.arange(3).view(1, 3))
    tensor([[2, 0, 1, 2, 0, 1]])
    """

    _rank = 1


class CircularPad2d(_CircularPad):
    """Wrapping around of the last two axes; see :func:`reimpl.pad`.

    >>> CircularPad2d(1)(torch.arange(4).view(1, 2, 2))[0, 0]
    tensor([3, 2, 3, 2])
    """

    _rank = 2


class CircularPad3d(_CircularPad):
    """Wrapping around of the last three axes; see :func:`reimpl.pad`.

    >>> CircularPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _rank = 3
