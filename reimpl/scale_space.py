r"""Scale space: an image blurred by Gaussians of growing width, and differences across scales.

Gaussians are sampled at whole pixels, cut off at ``truncate``·σ and made to add to one. Blurs
compose: σ₁ then σ₂ is (σ₁² + σ₂²)^½, but for the sampling and the cut. Past its borders the image
goes on by ``padding_mode``: ``'replicate'``, ``'symmetric'``, ``'reflect'`` or ``'circular'``; see
:mod:`reimpl.correlation`.
"""

from __future__ import annotations

from math import exp, fsum, isfinite

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import accumulator
from reimpl.correlation import check_image, correlate_along
from reimpl.linear_map import linear_map

Taps = tuple[float, ...]


def gaussian_blur(
    input: Tensor, sigma: float, truncate: float = 4.0, padding_mode: str = "replicate"
) -> Tensor:
    r"""Gaussian blur, along the columns and then along the rows.

    y = Σ_{k,l} g[k]·g[l]·x[i+k, j+l], with g[k] = e^(−k²/2σ²) / Σ_k e^(−k²/2σ²) for |k| ≤ r and
    r = ⌊truncate·σ + ½⌋.

    Shapes:
        input and output (*, H, W).

    Backward: the adjoint correlations; away from the borders that is the blur itself.

    Raises:
        RuntimeError: fewer than two axes, or an image without pixels.
        ValueError: sigma or truncate not positive and finite; another padding_mode.
        NotImplementedError: an input that is not real floating point.
        TypeError: a value of the wrong kind.

    Source: Lindeberg, "Scale-Space Theory in Computer Vision", 1994

    >>> gaussian_blur(torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]]), 0.5, truncate=2.0)
    tensor([[0.0000, 0.1065, 0.7870, 0.1065, 0.0000]])
    """
    check_image("gaussian_blur", input, padding_mode)
    sigma = _positive("gaussian_blur", "sigma", sigma)
    r = _radius("gaussian_blur", sigma, truncate)
    return _blur(input.to(accumulator(input.dtype)), sigma, r, padding_mode).to(input.dtype)


def laplacian_of_gaussian(
    input: Tensor, sigma: float, truncate: float = 4.0, padding_mode: str = "replicate"
) -> Tensor:
    r"""Laplacian of the blurred image, as one kernel: ∇²(G∗x) = (∇²G)∗x; see :func:`gaussian_blur`.

    y = Σ_{k,l} (g″[k]·g[l] + g[k]·g″[l])·x[i+k, j+l], with g″[k] = (k²/σ⁴ − 1/σ²)·g[k]: negative
    at the centre of a bright blob, and strongest where its width is √2·σ from centre to edge.
    Below σ = 1 sampling so bent a kernel is coarse: g″ does not add to zero as it should.

    Shapes:
        input and output (*, H, W).

    Backward: the adjoint correlations.

    Raises:
        As :func:`gaussian_blur`.

    Source: Marr and Hildreth, "Theory of edge detection", 1980

    >>> laplacian_of_gaussian(torch.ones(1, 1), 2.0).abs() < 1e-3  # a constant has none
    tensor([[True]])
    """
    check_image("laplacian_of_gaussian", input, padding_mode)
    sigma = _positive("laplacian_of_gaussian", "sigma", sigma)
    r = _radius("laplacian_of_gaussian", sigma, truncate)
    g = gaussian_taps(sigma, r)
    bent = tuple([(k * k / sigma**4 - 1 / sigma**2) * g[k + r] for k in range(-r, r + 1)])
    x = input.to(accumulator(input.dtype))
    y = _separable(x, bent, g, padding_mode) + _separable(x, g, bent, padding_mode)
    return y.to(input.dtype)


def difference_of_gaussians(
    input: Tensor,
    sigma: float,
    k: float = 2**0.5,
    truncate: float = 4.0,
    padding_mode: str = "replicate",
) -> Tensor:
    r"""The image blurred by k·σ, less the image blurred by σ; see :func:`gaussian_blur`.

    y = G(kσ)∗x − G(σ)∗x ≈ (k−1)·σ²·∇²G(σ)∗x, since ∂G/∂σ = σ·∇²G (the heat equation); what is
    neglected is of order (k−1)².

    Shapes:
        input and output (*, H, W).

    Backward: the difference of the adjoint blurs.

    Raises:
        As :func:`gaussian_blur`; ValueError: k not positive and finite.

    Source: Lowe 2004, https://www.cs.ubc.ca/~lowe/papers/ijcv04.pdf, equation 1

    >>> difference_of_gaussians(torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]]), 0.5, 2, truncate=1.0)
    tensor([[ 0.0000,  0.1676, -0.3351,  0.1676,  0.0000]])
    """
    check_image("difference_of_gaussians", input, padding_mode)
    sigma = _positive("difference_of_gaussians", "sigma", sigma)
    k = _positive("difference_of_gaussians", "k", k)
    narrow = _radius("difference_of_gaussians", sigma, truncate)
    wide = _radius("difference_of_gaussians", k * sigma, truncate)
    x = input.to(accumulator(input.dtype))
    y = _blur(x, k * sigma, wide, padding_mode) - _blur(x, sigma, narrow, padding_mode)
    return y.to(input.dtype)


def gaussian_pyramid(
    input: Tensor, levels: int, sigma: float = 1.0, padding_mode: str = "replicate"
) -> tuple[Tensor, ...]:
    r"""The image, and ever smaller ones: each is the one before blurred, every second pixel kept.

    x₀ = x, x_{n+1}[i, j] = (G(σ)∗x_n)[2i, 2j]; σ = 1 is close to the five taps of Burt and
    Adelson. See :func:`gaussian_blur`.

    Shapes:
        input (*, H, W), output ``levels`` tensors (*, ⌈H/2ⁿ⌉, ⌈W/2ⁿ⌉).

    Backward: from the smallest up, zeros in between and the adjoint blur, added to the next.

    Raises:
        As :func:`gaussian_blur`; RuntimeError: levels not positive.

    Source: Burt and Adelson, "The Laplacian pyramid as a compact image code", 1983

    >>> [tuple(level.shape) for level in gaussian_pyramid(torch.ones(5, 8), 3)]
    [(5, 8), (3, 4), (2, 2)]
    """
    check_image("gaussian_pyramid", input, padding_mode)
    count = arguments.at_least("gaussian_pyramid", "levels", levels, 1)
    sigma = _positive("gaussian_pyramid", "sigma", sigma)
    arguments.storable("gaussian_pyramid", "levels", levels, (count,), torch.float64)
    r = _radius("gaussian_pyramid", sigma, 4.0)
    pyramid = [
        input.clone(memory_format=torch.contiguous_format)
    ]  # an output shares no memory with the input
    for _ in range(1, count):
        blurred = _blur(pyramid[-1].to(accumulator(input.dtype)), sigma, r, padding_mode)
        pyramid.append(every_second(blurred).to(input.dtype))
    return tuple(pyramid)


def gaussian_taps(sigma: float, r: int) -> Taps:
    """The sampled Gaussian for |k| ≤ r, its sum one."""
    bell = [exp(-0.5 * (k / sigma) ** 2) for k in range(-r, r + 1)]
    total = fsum(bell)
    return tuple([b / total for b in bell])


def every_second(x: Tensor) -> Tensor:
    """x[…, 2i, 2j]; the adjoint puts zeros in between."""

    def thin(t: Tensor) -> Tensor:
        return t[..., ::2, ::2].clone(memory_format=torch.contiguous_format)

    def fill_up(t: Tensor) -> Tensor:
        full = t.new_zeros(*t.shape[:-2], *x.shape[-2:])
        full[..., ::2, ::2] = t
        return full

    return linear_map(x, thin, fill_up)


def _blur(x: Tensor, sigma: float, r: int, padding_mode: str) -> Tensor:
    g = gaussian_taps(sigma, r)
    return _separable(x, g, g, padding_mode)


def _separable(x: Tensor, down: Taps, along: Taps, padding_mode: str) -> Tensor:
    """Σ_{k,l} down[k]·along[l]·x[i+k, j+l]."""
    return correlate_along(correlate_along(x, -2, down, padding_mode), -1, along, padding_mode)


def _radius(op: str, sigma: float, truncate: float) -> int:
    """Where the sampled Gaussian is cut off."""
    radius = int(_positive(op, "truncate", truncate) * _positive(op, "sigma", sigma) + 0.5)
    arguments.storable(op, "truncate", truncate, (2 * radius + 1,), torch.float64)
    return radius


def _positive(op: str, name: str, value: float) -> float:
    """``value`` as a positive number."""
    number: float = arguments.number(op, name, value)
    if not (number > 0 and isfinite(number)):
        raise ValueError(f"{op}: {name} must be positive and finite, got {number}")
    return number
