"""Scale space: blurs, the two band-passes that look for blobs, and the pyramid."""

from __future__ import annotations

from torch import Tensor

import reimpl
from parity_tests.gallery.figures import Figure, Section, panels, source
from parity_tests.gallery.images import Images
from parity_tests.gallery.pictures import grey, signed


def blurs(image: Tensor) -> dict[str, Tensor]:
    return {f"σ = {sigma:g}": reimpl.gaussian_blur(image, sigma) for sigma in (0.5, 1, 2, 4, 8)}


def laplacians_of_gaussian(image: Tensor) -> dict[str, Tensor]:
    sigmas = (1, 2, 3, 4.5, 7)
    return {f"σ = {s:g}": s**2 * reimpl.laplacian_of_gaussian(image, s) for s in sigmas}


def band_passes(image: Tensor, sigma: float = 3.0) -> dict[str, tuple[Tensor, Tensor]]:
    log = reimpl.laplacian_of_gaussian(image, sigma)
    return {
        f"k = {k:.3g}": (
            (k - 1) * sigma**2 * log,
            reimpl.difference_of_gaussians(image, sigma, k),
        )
        for k in (1.6, 2**0.5, 1.1)
    }


def pyramid(image: Tensor) -> dict[str, Tensor]:
    levels = reimpl.gaussian_pyramid(image, 5)
    return {f"{level.shape[0]} × {level.shape[1]}": level for level in levels}


def section(images: Images) -> Section:
    what, image = images.blobs.what, images.blobs.pixels
    return Section(
        "scale-space",
        "Scale space",
        "An image blurred by ever wider Gaussians, and what is lost from one width to the next.",
        (
            Figure(
                "Gaussian blur",
                "Grain and texture, narrower than σ, vanish first; what is wide stays longest.",
                source(blurs),
                panels(blurs(image), grey, f"{what}, blurred"),
                5,
            ),
            Figure(
                "Laplacian of Gaussian",
                "σ²·∇²G∗x: blue, negative, at bright blobs about √2·σ from centre to edge. Small σ "
                "finds rims and grain, large σ whole objects.",
                source(laplacians_of_gaussian),
                panels(laplacians_of_gaussian(image), signed, f"Laplacian of Gaussian of {what}"),
                5,
            ),
            _side_by_side(image, what),
            Figure(
                "Gaussian pyramid",
                "Each level is the one before blurred by σ = 1, every second pixel kept; shown "
                "pixel by pixel.",
                source(pyramid),
                panels(pyramid(image), grey, f"{what}, a level of the pyramid"),
            ),
        ),
    )


def _side_by_side(image: Tensor, what: str) -> Figure:
    pairs = band_passes(image)
    shown, apart = {}, []
    for k, (log, dog) in pairs.items():
        shown[f"{k}: (k−1)σ²·LoG"], shown[f"{k}: DoG"] = log, dog
        apart.append(f"{float((dog - log).norm() / log.norm()):.0%} for {k}")
    return Figure(
        "Difference of Gaussians beside Laplacian of Gaussian",
        "DoG(σ, kσ) ≈ (k−1)σ²·LoG(σ), a subtraction instead of a filter of its own: better the "
        f"closer k is to 1. Here, for σ = 3, they differ by {', '.join(apart)} (root mean square).",
        source(band_passes),
        panels(shown, signed, f"band-pass of {what}"),
        6,
    )
