"""Claims about sizes: rows E1 and E2, and what D1 says of the stride."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import SEEDS, differs, integers, refusal, unless


class Geometry(NamedTuple):
    """A convolution along one axis."""

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def cut(self) -> int:
        """How many entries of the padded input lie behind the last window."""
        return (self.size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) % self.stride


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """A kernel that fits at least once."""
    kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    padding, dilation = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    least = max(1, dilation * (kernel - 1) + 1 - 2 * padding)
    return Geometry(draw(st.integers(least, least + 8)), kernel, stride, padding, dilation)


def convolved(nn: Any, g: Geometry) -> int:
    """The size of a convolution's output."""
    x, w = torch.zeros(1, 1, g.size), torch.zeros(1, 1, g.kernel)
    return int(nn.conv1d(x, w, None, g.stride, g.padding, g.dilation).shape[-1])


def transposed(nn: Any, size: int, g: Geometry, output_padding: int = 0) -> int:
    """The size of what the transpose makes of ``size``."""
    y, w = torch.zeros(1, 1, size), torch.zeros(1, 1, g.kernel)
    x = nn.conv_transpose1d(y, w, None, g.stride, g.padding, output_padding, 1, g.dilation)
    return int(x.shape[-1])


# --- E1, D1 ---


def short_size_formula(nn: Any, geometry: Geometry) -> Contradiction:
    """The output's size against (I + 2P − F)/S + 1, as a fraction."""
    I, F, S, P, _ = geometry
    found, said = convolved(nn, geometry), Fraction(I + 2 * P - F, S) + 1
    return unless(found == said, f"the size is {found}, the formula says {said}")


def general_size_formula(nn: Any, geometry: Geometry) -> Contradiction:
    """The output's size against ⌊(I + 2P − D(F−1) − 1)/S⌋ + 1."""
    I, F, S, P, D = geometry
    found, said = convolved(nn, geometry), (I + 2 * P - D * (F - 1) - 1) // S + 1
    return unless(found == said, f"the size is {found}, the formula says {said}")


def stride_is_the_factor(
    nn: Any, size: int, kernel: int, stride: int, padding: int
) -> Contradiction:
    """The output's size times the stride, beside the input's size."""
    found = convolved(nn, Geometry(size, kernel, stride, padding, 1))
    return unless(found * stride == size, f"{size} becomes {found}, not {Fraction(size, stride)}")


def padding_matches(size: int, kernel: int, stride: int, padding: int) -> bool:
    """As many windows as strides: ⌊(L + 2p − K)/s⌋ + 1 = L/s."""
    return size % stride == 0 and kernel - stride <= 2 * padding < kernel


# --- E2 ---


def transpose_returns_to_the_size(nn: Any, geometry: Geometry) -> Contradiction:
    """The input's size, through the convolution and its transpose without output_padding."""
    M = convolved(nn, geometry)
    refused = refusal(lambda: transposed(nn, M, geometry))
    if refused:
        return f"{geometry.size} becomes {M}, and that is refused: {refused}"
    L = transposed(nn, M, geometry)
    return unless(geometry.size == L, f"{geometry.size} becomes {M}, and that becomes {L}")


def output_padding_picks(nn: Any, geometry: Geometry) -> Contradiction:
    """The S sizes from I − r on, r what S leaves over: all one output's, by output_padding."""
    M, least = convolved(nn, geometry), geometry.size - geometry.cut
    for extra in range(geometry.stride):
        L = least + extra
        if L < 1:
            continue
        there = convolved(nn, geometry._replace(size=L))
        back = transposed(nn, M, geometry, extra)
        if (there, back) != (M, L):
            return f"{L} becomes {there}, and {M} with output_padding={extra} becomes {back}"
    beyond = convolved(nn, geometry._replace(size=least + geometry.stride))
    return unless(beyond == M + 1, f"{least + geometry.stride} becomes {beyond}")


def output_equals_input(nn: Any, size: int, stride: int) -> Contradiction:
    """The transpose's output size beside its input size, for a kernel of 2."""
    L = transposed(nn, size, Geometry(0, 2, stride, 0, 1))
    return unless(size == L, f"{size} becomes {L}")


def output_proportional_to_input(nn: Any, size: int, stride: int) -> Contradiction:
    """The transpose's output sizes for an input and for one twice as large, for a kernel of 2."""
    one, two = (transposed(nn, n, Geometry(0, 2, stride, 0, 1)) for n in (size, 2 * size))
    return unless(two == 2 * one, f"{size} becomes {one}, but {2 * size} becomes {two}")


def nine_values_reshaped(nn: Any) -> Contradiction:
    """Nine values to the shape (1, 5, 5, 1), for a transposed convolution."""
    kernel = torch.zeros(1, 1, 2, 2)
    return refusal(
        lambda: nn.conv_transpose2d(torch.arange(9.0).reshape(1, 5, 5, 1).movedim(3, 1), kernel)
    )


def three_by_three(nn: Any, stride: int, seed: int) -> Contradiction:
    """The transpose with [[1, 0], [0, 1]] against two copies of 3×3 values, one place apart."""
    x = integers(seed, 3, 3)
    kernel = torch.eye(2, dtype=x.dtype)
    L = 2 + 2 * stride
    expected = x.new_zeros(L, L)
    for k in (0, 1):
        expected[k : L + k - 1 : stride, k : L + k - 1 : stride] += x
    return differs(
        nn.conv_transpose2d(x[None, None], kernel[None, None], None, stride)[0, 0], expected
    )


CLAIMS = (
    Claim(
        row="E1",
        says="A convolution's output has the size (I + 2P − F)/S + 1.",
        verdict="holds if",
        condition="S divides I + 2P − F and the dilation is 1",
        within=lambda geometry: geometry.dilation == 1 and geometry.cut == 0,
        property=short_size_formula,
        cases={"geometry": geometries()},
    ),
    Claim(
        row="E1",
        says="In general it has the size ⌊(I + 2P − D(F−1) − 1)/S⌋ + 1.",
        verdict="holds",
        property=general_size_formula,
        cases={"geometry": geometries()},
    ),
    Claim(
        row="D1",
        says="The stride is the factor by which the image shrinks.",
        verdict="holds if",
        condition="the stride divides the size and the padding matches: K − S ≤ 2P < K",
        within=padding_matches,
        property=stride_is_the_factor,
        cases={
            "size": st.sampled_from([32, 8, 9, 12, 30]),
            "kernel": st.sampled_from([3, 1, 2, 4, 5]),
            "stride": st.sampled_from([2, 1, 3, 4]),
            "padding": st.integers(0, 3),
        },
    ),
    Claim(
        row="E2",
        says="A transposed convolution, S(M − 1) + D(F−1) + 1 − 2P, returns to the size that the "
        "convolution came from.",
        verdict="holds if",
        condition="S divides I + 2P − D(F−1) − 1",
        within=lambda geometry: geometry.cut == 0,
        property=transpose_returns_to_the_size,
        cases={"geometry": geometries()},
    ),
    Claim(
        row="E2",
        says="S input sizes share one output size, and output_padding picks among them.",
        verdict="holds",
        property=output_padding_picks,
        cases={"geometry": geometries()},
    ),
    Claim(
        row="E2",
        says="The transpose's output is as large as its input.",
        verdict="refuted",
        property=output_equals_input,
        cases={"size": st.integers(3, 9), "stride": st.integers(1, 2)},
    ),
    Claim(
        row="E2",
        says="The transpose's input and output are proportional in size.",
        verdict="refuted",
        property=output_proportional_to_input,
        cases={"size": st.integers(3, 9), "stride": st.integers(1, 2)},
    ),
    Claim(
        row="E2",
        says="Nine values are reshaped to (1, 5, 5, 1).",
        verdict="refuted",
        property=nine_values_reshaped,
    ),
    Claim(
        row="E2",
        says="As 3×3, with the kernel [[1, 0], [0, 1]], they become 4×4 at stride 1 and 6×6 at "
        "stride 2: two copies, one moved by a place down and right, added.",
        verdict="holds",
        property=three_by_three,
        cases={"stride": st.integers(1, 2), "seed": SEEDS},
    ),
)
