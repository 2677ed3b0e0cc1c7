r"""SIFT: keypoints that stay where they are when an image is moved, turned or scaled, described.

Keypoints are the extrema of the difference of Gaussians over place and scale, refined, and kept
if they stand out and are no edges; see :mod:`reimpl.sift_descriptor` for directions and
descriptors, :mod:`reimpl.octaves` for the scale space. Nothing is differentiated.

Coordinates: y counts rows downwards and x columns, pixel centres are whole numbers. Angles are
atan2(∂y, ∂x), in (−π, π]: 0 along a row, π/2 down a column.

Source: Lowe 2004, "Distinctive Image Features from Scale-Invariant Keypoints",
https://www.cs.ubc.ca/~lowe/papers/ijcv04.pdf; in detail Rey-Otero and Delbracio 2014, "Anatomy of
the SIFT Method", https://doi.org/10.5201/ipol.2014.82
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.extrema import extrema, refined
from reimpl.octaves import Scales, check_scales, octaves
from reimpl.sift_descriptor import descriptors, directions

LOWE = Scales()


class Keypoints(NamedTuple):
    """N keypoints, each value a tensor (N,).

    ``sigma`` is the blur at which it was found, in pixels of the image; ``response`` the difference
    of Gaussians there, positive for dark blobs and negative for bright ones. ``octave`` and
    ``scale`` say which image of the scale space it is read from.
    """

    y: Tensor
    x: Tensor
    sigma: Tensor
    orientation: Tensor
    response: Tensor
    octave: Tensor
    scale: Tensor


@torch.no_grad()
def sift(
    image: Tensor, scales: Scales = LOWE, c_dog: float = 0.04 / 3, c_edge: float = 10.0
) -> tuple[Keypoints, Tensor]:
    """Keypoints and their descriptors; see :func:`sift_keypoints`, :func:`sift_descriptors`.

    >>> y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    >>> blob = torch.exp(-((y - 20) ** 2 + (x - 17) ** 2) / 32)
    >>> keypoints, descriptors = sift(blob)
    >>> descriptors.shape[1]
    128
    """
    _check("sift", image, scales, c_dog, c_edge)
    space = octaves(image, scales)
    keypoints = _keypoints(image, space, scales, c_dog, c_edge)
    return keypoints, descriptors(space, keypoints, scales)


@torch.no_grad()
def sift_keypoints(
    image: Tensor, scales: Scales = LOWE, c_dog: float = 0.04 / 3, c_edge: float = 10.0
) -> Keypoints:
    r"""Keypoints of an image of brightness in [0, 1].

    Extrema of D = G(2^(1/S)σ)∗x − G(σ)∗x among their 26 neighbours, moved to the extremum of the
    parabola through them, −H⁻¹∇D. They are kept if |D| exceeds ``c_dog`` (meant for S = 3, scaled
    for other S), if the principal curvatures have a ratio below ``c_edge``, tr²H/det H <
    (c+1)²/c, and if the image has σ around them. A keypoint with several directions is repeated.

    Shapes:
        image (H, W), float32 or float64; N keypoints, of the image's dtype.

    Raises:
        RuntimeError: another rank, or a size below 12 after upsampling.
        ValueError: scales that the image cannot have; c_dog negative, c_edge not positive.
        NotImplementedError: another dtype.
        TypeError: a value of the wrong kind.

    Source: Lowe 2004, sections 3 to 5

    >>> y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    >>> blob = torch.exp(-((y - 20) ** 2 + (x - 17) ** 2) / 32)
    >>> found = sift_keypoints(blob)
    >>> found.y.round().unique(), found.x.round().unique()
    (tensor([20.]), tensor([17.]))
    """
    _check("sift_keypoints", image, scales, c_dog, c_edge)
    return _keypoints(image, octaves(image, scales), scales, c_dog, c_edge)


@torch.no_grad()
def sift_descriptors(image: Tensor, keypoints: Keypoints, scales: Scales = LOWE) -> Tensor:
    r"""The descriptors of keypoints: histograms of gradients around them, of length one.

    Around a keypoint, in a frame turned to its direction, lie 4×4 cells of 3σ, each with a
    histogram of 8 directions. Gradients are weighted by a Gaussian of 6σ and shared between the
    neighbouring cells and directions. The 128 numbers are scaled to length one, cut off at 0.2,
    scaled again. Entry 32·v + 8·u + t is cell u along the keypoint's direction, v a quarter turn
    further, direction 2πt/8 to the keypoint's.

    Shapes:
        image (H, W), N keypoints that :func:`sift_keypoints` finds with these scales, output
        (N, 128).

    Raises:
        As :func:`sift_keypoints`; RuntimeError: keypoints of octaves or scales that there are not.

    Source: Lowe 2004, section 6

    >>> image = torch.arange(24.0).repeat(24, 1) / 24
    >>> middle = torch.tensor([12.0])
    >>> zero, one = torch.tensor([0]), torch.tensor([1])
    >>> keypoint = Keypoints(middle, middle, middle / 12, middle * 0, middle * 0, zero, one)
    >>> sift_descriptors(image, keypoint).view(4, 4, 8).sum((0, 1)).argmax()  # all one direction
    tensor(0)
    """
    check_scales("sift_descriptors", image, scales)
    if not isinstance(keypoints, Keypoints):
        raise TypeError(f"sift_descriptors: keypoints must be Keypoints, got {keypoints!r}")
    space = octaves(image, scales)
    if len(keypoints.octave):
        for name, most in (("octave", len(space) - 1), ("scale", scales.n_scales + 2)):
            values = getattr(keypoints, name)
            if not 0 <= int(values.min()) <= int(values.max()) <= most:
                raise RuntimeError(
                    f"sift_descriptors: keypoints.{name} must be from 0 to {most} for an image of "
                    f"{tuple(image.shape)}, got {int(values.min())} to {int(values.max())}"
                )
    return descriptors(space, keypoints, scales)


def _check(op: str, image: Tensor, scales: Scales, c_dog: float, c_edge: float) -> None:
    check_scales(op, image, scales)
    arguments.number(op, "c_dog", c_dog)
    arguments.number(op, "c_edge", c_edge)
    if not c_dog >= 0:
        raise ValueError(f"{op}: c_dog must be non-negative, got {c_dog}")
    if not c_edge > 0:
        raise ValueError(f"{op}: c_edge must be positive, got {c_edge}")


def _keypoints(
    image: Tensor, space: tuple[Tensor, ...], scales: Scales, c_dog: float, c_edge: float
) -> Keypoints:
    contrast = c_dog * (2 ** (1 / scales.n_scales) - 1) / (2 ** (1 / 3) - 1)
    parts = [_of_octave(image, o, space, scales, contrast, c_edge) for o in range(len(space))]
    return Keypoints(*(torch.cat(values) for values in zip(*parts, strict=True)))


def _of_octave(
    image: Tensor, o: int, space: tuple[Tensor, ...], scales: Scales, contrast: float, c_edge: float
) -> Keypoints:
    dog = space[o].diff(dim=0)
    at, offset, value = refined(dog, extrema(dog, 0.8 * contrast), contrast, c_edge)
    pixel = scales.pixel(o)
    s, y, x = (at + offset).unbind(1)
    y, x = scales.to_image(y, pixel), scales.to_image(x, pixel)
    sigma = scales.sigma(s) * pixel
    H, W = image.shape
    inside = (torch.minimum(y, x) + 0.5 > sigma) & (y + sigma < H - 0.5) & (x + sigma < W - 0.5)
    found = Keypoints(
        y, x, sigma, torch.zeros_like(y), value, torch.full_like(at[:, 0], o), at[:, 0]
    )
    found = Keypoints(*(t[inside] for t in found))
    which, angle = directions(space, found, scales)
    return Keypoints(*(t[which] for t in found))._replace(orientation=angle)
