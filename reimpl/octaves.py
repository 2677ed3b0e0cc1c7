r"""The octaves of SIFT: a scale space kept as few pixels as its blur allows.

Octave o has S + 3 images of the same size, blurred by σ(s) = σ_min·2^(s/S) of its own pixels for
s = 0, …, S+2; the next octave begins with every second pixel of image S, whose blur has doubled.
The first octave's pixels are ``upsampling`` times finer than the image's.

Pixel k covers k − ½ to k + ½, in the image and in every octave: upsampling keeps the image's
borders where they are, and halving keeps pixel 0. Positions in octave o and in the image are then
related by k_image = (2^o·k + ½)/upsampling − ½.
"""

from __future__ import annotations

from itertools import pairwise
from math import log2
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.correlation import correlate_along
from reimpl.interpolate import interpolate
from reimpl.scale_space import every_second, gaussian_blur

_LEAST = 12  # pixels across the last octave


class Scales(NamedTuple):
    """Which blurs a scale space has; the defaults are Lowe's, as scikit-image has them.

    ``sigma_in`` is the blur the image comes with, in its own pixels; ``sigma_min`` that of the
    first image of every octave, in the octave's.
    """

    upsampling: int = 2
    n_octaves: int = 8
    n_scales: int = 3
    sigma_min: float = 1.6
    sigma_in: float = 0.5

    def sigma(self, s: Any) -> Any:
        """The blur of image ``s`` of an octave, in the octave's pixels; s may be a fraction."""
        return self.sigma_min * 2 ** (s / self.n_scales)

    def pixel(self, octave: int) -> float:
        """The size of an octave's pixel, in the image's."""
        return 2.0**octave / self.upsampling

    def to_image(self, k: Tensor, pixel: float) -> Tensor:
        """An octave's position in the image."""
        return k * pixel + (1 / self.upsampling - 1) / 2

    def to_octave(self, k: Tensor, pixel: float) -> Tensor:
        """The inverse of :meth:`to_image`."""
        return (k - (1 / self.upsampling - 1) / 2) / pixel


def octaves(image: Tensor, scales: Scales) -> tuple[Tensor, ...]:
    """The octaves of an image (H, W), each (S + 3, H′, W′); as many as keep 12 pixels across."""
    n = min(scales.n_octaves, int(log2(min(image.shape) * scales.upsampling / _LEAST) + 1))
    first = image
    if scales.upsampling > 1:
        size = tuple(scales.upsampling * L for L in image.shape)
        first = interpolate(image[None, None], size, mode="bilinear")[0, 0]
    have = scales.sigma_in * scales.upsampling
    first = _blurred(first, (scales.sigma_min**2 - have**2) ** 0.5)
    found = []
    for _ in range(n):
        blurs = [float(scales.sigma(s)) for s in range(scales.n_scales + 3)]
        images = [first]
        for have, want in pairwise(blurs):
            images.append(_blurred(images[-1], (want**2 - have**2) ** 0.5))
        found.append(torch.stack(images))
        first = every_second(images[scales.n_scales])
    return tuple(found)


def slopes(image: Tensor) -> Tensor:
    """∂y and ∂x of (…, H, W) by central differences: (2, …, H, W)."""
    half = (-0.5, 0.0, 0.5)
    return torch.stack([correlate_along(image, axis, half, "replicate") for axis in (-2, -1)])


def check_scales(op: str, image: Tensor, scales: Scales) -> None:
    """One image of float32 or float64 numbers, large enough, and scales that exist."""
    arguments.tensor(op, "image", image)
    arguments.dtype_among(op, image, (torch.float32, torch.float64), "image")
    if not isinstance(scales, Scales):
        raise TypeError(f"{op}: scales must be Scales, got {scales!r}")
    for name in ("sigma_min", "sigma_in"):
        arguments.number(op, f"scales.{name}", getattr(scales, name))
    if scales.upsampling not in (1, 2, 4):
        raise ValueError(f"{op}: scales.upsampling must be 1, 2 or 4, got {scales.upsampling}")
    for name in ("n_octaves", "n_scales"):
        arguments.at_least(op, f"scales.{name}", getattr(scales, name), 1)
    if not scales.sigma_min > scales.sigma_in * scales.upsampling >= 0:
        raise ValueError(
            f"{op}: scales.sigma_min must exceed the blur there is, sigma_in·upsampling, "
            f"got {scales.sigma_min} for {scales.sigma_in}·{scales.upsampling}"
        )
    if image.dim() != 2 or min(image.shape) * scales.upsampling < _LEAST:
        raise RuntimeError(
            f"{op}: image must be (H, W) with at least {_LEAST} pixels across after upsampling by "
            f"{scales.upsampling}, got {tuple(image.shape)}"
        )


def _blurred(image: Tensor, sigma: float) -> Tensor:
    return gaussian_blur(image, sigma, padding_mode="symmetric")
