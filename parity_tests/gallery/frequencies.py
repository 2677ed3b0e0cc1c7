"""Filters in the frequency domain, each with the spectrum of its result."""

from __future__ import annotations

from torch import Tensor

import reimpl
from parity_tests.gallery.figures import Figure, Section, panels, source
from parity_tests.gallery.images import Images
from parity_tests.gallery.pictures import grey, signed


def low_passes(image: Tensor, cutoff: float = 0.06) -> dict[str, Tensor]:
    return {
        "ideal low-pass": reimpl.ideal_low_pass(image, cutoff),
        "Gaussian low-pass": reimpl.gaussian_low_pass(image, cutoff),
    }


def high_passes(image: Tensor, cutoff: float = 0.06) -> dict[str, Tensor]:
    return {
        "ideal high-pass": reimpl.ideal_high_pass(image, cutoff),
        "Gaussian high-pass": reimpl.gaussian_high_pass(image, cutoff),
    }


def log_magnitude(image: Tensor) -> Tensor:
    """log(1 + |F x|), frequency zero in the middle."""
    H, W = image.shape
    magnitude = reimpl.fftn(image, dim=(-2, -1)).abs().log1p()
    return magnitude.roll((H // 2, W // 2), (-2, -1))


def section(images: Images) -> Section:
    what, image = images.scene.what, images.scene.pixels
    low, high = low_passes(image), high_passes(image)
    spectra = {
        f"spectrum, {k}": log_magnitude(y) for k, y in {"image": image, **low, **high}.items()
    }
    brightest = spectra["spectrum, image"].max()
    sums = zip(low.values(), high.values(), strict=True)
    off = max(float((one + other - image).abs().max()) for one, other in sums)
    mean, kept = float(image.mean()), float(low["ideal low-pass"].mean())
    return Section(
        "frequencies",
        "Frequencies",
        "Frequencies are in cycles per pixel, at most ½ along an axis; the transform is the "
        "reimplementation’s own, of any length.",
        (
            Figure(
                "Low-pass and high-pass",
                "Cutoff 0.06: a low-pass drops or weakens waves shorter than 17 pixels, a "
                "high-pass longer ones. The sharp cut of the ideal filter rings around edges, the "
                "Gaussian does not. A low-pass keeps the mean "
                f"({mean:.4f} before, {kept:.4f} after), a high-pass drops it, and both together "
                f"are the image again (to {off:.0e}). Below, the logarithm of each spectrum’s "
                "magnitude on one scale, frequency zero in the middle.",
                source(low_passes, high_passes, log_magnitude),
                (
                    *panels({"image": image, **low}, grey, what),
                    *panels(high, signed, what),
                    *panels(spectra, lambda t: grey(t / brightest), what),
                ),
                5,
            ),
        ),
    )
