r"""Extrema over place and scale, to a fraction of a pixel.

A place is (s, y, x) in a stack of images D. Around it D is a parabola, by differences of the 27
values nearby: gradient g and second derivatives H. Its extremum is off by −H⁻¹g and has the value
D − ½ gᵀH⁻¹g.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_MOVES = 10  # to a neighbouring pixel, while the extremum lies closer to that one
_REACH = 0.6  # of a pixel, at most, from pixel to extremum; a little more than half ends to and fro


def extrema(dog: Tensor, threshold: float) -> Tensor:
    """(n, 3) places (s, y, x) off the faces where no neighbour is larger, or none is smaller."""
    middle = dog[1:-1, 1:-1, 1:-1]
    top = (middle > threshold) & (middle >= _largest(dog))
    bottom = (middle < -threshold) & (middle <= -_largest(-dog))
    return (top | bottom).nonzero() + 1


def _largest(t: Tensor) -> Tensor:
    """The maximum over each 3×3×3 neighbourhood, one axis after the other."""
    for axis in range(3):
        M = t.shape[axis] - 2
        t = torch.maximum(
            torch.maximum(t.narrow(axis, 0, M), t.narrow(axis, 1, M)), t.narrow(axis, 2, M)
        )
    return t


def refined(
    dog: Tensor, at: Tensor, contrast: float, c_edge: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Places near extrema, the offsets to the extrema from there, the values at the extrema."""
    last = torch.tensor(dog.shape, device=dog.device) - 2
    for _ in range(_MOVES):
        offset = _parabola(dog, at).offset
        move = (offset > _REACH).long() - (offset < -_REACH).long()
        moved = torch.minimum((at + move).clamp_min(1), last)
        if torch.equal(moved, at):
            break
        at = moved
    offset, value, yy, yx, xx = _parabola(dog, at)
    determinant, trace = yy * xx - yx * yx, yy + xx
    # Opposite curvatures, a negative determinant, are no extremum of the place.
    stands_out = (value.abs() > contrast) & (trace**2 * c_edge < (c_edge + 1) ** 2 * determinant)
    kept = stands_out & (offset.abs() < _REACH).all(1)
    return at[kept], offset[kept], value[kept]


class _Parabola(NamedTuple):
    """Its extremum, and its curvatures over the image."""

    offset: Tensor  # (n, 3), −H⁻¹g
    value: Tensor
    yy: Tensor
    yx: Tensor
    xx: Tensor


def _parabola(dog: Tensor, at: Tensor) -> _Parabola:
    """The parabola through the values around each place, by differences."""
    step = torch.arange(-1, 2, device=at.device)
    s, y, x = at.view(-1, 3, 1, 1, 1).unbind(1)
    cube = dog[s + step.view(3, 1, 1), y + step.view(3, 1), x + step]  # (n, 3, 3, 3)
    centre = cube[:, 1, 1, 1]
    lines = cube[:, :, 1, 1], cube[:, 1, :, 1], cube[:, 1, 1, :]
    gradient = torch.stack([(l[:, 2] - l[:, 0]) / 2 for l in lines], 1)
    ss, yy, xx = (l[:, 2] + l[:, 0] - 2 * centre for l in lines)
    planes = cube[:, :, :, 1], cube[:, :, 1, :], cube[:, 1, :, :]
    sy, sx, yx = ((p[:, 2, 2] + p[:, 0, 0] - p[:, 2, 0] - p[:, 0, 2]) / 4 for p in planes)
    rows = (ss, sy, sx), (sy, yy, yx), (sx, yx, xx)
    a, b, c = (torch.stack(row, 1) for row in rows)
    # Cramer's rule; a singular H has no extremum, and its offset is not finite.
    inverse = torch.stack([torch.linalg.cross(*pair) for pair in ((b, c), (c, a), (a, b))], 1)
    determinant = (a * inverse[:, 0]).sum(1, keepdim=True)
    offset = -(inverse * gradient.unsqueeze(1)).sum(2) / determinant
    return _Parabola(offset, centre + (gradient * offset).sum(1) / 2, yy, yx, xx)
