"""Claims about image operators: rows A1, A3 and A4. Torch has no such operators."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import CLOSE, SEEDS, differs, numbers, unless

REIMPL = ("reimpl",)
SIZES = st.integers(3, 9)
CUTOFFS = st.sampled_from([0.1, 0.25, 0.4])
PASSES = st.sampled_from(["ideal", "gaussian"])

# --- A1 ---


def stretches(nn: Any, gamma: float, place: float) -> Contradiction:
    """The slope at a place above, or below, the brightness v* = γ^(1/(1 − γ)) of slope one."""
    turn = gamma ** (1 / (1 - gamma))
    bright, dark = turn + (1 - turn) * place, turn * (1 - place)
    v = torch.tensor([bright, dark], dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(nn.gamma(v, gamma).sum(), v)
    high, low = slopes.tolist() if gamma > 1 else slopes.flip(0).tolist()
    said = f"the slope is {slopes[0]:.3g} at {bright:.3g} and {slopes[1]:.3g} at {dark:.3g}"
    return unless(high > 1 > low, said)


# --- A3 ---


def passes(nn: Any, kind: str, low: bool) -> Any:
    """One of the four filters."""
    return getattr(nn, f"{kind}_{'low' if low else 'high'}_pass")


def keeps_mean_removes_detail(
    nn: Any, kind: str, height: int, width: int, cutoff: float, seed: int
) -> Contradiction:
    """Mean and variance of an image before and after a low-pass filter."""
    x = numbers(seed, height, width)
    y = passes(nn, kind, low=True)(x, cutoff)
    less = float(y.var() - x.var())
    return differs(y.mean(), x.mean(), within=CLOSE) or unless(
        less <= CLOSE, f"the variance grows by {less:.3g}"
    )


def low_and_high(
    nn: Any, kind: str, height: int, width: int, cutoff: float, seed: int
) -> Contradiction:
    """What passes low and what passes high, added."""
    x = numbers(seed, height, width)
    both = passes(nn, kind, low=True)(x, cutoff) + passes(nn, kind, low=False)(x, cutoff)
    return differs(both, x, within=CLOSE)


def convolution_theorem(nn: Any, length: int, seed: int) -> Contradiction:
    """The transform of a cyclic convolution against the product of the transforms."""
    x, w = numbers(seed, length), numbers(seed + 1, length)
    cyclic = torch.stack([(w * x.flip(0).roll(n + 1)).sum() for n in range(length)])
    product = nn.fft(x) * nn.fft(w)
    return differs(torch.view_as_real(nn.fft(cyclic)), torch.view_as_real(product), within=CLOSE)


# --- A4 ---


def dog_is_like_log(nn: Any, sigma: float, halvings: int, seed: int) -> Contradiction:
    """The relative error of DoG ≈ (k − 1)σ²·LoG as k − 1 is halved."""
    x = nn.gaussian_blur(numbers(seed, 24, 24), 1.0)  # smooth, as sampled images are

    def error(k: float) -> float:
        approximated = (k - 1) * sigma**2 * nn.laplacian_of_gaussian(x, sigma, truncate=6.0)
        exact = nn.difference_of_gaussians(x, sigma, k, truncate=6.0)
        return float((exact - approximated)[6:-6, 6:-6].norm() / approximated[6:-6, 6:-6].norm())

    wide, narrow = error(1 + 0.8 / 2**halvings), error(1 + 0.4 / 2**halvings)
    said = f"the error goes from {wide:.3g} to {narrow:.3g} as k − 1 is halved"
    return unless(narrow < 0.7 * wide, said)


IMAGE = {"kind": PASSES, "height": SIZES, "width": SIZES, "cutoff": CUTOFFS, "seed": SEEDS}

CLAIMS = (
    Claim(
        row="A1",
        says="Gamma correction with γ > 1 stretches bright values and compresses dark ones; with "
        "γ < 1 it is the other way round.",
        verdict="holds",
        property=stretches,
        cases={
            "gamma": st.sampled_from([0.25, 0.4, 0.5, 0.8, 1.25, 1.5, 2.0, 2.2, 4.0]),
            "place": st.sampled_from([0.1, 0.3, 0.5, 0.9]),
        },
        subjects=REIMPL,
    ),
    Claim(
        row="A3",
        says="A low-pass filter removes detail and keeps the mean.",
        verdict="holds",
        property=keeps_mean_removes_detail,
        cases=IMAGE,
        subjects=REIMPL,
    ),
    Claim(
        row="A3",
        says="What passes low and what passes high add up to the image.",
        verdict="holds",
        property=low_and_high,
        cases=IMAGE,
        subjects=REIMPL,
    ),
    Claim(
        row="A3",
        says="The transform of a cyclic convolution is the product of the transforms.",
        verdict="holds",
        property=convolution_theorem,
        cases={"length": st.integers(1, 40), "seed": SEEDS},
        subjects=REIMPL,
    ),
    Claim(
        row="A4",
        says="The difference of Gaussians, σ and kσ, is nearly (k − 1)σ²·LoG(σ), the better the "
        "nearer k is to one.",
        verdict="holds",
        property=dog_is_like_log,
        cases={
            "sigma": st.sampled_from([1.5, 2.0]),
            "halvings": st.integers(0, 3),
            "seed": SEEDS,
        },
        subjects=REIMPL,
    ),
)
