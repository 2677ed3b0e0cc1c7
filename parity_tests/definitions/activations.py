"""Activations, softmax and the linear layer, read off their formulas.

At a kink the pieces are joined as torch joins their derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import mpf

from parity_tests.definitions.array import Array, Index
from parity_tests.definitions.dual import exp, is_nan, log, value_of
from parity_tests.definitions.dual import tanh as hyperbolic_tangent


def elementwise(input: Array, f: Callable[[Any], Any]) -> Array:
    """f(x) for every element x."""
    return Array(input.shape, lambda *i: f(input[i]))


def relu(input: Array) -> Array:
    """max(0, x), with slope 0 at 0."""
    return elementwise(input, lambda x: 0 if x <= 0 else x)


def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x between the limits (for integers: truncated), with slope 0 at either."""

    def clipped(x: Any) -> Any:
        low, high = (int(min_val), int(max_val)) if isinstance(x, int) else (min_val, max_val)
        return high if x >= high else low if x <= low else x

    return elementwise(input, clipped)


def relu6(input: Array) -> Array:
    """x between 0 and 6."""
    return hardtanh(input, 0.0, 6.0)


def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """x, or negative_slope·x where x is not positive."""
    return elementwise(input, lambda x: x if x > 0 else negative_slope * x)


def elu(input: Array, alpha: float = 1.0) -> Array:
    """x, or α(eˣ − 1) where x is not positive; at 0 a line of slope α."""

    def bent(x: Any) -> Any:
        if x < 0:
            return alpha * (exp(x) - 1)
        return alpha * x if x <= 0 else x

    return elementwise(input, bent)


def softplus(input: Array, beta: float = 1, threshold: float = 20) -> Array:
    """log(1 + e^z)/β with z = βx, or x where z is above the threshold; right at it the tangent."""
    t = mpf(threshold)

    def softened(x: Any) -> Any:
        z = beta * x
        if z > t:
            return x
        if z < t or is_nan(z):
            return log(1 + exp(z)) / beta
        return (log(1 + exp(t)) + (z - t) / (1 + exp(-t))) / beta

    return elementwise(input, softened)


def sigmoid(input: Array) -> Array:
    """1/(1 + e⁻ˣ)."""
    return elementwise(input, lambda x: 1 / (1 + exp(-x)))


def tanh(input: Array) -> Array:
    """The hyperbolic tangent."""
    return elementwise(input, hyperbolic_tangent)


def row(input: Array, dim: int | None, index: Index) -> list[Any]:
    """The elements along ``dim`` through ``index``; without ``dim``, along torch's old choice."""
    rank = len(input.shape)
    if not rank:
        return [input[()]]
    axis = (0 if rank in (1, 3) else 1) if dim is None else dim % rank
    return [input[(*index[:axis], k, *index[axis + 1 :])] for k in range(input.shape[axis])]


def softmax(input: Array, dim: int | None = None) -> Array:
    """eˣ/Σeˣ along an axis: of x less its maximum, which says what a row with infinities gives."""

    def y(*i: int) -> Any:
        x = row(input, dim, i)
        top = max(map(value_of, x))
        return exp(input[i] - top) / sum(exp(v - top) for v in x)

    return Array(input.shape, y)


def log_softmax(input: Array, dim: int | None = None) -> Array:
    """x − log Σeˣ along an axis, likewise."""

    def y(*i: int) -> Any:
        x = row(input, dim, i)
        top = max(map(value_of, x))
        return input[i] - top - log(sum(exp(v - top) for v in x))

    return Array(input.shape, y)


def softmin(input: Array, dim: int | None = None) -> Array:
    """Softmax of −x."""
    return softmax(elementwise(input, lambda x: -x), dim)


def softmax_of_channels(input: Array) -> Array:
    """Softmax over the third axis from the end."""
    return softmax(input, -3)


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """y[*, o] = Σᵢ w[o, i]·x[*, i] + b[o]; a weight of one axis has one output and no axis o."""
    *lead, features = input.shape
    shape = (*lead, *weight.shape[:-1])

    def y(*index: int) -> Any:
        place, output = index[: len(lead)], index[len(lead) :]
        total = sum(input[(*place, i)] * weight[(*output, i)] for i in range(features))
        return total if bias is None else total + broadcast(bias, index)

    return Array(shape, y)


def broadcast(array: Array, index: Index) -> Any:
    """The element that broadcasting puts at ``index``."""
    shape = array.shape[max(0, len(array.shape) - len(index)) :]
    spare = (0,) * (len(array.shape) - len(shape))
    last = index[len(index) - len(shape) :]
    return array[(*spare, *(0 if n == 1 else i for n, i in zip(shape, last, strict=True)))]


def random(tensor: Array) -> Array:
    """Which numbers a generator draws, no formula says."""
    return Array(tensor.shape, lambda *_: None)
