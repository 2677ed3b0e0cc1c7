"""The normalisations, read off their formulas."""

from __future__ import annotations

import math
from typing import Any

import mpmath
from mpmath import mpc, mpf

from parity_tests.definitions.array import Array, positions
from parity_tests.definitions.dual import Dual, is_nan, power, sqrt, value_of


def batch_normalization(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array | None, Array | None]:
    """y = (x − μ)/√(σ² + ε)·γ + β per channel, and the running statistics afterwards.

    In training μ and σ² are the batch's mean and biased variance, and the running ones become
    (1 − momentum)·old + momentum·new with the unbiased variance; else they are the running ones.
    """
    N, C, *L = input.shape
    sites = [(n, *l) for n in range(N) for l in positions(tuple(L))]
    size = len(sites)

    def batch_mean(c: int) -> Any:
        return sum(input[(n, c, *l)] for n, *l in sites) / size

    def deviations(c: int) -> Any:
        return sum((input[(n, c, *l)] - mu[c]) * (input[(n, c, *l)] - mu[c]) for n, *l in sites)

    if not training:
        assert running_mean is not None
        assert running_var is not None
        mu, var = running_mean, running_var
    else:
        mu = Array((C,), batch_mean)
        var = Array((C,), lambda c: deviations(c) / size)

    def y(n: int, c: int, *l: int) -> Any:
        z = (input[(n, c, *l)] - mu[c]) / sqrt(var[c] + eps)
        return z * (weight[c] if weight else 1) + (bias[c] if bias else 0)

    def blended(old: Array | None, new: Any) -> Array | None:
        if old is None or not training or not size:
            return old
        return Array((C,), lambda c: (1 - momentum) * old[c] + momentum * new(c))

    return (
        Array(input.shape, y),
        blended(running_mean, lambda c: mu[c]),
        blended(running_var, lambda c: deviations(c) / (size - 1)),
    )


def batch_normalization_layer(
    input: Array,
    training: bool,
    weight: Array | None = None,
    bias: Any = None,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    num_batches_tracked: Array | None = None,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array | None, Array | None, Array | None]:
    """A BatchNorm module: counts batches, and without momentum weighs them all alike."""
    counter = num_batches_tracked
    if training and counter is not None:
        seen = counter[()] + 1
        counter = Array((), lambda: seen)
        momentum = 1 / mpf(seen) if momentum is None else momentum
    alone = training or running_mean is None
    blend = 0 if momentum is None else momentum
    y, mean, var = batch_normalization(
        input, running_mean, running_var, weight, bias, alone, blend, eps
    )
    return y, mean if training else running_mean, var if training else running_var, counter


def mean_and_variance(numbers: list[Any]) -> tuple[Any, Any]:
    """μ, and σ² divided by n."""
    mu = sum(numbers) / len(numbers)
    return mu, sum((x - mu) * (x - mu) for x in numbers) / len(numbers)


def group_normalization(
    input: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """y = (x − μ)/√(σ² + ε)·γ + β, μ and σ² over C/num_groups channels and all positions."""
    N, C, *L = input.shape
    size = C // num_groups

    def moments(n: int, g: int) -> Any:
        group = range(g * size, (g + 1) * size)
        return mean_and_variance([input[(n, c, *l)] for c in group for l in positions(tuple(L))])

    over = Array((N, num_groups), moments)

    def y(n: int, c: int, *l: int) -> Any:
        mu, var = over[n, c // size]
        z = (input[(n, c, *l)] - mu) / sqrt(var + eps)
        return z * (weight[c] if weight else 1) + (bias[c] if bias else 0)

    return Array(input.shape, y)


def instance_normalization(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array | None, Array | None]:
    """Group normalisation with a group per channel; running statistics are means over the batch.

    Without use_input_stats it is batch normalisation by the running statistics.
    """
    N, C, *L = input.shape
    sites = list(positions(tuple(L)))
    if not use_input_stats:
        return batch_normalization(
            input, running_mean, running_var, weight, bias, training=False, eps=eps
        )

    def moments(n: int, c: int) -> Any:
        return mean_and_variance([input[(n, c, *l)] for l in sites])

    over = Array((N, C), moments)

    def blended(old: Array | None, which: int, factor: Any) -> Array | None:
        if old is None or not N or not sites:
            return old

        def new(c: int) -> Any:
            mean = sum(over[n, c][which] for n in range(N)) / N
            return (1 - momentum) * old[c] + momentum * mean * factor

        return Array((C,), new)

    return (
        group_normalization(input, max(1, C), weight, bias, eps),
        blended(running_mean, 0, 1),
        blended(running_var, 1, mpf(len(sites)) / max(1, len(sites) - 1)),
    )


def instance_normalization_layer(
    input: Array,
    training: bool,
    weight: Array | None = None,
    bias: Any = None,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    num_batches_tracked: Array | None = None,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    *,
    rank: int,
) -> tuple[Array, Array | None, Array | None, Array | None]:
    """An InstanceNorm module: counts nothing, and without momentum its statistics stay."""
    batched = len(input.shape) == rank + 2
    y, mean, var = instance_normalization(
        input.with_batch(batched),
        running_mean,
        running_var,
        weight,
        bias,
        training or running_mean is None,
        momentum or 0,
        eps,
    )
    return y.without_batch(batched), mean, var, num_batches_tracked


def layer_normalization(
    input: Array,
    normalized_shape: int | tuple[int, ...],
    weight: Array | None = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Array:
    """y = (x − μ)/√(σ² + ε)·γ + β, μ and σ² over the trailing axes, γ and β per element."""
    K = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    lead = len(input.shape) - len(K)
    over = Array(
        input.shape[:lead], lambda *m: mean_and_variance([input[(*m, *k)] for k in positions(K)])
    )

    def y(*i: int) -> Any:
        m, k = i[:lead], i[lead:]
        mu, var = over[m]
        return (input[i] - mu) / sqrt(var + eps) * (weight[k] if weight else 1) + (
            bias[k] if bias else 0
        )

    return Array(input.shape, y)


def rms_normalization(
    input: Array,
    normalized_shape: int | tuple[int, ...],
    weight: Array | None = None,
    eps: float | None = None,
) -> Array:
    """y = x/√(⟨x²⟩ + ε)·γ, the mean over the trailing axes; ε is float64's unless given."""
    K = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    lead = len(input.shape) - len(K)

    def mean_square(*m: int) -> Any:
        row = [input[(*m, *k)] for k in positions(K)]
        return sum(x * x for x in row) / len(row)

    over = Array(input.shape[:lead], mean_square)

    def y(*i: int) -> Any:
        m, k = i[:lead], i[lead:]
        root = sqrt(over[m] + (2.0**-52 if eps is None else eps))
        return input[i] / root * (weight[k] if weight else 1)

    return Array(input.shape, y)


def rms_normalization_layer(
    x: Array, normalized_shape: int | tuple[int, ...], weight: Any = None, eps: float | None = None
) -> Array:
    """An RMSNorm module, whose input goes by another name."""
    return rms_normalization(x, normalized_shape, weight, eps)


def local_response_normalization(
    input: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """y[c] = x[c]/(k + α/size·Σ x[c+j]²)^β, j from −⌊size/2⌋ to ⌊(size−1)/2⌋, 0 outside."""

    def y(n: int, c: int, *l: int) -> Any:
        window = range(c - size // 2, c + (size - 1) // 2 + 1)
        total = sum(input.zero_padded(n, j, *l) * input.zero_padded(n, j, *l) for j in window)
        mean = total // size if isinstance(total, int) else total / size  # integers are truncated
        return input[(n, c, *l)] / power(k + alpha * mean, beta)

    return Array(input.shape, y)


def normalization_to_norm_one(
    input: Array, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12
) -> Array:
    """y = x/max(‖x‖ₚ, ε) along ``dim``; the norm of a norm below ε has no slope."""
    rank = len(input.shape)
    named = (dim,) if isinstance(dim, int) else dim
    axes = {axis % max(rank, 1) for axis in named} or set(range(rank))

    def norm(*kept: int) -> Any:
        line = positions(tuple([n if a in axes else 1 for a, n in enumerate(input.shape)]))
        vector = [input[tuple(map(sum, zip(i, kept, strict=True)))] for i in line]
        if p_norm([value_of(x) for x in vector], p) < eps:
            return eps
        return p_norm(vector, p)

    reduced = tuple([1 if a in axes else n for a, n in enumerate(input.shape)])
    norms = Array(reduced, norm)

    def y(*i: int) -> Any:
        return input[i] / norms[tuple([0 if a in axes else j for a, j in enumerate(i)])]

    return Array(input.shape, y)


def p_norm(vector: list[Any], p: float) -> Any:
    """(Σ|x|^p)^(1/p); for p = ±∞ the extreme |x|, its slope shared among equals; for 0 a count."""
    sizes = [modulus(x) for x in vector]
    if any(is_nan(s) for s in sizes):
        return math.nan
    if p == 0:
        return sum(value_of(s) != 0 for s in sizes)
    if math.isinf(p):
        extreme = (max if p > 0 else min)(map(value_of, sizes))
        equals = [s for s in sizes if value_of(s) == extreme]
        return sum(equals) / len(equals)
    return power(sum(power(s, p) for s in sizes), 1 / mpf(p))


def modulus(x: Any) -> Any:
    """|x|, also of complex numbers with a direction."""
    if not isinstance(x, Dual) or not isinstance(value_of(x), mpc):
        return abs(x)
    real, imag = part(x, mpmath.re), part(x, mpmath.im)
    return sqrt(real * real + imag * imag)


def part(x: Any, of: Any) -> Any:
    """The real or imaginary part; directions are real."""
    return Dual(part(x.value, of), part(x.slope, of)) if isinstance(x, Dual) else of(x)
