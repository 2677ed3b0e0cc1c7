"""An n-dimensional array as mathematics has it: a shape, and an element for every index.

Elements are computed when asked for, once: a definition states all of its output, and arbitrating
one element costs one element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import Any

Number = Any  # float, complex, Fraction, mpmath's, Dual: whatever has + - * /
Index = tuple[int, ...]


class Array:
    """``a[i, j]`` is the element at (i, j); ``a.zero_padded(i, j)`` is 0 outside.

    Elements are remembered unless ``keep`` is False.
    """

    def __init__(self, shape: Index, element: Callable[..., Number], *, keep: bool = True) -> None:
        self.shape = tuple(shape)
        self._element = element
        self._keep = keep
        self._known: dict[Index, Number] = {}

    @classmethod
    def of(cls, shape: Index, numbers: list[Number]) -> Array:
        """From a flat list in row-major order."""
        strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        return cls(shape, lambda *i: numbers[sum(a * s for a, s in zip(i, strides, strict=True))])

    def __getitem__(self, index: int | Index) -> Number:
        index = index if isinstance(index, tuple) else (index,)
        if index in self._known:
            return self._known[index]
        if not self._inside(index):
            raise IndexError(f"{index} is outside {self.shape}")
        element = self._element(*index)
        if self._keep:
            self._known[index] = element
        return element

    def zero_padded(self, *index: int) -> Number:
        """The element, or 0 outside the array."""
        return self[index] if self._inside(index) else 0

    def _inside(self, index: Index) -> bool:
        # Not by `all`, whose generator takes three times as long.
        for i, n in zip(index, self.shape, strict=True):  # noqa: SIM110
            if not 0 <= i < n:
                return False
        return True

    def indices(self) -> Iterator[Index]:
        """Every index, in row-major order."""
        return positions(self.shape)

    def with_batch(self, batched: bool) -> Array:
        """Itself if ``batched``, else the same array with a batch axis of one in front."""
        return self if batched else Array((1, *self.shape), lambda _, *i: self[i])

    def without_batch(self, batched: bool) -> Array:
        """The inverse of :meth:`with_batch`."""
        return self if batched else Array(self.shape[1:], lambda *i: self[(0, *i)])


def positions(shape: Index) -> Iterator[Index]:
    """Every index into ``shape``, in row-major order."""
    return product(*map(range, shape))


def per_axis(value: int | tuple[int, ...] | list[int], rank: int) -> Index:
    """``3`` means ``(3, 3)``, and so does ``(3,)``."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * rank if len(values) == 1 else values
