"""Claims about pooling: rows B1 and B2."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch import nn as modules

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import CLOSE, SEEDS, differs, integers, unless

WINDOWS = st.integers(1, 3)


def pooled(nn: Any, kind: str, x: Tensor, window: int) -> Tensor:
    """Pooling of images by square windows side by side."""
    return nn.max_pool2d(x, window) if kind == "max" else nn.avg_pool2d(x, window)


# --- B1 ---


def example_of_large_image(nn: Any) -> Contradiction:
    """The shape and the maxima of the notes' example, against NumPy-style blocks."""
    values = torch.arange(64 * 224 * 224) * 7919 % 225  # integers 0 … 224 in some order
    x = values.float().reshape(1, 64, 224, 224)
    blocks = x.reshape(1, 64, 112, 2, 112, 2).amax((3, 5))
    return differs(nn.MaxPool2d(2, stride=2)(x), blocks)


def integers_average(nn: Any, values: list[int]) -> Contradiction:
    """avg_pool1d of an int64 tensor against the mean, truncated toward zero."""
    x = torch.tensor([values])
    got = nn.avg_pool1d(x, len(values)).item()
    mean = sum(values) / len(values)
    return unless(got == mean, f"the mean of {values} is {mean:g}, the result {got}: truncated")


# --- B2 ---


def channels_alone(nn: Any, kind: str, channels: int, window: int, seed: int) -> Contradiction:
    """Pooling all channels at once against one at a time."""
    x = integers(seed, 2, channels, 6, 6)
    alone = torch.cat([pooled(nn, kind, c, window) for c in x.split(1, 1)], 1)
    return differs(pooled(nn, kind, x, window), alone, within=CLOSE)


def additive(nn: Any, kind: str, window: int, seed: int) -> float:
    """The largest |f(x + y) − f(x) − f(y)| of a few pairs: zero for all of them if f is linear."""
    gaps = []
    for i in range(20):
        x, y = integers(seed + i, 1, 1, 6, 6), integers(seed + 100 + i, 1, 1, 6, 6)
        parts = pooled(nn, kind, x, window) + pooled(nn, kind, y, window)
        gaps.append(float((pooled(nn, kind, x + y, window) - parts).abs().max()))
    return max(gaps)


def pooling_is_nonlinear(nn: Any, kind: str, window: int, seed: int) -> Contradiction:
    """Some of twenty pairs of images must break f(x + y) = f(x) + f(y)."""
    said = f"{kind} pooling of {window}×{window} windows keeps sums"
    return unless(additive(nn, kind, window, seed) > CLOSE, said)


def shifted_image(nn: Any, kind: str, window: int, shift: int, seed: int) -> Contradiction:
    """Pooling an image that was shifted cyclically against pooling the image."""
    x = integers(seed, 1, 1, 2 * window, 3 * window)
    return differs(
        pooled(nn, kind, x.roll(shift, -1), window), pooled(nn, kind, x, window), within=CLOSE
    )


def shifted_output(nn: Any, kind: str, window: int, shift: int, seed: int) -> Contradiction:
    """Pooling a shifted image against the output, shifted by as many strides."""
    x = integers(seed, 1, 1, 2 * window, 3 * window)
    expected = pooled(nn, kind, x, window).roll(shift // window, -1)
    return differs(pooled(nn, kind, x.roll(shift, -1), window), expected, within=CLOSE)


def turned(nn: Any, height: int, width: int, rest: int, seed: int) -> Contradiction:
    """Max pooling of an image turned by a quarter against the output, turned."""
    x = integers(seed, 1, 1, 2 * height + rest, 2 * width + rest)
    window = (height, width)
    y = nn.max_pool2d(x.rot90(1, (-2, -1)), window)
    return differs(y, nn.max_pool2d(x, window).rot90(1, (-2, -1)))


def parameters_of_what_follows(nn: Any, follower: str, window: int) -> Contradiction:
    """Parameters of the layer behind a pooling layer, against those without the pooling."""

    def count(size: int) -> int:
        behind: modules.Module = (
            nn.Conv2d(2, 3, 3) if follower == "convolution" else nn.Linear(2 * size * size, 3)
        )
        return sum(p.numel() for p in (*nn.MaxPool2d(window).parameters(), *behind.parameters()))

    with_pooling, without = count(12 // window), count(12)
    said = f"the {follower} has {with_pooling} parameters with pooling and {without} without"
    return unless(with_pooling < without, said)


def two_images_pool_alike(nn: Any, kind: str, window: int, seed: int) -> Contradiction:
    """Two different images, by construction with the same output."""
    x = integers(seed, 1, 1, window, window)
    entries = (other := x.clone()).view(-1)
    if kind == "max":
        entries[int(x.argmin())] -= 1
    else:
        entries[0] += 1
        entries[-1] -= 1
    return differs(pooled(nn, kind, x, window), pooled(nn, kind, other, window), within=CLOSE)


def noise_is_averaged(nn: Any, window: int) -> Contradiction:
    """Σ of the squared weights of each output: the variance of unit independent noise."""
    x = torch.zeros(1, 1, 2 * window, 2 * window, dtype=torch.float64, requires_grad=True)
    y = nn.avg_pool2d(x, window).flatten()
    rows = [torch.autograd.grad(v, x, retain_graph=True)[0] for v in y]
    variance = torch.stack([(row**2).sum() for row in rows])
    return differs(variance, torch.full_like(variance, 1 / window**2), within=CLOSE)


KINDS = st.sampled_from(["max", "avg"])

CLAIMS = (
    Claim(
        row="B1",
        says="MaxPool2d(2, stride=2) of (1, 64, 224, 224) integers 0 … 224 gives the maxima of "
        "2×2 blocks, (1, 64, 112, 112).",
        verdict="holds",
        property=example_of_large_image,
    ),
    Claim(
        row="B1",
        says="An int64 tensor can be average-pooled, as any other.",
        verdict="holds if",
        condition="the mean is an integer: the result is truncated toward zero",
        within=lambda values: sum(values) % len(values) == 0,
        property=integers_average,
        cases={"values": st.lists(st.integers(-9, 9), min_size=1, max_size=3)},
    ),
    Claim(
        row="B2",
        says="Pooling acts on each channel alone, and keeps the number of channels.",
        verdict="holds",
        property=channels_alone,
        cases={
            "kind": KINDS,
            "channels": st.integers(1, 4),
            "window": WINDOWS,
            "seed": SEEDS,
        },
    ),
    Claim(
        row="B2",
        says="Pooling is non-linear, be it by average.",
        verdict="refuted",
        property=pooling_is_nonlinear,
        label="average",
        cases={"kind": st.just("avg"), "window": st.integers(2, 3), "seed": SEEDS},
    ),
    Claim(
        row="B2",
        says="Max pooling is non-linear.",
        verdict="holds if",
        condition="the window has more than one element",
        within=lambda window, **_: window > 1,
        property=pooling_is_nonlinear,
        label="maximum",
        cases={"kind": st.just("max"), "window": WINDOWS, "seed": SEEDS},
    ),
    Claim(
        row="B2",
        says="Pooling is invariant to translation.",
        verdict="refuted",
        property=shifted_image,
        cases={
            "kind": KINDS,
            "window": st.integers(2, 3),
            "shift": st.integers(1, 6),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="B2",
        says="Pooling carries a translation of the image over to its output.",
        verdict="holds if",
        condition="the shift is a multiple of the stride",
        within=lambda window, shift, **_: shift % window == 0,
        property=shifted_output,
        cases={
            "kind": KINDS,
            "window": st.integers(2, 3),
            "shift": st.integers(0, 6),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="B2",
        says="Max pooling carries a quarter turn of the image over to its output.",
        verdict="holds if",
        condition="the window is square and divides the image",
        within=lambda height, width, rest, **_: height == width and not rest % height,
        property=turned,
        cases={
            "height": WINDOWS,
            "width": WINDOWS,
            "rest": st.integers(0, 3),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="B2",
        says="Pooling shrinks the model: the convolutions behind it have fewer parameters.",
        verdict="refuted",
        property=parameters_of_what_follows,
        label="convolution",
        cases={"follower": st.just("convolution"), "window": st.sampled_from([2, 3, 4])},
    ),
    Claim(
        row="B2",
        says="A linear layer behind pooling has fewer parameters.",
        verdict="holds",
        property=parameters_of_what_follows,
        label="linear",
        cases={"follower": st.just("linear layer"), "window": st.sampled_from([2, 3, 4])},
    ),
    Claim(
        row="B2",
        says="Pooling loses information: different images have the same output.",
        verdict="holds",
        property=two_images_pool_alike,
        cases={"kind": KINDS, "window": st.integers(2, 4), "seed": SEEDS},
    ),
    Claim(
        row="B2",
        says="Average pooling reduces noise: the variance of independent noise falls as one over "
        "the window's size.",
        verdict="holds",
        property=noise_is_averaged,
        cases={"window": st.integers(1, 5)},
    ),
)
