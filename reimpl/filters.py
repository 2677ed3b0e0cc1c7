r"""Filters of images: brightness, edges, and the smallest discrete Laplacian.

Axes are named as everywhere for images: y counts rows downwards and x counts columns, so that an
angle atan2(∂y, ∂x) turns from the columns' direction towards the rows'.
"""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.activations import check
from reimpl.arguments import REALS, accumulator
from reimpl.autocast import autocasted
from reimpl.correlation import check_image, correlate_along
from reimpl.pullback import by_formulas

_DIFFERENCE, _SMOOTHING = (-1.0, 0.0, 1.0), (1.0, 2.0, 1.0)


def gamma(input: Tensor, gamma: float) -> Tensor:
    r"""Gamma correction of brightness in [0, 1]: v ↦ v^γ.

    γ > 1 darkens: the slope γ·v^(γ−1) is above one for bright v, which are stretched, and below
    one for dark v, which are compressed; γ < 1 does the opposite. Beyond 1 the formula goes on;
    a negative number has a power for whole γ only, otherwise NaN.

    Shapes:
        input and output alike, any.

    Backward: gv = γ·v^(γ−1)·gy.

    Raises:
        ValueError: gamma not positive and finite.
        NotImplementedError: an input that is not real floating point.
        TypeError: a value of the wrong kind.

    Source: Poynton, "Digital Video and HD", 2012, chapter 27

    >>> gamma(torch.tensor([0.0, 0.5, 1.0]), 2.0)
    tensor([0.0000, 0.2500, 1.0000])
    """
    (input,) = autocasted("pow", input)
    check("gamma", input, REALS)
    gamma = arguments.number("gamma", "gamma", gamma)
    if not (gamma > 0 and isfinite(gamma)):
        raise ValueError(f"gamma: gamma must be positive and finite, got {gamma}")
    return _power(input.to(accumulator(input.dtype)), float(gamma)).to(input.dtype)


def _power(v: Tensor, p: float) -> Tensor:
    if p == 0:
        return torch.ones_like(v)
    return by_formulas(v, lambda v: v.pow(p), lambda g, v: g * p * _power(v, p - 1))


def sobel(input: Tensor, padding_mode: str = "replicate") -> Tensor:
    r"""Sobel operator: both derivatives, each a difference smoothed across.

    ∂y = d(rows)·s(columns), ∂x = s(rows)·d(columns), with d = (−1, 0, 1) and s = (1, 2, 1): as
    3×3 kernels to correlate with, ∂x has the rows (−1 0 1), (−2 0 2), (−1 0 1) and ∂y is its
    transpose. The weights are whole numbers; an eighth of the result is the slope per pixel.
    Past the borders the image goes on by ``padding_mode``: ``'replicate'``, ``'symmetric'`` (for
    so small a kernel the same), ``'reflect'`` or ``'circular'``; see :mod:`reimpl.correlation`.

    Shapes:
        input (*, H, W), output (*, 2, H, W): first ∂y, down the rows, then ∂x, along them.

    Backward: the adjoint correlations of both, added.

    Raises:
        RuntimeError: fewer than two axes, or an image without pixels.
        ValueError: another padding_mode.
        NotImplementedError: an input that is not real floating point.
        TypeError: a value of the wrong kind.

    Source: Sobel, "An isotropic 3×3 image gradient operator", 1968 (2014)

    >>> dy, dx = sobel(torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 3))
    >>> dx[1]
    tensor([0., 4., 4., 0.])
    """
    check_image("sobel", input, padding_mode)
    return _derivatives(input.to(accumulator(input.dtype)), padding_mode).to(input.dtype)


def sobel_magnitude(input: Tensor, padding_mode: str = "replicate") -> Tensor:
    r"""Strength of edges: √(∂y² + ∂x²); see :func:`sobel`.

    Shapes:
        input and output (*, H, W).

    Backward: (g∂y, g∂x) = g·(∂y, ∂x) / √(∂y² + ∂x²), and 0 where both derivatives vanish.

    >>> sobel_magnitude(torch.tensor([[0.0, 3.0], [4.0, 7.0]]))  # ∂y = 16, ∂x = 12
    tensor([[20., 20.],
            [20., 20.]])
    """
    check_image("sobel_magnitude", input, padding_mode)
    d = _derivatives(input.to(accumulator(input.dtype)), padding_mode)
    return _length(d).to(input.dtype)


def sobel_orientation(input: Tensor, padding_mode: str = "replicate") -> Tensor:
    r"""Direction across edges, towards the brighter side: atan2(∂y, ∂x); see :func:`sobel`.

    In radians from −π to π, 0 along the rows and π/2 down the columns. Where both derivatives
    vanish there is no direction, and 0 stands for it.

    Shapes:
        input and output (*, H, W).

    Backward: (g∂y, g∂x) = g·(∂x, −∂y) / (∂y² + ∂x²), and 0 where both derivatives vanish.

    >>> sobel_orientation(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    tensor([[1.5708, 1.5708],
            [1.5708, 1.5708]])
    """
    check_image("sobel_orientation", input, padding_mode)
    d = _derivatives(input.to(accumulator(input.dtype)), padding_mode)
    return _angle(d).to(input.dtype)


def laplacian(input: Tensor, padding_mode: str = "replicate") -> Tensor:
    r"""Discrete Laplacian: the four neighbours' sum less four times the pixel.

    y[i, j] = x[i−1, j] + x[i+1, j] + x[i, j−1] + x[i, j+1] − 4·x[i, j]; past the borders as in
    :func:`sobel`.

    Shapes:
        input and output (*, H, W).

    Backward: the adjoint correlation; away from the borders that is the Laplacian itself.

    Raises:
        As :func:`sobel`.

    Source: Gonzalez and Woods, "Digital Image Processing", 2018, section 3.6

    >>> laplacian(torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    tensor([[ 0.,  1.,  0.],
            [ 1., -4.,  1.],
            [ 0.,  1.,  0.]])
    """
    check_image("laplacian", input, padding_mode)
    x = input.to(accumulator(input.dtype))
    down, along = (correlate_along(x, axis, (1.0, -2.0, 1.0), padding_mode) for axis in (-2, -1))
    return (down + along).to(input.dtype)


def _derivatives(x: Tensor, padding_mode: str) -> Tensor:
    """∂y and ∂x, stacked in front of the rows."""
    pairs = ((_DIFFERENCE, _SMOOTHING), (_SMOOTHING, _DIFFERENCE))
    down_along = [
        correlate_along(correlate_along(x, -2, down, padding_mode), -1, along, padding_mode)
        for down, along in pairs
    ]
    return torch.stack(down_along, -3)


def _length(d: Tensor) -> Tensor:
    """√(∂y² + ∂x²), whose gradient is the direction: d over its length, and at zero zero."""

    def length(d: Tensor) -> Tensor:
        return d.square().sum(-3).sqrt()

    def times_direction(factor: Tensor, d: Tensor) -> Tensor:
        r = _length(d).unsqueeze(-3)
        flat = r == 0
        return (factor * (d / r.masked_fill(flat, 1))).masked_fill(flat, 0)

    def pull(g: Tensor, d: Tensor) -> Tensor:
        return times_direction(g.unsqueeze(-3), d)

    return by_formulas(d, length, pull, lambda t, d: times_direction(t, d).sum(-3))


def _angle(d: Tensor) -> Tensor:
    """atan2(∂y, ∂x), whose gradient is the direction turned a quarter, over the length."""

    def angle(d: Tensor) -> Tensor:
        dy, dx = (d + 0.0).unbind(-3)  # −0 + 0 = 0: a sign of zero would choose between ±π
        return torch.atan2(dy, dx).masked_fill((dy == 0) & (dx == 0), 0)

    def times_slope(factor: Tensor, d: Tensor) -> Tensor:
        dy, dx = d.unbind(-3)
        square = (dy.square() + dx.square()).unsqueeze(-3)
        flat = square == 0
        turned = torch.stack((dx, -dy), -3)
        return (factor * (turned / square.masked_fill(flat, 1))).masked_fill(flat, 0)

    def pull(g: Tensor, d: Tensor) -> Tensor:
        return times_slope(g.unsqueeze(-3), d)

    return by_formulas(d, angle, pull, lambda t, d: times_slope(t, d).sum(-3))
