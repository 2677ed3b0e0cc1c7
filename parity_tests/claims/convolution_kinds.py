"""Claims about the kinds of convolution: rows A5 and B3 to B12."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import CLOSE, SEEDS, differs, integers, numbers, unless
from reimpl.analysis import costs, receptive_field, separability
from reimpl.analysis.convolution_matrix import convolution_matrix

SMALL = st.integers(1, 3)
REIMPL = ("reimpl",)  # what is claimed is about its analysis, not about operators


def full_rank_weights(seed: int, *shape: int) -> Tensor:
    """Weights of which none is zero."""
    return integers(seed, *shape).abs() + 1


# --- A5 ---


def dilation_widens(nn: Any, kernel: int, dilation: int) -> Contradiction:
    """The support of an output's gradient with and without dilation; the weights are as many."""
    plain, dilated = nn.Conv1d(1, 1, kernel), nn.Conv1d(1, 1, kernel, dilation=dilation)

    def reach(layer: Any) -> int:
        x = torch.zeros(1, 1, 40, requires_grad=True)
        torch.nn.init.ones_(layer.weight)
        (g,) = torch.autograd.grad(layer(x)[0, 0, 0], x)
        return int(g.flatten().nonzero().max()) + 1

    same = plain.weight.shape == dilated.weight.shape
    said = f"an output sees {reach(plain)} entries without dilation and {reach(dilated)} with it"
    return unless(same and reach(dilated) > reach(plain), said)


def torch_convolution_transposes(nn: Any, transposed: bool, seed: int) -> Contradiction:
    """torch.convolution with its flag against conv1d and conv_transpose1d; layers' attribute."""
    x, w = integers(seed, 1, 2, 4), integers(seed + 1, 2, 2, 2)
    got = torch.convolution(x, w, None, [1], [0], [1], transposed, [0], 1)
    expected = (nn.conv_transpose1d if transposed else nn.conv1d)(x, w)
    layer = (nn.ConvTranspose1d if transposed else nn.Conv1d)(2, 2, 2)
    attribute = unless(layer.transposed is transposed, f"the attribute is {layer.transposed}")
    return differs(got, expected) or attribute


def conv2d_takes_transposed(nn: Any) -> Contradiction:
    """The constructor with transposed=True."""
    try:
        nn.Conv2d(1, 1, 1, transposed=True)
    except TypeError as error:
        return str(error)
    return None


# --- B3, B4 ---


def sum_over_channels(nn: Any, channels: int, seed: int) -> Contradiction:
    """A convolution of all channels against the sum of those of each."""
    x, w = integers(seed, 2, channels, 4, 4), integers(seed + 1, 3, channels, 2, 2)
    parts = [nn.conv2d(x[:, c : c + 1], w[:, c : c + 1]) for c in range(channels)]
    return differs(nn.conv2d(x, w), torch.stack(parts).sum(0))


def moves_along_three_axes(nn: Any, axis: int, shift: int, seed: int) -> Contradiction:
    """A volume shifted along any axis, its inner part against the shifted output's."""
    x, w = integers(seed, 1, 2, 6, 6, 6), integers(seed + 1, 1, 2, 2, 2, 2)
    y = nn.conv3d(x, w)
    moved = nn.conv3d(x.roll(shift, axis + 2), w)
    length = y.shape[axis + 2] - shift
    return differs(moved.narrow(axis + 2, shift, length), y.narrow(axis + 2, 0, length))


def third_axis_is_channels(nn: Any, channels: int) -> Contradiction:
    """The number of weights of Conv3d with a kernel of 3: with the depth alone it would be 27."""
    count = nn.Conv3d(channels, 1, 3, bias=False).weight.numel()
    said = (
        f"{channels} channels beside the depth make {count} weights: they are an axis of their own"
    )
    return unless(count == 27, said)


def one_channel_is_two_dimensional(nn: Any, channels: int, seed: int) -> Contradiction:
    """conv2d of images with several channels."""
    y = nn.conv2d(integers(seed, 1, channels, 3, 3), integers(seed + 1, 1, channels, 2, 2))
    said = f"conv2d takes {channels} channels and gives an output of shape {tuple(y.shape)}"
    return unless(channels == 1, said)


# --- B5, B6 ---


def matrix_transposed(nn: Any, kernel: int, stride: int, size: int, seed: int) -> Contradiction:
    """conv_transpose1d against the transpose of convolution's matrix."""
    w = integers(seed, 2, 1, kernel)
    length = (size - 1) * stride + kernel
    matrix = convolution_matrix(w, (length,), stride=stride).to_dense()
    x = integers(seed + 1, 1, 2, size)
    expected = (matrix.T @ x.flatten()).reshape(1, 1, length)
    return differs(nn.conv_transpose1d(x, w, stride=stride), expected)


def two_to_four(nn: Any, padding: int) -> Contradiction:
    """The output size of a 2×2 input, a 3×3 kernel and stride 1."""
    y = nn.conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 3, 3), padding=padding)
    size = tuple(y.shape[2:])
    return unless(size == (4, 4), f"with padding={padding} it is {size}")


def values_are_lost(nn: Any, kernel: list[int], seed: int) -> Contradiction:
    """Convolution, then its transpose with the same kernel: size and values of the interior."""
    w = torch.tensor([[kernel]], dtype=torch.float64)
    x = integers(seed, 1, 1, 9)
    back = nn.conv_transpose1d(nn.conv1d(x, w), w)
    if back.shape != x.shape:
        return f"the size is {back.shape[-1]}, not 9"
    inner = slice(len(kernel), -len(kernel))
    restored = torch.equal(back[..., inner], x[..., inner])
    return unless(not restored, f"the kernel {kernel} gives the values back as well")


def is_shifted_delta(kernel: list[int], **_: Any) -> bool:
    """One entry is ±1, the others 0."""
    return sorted(map(abs, kernel)) == [0] * (len(kernel) - 1) + [1]


def zeros_between_taps(nn: Any, kernel: int, dilation: int, seed: int) -> Contradiction:
    """A dilated convolution against a plain one, L − 1 zeros put between the taps."""
    x, w = integers(seed, 1, 1, 12), integers(seed + 1, 1, 1, kernel)
    stuffed = torch.zeros(1, 1, dilation * (kernel - 1) + 1, dtype=torch.float64)
    stuffed[..., ::dilation] = w
    return differs(nn.conv1d(x, w, dilation=dilation), nn.conv1d(x, stuffed))


def dilated_example(nn: Any) -> Contradiction:
    """The size of a 32×32 image after a kernel of 3 with dilation 3."""
    y = nn.Conv2d(1, 1, 3, dilation=3)(torch.zeros(1, 1, 32, 32))
    return unless(y.shape == (1, 1, 26, 26), f"the shape is {tuple(y.shape)}")


# --- B7 to B9 ---

SEPARABLE = torch.tensor(
    [[0.15, 0.2, 0.25], [0.21, 0.28, 0.35], [0.24, 0.32, 0.4]], dtype=torch.float64
)


def separable_example(nn: Any, seed: int) -> Contradiction:
    """A (1, 3) and a (3, 1) convolution against the 3×3 one that they make."""
    x = numbers(seed, 1, 1, 6, 6)
    row = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64).reshape(1, 1, 1, 3)
    column = torch.tensor([0.5, 0.7, 0.8], dtype=torch.float64).reshape(1, 1, 3, 1)
    whole = nn.conv2d(x, SEPARABLE[None, None])
    return differs(nn.conv2d(nn.conv2d(x, row), column), whole, within=CLOSE)


def every_kernel_separates(nn: Any, height: int, width: int, seed: int) -> Contradiction:
    """Whether a kernel of random integers has rank one."""
    kernel = integers(seed, height, width)
    said = f"{kernel.int().tolist()} has rank {int(torch.linalg.matrix_rank(kernel))}"
    return unless(separability.is_separable(kernel), said)


def parameters_of_depthwise(nn: Any) -> Contradiction:
    """The weights of 8 → 8 channels with 3×3 kernels, plain and depthwise separable."""
    plain = nn.Conv2d(8, 8, 3, bias=False)
    parts = (nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.Conv2d(8, 8, 1, bias=False))
    counts = plain.weight.numel(), sum(p.weight.numel() for p in parts)
    return unless(counts == (576, 136), f"the counts are {counts}")


def one_filter_of_576(nn: Any) -> Contradiction:
    """The weights of a single 3×3 filter of one channel."""
    count = nn.Conv2d(1, 1, 3, bias=False).weight.numel()
    return unless(count == 576, f"it has {count}")


def flattened_is_three_1x1(nn: Any, channels: int, height: int, width: int) -> Contradiction:
    """The pixels that an output sees through three 1×1 kernels, against the filter's window."""
    x = torch.zeros(1, channels, 4, 4, dtype=torch.float64, requires_grad=True)
    ones = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    y = nn.conv2d(nn.conv2d(nn.conv2d(x, ones.expand(1, channels, 1, 1)), ones), ones)
    (g,) = torch.autograd.grad(y[0, 0, 0, 0], x)
    seen = int(g[0, 0].count_nonzero())
    said = f"through 1×1 kernels an output sees {seen} pixel, the filter {height}×{width}"
    return unless(seen == height * width, said)


def flattened_parameters(nn: Any, channels: int, height: int, width: int) -> Contradiction:
    """The weights of one filter, whole and as three one-dimensional kernels."""
    whole = nn.Conv2d(channels, 1, (height, width), bias=False).weight.numel()
    parts = (
        nn.Conv2d(channels, 1, 1, bias=False),
        nn.Conv2d(1, 1, (height, 1), bias=False),
        nn.Conv2d(1, 1, (1, width), bias=False),
    )
    count = sum(p.weight.numel() for p in parts)
    agreed = whole == channels * height * width and count == channels + height + width
    return unless(agreed, f"they are {whole} and {count}")


def flattened_products(nn: Any, channels: int, kernel: int, size: int, pad: bool) -> Contradiction:
    """Multiplications of the flattened filter against M·N·(C + X + Y), M×N the output's size."""
    p = kernel // 2 if pad else 0
    M = size + 2 * p - kernel + 1
    cost = costs.flattened(channels, 1, (kernel, kernel), (size, size), padding=p)
    found = cost.multiplications
    claimed = M * M * (channels + 2 * kernel)
    return unless(found == claimed, f"they are {found}, the formula says {claimed}")


# --- B10 to B12 ---


def groups_in_order(nn: Any, groups: int, seed: int) -> Contradiction:
    """A grouped convolution against one for each group, outputs side by side."""
    x, w = integers(seed, 1, 2 * groups, 4, 4), integers(seed + 1, 3 * groups, 2, 2, 2)
    parts = [nn.conv2d(a, b) for a, b in zip(x.split(2, 1), w.split(3), strict=True)]
    return differs(nn.conv2d(x, w, groups=groups), torch.cat(parts, 1))


def groups_that_reach(nn: Any, groups: int, width: int, seed: int, shuffled: bool) -> list[int]:
    """For each group of outputs of two grouped convolutions, how many groups of inputs it sees."""
    C = groups * width
    x = torch.zeros(1, C, 1, dtype=torch.float64, requires_grad=True)
    first, second = (full_rank_weights(seed + i, C, width, 1) for i in range(2))
    y = nn.conv1d(x, first, groups=groups)
    if shuffled:
        y = nn.channel_shuffle(y, groups)
    y = nn.conv1d(y, second, groups=groups)
    seen = []
    for part in y.split(width, 1):
        (g,) = torch.autograd.grad(part.sum(), x, retain_graph=True)
        seen.append(sum(bool(block.any()) for block in g.split(width, 1)))
    return seen


def never_mixed(nn: Any, groups: int, width: int, seed: int) -> Contradiction:
    """Two stacked grouped convolutions: by the Jacobian outputs see one group of inputs."""
    seen = groups_that_reach(nn, groups, width, seed, shuffled=False)
    return unless(set(seen) == {1}, f"groups of outputs see {seen} groups of inputs")


def mixed_by_shuffle(nn: Any, groups: int, width: int, seed: int) -> Contradiction:
    """The same with a channel shuffle between them: each group sees more than one."""
    seen = groups_that_reach(nn, groups, width, seed, shuffled=True)
    return unless(min(seen) > 1, f"groups of outputs see {seen} groups of inputs")


def recurrence_is_measured(nn: Any, layers: list[tuple[int, int, int]]) -> Contradiction:
    """Size by the recurrence against the support of an output's gradient."""
    stack = [receptive_field.Layer(k, stride=s, dilation=d) for k, s, d in layers]
    length = 120
    x = torch.zeros(1, 1, length, dtype=torch.float64, requires_grad=True)
    y = x
    for k, s, d in layers:
        ones = torch.ones(1, 1, k, dtype=torch.float64)
        y = nn.conv1d(y, ones, stride=s, dilation=d)
    (g,) = torch.autograd.grad(y[0, 0, 0], x)
    found = int(g.flatten().nonzero().max()) + 1
    claimed = receptive_field.receptive_field(stack).size
    claimed = claimed if isinstance(claimed, int) else claimed[0]
    return unless(found == claimed, f"measured {found}, by recurrence {claimed}")


def small_kernels_stack(nn: Any, layers: int, channels: int) -> Contradiction:
    """A stack of 3×3 layers against one layer with the same field: size and parameters."""
    one = 2 * layers + 1
    field = receptive_field.receptive_field([receptive_field.Layer(3)] * layers).size
    field = field if isinstance(field, int) else field[0]
    stacked = layers * nn.Conv2d(channels, channels, 3, bias=False).weight.numel()
    single = nn.Conv2d(channels, channels, one, bias=False).weight.numel()
    agreed = field == one and stacked < single
    return unless(agreed, f"field {field} of {one}, {stacked} weights against {single}")


CLAIMS = (
    Claim(
        row="A5",
        says="Dilation widens the receptive field at an equal number of parameters.",
        verdict="holds if",
        condition="the kernel has more than one tap, and the dilation is more than one",
        within=lambda kernel, dilation: kernel > 1 and dilation > 1,
        property=dilation_widens,
        cases={"kernel": st.integers(1, 4), "dilation": st.integers(1, 5)},
    ),
    Claim(
        row="A5",
        says="A flag named transposed selects the transpose in torch.convolution, and is an "
        "attribute of the layers.",
        verdict="holds",
        property=torch_convolution_transposes,
        cases={"transposed": st.booleans(), "seed": SEEDS},
    ),
    Claim(
        row="A5",
        says="Conv2d takes an argument named transposed.",
        verdict="refuted",
        property=conv2d_takes_transposed,
    ),
    Claim(
        row="B3",
        says="Convolution of several channels is the sum of the convolutions of each.",
        verdict="holds",
        property=sum_over_channels,
        cases={"channels": st.integers(1, 5), "seed": SEEDS},
    ),
    Claim(
        row="B4",
        says="3-d convolution moves along three axes.",
        verdict="holds",
        property=moves_along_three_axes,
        cases={"axis": st.integers(0, 2), "shift": st.integers(1, 3), "seed": SEEDS},
    ),
    Claim(
        row="B4",
        says="The third axis of 3-d convolution is that of the channels.",
        verdict="refuted",
        property=third_axis_is_channels,
        cases={"channels": st.integers(1, 4)},
    ),
    Claim(
        row="B4",
        says="2-d convolution is convolution of one channel.",
        verdict="refuted",
        property=one_channel_is_two_dimensional,
        cases={"channels": st.integers(1, 4), "seed": SEEDS},
    ),
    Claim(
        row="B5",
        says="Transposed convolution multiplies by the transpose of convolution's sparse matrix.",
        verdict="holds",
        property=matrix_transposed,
        cases={"kernel": SMALL, "stride": SMALL, "size": SMALL, "seed": SEEDS},
    ),
    Claim(
        row="B5",
        says="A 2×2 input and a 3×3 kernel with stride 1 give 4×4: the input with full zero "
        "padding around it.",
        verdict="holds if",
        condition="padding=0: torch's padding of a transposed convolution crops its output",
        within=lambda padding: padding == 0,
        property=two_to_four,
        cases={"padding": st.integers(0, 1)},
    ),
    Claim(
        row="B5",
        says="Transposed convolution gives the size back, not the values.",
        verdict="holds if",
        condition="the kernel is no shifted delta",
        within=lambda **case: not is_shifted_delta(**case),
        property=values_are_lost,
        cases={"kernel": st.lists(st.integers(0, 3), min_size=2, max_size=3), "seed": st.just(1)},
    ),
    Claim(
        row="B6",
        says="Dilation L puts L − 1 zeros between the taps; L = 1 is plain convolution.",
        verdict="holds",
        property=zeros_between_taps,
        cases={"kernel": st.integers(1, 4), "dilation": SMALL, "seed": SEEDS},
    ),
    Claim(
        row="B6",
        says="A 32×32 image, a kernel of 3 and a dilation of 3 give 26×26.",
        verdict="holds",
        property=dilated_example,
    ),
    Claim(
        row="B7",
        says="The kernel [[.15, .2, .25], [.21, .28, .35], [.24, .32, .4]] is a (1, 3) and a "
        "(3, 1) convolution, [.5, .7, .8]ᵀ·[.3, .4, .5].",
        verdict="holds",
        property=separable_example,
        cases={"seed": SEEDS},
    ),
    Claim(
        row="B7",
        says="A kernel separates into a row and a column.",
        verdict="holds if",
        condition="its rank is at most one",
        within=lambda height, width, seed: (
            int(torch.linalg.matrix_rank(integers(seed, height, width))) < 2
        ),
        property=every_kernel_separates,
        cases={"height": SMALL, "width": SMALL, "seed": SEEDS},
        subjects=REIMPL,
    ),
    Claim(
        row="B8",
        says="3×3 convolution of 8 to 8 channels has 576 weights, depthwise separable 136.",
        verdict="holds",
        property=parameters_of_depthwise,
    ),
    Claim(
        row="B8",
        says="A network of a single 3×3 filter has 576 parameters.",
        verdict="refuted",
        property=one_filter_of_576,
    ),
    Claim(
        row="B9",
        says="A flattened convolution is three 1×1 kernels.",
        verdict="refuted",
        property=flattened_is_three_1x1,
        cases={"channels": SMALL, "height": SMALL, "width": SMALL},
    ),
    Claim(
        row="B9",
        says="Flattening a filter takes its X·Y·C parameters to X + Y + C.",
        verdict="holds",
        property=flattened_parameters,
        cases={"channels": st.integers(1, 6), "height": SMALL, "width": SMALL},
    ),
    Claim(
        row="B9",
        says="And its multiplications to M·N·(C + X + Y).",
        verdict="holds if",
        condition="the output keeps the input's size: else the first two kernels give more than "
        "M·N outputs",
        within=lambda kernel, pad, **_: kernel == 1 or pad,
        property=flattened_products,
        cases={
            "channels": SMALL,
            "kernel": st.sampled_from([1, 3, 5]),
            "size": st.integers(5, 8),
            "pad": st.booleans(),
        },
        subjects=REIMPL,
    ),
    Claim(
        row="B10",
        says="In grouped convolution each group sees its own channels, and outputs are "
        "concatenated in order.",
        verdict="holds",
        property=groups_in_order,
        cases={"groups": st.integers(1, 4), "seed": SEEDS},
    ),
    Claim(
        row="B11",
        says="Without a shuffle, two stacked grouped convolutions never mix groups.",
        verdict="holds",
        property=never_mixed,
        cases={"groups": st.integers(2, 4), "width": st.integers(1, 4), "seed": SEEDS},
    ),
    Claim(
        row="B11",
        says="With a channel shuffle between them they do.",
        verdict="holds if",
        condition="groups have more than one channel: a shuffle of single channels is none",
        within=lambda width, **_: width > 1,
        property=mixed_by_shuffle,
        cases={"groups": st.integers(2, 4), "width": st.integers(1, 4), "seed": SEEDS},
    ),
    Claim(
        row="B12",
        says="The receptive field of a stack follows from size and jump by recurrence.",
        verdict="holds",
        property=recurrence_is_measured,
        cases={
            "layers": st.lists(
                st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2)),
                min_size=1,
                max_size=3,
            )
        },
    ),
    Claim(
        row="B12",
        says="Stacked 3×3 kernels reach a large kernel's field with fewer parameters: two are one "
        "5×5, three one 7×7.",
        verdict="holds",
        property=small_kernels_stack,
        cases={"layers": st.integers(2, 5), "channels": st.integers(1, 3)},
    ),
)
