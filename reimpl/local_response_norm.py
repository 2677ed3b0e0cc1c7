r"""Local response normalization: each channel is damped by the squares of its neighbours.

    y = x · s^(−β),   s = k + α·A(x²)

where A averages over a window of channels. It is linear; its adjoint is the window turned round,
which differs for even sizes. The derivatives are written in x and s:

    forward    dy = s^(−β) dx − β x s^(−β−1) ds,   ds = 2α·A(x dx)
    backward   gx = s^(−β) gy + 2α x·Aᵀ(−β x s^(−β−1) gy)
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from reimpl import arguments
from reimpl.arguments import REALS, accumulator
from reimpl.autocast import autocasted
from reimpl.linear_map import linear_map
from reimpl.pullback import by_formulas


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    r"""Divide by a power of the mean square over neighbouring channels.

    y[n,c] = x[n,c] · (k + α/size · Σ_j x[n,c+j]²)^(−β),   j = −⌊size/2⌋, …, ⌊(size−1)/2⌋

    with zero outside the channels. The window holds size of them; an even one looks one further
    back than ahead.

    Shapes:
        input and output (N, C, *L), with at least one axis L.

    Backward: gx = s^(−β) gy − 2αβ/size · x[c] Σ_j (x s^(−β−1) gy)[c−j], s the sum in brackets.

    Raises:
        ValueError: fewer than 3 axes.
        RuntimeError: a window of no channels.
        NotImplementedError: complex numbers, bool, and integers other than int64, whose mean
            squares are rounded towards zero.
        TypeError: a value of the wrong kind.

    Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.local_response_norm.html

    >>> local_response_norm(torch.tensor([[[3.0], [4.0]]]), 2, alpha=2.0, beta=0.5, k=0.0)
    tensor([[[1.0000],
             [0.8000]]])
    """
    op = "local_response_norm"
    arguments.tensor(op, "input", input)
    alpha = arguments.number(op, "alpha", alpha)
    beta = arguments.number(op, "beta", beta)
    k = arguments.number(op, "k", k)
    if input.dim() < 3:
        raise ValueError(f"{op}: input must have at least 3 axes, got {tuple(input.shape)}")
    if input.numel() == 0:
        return input
    (input,) = autocasted((f"avg_pool{min(input.dim() - 1, 3)}d", "pow"), input)
    size = arguments.at_least(op, "size", size, 1)
    # Torch pads by that many channels, and so refuses what no memory holds.
    arguments.storable(op, "size", size, (*input.shape, size), input.dtype)
    arguments.dtype_among(op, input, (*REALS, torch.int64))
    axis = 1 - input.dim()  # the channels, counted from the end

    def strength(x: Tensor) -> Tensor:
        return _mean(x.square(), size, axis) * alpha + k

    def respond(x: Tensor) -> Tensor:
        return x / strength(x).pow(beta)

    def pull(gy: Tensor, x: Tensor) -> Tensor:
        s = strength(x)
        w = s.pow(beta)
        gs = -gy * (x / w / w) * (beta * s.pow(beta - 1))  # in torch's order: NaN at infinite s
        return gy / w + 2 * alpha * x * _mean(gs, size, axis, turned=True)

    def push(dx: Tensor, x: Tensor) -> Tensor:
        s, ds = strength(x), 2 * alpha * _mean(x * dx, size, axis)
        return s.pow(-beta) * dx - beta * x * s.pow(-beta - 1) * ds

    y = by_formulas(input.to(accumulator(input.dtype)), respond, pull, push)
    return y.to(input.dtype) if input.is_floating_point() else y


def _mean(t: Tensor, size: int, axis: int, *, turned: bool = False) -> Tensor:
    """A, or turned Aᵀ: the mean over a window of channels, which are counted from the end."""

    def mean(t: Tensor, behind: int) -> Tensor:
        # No channel is further away than all others: a window may be as large as it likes.
        others = t.shape[axis] - 1
        before, after = min(behind, others), min(size - 1 - behind, others)
        shape = list(t.shape)
        shape[axis] = before + after
        zeros, ahead = t.new_zeros(shape).split((before, after), axis)
        total = torch.cat((zeros, t, ahead), axis).unfold(axis, before + 1 + after, 1).sum(-1)
        return total / size if t.is_floating_point() else total.div(size, rounding_mode="trunc")

    back, ahead = size // 2, (size - 1) // 2
    if turned:
        back, ahead = ahead, back
    return linear_map(t, lambda t: mean(t, back), lambda t: mean(t, ahead))


class LocalResponseNorm(nn.Module):
    """Local response normalization over neighbouring channels.

    For the formula see :func:`reimpl.local_response_norm`.

    Backward: as :func:`reimpl.local_response_norm`.

    Raises:
        As :func:`reimpl.local_response_norm`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LocalResponseNorm.html

    >>> LocalResponseNorm(2, alpha=2.0, beta=0.5, k=0.0)(torch.tensor([[[3.0], [4.0]]]))
    tensor([[[1.0000],
             [0.8000]]])
    """

    __constants__: ClassVar[list[str]] = ["size", "alpha", "beta", "k"]

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.local_response_norm` of ``input``."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
