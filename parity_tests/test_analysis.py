"""What reimpl.analysis says about convolutions, against what torch does.

Random weights stand for all weights: a gradient that a path allows is zero with probability zero.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import reimpl
from reimpl.analysis import costs, overlap, receptive_field, separability, sizes
from reimpl.analysis.convolution_matrix import convolution_matrix

CONVS = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
TRANSPOSES: dict[int, Any] = {
    1: torch.conv_transpose1d,
    2: torch.conv_transpose2d,
    3: torch.conv_transpose3d,
}

few = settings(max_examples=60, deadline=None, derandomize=True, database=None)
kernels, strides, paddings, dilations = (
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 3),
)
geometry = st.tuples(kernels, strides, paddings, dilations)


def size_or_none(function: Any, *arguments: Any, **options: Any) -> Any:
    """What a call gives, or None where it is rejected."""
    try:
        return function(*arguments, **options)
    except RuntimeError:
        return None


# --- sizes


@few
@given(geometry, st.integers(1, 12), st.integers(0, 4))
def test_sizes_are_torchs(g: tuple[int, int, int, int], size: int, extra: int) -> None:
    k, s, p, d = g
    x, w = torch.zeros(1, 1, size), torch.zeros(1, 1, k)
    y = size_or_none(torch.conv1d, x, w, None, s, p, d)
    assert (None if y is None else y.shape[2]) == size_or_none(sizes.convolution_size, size, *g)
    y = size_or_none(torch.conv_transpose1d, x, w, None, s, p, extra, 1, d)
    assert (None if y is None else y.shape[2]) == size_or_none(
        sizes.transposed_size, size, k, s, p, extra, d
    )


@few
@given(geometry, st.integers(1, 12), st.booleans())
def test_pooling_sizes_are_torchs(g: tuple[int, int, int, int], size: int, ceil_mode: bool) -> None:
    k, s, p, d = g
    y = size_or_none(torch.max_pool1d, torch.zeros(1, 1, size), k, s, p, d, ceil_mode)
    ours = size_or_none(sizes.pooling_size, size, *g, ceil_mode)
    assert ours == (None if y is None else y.shape[2])


@given(geometry, st.integers(1, 5), st.booleans())
@few
def test_input_sizes_are_all_there_are(
    g: tuple[int, int, int, int], output: int, ceil_mode: bool
) -> None:
    if ceil_mode:
        assume(2 * g[2] <= g[0])

    def of(size: int) -> Any:
        if ceil_mode:
            return size_or_none(sizes.pooling_size, size, *g, ceil_mode)
        return size_or_none(sizes.convolution_size, size, *g)

    found = sizes.input_sizes(output, *g, ceil_mode)
    assert list(found) == [size for size in range(1, 60) if of(size) == output]


@few
@given(geometry, st.integers(1, 30))
def test_output_padding_leads_back(g: tuple[int, int, int, int], size: int) -> None:
    k, s, p, d = g
    output = size_or_none(sizes.convolution_size, size, *g)
    assume(output is not None)
    extra = sizes.output_padding(size, *g)
    assert sizes.transposed_size(output, k, s, p, extra, d) == size
    every = sizes.input_sizes(output, *g)
    assert every[-1] - size == s - 1 - extra


def test_the_short_formula_for_sizes_holds_if_nothing_is_rounded() -> None:
    """(I + 2P − F)/S + 1 is the size if S divides and D = 1, and not a whole number otherwise."""
    for size, k, s, p in product(range(5, 9), range(1, 5), range(1, 4), range(3)):
        short = Fraction(size + 2 * p - k, s) + 1
        assert (short == sizes.convolution_size(size, k, s, p)) == ((size + 2 * p - k) % s == 0)
    assert sizes.convolution_size(5, 3, dilation=2) == 1 != 5 - 3 + 1


def test_a_transposed_convolution_of_nine_values_worked_by_hand() -> None:
    """Nine values are 3×3, not 5×5; with the kernel [[1, 0], [0, 1]] and strides 1 and 2."""
    x = torch.arange(1.0, 10).reshape(1, 1, 3, 3)
    w = torch.eye(2).reshape(1, 1, 2, 2)
    by_one = [[1, 2, 3, 0], [4, 6, 8, 3], [7, 12, 14, 6], [0, 7, 8, 9]]
    assert reimpl.conv_transpose2d(x, w)[0, 0].tolist() == by_one
    y = reimpl.conv_transpose2d(x, w, stride=2)[0, 0]
    assert torch.equal(y, torch.kron(x[0, 0], w[0, 0]))
    assert [sizes.transposed_size(3, 2, s) for s in (1, 2)] == [4, 6]


# --- receptive fields


@few
@given(st.lists(geometry, min_size=1, max_size=3), st.integers(0, 2**31))
def test_receptive_field_is_what_the_gradient_reaches(
    stack: list[tuple[int, int, int, int]], seed: int
) -> None:
    layers = [receptive_field.Layer(*g) for g in stack]
    field = receptive_field.receptive_field(layers)
    # An input so long that its middle output does not see the padding.
    length, unit = 3 * field.size + 2 * field.jump, 0
    while field.of(unit).start < 0:
        unit += 1
    torch.manual_seed(seed)
    convs = [nn.Conv1d(1, 1, *g, dtype=torch.float64) for g in stack]
    x = torch.randn(1, 1, length + field.of(unit).stop, dtype=torch.float64)
    seen = receptive_field.support(nn.Sequential(*convs), x, (0, 0, unit))
    assert receptive_field.bounds(seen)[2] == field.of(unit)


def test_small_kernels_stacked_reach_as_far_with_fewer_parameters() -> None:
    for depth, large in ((2, 5), (3, 7)):
        small = receptive_field.receptive_field([receptive_field.Layer(3)] * depth)
        assert small == receptive_field.receptive_field([receptive_field.Layer(large)])
        plain = costs.convolution(8, 8, (3, 3), (4, 4)).parameters
        assert depth * plain < costs.convolution(8, 8, (large, large), (4, 4)).parameters


def test_dilation_widens_the_field_at_equal_parameters() -> None:
    for d in range(1, 5):
        conv = nn.Conv2d(1, 1, 3, dilation=d)
        assert conv.weight.numel() == 9
        seen = receptive_field.support(conv, torch.ones(1, 1, 9, 9), (0, 0, 0, 0))
        assert receptive_field.bounds(seen)[2:] == (range(2 * d + 1),) * 2
        assert seen.sum() == 9


# --- costs


def counted(function: Any, *inputs: Tensor) -> int:
    """The multiplications by torch's count, which has two operations for each."""
    with FlopCounterMode(display=False) as counter:
        function(*inputs)
    return counter.get_total_flops() // 2


@few
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), geometry, st.integers(8, 12))
def test_costs_are_torchs(G: int, C: int, O: int, g: tuple[int, int, int, int], size: int) -> None:
    k, s, p, d = g
    assume(size_or_none(sizes.convolution_size, size, *g) is not None)
    M = (sizes.convolution_size(size, *g),) * 2
    conv = nn.Conv2d(G * C, G * O, k, s, p, d, G, bias=False)
    found = costs.convolution(G * C, G * O, (k, k), M, G)
    assert found.parameters == conv.weight.numel()
    assert found.multiplications == counted(conv, torch.zeros(1, G * C, size, size))
    transposed = nn.ConvTranspose2d(G * C, G * O, k, s, groups=G, dilation=d, bias=False)
    found = costs.convolution(G * C, G * O, (k, k), (size, size), G)
    assert found.parameters == transposed.weight.numel()
    assert found.multiplications == counted(transposed, torch.zeros(1, G * C, size, size))


@few
@given(st.tuples(kernels, kernels), strides, paddings, st.integers(1, 3), st.integers(1, 4))
def test_costs_of_the_kinds_of_convolution(
    kernel: tuple[int, int], s: int, p: int, C: int, O: int
) -> None:
    x = torch.zeros(1, C, 7, 6)
    M = tuple(sizes.convolution_size(l, k, s, p) for l, k in zip((7, 6), kernel, strict=True))
    options: dict[str, Any] = {"stride": s, "padding": p, "bias": False}
    kinds = [
        (
            costs.depthwise_separable(C, O, kernel, M),
            reimpl.DepthwiseSeparableConv2d(C, O, kernel, **options),
        ),
        (
            costs.spatially_separable(C, kernel, (7, 6), s, p),
            reimpl.SpatiallySeparableConv2d(C, kernel, **options),
        ),
        (
            costs.flattened(C, O, kernel, (7, 6), s, p),
            reimpl.FlattenedConv2d(C, O, kernel, **options),
        ),
    ]
    for found, network in kinds:
        assert found.parameters == sum(w.numel() for w in network.parameters())
        as_torch = nn.Sequential(*map(torchs, network.children()))
        assert found.multiplications == counted(as_torch, x)


def test_costs_along_three_axes() -> None:
    """First axis first, each stage on what the ones before it left."""
    found = costs.spatially_separable(2, (2, 3, 4), (5, 6, 7))
    assert found == (2 * (2 + 3 + 4), 2 * (2 * 4 * 6 * 7 + 3 * 4 * 4 * 7 + 4 * 4 * 4 * 4))
    lateral = costs.convolution(3, 2, (1, 1, 1), (5, 6, 7))
    assert costs.flattened(3, 2, (2, 3, 4), (5, 6, 7)) == costs.total(lateral, found)


def torchs(layer: Any) -> nn.Conv2d:
    """Torch's layer of the same geometry, whose operations torch counts."""
    return nn.Conv2d(
        layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding,
        groups=layer.groups, bias=False,
    )  # fmt: skip


@few
@given(st.integers(1, 20), *[st.integers(0, 2)] * 2, *[st.integers(5, 9)] * 2)
def test_flattening_costs_a_sum_instead_of_a_product_if_sizes_are_kept(
    C: int, p: int, q: int, M: int, N: int
) -> None:
    """C·X·Y → C + X + Y per filter and place: with padding that keeps the size, not without."""
    X, Y = 2 * p + 1, 2 * q + 1
    kept = costs.flattened(C, 1, (X, Y), (M, N), padding=(p, q))
    assert kept == (C + X + Y, M * N * (C + X + Y))
    assert costs.convolution(C, 1, (X, Y), (M, N)) == (C * X * Y, M * N * C * X * Y)
    cut = costs.flattened(C, 1, (X, Y), (M, N)).multiplications
    assert cut == C * M * N + X * (M - 2 * p) * N + Y * (M - 2 * p) * (N - 2 * q)
    assert (cut == kept.multiplications) == (X == Y == 1)


@pytest.mark.parametrize("r", [2, 3, 4])
def test_transposed_convolution_costs_no_more_than_other_upsampling(r: int) -> None:
    """To r times the size with K·r taps an axis: as much as pixel shuffle, r² below resizing.

    That is what each multiplies; zeros inserted between inputs would be multiplied too.
    """
    C, O, K, L = 4, 3, 2, 5
    transposed = counted(nn.ConvTranspose2d(C, O, K * r, r), torch.zeros(1, C, L, L))
    assert transposed == costs.convolution(C, O, (K * r,) * 2, (L, L)).multiplications
    shuffled = costs.convolution(C, O * r * r, (K, K), (L, L)).multiplications
    resized = costs.convolution(C, O, (K * r,) * 2, (L * r, L * r)).multiplications
    assert transposed == shuffled == resized // r**2


# --- the matrix


def integers(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-9, 10, shape, generator=generator).double()


@few
@given(st.data(), st.integers(1, 3), st.integers(0, 2**31))
def test_the_matrix_is_the_convolution(data: st.DataObject, rank: int, seed: int) -> None:
    axes = [data.draw(geometry) for _ in range(rank)]
    K, s, p, d = (tuple(values) for values in zip(*axes, strict=True))
    L = tuple(
        data.draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), d * k + 2)) for k, _, p, d in axes
    )
    G, C, O = (data.draw(st.integers(1, 2)) for _ in "GCO")
    x, w = integers((1, G * C, *L), seed), integers((G * O, C, *K), seed + 1)
    y = CONVS[rank](x, w, None, s, p, d, G)
    A = convolution_matrix(w, L, s, p, d, G)
    assert A.shape == (y.numel(), x.numel())
    assert torch.equal(A @ x.flatten(), y.flatten())
    z = integers(tuple(y.shape), seed + 2)
    extra = tuple(sizes.output_padding(l, *g) for l, g in zip(L, axes, strict=True))
    back = TRANSPOSES[rank](z, w, None, s, p, extra, G, d)
    assert torch.equal(A.t() @ z.flatten(), back.flatten())


def test_the_notes_matrix() -> None:
    """4×4 under 3×3 is 4×16: nine taps a row, every input in one to four rows; many to one."""
    w = torch.arange(1.0, 10).reshape(1, 1, 3, 3)
    A = convolution_matrix(w, (4, 4)).to_dense()
    assert A.shape == (4, 16)
    assert (A != 0).sum(1).tolist() == [9] * 4
    per_input = (A != 0).sum(0).reshape(4, 4)
    assert per_input.tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]
    assert torch.equal(A[0].reshape(4, 4)[:3, :3], w[0, 0])


def test_the_matrix_takes_strings_and_passes_gradients_on() -> None:
    w = integers((2, 1, 4), 0).requires_grad_()
    x, c = integers((1, 1, 6), 1), integers((1, 2, 6), 2)
    A = convolution_matrix(w, (6,), padding="same", dilation=2)
    y = torch.nn.functional.pad(x, (3, 3))
    y = torch.conv1d(y, w, dilation=2)
    assert torch.equal(A @ x.flatten(), y.flatten())
    (ours,) = torch.autograd.grad((A.to_dense() @ x.flatten()) @ c.flatten(), w)
    (theirs,) = torch.autograd.grad((y * c).sum(), w)
    assert torch.equal(ours, theirs)


# --- separable kernels


@few
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2**31))
def test_products_are_factored_and_others_not(shape: list[int], seed: int) -> None:
    vectors = [integers((n,), seed + axis) for axis, n in enumerate(shape)]
    whole = reduce(lambda a, v: a.unsqueeze(-1) * v, vectors)
    listed = whole.long().tolist()
    factors = separability.exact_factors(listed)
    assert factors is not None
    for i in product(*map(range, shape)):
        made = reduce(lambda a, b: a * b, (f[j] for f, j in zip(factors, i, strict=True)))
        assert made == int(whole[i])
    assert separability.is_separable(whole)
    tolerance = 8 * whole.numel() * torch.finfo(torch.float64).eps
    again = separability.separate(whole).product()
    assert (again - whole).norm() <= tolerance * whole.norm()
    if bool(whole.all()) and sum(n > 1 for n in shape) > 1:
        whole.view(-1)[-1] += 1  # off the product in one entry alone
        assert separability.exact_factors(whole.long().tolist()) is None
        assert not separability.is_separable(whole)


@few
@given(st.integers(2, 4), st.integers(2, 4), st.integers(0, 2**31))
def test_the_error_is_that_of_the_other_singular_values(m: int, n: int, seed: int) -> None:
    kernel = integers((m, n), seed)
    assume(bool(kernel.any()))
    values = torch.linalg.svdvals(kernel)
    expected = float(values[1:].norm() / values.norm())
    assert separability.separate(kernel).error == pytest.approx(expected, abs=1e-13)


def test_the_notes_kernel_separates() -> None:
    whole = [[Fraction(v, 100) for v in row] for row in ((15, 20, 25), (21, 28, 35), (24, 32, 40))]
    factors = separability.exact_factors(whole)
    assert factors is not None
    column, row = factors
    scale = Fraction(3, 10) / row[0]
    assert [v / scale for v in column] == [Fraction(v, 10) for v in (5, 7, 8)]
    assert [v * scale for v in row] == [Fraction(v, 10) for v in (3, 4, 5)]


def test_a_separable_kernel_convolves_an_axis_at_a_time() -> None:
    kernel = integers((3, 1), 0) * integers((1, 3), 1)
    column, row = separability.separate(kernel).factors
    x = integers((1, 1, 6, 7), 2)
    staged = reimpl.conv2d(reimpl.conv2d(x, row.view(1, 1, 1, 3)), column.view(1, 1, 3, 1))
    torch.testing.assert_close(staged, reimpl.conv2d(x, kernel.view(1, 1, 3, 3)))


def test_no_kernel_of_rank_two_is_separable_however_close() -> None:
    nearly = torch.ones(2, 2, dtype=torch.float64)
    nearly[0, 0] += 1e-9
    assert not separability.is_separable(nearly)
    assert separability.is_separable(nearly, tolerance=1e-8)


# --- overlap


@few
@given(kernels, strides, paddings, dilations)
def test_overlap_is_periodic_inside(k: int, s: int, p: int, d: int) -> None:
    inputs = 4 * (d * k // s + s + 2) + 2 * p
    counts = overlap.overlap((inputs,), k, s, p, dilation=d).tolist()
    # Where every tap that fits finds an input.
    within = range(max(0, d * (k - 1) - p), min(len(counts), s * inputs - p))
    residues = overlap.interior_overlap(k, s, d)
    assert all(counts[l] == residues[(l + p) % s] for l in within)
    whole = [counts[l] for l in within]
    assert len(whole) > 2 * s
    periods = [t for t in range(1, s + 1) if whole[t:] == whole[:-t]]
    assert overlap.period(k, s, d) == periods[0]
    assert overlap.is_even(k, s, d) == (len(set(whole)) == 1)


def test_overlap_over_several_axes_is_a_product() -> None:
    one, other = overlap.overlap((3,), 3, 2, 1, 1), overlap.overlap((4,), 2, 3, 0, 0, 2)
    both = overlap.overlap((3, 4), (3, 2), (2, 3), (1, 0), (1, 0), (1, 2))
    assert torch.equal(both, one[:, None] * other)


def test_overlap_counts_the_taps() -> None:
    """Brute force, in the plane."""
    (m, n), (k, l), s, d = (2, 3), (3, 2), 2, 3
    expected = torch.zeros(s + d * 2 + 1, s * 2 + d + 1, dtype=torch.int64)
    for i, j, a, b in product(range(m), range(n), range(k), range(l)):
        expected[s * i + d * a, s * j + d * b] += 1
    assert torch.equal(overlap.overlap((m, n), (k, l), s, dilation=d), expected)
    assert overlap.overlap((1,), 3).tolist() == [1, 1, 1]


def test_transposed_convolution_makes_checkerboards_and_resizing_does_not() -> None:
    """A constant image through equal taps, away from the border."""
    x, taps = torch.ones(1, 1, 8), torch.ones(1, 1, 3)
    uneven = reimpl.conv_transpose1d(x, taps, stride=2)[0, 0, 2:-2]
    assert uneven.tolist() == [2, 1] * 6 + [2]
    resized = reimpl.conv1d(reimpl.interpolate(x, scale_factor=2), taps)
    assert resized.unique().tolist() == [3]


# --- bad input


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: sizes.convolution_size(5, 6), "kernel"),
        (lambda: sizes.pooling_size(5, 3, padding=2), "padding"),
        (lambda: sizes.transposed_size(5, 3, stride=2, output_padding=2), "output_padding"),
        (lambda: sizes.transposed_size(1, 2, padding=1), "size"),
        (lambda: receptive_field.receptive_field([receptive_field.Layer(3, 0)]), "stride"),
        (lambda: receptive_field.bounds(torch.zeros(2, dtype=torch.bool)), "seen"),
        (lambda: costs.convolution(3, 4, (3,), (5,), groups=2), "groups"),
        (lambda: costs.convolution(3, 4, (3, 3), (5,)), "positions"),
        (lambda: costs.flattened(3, 4, (3, 3), (2, 5)), "kernel"),
        (lambda: convolution_matrix(torch.ones(1, 1, 3), (2,)), "weight"),
        (lambda: convolution_matrix(torch.ones(2, 1, 3), (5,), groups=3), "groups"),
        (lambda: separability.separate(torch.ones(0, 3)), "kernel"),
        (lambda: separability.exact_factors([[1, 2], [3]]), "kernel"),
        (lambda: separability.exact_factors([]), "kernel"),
        (lambda: overlap.overlap((3,) * 4, 2), "size"),
        (lambda: overlap.overlap((3,), 2, output_padding=1), "output_padding"),
        (lambda: overlap.is_even((2, 2), (1, 2, 3)), "kernel"),
    ],
)
def test_what_does_not_go_together_is_named(call: Any, names: str) -> None:
    with pytest.raises(RuntimeError, match=rf": .*\b{names}\b.*got"):
        call()


INTEGERS = torch.ones(2, 2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "error", "names"),
    [
        (lambda: separability.separate(INTEGERS), NotImplementedError, "kernel"),
        (lambda: separability.exact_factors([torch.ones(2)]), TypeError, "kernel"),
        (lambda: receptive_field.support(nn.Identity(), INTEGERS, (0, 0)), RuntimeError, "input"),
        (lambda: receptive_field.support(nn.Identity(), torch.ones(3), (3,)), IndexError, "unit"),
        (lambda: receptive_field.support(nn.Identity(), torch.ones(3), (0, 0)), IndexError, "unit"),
    ],
)
def test_what_does_not_fit_is_rejected(call: Any, error: type[Exception], names: str) -> None:
    with pytest.raises(error, match=rf"^(separate|exact_factors|support): .*\b{names}\b.*got"):
        call()
