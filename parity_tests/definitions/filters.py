"""Filters of images, read off their formulas: a sum over each pixel's neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpmath import mpf

from parity_tests.definitions.array import Array
from parity_tests.definitions.dual import atan2, exp, power, sqrt, value_of

Kernel = Mapping[tuple[int, int], Any]  # (k, l) -> weight

SOBEL_X = {(k, l): l * (2 - abs(k)) for k in (-1, 0, 1) for l in (-1, 0, 1)}
SOBEL_Y = {(k, l): weight for (l, k), weight in SOBEL_X.items()}
LAPLACIAN = {(0, 0): -4, (-1, 0): 1, (1, 0): 1, (0, -1): 1, (0, 1): 1}


def gamma(input: Array, gamma: float) -> Array:
    """v^γ."""
    return Array(input.shape, lambda *i: power(input[i], gamma))


def sobel(input: Array, padding_mode: str = "replicate") -> Array:
    """∂y and ∂x, along an axis in front of the last two."""
    parts = [correlation(input, kernel, padding_mode) for kernel in (SOBEL_Y, SOBEL_X)]
    *lead, H, W = input.shape
    return Array((*lead, 2, H, W), lambda *i: parts[i[-3]][(*i[:-3], *i[-2:])])


def sobel_magnitude(input: Array, padding_mode: str = "replicate") -> Array:
    """√(∂y² + ∂x²), with slope 0 at 0."""

    def length(dy: Any, dx: Any) -> Any:
        square = dy * dy + dx * dx
        return 0 if value_of(square) == 0 else sqrt(square)

    return of_derivatives(length, input, padding_mode)


def sobel_orientation(input: Array, padding_mode: str = "replicate") -> Array:
    """atan2(∂y, ∂x), and 0 with slope 0 where both vanish."""

    def angle(dy: Any, dx: Any) -> Any:
        return 0 if value_of(dy) == value_of(dx) == 0 else atan2(dy, dx)

    return of_derivatives(angle, input, padding_mode)


def of_derivatives(f: Any, input: Array, padding_mode: str) -> Array:
    """f(∂y, ∂x) at every pixel."""
    dy, dx = (correlation(input, kernel, padding_mode) for kernel in (SOBEL_Y, SOBEL_X))
    return Array(input.shape, lambda *i: f(dy[i], dx[i]))


def laplacian(input: Array, padding_mode: str = "replicate") -> Array:
    """The four neighbours less four times the pixel."""
    return correlation(input, LAPLACIAN, padding_mode)


def gaussian_blur(
    input: Array, sigma: float, truncate: float = 4.0, padding_mode: str = "replicate"
) -> Array:
    """Σ g[k]·g[l]·x[i+k, j+l]."""
    g = bell(sigma, truncate)
    return correlation(input, {(k, l): g[k] * g[l] for k in g for l in g}, padding_mode)


def laplacian_of_gaussian(
    input: Array, sigma: float, truncate: float = 4.0, padding_mode: str = "replicate"
) -> Array:
    """The Gaussian's kernel times (k² + l²)/σ⁴ − 2/σ²."""
    g, s = bell(sigma, truncate), mpf(sigma)
    bent = {(k, l): g[k] * g[l] * ((k * k + l * l) / s**4 - 2 / s**2) for k in g for l in g}
    return correlation(input, bent, padding_mode)


def difference_of_gaussians(
    input: Array,
    sigma: float,
    k: float = 2**0.5,
    truncate: float = 4.0,
    padding_mode: str = "replicate",
) -> Array:
    """The blur by kσ less the blur by σ."""
    wide, narrow = (gaussian_blur(input, s, truncate, padding_mode) for s in (k * sigma, sigma))
    return Array(input.shape, lambda *i: wide[i] - narrow[i])


def gaussian_pyramid(
    input: Array, levels: int, sigma: float = 1.0, padding_mode: str = "replicate"
) -> tuple[Array, ...]:
    """Each level every second pixel of the one before, blurred."""
    pyramid = [input]
    for _ in range(1, levels):
        *lead, H, W = pyramid[-1].shape
        y = gaussian_blur(pyramid[-1], sigma, padding_mode=padding_mode)
        half = Array((*lead, -(-H // 2), -(-W // 2)), lambda *i, y=y: y[every_second(i)])
        pyramid.append(half)
    return tuple(pyramid)


def every_second(i: tuple[int, ...]) -> tuple[int, ...]:
    """Where the pixel of the next level was."""
    return (*i[:-2], 2 * i[-2], 2 * i[-1])


def bell(sigma: float, truncate: float) -> dict[int, Any]:
    """e^(−k²/2σ²) for |k| up to truncate·σ rounded, divided by their sum."""
    r, s = int(truncate * sigma + 0.5), mpf(sigma)
    weights = {k: exp(-mpf(k * k) / (2 * s * s)) for k in range(-r, r + 1)}
    total = sum(weights.values())
    return {k: w / total for k, w in weights.items()}


def correlation(x: Array, kernel: Kernel, padding_mode: str) -> Array:
    """y[i, j] = Σ w[k, l]·x[i+k, j+l] on an image that goes on beyond its borders."""
    H, W = x.shape[-2:]

    def y(*i: int) -> Any:
        *n, row, column = i
        return sum(
            w * x[(*n, inside(row + k, H, padding_mode), inside(column + l, W, padding_mode))]
            for (k, l), w in kernel.items()
        )

    return Array(x.shape, y)


def inside(i: int, L: int, padding_mode: str) -> int:
    """The pixel that stands for the one at i: step by step from beyond the borders."""
    while not 0 <= i < L:
        match padding_mode:
            case "replicate":
                i = 0 if i < 0 else L - 1
            case "symmetric":
                i = -1 - i if i < 0 else 2 * L - 1 - i
            case "reflect":
                i = 0 if L == 1 else -i if i < 0 else 2 * (L - 1) - i
            case "circular":
                i = i + L if i < 0 else i - L
    return i
