r"""Activations made of pieces: elementwise maps y = f(x), with gx = f'(x)·gy.

The backward keeps the cotangent, or scales it, where a condition holds: by selection and not by
multiplication with zero, so that an infinite cotangent leaves no NaN behind.

The in-place forms write into their input and return it; autograd's rules for that are copy_'s.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import INTEGERS, REALS, accumulator
from reimpl.gradient_layout import followed
from reimpl.pullback import Map, Pull, by_formulas


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    r"""Rectify: y = max(0, x).

    Shapes:
        input and output alike, any.

    Backward: gx = gy where y > 0 (or NaN), else 0; at the kink 0.

    Raises:
        NotImplementedError: bool or complex input (for all but relu and its kin: integers too).
        RuntimeError: for ``inplace``, a leaf that requires a gradient.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.relu.html

    >>> relu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    check("relu", input, (*REALS, *INTEGERS))

    def rectify(x: Tensor) -> Tensor:
        return x.clamp_min(0)

    def pull(g: Tensor, y: Tensor) -> Tensor:
        return g.masked_fill(y <= 0, 0)

    return apply(input, rectify, pull, inplace, by_output=True)


def relu_(input: Tensor) -> Tensor:
    """:func:`relu` into its input; see :func:`relu`.

    >>> relu_(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return relu(input, inplace=True)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    r"""Clip: y = min(max(x, min_val), max_val); see :func:`relu`.

    Backward: gx = gy where min_val < x < max_val (or x is NaN), else 0.

    Raises:
        ValueError: min_val above max_val.
        RuntimeError: negative limits for an unsigned input.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardtanh.html

    >>> hardtanh(torch.tensor([-3, 0, 3]), -1.5, 2.5)  # integers meet truncated limits
    tensor([-1,  0,  2])
    """
    min_val = arguments.number("hardtanh", "min_val", min_val)
    max_val = arguments.number("hardtanh", "max_val", max_val)
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val must be at most max_val={max_val}, got {min_val}")
    return _clip("hardtanh", input, min_val, max_val, inplace)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """:func:`hardtanh` into its input; see :func:`hardtanh`.

    Like torch's, it does not compare its limits: with min_val above max_val all become max_val.

    >>> hardtanh_(torch.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    return _clip("hardtanh_", input, min_val, max_val, inplace=True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Rectify and clip: y = min(max(x, 0), 6); see :func:`hardtanh`.

    >>> relu6(torch.tensor([-1.0, 3.0, 8.0]))
    tensor([0., 3., 6.])
    """
    return _clip("relu6", input, 0.0, 6.0, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    r"""Rectify, but for a slope: y = x where x > 0, else negative_slope·x; see :func:`relu`.

    Backward: gx = gy where x > 0, else negative_slope·gy; an in-place call has none for a
    negative slope, as in torch, whose backward reads the sign of x from y.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.leaky_relu.html

    >>> leaky_relu(torch.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.5000,  2.0000])
    """
    check("leaky_relu", input, REALS)
    negative_slope = arguments.number("leaky_relu", "negative_slope", negative_slope, scalar=True)

    def leak(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x * negative_slope)

    def pull(g: Tensor, x: Tensor) -> Tensor:
        _check_invertible("leaky_relu", "negative_slope", negative_slope, inplace)
        return torch.where(x > 0, g, g * negative_slope)

    return apply(input, leak, pull, inplace)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """:func:`leaky_relu` into its input; see :func:`leaky_relu`.

    >>> leaky_relu_(torch.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.5000,  2.0000])
    """
    return leaky_relu(input, negative_slope, inplace=True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    r"""Exponential linear unit: y = x where x > 0, else α·(eˣ − 1); see :func:`relu`.

    For α ≥ 0 that is max(0, x) + min(0, α·(eˣ − 1)).

    Backward: gx = gy where x > 0, else α·eˣ·gy; at the kink α, and no second derivative. An
    in-place call has none for α < 0, as in torch, whose backward reads the sign of x from y.

    Source: Clevert et al. 2016, https://arxiv.org/abs/1511.07289;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.elu.html

    >>> elu(torch.tensor([-1.0, 2.0]), alpha=-1.0)
    tensor([0.6321, 2.0000])
    """
    check("elu", input, REALS)
    alpha = arguments.number("elu", "alpha", alpha, scalar=True)

    def bend(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x.expm1() * alpha)

    def pull(g: Tensor, x: Tensor) -> Tensor:
        _check_invertible("elu", "alpha", alpha, inplace)
        below = x.masked_fill(x >= 0, 0)  # the other branch's exponential would overflow
        return torch.where(x <= 0, g * alpha * below.exp(), g)

    return apply(input, bend, pull, inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """:func:`elu` into its input; see :func:`elu`.

    >>> elu_(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return elu(input, alpha, inplace=True)


def _clip(op: str, input: Tensor, low: float, high: float, inplace: bool) -> Tensor:
    check(op, input, (*REALS, *INTEGERS))
    low = arguments.number(op, "min_val", low, scalar=True)
    high = arguments.number(op, "max_val", high, scalar=True)
    if not input.is_floating_point():
        low, high = int(low), int(high)
        if input.dtype == torch.uint8 and min(low, high) < 0:
            raise RuntimeError(
                f"{op}: min_val and max_val must be non-negative for an unsigned input, "
                f"got {low} and {high}"
            )

    def clip(x: Tensor) -> Tensor:
        return x.clamp(low, high)

    def pull(g: Tensor, x: Tensor) -> Tensor:
        return g.masked_fill((x <= low) | (x >= high), 0)

    return apply(input, clip, pull, inplace)


def apply(
    input: Tensor, f: Map, pull: Pull, inplace: bool = False, *, by_output: bool = False
) -> Tensor:
    """``f(input)``, computed without rounding to 16 bits in between, and written into ``input``."""
    # A copy for what is overwritten: the backward may need the old x.
    x = followed(input.to(accumulator(input.dtype), copy=bool(inplace)))
    y = by_formulas(x, f, pull, by_output=by_output)
    return input.copy_(y) if inplace else y.to(input.dtype)


def check(op: str, input: Tensor, dtypes: tuple[torch.dtype, ...]) -> None:
    """A tensor of one of the dtypes."""
    arguments.tensor(op, "input", input)
    arguments.dtype_among(op, input, dtypes)


def _check_invertible(op: str, name: str, slope: float, inplace: bool) -> None:
    """Torch's backward of an in-place call sees the output only: its sign must be the input's."""
    if inplace and slope < 0:
        raise RuntimeError(
            f"{op}: {name} must be non-negative in the backward of an in-place call, got {slope}"
        )
