"""Dual numbers: a + b·ε with ε² = 0, so that f(a + ε) = f(a) + f'(a)·ε.

Parts may be any numbers, dual ones included: nested twice they give second derivatives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mpmath


@dataclass(frozen=True, eq=False)
class Dual:
    """``value + slope·ε``."""

    value: Any
    slope: Any

    def __add__(self, other: Any) -> Dual:
        b = _dual(other)
        return Dual(self.value + b.value, self.slope + b.slope)

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope)

    def __sub__(self, other: Any) -> Dual:
        return self + (-_dual(other))

    def __mul__(self, other: Any) -> Dual:
        b = _dual(other)
        return Dual(self.value * b.value, times(b.slope, self.value) + times(self.slope, b.value))

    def __truediv__(self, other: Any) -> Dual:
        b = _dual(other)
        quotient = self.value / b.value
        return Dual(quotient, (self.slope - times(b.slope, quotient)) / b.value)

    def __rsub__(self, other: Any) -> Dual:
        return _dual(other) - self

    def __rtruediv__(self, other: Any) -> Dual:
        return _dual(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


def times(slope: Any, factor: Any) -> Any:
    """slope · factor; but what does not depend on ε stays so whatever it is multiplied with.

    Its slope is the integer 0, no number that was computed, and 0 · inf would make it NaN.
    """
    return 0 if isinstance(slope, int) and slope == 0 else slope * factor


def _dual(number: Any) -> Dual:
    return number if isinstance(number, Dual) else Dual(number, 0)


def slope(number: Any) -> Any:
    """The derivative that ``number`` carries; a plain number carries none."""
    return number.slope if isinstance(number, Dual) else 0


def sqrt(x: Any) -> Any:
    """The square root of any kind of number: √(a + bε) = √a + b/(2√a)·ε."""
    if isinstance(x, Dual):
        root = sqrt(x.value)
        return Dual(root, times(x.slope, 1 / (2 * root)))
    return math.sqrt(x) if isinstance(x, int | float) else mpmath.sqrt(x)
