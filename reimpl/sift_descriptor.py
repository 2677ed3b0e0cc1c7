r"""SIFT's second half: the directions of keypoints and their descriptors, from gradients around.

Both look at a patch of one image of the scale space, measured in σ from the keypoint, so that they
are blind to scale; the descriptor's is turned to the keypoint's direction, so that it is blind to
rotation. See :mod:`reimpl.sift` for the conventions. Letters: n keypoints, P pixels of a patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, pi
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from reimpl.octaves import Scales, slopes

if TYPE_CHECKING:
    from reimpl.sift import Keypoints

# Directions: a histogram of all gradients nearby, its peaks.
_BINS = 36
_NEARBY = 1.5  # σ of the Gaussian weight; the patch is three times as wide
_SMOOTHINGS = 6
_PEAK = 0.8  # of the highest

# Descriptors: a histogram for each of 4×4 cells.
_CELLS, _CELL = 4, 3.0  # how many to a side, and their size in σ
_DIRECTIONS = 8
_CLIP = 0.2
DESCRIPTOR = _CELLS * _CELLS * _DIRECTIONS

_PIXELS = 2**18  # at a time


class _Patch(NamedTuple):
    """Gradients around some keypoints, zero outside the image."""

    which: Tensor  # (n)
    y: Tensor  # (n, P), from the keypoint, in σ
    x: Tensor
    dy: Tensor
    dx: Tensor


def directions(
    space: tuple[Tensor, ...], keypoints: Keypoints, scales: Scales
) -> tuple[Tensor, Tensor]:
    """Which keypoint, and its angle: a keypoint may have several directions."""
    which, angles = [torch.zeros_like(keypoints.octave[:0])], [torch.zeros_like(keypoints.y[:0])]
    for patch in _patches(space, keypoints, scales, 3 * _NEARBY):
        near = torch.maximum(patch.y.abs(), patch.x.abs()) <= 3 * _NEARBY
        weight = ((patch.y**2 + patch.x**2) / (-2 * _NEARBY**2)).exp() * near
        turn = torch.atan2(patch.dy, patch.dx) / (2 * pi)
        bins = (turn * _BINS).round().long().remainder(_BINS)
        histogram = weight.new_zeros(len(weight), _BINS)
        histogram.scatter_add_(1, bins, weight * torch.hypot(patch.dy, patch.dx))
        k, peak = _peaks(histogram)
        which.append(patch.which[k])
        angles.append(pi - (pi - peak * (2 * pi / _BINS)).remainder(2 * pi))  # in (−π, π]
    order = torch.cat(which).argsort(stable=True)
    return torch.cat(which)[order], torch.cat(angles)[order]


def _peaks(histogram: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row the high peaks, in bins, between which a parabola leads."""
    for _ in range(_SMOOTHINGS):
        histogram = (histogram.roll(1, 1) + histogram + histogram.roll(-1, 1)) / 3
    left, right = histogram.roll(1, 1), histogram.roll(-1, 1)
    high = histogram >= _PEAK * histogram.amax(1, keepdim=True)
    k, b = (high & (histogram > left) & (histogram >= right)).nonzero(as_tuple=True)
    l, h, r = left[k, b], histogram[k, b], right[k, b]
    return k, b + (l - r) / (2 * (l - 2 * h + r))


def descriptors(space: tuple[Tensor, ...], keypoints: Keypoints, scales: Scales) -> Tensor:
    """(N, 128), each of length one."""
    found = keypoints.y.new_zeros(len(keypoints.y), DESCRIPTOR)
    reach = 2**0.5 * _CELL * (_CELLS + 1) / 2  # to the corners of the cells' neighbourhood
    for patch in _patches(space, keypoints, scales, reach):
        found[patch.which] = _described(patch, keypoints.orientation[patch.which])
    return found


def _described(patch: _Patch, angle: Tensor) -> Tensor:
    cos, sin = angle.cos().unsqueeze(1), angle.sin().unsqueeze(1)
    u, v = patch.x * cos + patch.y * sin, patch.y * cos - patch.x * sin
    turn = (torch.atan2(patch.dy, patch.dx) - angle.unsqueeze(1)) / (2 * pi)
    weight = torch.hypot(patch.dy, patch.dx) * _bell(u, v)
    across, along, around = _to_cells(v), _to_cells(u), _to_directions(turn * _DIRECTIONS)
    shared = (weight.unsqueeze(2) * along).unsqueeze(3) * around.unsqueeze(2)  # (n, P, u, t)
    histograms = across.transpose(1, 2) @ shared.flatten(2)  # (n, v, u·t)
    clipped = _of_length_one(histograms.flatten(1)).clamp_max(_CLIP)
    return _of_length_one(clipped)


def _bell(u: Tensor, v: Tensor) -> Tensor:
    """The Gaussian as wide as half the cells."""
    return ((u**2 + v**2) / (-2 * (_CELL * _CELLS / 2) ** 2)).exp()


def _to_cells(u: Tensor) -> Tensor:
    """(n, P) -> (n, P, 4): the share of each cell along an axis, falling off to its neighbours."""
    centres = torch.arange(_CELLS, device=u.device, dtype=u.dtype) - (_CELLS - 1) / 2
    return (1 - (u.unsqueeze(2) / _CELL - centres).abs()).clamp_min(0)


def _to_directions(turn: Tensor) -> Tensor:
    """(n, P) -> (n, P, 8): likewise of each direction, all the way round."""
    bins = torch.arange(_DIRECTIONS, device=turn.device, dtype=turn.dtype)
    half = _DIRECTIONS / 2
    apart = ((turn.unsqueeze(2) - bins + half).remainder(_DIRECTIONS) - half).abs()
    return (1 - apart).clamp_min(0)


def _of_length_one(d: Tensor) -> Tensor:
    return d / d.norm(dim=1, keepdim=True).clamp_min(torch.finfo(d.dtype).tiny)


def _patches(
    space: tuple[Tensor, ...], keypoints: Keypoints, scales: Scales, reach: float
) -> Iterator[_Patch]:
    """The gradients up to ``reach``·σ around, of a few keypoints of one image at a time."""
    for o in range(len(space)):
        for s in range(scales.n_scales + 3):
            which = ((keypoints.octave == o) & (keypoints.scale == s)).nonzero()[:, 0]
            if not len(which):
                continue
            gradient, pixel = slopes(space[o][s]), scales.pixel(o)
            sigma = keypoints.sigma[which] / pixel
            r = ceil(reach * float(sigma.max()))
            for few in which.split(max(1, _PIXELS // (2 * r + 1) ** 2)):
                y, x = (scales.to_octave(t[few], pixel) for t in (keypoints.y, keypoints.x))
                yield _patch(gradient, few, y, x, keypoints.sigma[few] / pixel, r)


def _patch(gradient: Tensor, which: Tensor, y: Tensor, x: Tensor, sigma: Tensor, r: int) -> _Patch:
    """The (2r+1)² pixels around (y, x), which are in pixels of ``gradient`` (2, H, W)."""
    _, H, W = gradient.shape
    step = torch.arange(-r, r + 1, device=y.device)
    rows = (y.round().long().view(-1, 1, 1) + step.view(-1, 1)).expand(-1, -1, len(step)).flatten(1)
    columns = (x.round().long().view(-1, 1, 1) + step).expand(-1, len(step), -1).flatten(1)
    outside = (rows < 0) | (rows >= H) | (columns < 0) | (columns >= W)
    dy, dx = gradient[:, rows.clamp(0, H - 1), columns.clamp(0, W - 1)].masked_fill(outside, 0)
    from_y = (rows - y.unsqueeze(1)) / sigma.unsqueeze(1)
    from_x = (columns - x.unsqueeze(1)) / sigma.unsqueeze(1)
    return _Patch(which, from_y, from_x, dy, dx)
