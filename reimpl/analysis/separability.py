r"""Separable kernels, w[i,j,…] = u[i]·v[j]·…: products of one-dimensional ones.

A convolution with such a kernel is one with each factor, an axis at a time. A matrix separates if
its rank is one. An array of more axes does if each of its unfoldings (one axis against all others)
has rank one; the first left singular vectors of the unfoldings are then the factors, up to scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reimpl import arguments


class Separation(NamedTuple):
    """One vector per axis, and ‖w − their product‖ / ‖w‖: zero but for rounding if w separates."""

    factors: tuple[Tensor, ...]
    error: float

    def product(self) -> Tensor:
        """The kernel that the factors make."""
        kernel, *others = self.factors
        for vector in others:
            kernel = kernel.unsqueeze(-1) * vector
        return kernel


def separate(kernel: Tensor) -> Separation:
    """Factor a kernel, as well as the unfoldings' singular vectors can.

    For two axes that is the best product there is, and the error is √(σ₂² + σ₃² + …) / ‖σ‖, with
    the singular values σ (Eckart, Young). All factors are of length 1 but the first.

    Raises:
        RuntimeError: a kernel without entries or axes.
        NotImplementedError: a kernel that is not float32 or float64.
        TypeError: a kernel that is no tensor.

    Source: De Lathauwer, De Moor, Vandewalle 2000, https://doi.org/10.1137/S0895479896305696

    >>> kernel = torch.tensor([[.15, .2, .25], [.21, .28, .35], [.24, .32, .40]])
    >>> column, row = separate(kernel).factors
    >>> column * row[0] / .3, row * .3 / row[0]
    (tensor([0.5000, 0.7000, 0.8000]), tensor([0.3000, 0.4000, 0.5000]))
    """
    op = "separate"
    arguments.tensor(op, "kernel", kernel)
    arguments.dtype_among(op, kernel, (torch.float32, torch.float64), "kernel")
    if kernel.dim() < 1 or kernel.numel() == 0:
        raise RuntimeError(f"{op}: kernel must have axes and entries, got {tuple(kernel.shape)}")
    unfoldings = [kernel.movedim(axis, 0).reshape(n, -1) for axis, n in enumerate(kernel.shape)]
    units = [torch.linalg.svd(matrix, full_matrices=False).U[:, 0] for matrix in unfoldings]
    scale = kernel
    for unit in reversed(units):
        scale = scale @ unit
    found = Separation((units[0] * scale, *units[1:]), 0.0)
    left, norm = ((t**2).sum().sqrt() for t in (kernel - found.product(), kernel))
    return found._replace(error=float(left / norm) if left > 0 else 0.0)


def is_separable(kernel: Tensor, tolerance: float | None = None) -> bool:
    """Whether a kernel is a product of one-dimensional ones, up to a relative ``tolerance``.

    By default that is what rounding may leave: 8 units per entry, since singular vectors and
    their product are good to a modest multiple of that (the 8).

    Raises:
        As :func:`separate`.

    Source: as :func:`separate`.

    >>> sobel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    >>> laplacian = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    >>> is_separable(sobel), is_separable(laplacian)
    (True, False)
    """
    error = separate(kernel).error
    if tolerance is None:
        tolerance = 8 * kernel.numel() * torch.finfo(kernel.dtype).eps
    arguments.number("is_separable", "tolerance", tolerance)
    return error <= tolerance


def exact_factors(kernel: Sequence[Any]) -> tuple[list[Fraction], ...] | None:
    """The factors of a kernel of rationals, given as nested lists; None if it does not separate.

    w separates if and only if w[i₁,…,i_d]·P^(d−1) = w[i₁,q₂,…]·w[q₁,i₂,…]·… for all i, where
    P = w[q] is any entry that is not zero. The factors are the lines through q, all but the first
    divided by P.

    Raises:
        RuntimeError: nested lists that are empty or not of one shape.
        TypeError: entries that are not rational.

    Source: Goreinov, Tyrtyshnikov, Zamarashkin 1997 (crosses), https://doi.org/10.1016/S0024-3795(96)00301-1

    >>> exact_factors([[2, 4], [3, 6]])
    ([Fraction(2, 1), Fraction(3, 1)], [Fraction(1, 1), Fraction(2, 1)])
    >>> exact_factors([[1, 0], [0, 1]]) is None
    True
    """
    if not isinstance(kernel, (list, tuple)):
        raise TypeError(f"exact_factors: kernel must be a nested list, got {kernel!r}")
    entries = dict(_entries(kernel, ()))
    shape = tuple(max(axis) + 1 for axis in zip(*entries, strict=True))
    if set(entries) != set(product(*map(range, shape))):
        raise RuntimeError(f"exact_factors: kernel must be of one shape, got {kernel}")
    pivot = next((i for i, entry in entries.items() if entry), (0,) * len(shape))
    scale = entries[pivot] or 1  # all zeros are a product as well

    def line(axis: int) -> list[Fraction]:
        through = ((*pivot[:axis], i, *pivot[axis + 1 :]) for i in range(shape[axis]))
        return [entries[i] / (scale if axis else 1) for i in through]

    factors = tuple(line(axis) for axis in range(len(shape)))
    if any(prod(f[j] for f, j in zip(factors, i, strict=True)) != w for i, w in entries.items()):
        return None
    return factors


def _entries(kernel: Any, index: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Fraction]]:
    if not isinstance(kernel, (list, tuple)):
        try:
            yield index, Fraction(kernel)
        except (TypeError, ValueError):
            message = f"exact_factors: kernel must hold rational numbers, got {kernel!r}"
            raise TypeError(message) from None
        return
    if not kernel:
        raise RuntimeError("exact_factors: kernel must not be empty, got an empty list")
    for i, part in enumerate(kernel):
        yield from _entries(part, (*index, i))
