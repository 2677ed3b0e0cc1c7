"""Dual numbers: a + b·ε with ε² = 0, so that f(a + ε) = f(a) + f'(a)·ε.

Parts may be any numbers, dual ones included: nested twice they give second derivatives. Comparisons
look at the value alone. Below, the elementary functions of any kind of number.
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

    def __lt__(self, other: Any) -> bool:
        return bool(value_of(self) < value_of(other))

    def __le__(self, other: Any) -> bool:
        return bool(value_of(self) <= value_of(other))

    def __gt__(self, other: Any) -> bool:
        return bool(value_of(self) > value_of(other))

    def __ge__(self, other: Any) -> bool:
        return bool(value_of(self) >= value_of(other))

    def __abs__(self) -> Dual:
        """|a + bε| = |a| + sign(a)·b·ε; at zero torch's choice of subgradient, zero."""
        a = value_of(self)
        return self if a > 0 else -self if a < 0 else Dual(abs(self.value), 0)


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


def value_of(number: Any) -> Any:
    """The number without its direction."""
    return value_of(number.value) if isinstance(number, Dual) else number


def is_nan(number: Any) -> bool:
    """Whether it is no number."""
    value = value_of(number)
    return bool(value != value)


# --- elementary functions: f(a + bε) = f(a) + f'(a)·b·ε ---


def real_part(x: Any) -> Any:
    """Re(a + bε) = Re a + Re b·ε."""
    return Dual(real_part(x.value), real_part(x.slope)) if isinstance(x, Dual) else mpmath.re(x)


def sqrt(x: Any) -> Any:
    """√(a + bε) = √a + b/(2√a)·ε."""
    if isinstance(x, Dual):
        root = sqrt(x.value)
        return Dual(root, times(x.slope, 1 / (2 * root)))
    return math.sqrt(x) if isinstance(x, int | float) else mpmath.sqrt(x)


def exp(x: Any) -> Any:
    """e^(a + bε) = e^a + e^a·b·ε."""
    if isinstance(x, Dual):
        power_ = exp(x.value)
        return Dual(power_, times(x.slope, power_))
    return math.exp(x) if isinstance(x, int | float) else mpmath.exp(x)


def log(x: Any) -> Any:
    """log(a + bε) = log a + b/a·ε."""
    if isinstance(x, Dual):
        return Dual(log(x.value), times(x.slope, 1 / x.value))
    return math.log(x) if isinstance(x, int | float) else mpmath.log(x)


def tanh(x: Any) -> Any:
    """tanh(a + bε) = t + (1 − t²)·b·ε with t = tanh a."""
    if isinstance(x, Dual):
        t = tanh(x.value)
        return Dual(t, times(x.slope, 1 - t * t))
    return math.tanh(x) if isinstance(x, int | float) else mpmath.tanh(x)


def power(x: Any, p: Any) -> Any:
    """(a + bε)^p = a^p + p·a^(p−1)·b·ε, p a plain number; no number for a < 0 and p no integer."""
    if isinstance(x, Dual):
        return Dual(power(x.value, p), times(x.slope, p * power(x.value, p - 1)) if p else 0)
    if x < 0 and p != int(p):
        return x * math.nan
    return x**p


def atan2(y: Any, x: Any) -> Any:
    """The angle of (x, y); its slope is (x·y' − y·x') / (x² + y²)."""
    if isinstance(y, Dual) or isinstance(x, Dual):
        a, b = _dual(y), _dual(x)
        square = a.value * a.value + b.value * b.value
        turned = times(a.slope, b.value) - times(b.slope, a.value)
        return Dual(atan2(a.value, b.value), times(turned, 1 / square))
    if not (mpmath.isfinite(y) and mpmath.isfinite(x)):  # mpmath knows no angles of infinities
        return mpmath.mpf(math.atan2(float(y), float(x)))
    return math.atan2(y, x) if isinstance(y, int | float) else mpmath.atan2(y, x)
