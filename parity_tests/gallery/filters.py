"""Brightness and edges."""

from __future__ import annotations

import torch
from torch import Tensor

import reimpl
from parity_tests.gallery.figures import Figure, Panel, Section, panels, source
from parity_tests.gallery.images import Images, grid
from parity_tests.gallery.pictures import grey, hue, scaled, signed


def gammas(image: Tensor) -> dict[str, Tensor]:
    return {f"γ = {g}": reimpl.gamma(image, g) for g in (0.4, 0.7, 1.0, 1.5, 2.5)}


def derivatives(image: Tensor) -> dict[str, Tensor]:
    dy, dx = reimpl.sobel(image)
    return {"∂y, down the rows": dy, "∂x, along the rows": dx}


def edges(image: Tensor) -> tuple[Tensor, Tensor]:
    return reimpl.sobel_magnitude(image), reimpl.sobel_orientation(image)


def sharpened(image: Tensor) -> tuple[Tensor, Tensor]:
    curvature = reimpl.laplacian(image)
    return curvature, image - curvature / 2


def section(images: Images) -> Section:
    what, image = images.scene.what, images.scene.pixels
    return Section(
        "filters",
        "Brightness and edges",
        "Pointwise powers and 3×3 correlations. Here and below blue is negative, white zero and "
        "red positive; the strongest hundredth of the pixels is shown alike.",
        (
            Figure(
                "Gamma correction",
                "v ↦ v^γ. Below 1 it brightens and pulls dark tones apart; above 1 it darkens and "
                "pulls bright tones apart. γ = 1 is the image itself.",
                source(gammas),
                panels(gammas(image), grey, f"{what}, gamma corrected"),
                5,
            ),
            _sobel(image, what),
            _laplacian(image, what),
        ),
    )


def _sobel(image: Tensor, what: str) -> Figure:
    magnitude, orientation = edges(image)
    v, u = grid(*image.shape)
    cone = -torch.hypot(v, u)
    disc = (cone > -0.5 * min(image.shape)).float()
    return Figure(
        "Sobel: derivatives, magnitude, orientation",
        "Left the two derivatives. The magnitude √(∂y² + ∂x²) "
        "marks edges whatever their direction. Last the angle atan2(∂y, ∂x), towards the brighter "
        "side, as a hue with the magnitude as brightness; the wheel is the orientation of a cone, "
        "brightest in its middle, and tells which colour is which direction.",
        source(derivatives, edges),
        (
            *panels(derivatives(image), signed, f"Sobel derivative of {what}"),
            Panel("magnitude", scaled(magnitude), f"edges of {what}"),
            Panel("orientation", hue(orientation, magnitude), f"edges of {what}, hued by angle"),
            Panel("hues", hue(edges(cone)[1], disc), "colour wheel: hues of directions inwards"),
        ),
        5,
    )


def _laplacian(image: Tensor, what: str) -> Figure:
    curvature, sharp = sharpened(image)
    return Figure(
        "Laplacian",
        "The four neighbours less four times the pixel: positive on the dark side of an edge, "
        "negative on the bright side, zero on slopes. An image less half of it is sharper.",
        source(sharpened),
        (
            Panel("image", grey(image), what),
            Panel("∇²", signed(curvature), f"Laplacian of {what}"),
            Panel("image − ∇²/2", grey(sharp), f"{what}, sharpened"),
        ),
        5,
    )
