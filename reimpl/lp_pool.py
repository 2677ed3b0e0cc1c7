r"""Power-average pooling: the p-th root of the sum of p-th powers over windows.

    y = (K · a)^(1/p),   a = the average of x^p over a window of K entries

The powers carry signs, so that odd p may cancel, and a root of a negative sum or a fractional power
of a negative number is NaN (#184037). Averages of windows that overhang are multiplied with the
full K. Where a = 0 torch takes the derivative to be zero (#6766): there the root is a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import cast

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import INTEGERS, REALS, accumulator
from reimpl.autocast import autocasted
from reimpl.avg_pool import pool
from reimpl.gradient_layout import followed
from reimpl.max_pool import max_pool1d, max_pool2d, max_pool3d
from reimpl.pullback import by_formulas

Size = int | Sequence[int]
_MAX_POOL = (max_pool1d, max_pool2d, max_pool3d)


def lp_pool1d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: int,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Power-average pooling over one axis; see :func:`lp_pool2d`.

    >>> lp_pool1d(torch.tensor([[3.0, 4.0, 6.0, -8.0]]), 2, 2)
    tensor([[ 5., 10.]])
    """
    return lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    r"""Power-average pooling over two axes.

    y[n,c,m] = (Σ_k x[n,c, s·m + k]^p)^(1/p), p = ``norm_type``

    The maximum of \|x\| for p = ∞ and its minimum for p = −∞. What a window with ``ceil_mode``
    has beyond the input counts as much as the average of the rest.

    Shapes:
        As :func:`reimpl.avg_pool2d` without padding.

    Backward: gx[l] = x[l]^(p−1) Σ gy[m] · y[m]^(1−p) over the windows m that hold l; windows whose
    powers add up to zero give nothing.

    Raises:
        RuntimeError: geometry out of range, an input of another rank or empty.
        ValueError: kernel_size with another number of entries.
        ZeroDivisionError: norm_type zero.
        NotImplementedError: powers that are neither real floating point nor int64.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool2d.html

    >>> lp_pool2d(torch.ones(1, 2, 2), 2, 2)
    tensor([[[2.]]])
    """
    return lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Power-average pooling over three axes; see :func:`lp_pool2d`.

    >>> lp_pool3d(torch.ones(1, 2, 2, 2), 3, 2)
    tensor([[[[2.]]]])
    """
    return lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool(
    op: str,
    rank: int,
    input: Tensor,
    norm_type: int | float,
    kernel_size: Size,
    stride: Size | None,
    ceil_mode: bool,
) -> Tensor:
    """Power-average pooling; ``op`` is the name that messages carry."""
    arguments.tensor(op, "input", input)
    norm_type = arguments.number(op, "norm_type", norm_type)
    if norm_type == 0:
        raise ZeroDivisionError(f"{op}: norm_type must not be zero, got {norm_type}")
    if rank > 1 and isinstance(kernel_size, (tuple, list)) and len(kernel_size) != rank:
        raise ValueError(f"{op}: kernel_size must be an int or {rank} ints, got {kernel_size}")
    if norm_type in (inf, -inf):
        arguments.dtype_among(op, input, (*REALS, *INTEGERS))
        input = followed(input)
        sign = input.detach().sign() * (1 if norm_type > 0 else -1)
        pooled = _MAX_POOL[rank - 1](input * sign, kernel_size, stride, 0, 1, ceil_mode)
        extremes = cast(Tensor, pooled)
        return extremes if norm_type > 0 else -extremes
    (input,) = autocasted((f"avg_pool{rank}d", "pow"), input)
    x = power(followed(input).to(accumulator(input.dtype)), norm_type)
    a = pool(op, rank, x, kernel_size, stride, 0, ceil_mode, True, None)
    if rank == 1:
        arguments.integer(op, "kernel_size", kernel_size)
    K = prod(arguments.per_axis(op, "kernel_size", kernel_size, rank, 1))
    # Torch has sign(a)·|a| for a: NaN has no sign, so that its derivative is multiplied with zero.
    signed = a * a.detach().sign().square()
    empty = a == 0
    roots = power(K * torch.where(empty, 1, signed), 1.0 / norm_type)
    y = torch.where(empty, 0.0 if norm_type > 0 else inf, roots)
    return y.to(input.dtype) if input.is_floating_point() else y


def power(x: Tensor, p: int | float) -> Tensor:
    """x^p; its derivative p·x^(p−1) is zero for p = 0, even where x^−1 is infinite."""

    def change(t: Tensor, x: Tensor) -> Tensor:
        return t * (p * power(x, p - 1)) if p else torch.zeros_like(t)

    return by_formulas(x, lambda x: x.pow(p), change)
