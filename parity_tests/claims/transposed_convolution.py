"""Claims about convolution as a matrix and its transpose: rows C3, C4 and E3."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import SEEDS, differs, integers, ones, refusal, unless
from reimpl.analysis.convolution_matrix import convolution_matrix

KERNELS = st.sampled_from([3, 2, 1, 4])
STRIDES = st.integers(1, 3)


def matrix_of(linear: Callable[[Tensor], Tensor], rows: int, columns: int) -> Tensor:
    """The matrix of a linear map of images, from what it makes of each unit image."""
    units = torch.eye(rows * columns, dtype=torch.float64)
    return linear(units.reshape(-1, 1, rows, columns)).flatten(1).T


def connected(A: Tensor) -> Tensor:
    """1 where an entry of a matrix is not zero."""
    return (A != 0).double()


def connections(A: Tensor) -> tuple[int, int]:
    """The most entries that a row has, and that a column has."""
    return int(connected(A).sum(1).max()), int(connected(A).sum(0).max())


# --- C3 ---


def four_by_sixteen(nn: Any, seed: int) -> Contradiction:
    """A 4×4 input and a 3×3 kernel: the shapes of the output, of the matrix, and their product."""
    x, w = integers(seed, 1, 1, 4, 4), integers(seed + 1, 1, 1, 3, 3)
    A, y = convolution_matrix(w, (4, 4)).to_dense(), nn.conv2d(x, w)
    if (tuple(A.shape), tuple(y.shape)) != ((4, 16), (1, 1, 2, 2)):
        return f"the matrix is {tuple(A.shape)}, the output {tuple(y.shape)}"
    return differs(y.flatten(), A @ x.flatten())


def transpose_goes_back(nn: Any, seed: int) -> Contradiction:
    """conv_transpose2d of 2×2 with 3×3 against the 16×4 transpose of that matrix."""
    y, w = integers(seed, 1, 1, 2, 2), integers(seed + 1, 1, 1, 3, 3)
    A = convolution_matrix(w, (4, 4)).to_dense()
    return differs(nn.conv_transpose2d(y, w), (A.T @ y.flatten()).reshape(1, 1, 4, 4))


def many_to_one_and_back(nn: Any) -> Contradiction:
    """3×3 on 4×4: nine entries in each row of the matrix and in each column of its transpose's."""
    w = ones(1, 1, 3, 3)
    A = matrix_of(lambda x: nn.conv2d(x, w), 4, 4)
    B = matrix_of(lambda y: nn.conv_transpose2d(y, w), 2, 2)
    rows, columns = connected(A).sum(1).tolist(), connected(B).sum(0).tolist()
    if rows != [9] * 4 or columns != [9] * 4:
        return f"outputs are made of {rows} inputs; inputs of the transpose touch {columns}"
    return differs(connected(B), connected(A.T))


def one_to_one_and_many_to_many(nn: Any, kernel: int, stride: int) -> Contradiction:
    """The most entries in the rows and columns of both matrices."""
    w = ones(1, 1, kernel, kernel)
    there = connections(matrix_of(lambda x: nn.conv2d(x, w, None, stride), 4, 4))
    back = connections(matrix_of(lambda y: nn.conv_transpose2d(y, w, None, stride), 2, 2))
    return unless(
        there == (1, 1) and min(back) > 1,
        f"rows and columns have up to {there} entries, and {back} in the transpose",
    )


def learned_in_the_shape_of_the_transpose(nn: Any, kernel: int, seed: int) -> Contradiction:
    """A layer's matrix against a convolution's transpose: where it is zero; whether it learns."""
    layer = nn.ConvTranspose2d(1, 1, kernel, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(integers(seed, 1, 1, kernel, kernel).abs() + 1)
    layer(integers(seed + 1, 1, 1, 2, 2) + 4).square().sum().backward()
    w, L = -ones(1, 1, kernel, kernel), kernel + 1
    transpose = matrix_of(lambda x: nn.conv2d(x, w), L, L).T
    own = matrix_of(layer, 2, 2).detach()
    if not bool((layer.weight.grad != 0).all()):
        return "the weight has no gradient"
    return differs(connected(own), connected(transpose)) or unless(
        differs(own, transpose) is not None, "the values are those of the convolution"
    )


def transpose_of_no_convolution(nn: Any, kernel: int, stride: int, seed: int) -> Contradiction:
    """A transposed layer's matrix against the transpose of the convolution of the same weight."""
    w = integers(seed, 1, 1, kernel, kernel) * 2 + 1
    L = stride + kernel
    own = matrix_of(lambda y: nn.conv_transpose2d(y, w, None, stride), 2, 2)
    A = matrix_of(lambda x: nn.conv2d(x, w, None, stride), L, L)
    return unless(
        differs(own, A.T) is not None, "it is the transpose of the convolution with its own weight"
    )


# --- C4 ---


def transposed_weight(
    nn: Any, rank: int, channels: tuple[int, int], groups: int, kernel: int
) -> Contradiction:
    """The weight's shape, the channels being so many in each group."""
    I, O = channels
    layer = getattr(nn, f"ConvTranspose{rank}d")(I * groups, O * groups, kernel, groups=groups)
    found, expected = tuple(layer.weight.shape), (I * groups, O, *[kernel] * rank)
    return unless(found == expected, f"it is {found}, not {expected}")


def padded_by_zeros_only(nn: Any, rank: int, mode: str) -> Contradiction:
    """Whether a transposed layer with another padding_mode is refused."""
    layer = getattr(nn, f"ConvTranspose{rank}d")
    if mode == "zeros":
        return refusal(lambda: layer(1, 1, 3, padding_mode=mode))
    return unless(refusal(lambda: layer(1, 1, 3, padding_mode=mode)) is not None, "it is accepted")


def output_size_is_chosen(nn: Any, size: int, kernel: int, stride: int) -> Contradiction:
    """Which output sizes around the least are accepted, and what comes out."""
    layer, y = nn.ConvTranspose2d(1, 1, kernel, stride), torch.zeros(1, 1, size, size)
    least = stride * (size - 1) + kernel
    for L in range(least - 1, least + stride + 1):

        def output(L: int = L) -> tuple[int, ...]:
            return tuple(layer(y, output_size=(L, L)).shape)

        refused, fits = refusal(output), least <= L < least + stride
        if fits != (refused is None):
            return f"{size} to {L}: {refused or 'it is accepted'}"
        if fits and output() != (1, 1, L, L):
            return f"{size} to {L}: the output is {output()}"
    return None


def three_channels_to_one(nn: Any, size: int) -> Contradiction:
    """ConvTranspose2d(3, 1, 3, stride=2): its weight's shape, and its output's."""
    layer = nn.ConvTranspose2d(3, 1, 3, stride=2)
    found = tuple(layer.weight.shape), tuple(layer(torch.zeros(1, 3, size, size)).shape)
    expected = (3, 1, 3, 3), (1, 1, 2 * size + 1, 2 * size + 1)
    return unless(found == expected, f"they are {found}, not {expected}")


# --- E3 ---


class Transpose(NamedTuple):
    """A transposed convolution of squares with squares."""

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def span(self) -> int:
        """What the inputs reach."""
        return self.stride * (self.size - 1) + self.dilation * (self.kernel - 1) + 1


@st.composite
def transposes(draw: st.DrawFn) -> Transpose:
    """Padding that leaves something."""
    size, kernel, stride = (draw(st.integers(1, 3)) for _ in range(3))
    t = Transpose(size, kernel, stride, 0, draw(st.integers(1, 2)))
    return t._replace(padding=draw(st.integers(0, min(2, (t.span - 1) // 2))))


def scattered(y: Tensor, w: Tensor, t: Transpose) -> Tensor:
    """Each input times the kernel, added where it lies; the padding cut off."""
    x = torch.zeros(t.span, t.span, dtype=y.dtype)
    reach = t.dilation * (t.kernel - 1) + 1
    for i, j in product(range(t.size), repeat=2):
        u, v = t.stride * i, t.stride * j
        x[u : u + reach : t.dilation, v : v + reach : t.dilation] += y[i, j] * w
    return x[t.padding : t.span - t.padding, t.padding : t.span - t.padding]


def three_equal_computations(nn: Any, transpose: Transpose, seed: int) -> Contradiction:
    """Scatter, the transposed matrix, and zeros inserted then convolved with the kernel turned."""
    t, L = transpose, transpose.span - 2 * transpose.padding
    y, w = integers(seed, t.size, t.size), integers(seed + 1, t.kernel, t.kernel)
    kernel = w[None, None]
    expected = scattered(y, w, t)
    A = convolution_matrix(kernel, (L, L), t.stride, t.padding, t.dilation).to_dense()
    by_matrix = (A.T @ y.flatten()).reshape(L, L)
    apart = y.new_zeros(1, 1, *[t.stride * (t.size - 1) + 1] * 2)
    apart[0, 0, :: t.stride, :: t.stride] = y
    around = t.dilation * (t.kernel - 1) - t.padding
    padded = nn.pad(apart, [around] * 4)
    by_zeros = nn.conv2d(padded, kernel.flip(2, 3), None, 1, 0, t.dilation)[0, 0]
    built_in = nn.conv_transpose2d(
        y[None, None], kernel, None, t.stride, t.padding, 0, 1, t.dilation
    )
    return (
        differs(built_in[0, 0], expected)
        or differs(by_matrix, expected)
        or differs(by_zeros, expected)
    )


CLAIMS = (
    Claim(
        row="C3",
        says="Convolution of a 4×4 input with a 3×3 kernel is a 4×16 matrix, and gives 2×2.",
        verdict="holds",
        property=four_by_sixteen,
        cases={"seed": SEEDS},
    ),
    Claim(
        row="C3",
        says="Its 16×4 transpose goes back from 2×2 to 4×4: that is the transposed convolution.",
        verdict="holds",
        property=transpose_goes_back,
        cases={"seed": SEEDS},
    ),
    Claim(
        row="C3",
        says="Convolution makes one value of nine, its transpose nine of one, along the same "
        "connections.",
        verdict="holds",
        property=many_to_one_and_back,
    ),
    Claim(
        row="C3",
        says="Convolution is one-to-one and its transpose many-to-many.",
        verdict="refuted",
        property=one_to_one_and_many_to_many,
        cases={"kernel": st.sampled_from([3, 2, 1]), "stride": st.integers(1, 2)},
    ),
    Claim(
        row="C3",
        says="The weights of a transposed layer are learned: its shape and its connections are "
        "those of a convolution's transpose, its values are its own.",
        verdict="holds",
        property=learned_in_the_shape_of_the_transpose,
        cases={"kernel": KERNELS, "seed": SEEDS},
    ),
    Claim(
        row="C3",
        says="So a transposed layer is not the transpose of any convolution.",
        verdict="refuted",
        property=transpose_of_no_convolution,
        cases={"kernel": KERNELS, "stride": STRIDES, "seed": SEEDS},
    ),
    Claim(
        row="C4",
        says="The weight of ConvTranspose1d, 2d and 3d is (I, O/groups, *K).",
        verdict="holds",
        property=transposed_weight,
        cases={
            "rank": st.integers(1, 3),
            "channels": st.tuples(st.integers(1, 3), st.integers(1, 3)),
            "groups": st.integers(1, 3),
            "kernel": st.integers(1, 3),
        },
    ),
    Claim(
        row="C4",
        says="Transposed layers know padding_mode='zeros' only.",
        verdict="holds",
        property=padded_by_zeros_only,
        cases={
            "rank": st.integers(1, 3),
            "mode": st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
        },
    ),
    Claim(
        row="C4",
        says="forward(x, output_size) chooses among the S sizes that are possible.",
        verdict="holds",
        property=output_size_is_chosen,
        cases={"size": st.integers(1, 4), "kernel": KERNELS, "stride": STRIDES},
    ),
    Claim(
        row="C4",
        says="ConvTranspose2d(3, 1, 3, stride=2) takes three channels of M×M to one of "
        "(2M + 1)×(2M + 1).",
        verdict="holds",
        property=three_channels_to_one,
        cases={"size": st.integers(1, 6)},
    ),
    Claim(
        row="E3",
        says="A transposed convolution is computed in three equal ways: by scattering, by the "
        "transposed matrix, and by inserting zeros and convolving with the kernel turned around.",
        verdict="holds",
        property=three_equal_computations,
        cases={"transpose": transposes(), "seed": SEEDS},
    ),
)
