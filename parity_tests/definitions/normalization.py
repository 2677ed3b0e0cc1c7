"""Batch normalisation, read off the formula."""

from __future__ import annotations

from typing import Any

from mpmath import mpf

from parity_tests.definitions.array import Array, positions
from parity_tests.definitions.dual import sqrt


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
