"""What is claimed of filters, and what scipy and scikit-image make of them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

import reimpl

SCIPYS = {  # names of what is beyond the borders
    "replicate": "nearest",
    "symmetric": "reflect",
    "reflect": "mirror",
    "circular": "wrap",
}


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def disc(radius: float, size: int = 81) -> Tensor:
    """A bright one in the middle, its edge as sharp as pixels are."""
    k = torch.arange(size, dtype=torch.float64) - size // 2
    return ((k.square() + k.square().unsqueeze(1)).sqrt() <= radius).double()


# --- claims ---


@pytest.mark.parametrize(("gamma", "bright", "dark"), [(2.2, True, False), (1 / 2.2, False, True)])
def test_gamma_stretches_one_end_and_compresses_the_other(
    gamma: float, bright: bool, dark: bool
) -> None:
    v = torch.tensor([0.05, 0.95], dtype=torch.float64, requires_grad=True)
    reimpl.gamma(v, gamma).sum().backward()
    assert v.grad is not None
    assert (v.grad > 1).tolist() == [dark, bright]


def test_gamma_keeps_black_and_white_and_is_undone_by_its_inverse() -> None:
    v = torch.linspace(0, 1, 11, dtype=torch.float64)
    y = reimpl.gamma(v, 2.2)
    assert (y[0].item(), y[-1].item()) == (0, 1)
    torch.testing.assert_close(reimpl.gamma(y, 1 / 2.2), v)


def test_difference_of_gaussians_tends_to_the_laplacian() -> None:
    """DoG(σ, kσ) = (k−1)·σ²·LoG(σ)·(1 + O(k−1)): halving k−1 halves the relative error."""
    x, sigma = disc(6.0), 3.0
    log = reimpl.laplacian_of_gaussian(x, sigma, truncate=8.0)
    errors = []
    for k in (1.4, 1.2, 1.1, 1.05):
        dog = reimpl.difference_of_gaussians(x, sigma, k, truncate=8.0)
        expected = (k - 1) * sigma**2 * log
        errors.append(float((dog - expected).norm() / expected.norm()))
    ratios = [b / a for a, b in pairwise(errors)]
    assert errors[0] < 0.5
    assert ratios == pytest.approx([0.5] * 3, abs=0.08)


def test_the_laplacian_of_gaussian_finds_a_discs_size() -> None:
    """σ²·∇²G∗disc at the centre is −(r²/σ²)·e^(−r²/2σ²), strongest at σ = r/√2."""
    x, r = disc(10.0), 10.0
    sigmas = [r / math.sqrt(2) * 1.05**i for i in range(-4, 5)]
    at_centre = [float(s**2 * reimpl.laplacian_of_gaussian(x, s)[40, 40]) for s in sigmas]
    assert min(range(9), key=at_centre.__getitem__) == 4
    assert at_centre[4] == pytest.approx(-2 * math.exp(-1), rel=0.02)


def test_the_laplacian_of_gaussian_is_nearly_the_laplacian_of_the_blur() -> None:
    """The discrete Laplacian's kernel is a sample of −|f|², off by a share of 1/σ²."""
    x = image(40, 40)
    for sigma, off in ((2.0, 0.15), (4.0, 0.04)):
        one = reimpl.laplacian_of_gaussian(x, sigma, 6.0)
        two = reimpl.laplacian(reimpl.gaussian_blur(x, sigma, 6.0))
        inner = (slice(12, -12), slice(12, -12))
        assert (one - two)[inner].norm() < off * two[inner].norm()


def test_blurs_compose() -> None:
    """3² + 4² = 5²; in a mirror as within the image."""
    x = image(48, 48)

    def blur(x: Tensor, sigma: float) -> Tensor:
        return reimpl.gaussian_blur(x, sigma, 8.0, "symmetric")

    torch.testing.assert_close(blur(blur(x, 3.0), 4.0), blur(x, 5.0), rtol=0, atol=1e-9)


def test_sobel_of_a_slope() -> None:
    """2 down and 3 along, eightfold; the angle that of (3, 2)."""
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    dy, dx = reimpl.sobel(2 * y + 3 * x)[:, 1:-1, 1:-1]
    assert dy.eq(16).all()
    assert dx.eq(24).all()
    angle = reimpl.sobel_orientation(2 * y + 3 * x)[1:-1, 1:-1]
    torch.testing.assert_close(angle, torch.full_like(angle, math.atan2(2, 3)))


def test_a_flat_image_has_no_edges_and_no_gradient_for_them() -> None:
    x = torch.full((4, 4), 0.3, dtype=torch.float64, requires_grad=True)
    for edges in (reimpl.sobel_magnitude, reimpl.sobel_orientation):
        y = edges(x)
        (g,) = torch.autograd.grad(y, x, torch.full_like(y, math.inf))
        assert not y.any()
        assert not g.any()


# --- scipy and scikit-image ---


@pytest.mark.parametrize("mode", SCIPYS)
def test_scipy_agrees(mode: str) -> None:
    """On an image that the widest kernel is wider than, several times over."""
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")
    x = image(9, 7)
    theirs = {"mode": SCIPYS[mode]}
    pairs = [
        (reimpl.gaussian_blur(x, s, padding_mode=mode), ndimage.gaussian_filter(x, s, **theirs))
        for s in (0.6, 2.0, 5.0)
    ]
    pairs += [
        (
            reimpl.laplacian_of_gaussian(x, s, padding_mode=mode),
            ndimage.gaussian_laplace(x, s, **theirs),
        )
        for s in (0.6, 2.0, 5.0)
    ]
    pairs.append((reimpl.laplacian(x, mode), ndimage.laplace(x, **theirs)))
    pairs += [(reimpl.sobel(x, mode)[axis], ndimage.sobel(x, axis, **theirs)) for axis in (0, 1)]
    for ours, other in pairs:
        torch.testing.assert_close(ours, torch.from_numpy(other), rtol=1e-12, atol=1e-12)


def test_scikit_image_agrees() -> None:
    """Its Sobel is a quarter of ours, its magnitude the root of the mean of both squares."""
    filters = pytest.importorskip("skimage.filters", reason="scikit-image is not installed")
    exposure = pytest.importorskip("skimage.exposure", reason="scikit-image is not installed")
    x = image(12, 10)
    pairs = [
        (reimpl.gaussian_blur(x, 1.5), filters.gaussian(x.numpy(), 1.5)),
        (reimpl.sobel(x)[0] / 4, filters.sobel_h(x.numpy())),
        (reimpl.sobel(x)[1] / 4, filters.sobel_v(x.numpy())),
        (reimpl.sobel_magnitude(x) / math.sqrt(32), filters.sobel(x.numpy())),
        (
            reimpl.difference_of_gaussians(x, 1.0, 1.6),
            -filters.difference_of_gaussians(x.numpy(), 1.0, 1.6),
        ),
        (reimpl.gamma(x, 2.2), exposure.adjust_gamma(x.numpy(), 2.2)),
    ]
    for ours, other in pairs:
        torch.testing.assert_close(ours, torch.from_numpy(other), rtol=1e-12, atol=1e-12)
