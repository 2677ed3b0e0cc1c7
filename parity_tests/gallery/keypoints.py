"""SIFT: keypoints, and matches between an image and the same seen by a turned camera."""

from __future__ import annotations

from math import cos, radians, sin

import torch
from torch import Tensor

from parity_tests.gallery.figures import Figure, Panel, Section, source
from parity_tests.gallery.images import Image, Images, middle
from parity_tests.gallery.pictures import grey
from reimpl.sift import Keypoints, sift, sift_keypoints

DEGREES = 30.0
NEAR = 2.0  # pixels
GAP = 8  # between two images


def keypoints(image: Tensor) -> Keypoints:
    """Their y, x, sigma, orientation and response."""
    return sift_keypoints(image)


def matches(image: Tensor, other: Tensor) -> tuple[Keypoints, Keypoints, Tensor]:
    """Pairs (i, j): j has the descriptor nearest to that of i, and no other is nearly as near."""
    (here, a), (there, b) = sift(image), sift(other)
    distance, which = torch.cdist(a, b).topk(2, largest=False)
    i = (distance[:, 0] < 0.8 * distance[:, 1]).nonzero().squeeze(1)
    return here, there, torch.stack((i, which[i, 0]), 1)


def section(images: Images) -> Section:
    return Section(
        "keypoints",
        "Keypoints",
        "SIFT looks for blobs over place and scale, gives each a direction, and describes its "
        "surroundings in that frame, so that it is found again in a turned or scaled image.",
        (_keypoints(images.large, images.blobs), _matches(images.large)),
    )


def _keypoints(*shown: Image) -> Figure:
    made = []
    for what, image in shown:
        found = keypoints(image)
        label = f"{what}: {len(found.y)} keypoints"
        made.append(Panel(label, grey(image), label, _circles(found)))
    return Figure(
        "SIFT keypoints",
        "The radius is √2·σ, about the blob’s, and the line is the orientation: orange for bright "
        "blobs, blue for dark ones. Several lines in one circle are keypoints with several "
        "orientations.",
        source(keypoints),
        tuple(made),
        2,
    )


def _matches(large: Image) -> Figure:
    size = large.pixels.shape[0] * 2 // 3
    image, turned = middle(large.pixels, size), middle(large.pixels, size, DEGREES)
    here, there, pairs = matches(image, turned)
    one = torch.stack((here.y, here.x), 1)[pairs[:, 0]]
    other = torch.stack((there.y, there.x), 1)[pairs[:, 1]]
    true = (_turned(one, size) - other).norm(dim=1) < NEAR
    gap = image.new_full((size, GAP), 0.5)
    label = f"{len(pairs)} matches, {int(true.sum())} of them true"
    return Figure(
        "Matches with a turned camera",
        f"The middle of the image, and the same turned clockwise by {DEGREES:g}°. Lines join "
        "keypoints whose descriptors are much nearer to each other than to the next: of "
        f"{len(here.y)} keypoints on the left {len(pairs)} are matched, {int(true.sum())} of them "
        f"(green) to within {NEAR:g} pixels of where the turn takes them, the others (red, dashed) "
        "are wrong.",
        source(matches, middle),
        (
            Panel(
                label,
                grey(torch.cat((image, gap, turned), 1)),
                f"{large.what} beside itself turned by {DEGREES:g}°: {label}",
                _lines(one, other, true, size + GAP),
            ),
        ),
        1,
    )


def _turned(at: Tensor, size: int) -> Tensor:
    """Where (y, x) of the upright square is in the turned one: R⁻¹ about the middle."""
    c, s = cos(radians(DEGREES)), sin(radians(DEGREES))
    centre = (size - 1) / 2
    return (at - centre) @ at.new_tensor([[c, -s], [s, c]]) + centre


def _circles(found: Keypoints) -> str:
    drawn = []
    for y, x, sigma, angle, response in zip(*(t.tolist() for t in found[:5]), strict=True):
        r, kind = 2**0.5 * sigma, "dark" if response > 0 else "bright"
        y, x = y + 0.5, x + 0.5  # pixel k covers k to k + 1 of the drawing
        drawn.append(
            f'<g class="{kind}"><circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"/>'
            f'<path d="M{x:.1f} {y:.1f}l{r * cos(angle):.1f} {r * sin(angle):.1f}"/></g>'
        )
    return "".join(drawn)


def _lines(one: Tensor, other: Tensor, true: Tensor, right: int) -> str:
    """Wrong ones last, so that they are seen."""
    drawn = []
    for k in true.int().argsort(descending=True).tolist():
        (y, x), (v, u) = (one[k] + 0.5).tolist(), (other[k] + 0.5).tolist()
        kind = "true" if true[k] else "wrong"
        drawn.append(f'<path class="{kind}" d="M{x:.1f} {y:.1f}L{u + right:.1f} {v:.1f}"/>')
    return "".join(drawn)
