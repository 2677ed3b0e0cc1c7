"""Claims about checkerboard artefacts: rows C5 and E6.

They are measured by how many taps of the kernel reach each output: a transposed convolution of ones
with ones. Where that is uneven away from the border, an even image becomes uneven.
"""

from __future__ import annotations

from math import gcd
from typing import Any, NamedTuple

from hypothesis import strategies as st

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import CLOSE, SEEDS, differs, integers, ones, unless
from parity_tests.claims.pictures import grid

STRIDES = st.sampled_from([2, 3, 4])


class Upsampling(NamedTuple):
    """A transposed convolution, alike along every axis."""

    kernel: int
    stride: int
    dilation: int

    @property
    def reach(self) -> int:
        """From the first tap to the last."""
        return self.dilation * (self.kernel - 1)

    @property
    def size(self) -> int:
        """So many inputs that two strides of the output lie away from the border."""
        return 3 + -(-self.reach // self.stride)


def taps(nn: Any, u: Upsampling) -> list[int]:
    """How many taps reach each output along one axis."""
    y, w = ones(1, 1, u.size), ones(1, 1, u.kernel)
    x = nn.conv_transpose1d(y, w, None, u.stride, dilation=u.dilation)
    return [int(n) for n in x.flatten()]


def interior(counts: list[int], u: Upsampling) -> list[int]:
    """Those of the outputs for which every input that could reach them exists."""
    return counts[u.reach : u.stride * (u.size - 1) + 1]


def overlap_picture(nn: Any, upsampling: Upsampling) -> str:
    """How many taps reach each output over two axes."""
    u = upsampling
    x = nn.conv_transpose2d(
        ones(1, 1, u.size, u.size),
        ones(1, 1, u.kernel, u.kernel),
        None,
        u.stride,
        dilation=u.dilation,
    )
    title = f"Taps that reach each output: kernel {u.kernel}, stride {u.stride}"
    return grid(x[0, 0], title + f", dilation {u.dilation}" * (u.dilation > 1))


def uneven(nn: Any, u: Upsampling) -> Contradiction:
    """The taps that reach the outputs, if not all inner ones are reached by equally many."""
    counts = taps(nn, u)
    listed = ", ".join(map(str, counts))
    return unless(len(set(interior(counts, u))) == 1, f"the outputs are reached by {listed} taps")


# --- C5 ---


def overlap_varies_with_the_stride(nn: Any, upsampling: Upsampling) -> Contradiction:
    """The taps that reach the outputs away from the border: uneven, and repeated by the stride."""
    s, inner = upsampling.stride, interior(taps(nn, upsampling), upsampling)
    if len(set(inner)) == 1:
        return f"all are reached by {inner[0]} taps"
    return unless(inner[s:] == inner[:-s], f"they are reached by {inner} taps")


def overlap_is_even(nn: Any, upsampling: Upsampling) -> Contradiction:
    """Whether all outputs away from the border are reached by equally many taps."""
    return uneven(nn, upsampling)


def resized_is_even(nn: Any, mode: str, factor: int, kernel: int, seed: int) -> Contradiction:
    """A constant image, resized, then convolved with any kernel: whether it stays constant."""
    w = integers(seed, 1, 1, kernel, kernel)
    x = nn.conv2d(nn.interpolate(ones(1, 1, 4, 4), scale_factor=factor, mode=mode), w)
    return differs(x, w.sum().expand_as(x), within=CLOSE)


# --- E6 ---


def transposed_convolution_is_even(nn: Any, upsampling: Upsampling) -> Contradiction:
    """The same of transposed convolutions whatever their kernel and stride, without dilation."""
    return uneven(nn, upsampling)


CLAIMS = (
    Claim(
        row="C5",
        says="The number of taps that reach an output of a transposed convolution varies, with "
        "the stride as its period.",
        verdict="holds if",
        condition="the stride does not divide the kernel",
        within=lambda upsampling: upsampling.kernel % upsampling.stride > 0,
        property=overlap_varies_with_the_stride,
        cases={"upsampling": st.builds(Upsampling, st.integers(1, 7), STRIDES, st.just(1))},
    ),
    Claim(
        row="C5",
        says="With a kernel that the stride divides, all outputs away from the border are reached "
        "by equally many taps.",
        verdict="holds if",
        condition="the dilation has no divisor in common with the stride, as dilation 1",
        within=lambda upsampling: gcd(upsampling.stride, upsampling.dilation) == 1,
        property=overlap_is_even,
        cases={
            "upsampling": st.builds(
                lambda stride, multiple, dilation: Upsampling(stride * multiple, stride, dilation),
                STRIDES,
                st.integers(1, 3),
                st.integers(1, 5),
            )
        },
        picture=overlap_picture,
    ),
    Claim(
        row="C5",
        says="Resizing and then convolving has no checkerboard artefacts.",
        verdict="holds",
        property=resized_is_even,
        cases={
            "mode": st.sampled_from(["nearest", "bilinear", "bicubic"]),
            "factor": st.integers(2, 4),
            "kernel": st.integers(1, 5),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="E6",
        says="Transposed convolution avoids checkerboard artefacts.",
        verdict="refuted",
        property=transposed_convolution_is_even,
        cases={
            "upsampling": st.builds(
                Upsampling, st.sampled_from([3, 2, 4, 5, 6]), STRIDES, st.just(1)
            )
        },
        picture=overlap_picture,
    ),
)
