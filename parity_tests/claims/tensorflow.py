"""Claims about TensorFlow's conventions: row E4."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import SEEDS, differs, integers, refusal, unless
from reimpl import tensorflow
from reimpl.tensorflow_geometry import same_padding

KERNELS = st.sampled_from([3, 2, 1, 4])
STRIDES = st.integers(1, 3)
PADDINGS = st.sampled_from(["SAME", "VALID"])


def same_and_valid_sizes(
    _: Any, size: int, kernel: int, stride: int, padding: str
) -> Contradiction:
    """The output's size against ⌈L/s⌉ (SAME) and ⌈(L − K + 1)/s⌉ (VALID)."""
    size += kernel - 1  # so that the kernel fits without padding
    x, w = torch.zeros(1, size, size, 1), torch.zeros(kernel, kernel, 1, 1)
    windows = size if padding == "SAME" else size - kernel + 1
    found = tensorflow.conv2d(x, w, stride, padding).shape[1]
    expected = -(-windows // stride)
    return unless(found == expected, f"{size} becomes {found}, not {expected}")


def same_is_torchs_padding(
    nn: Any, size: int, kernel: int, stride: int, seed: int
) -> Contradiction:
    """SAME against torch's convolution with half the total padding, rounded down, on each side."""
    x, w = integers(seed, 1, size, size, 2), integers(seed + 1, kernel, kernel, 2, 3)
    y = tensorflow.conv2d(x, w, stride, "SAME").movedim(-1, 1)
    half = sum(same_padding(size, kernel, stride)) // 2
    there = nn.conv2d(x.movedim(-1, 1), w.permute(3, 2, 0, 1), None, stride, half)
    return differs(there, y)


def tensorflows_transpose(
    nn: Any, size: int, kernel: int, stride: int, padding: str, seed: int
) -> Contradiction:
    """conv2d_transpose, NHWC and HWOI, against torch's without padding, cropped to the shape."""
    least = 1 if padding == "SAME" else kernel
    L = size + least - 1
    lo = same_padding(L, kernel, stride)[0] if padding == "SAME" else 0
    M = -(-(L - least + 1) // stride)
    y, w = integers(seed, 1, M, M, 3), integers(seed + 1, kernel, kernel, 2, 3)
    x = tensorflow.conv2d_transpose(y, w, (1, L, L, 2), stride, padding)
    full = nn.conv_transpose2d(y.movedim(-1, 1), w.permute(3, 2, 0, 1), None, stride)
    cropped = nn.pad(full, [-lo, L + lo - full.shape[-1]] * 2)
    return differs(x.movedim(-1, 1), cropped)


def output_shapes_are_checked(
    _: Any, size: int, kernel: int, stride: int, padding: str, offset: int
) -> Contradiction:
    """Whether an output_shape is accepted exactly if the convolution takes it to the input's."""
    L = max(1, stride * (size - 1) + offset)
    y, w = torch.zeros(1, size, size, 1), torch.zeros(kernel, kernel, 1, 1)
    windows = L if padding == "SAME" else L - kernel + 1
    belongs = -(-windows // stride) == size
    refused = refusal(lambda: tensorflow.conv2d_transpose(y, w, (1, L, L, 1), stride, padding))
    return unless(belongs == (refused is None), f"{size} to {L}: {refused or 'it is accepted'}")


CLAIMS = (
    Claim(
        row="E4",
        says="TensorFlow's SAME gives ⌈L/s⌉ positions, VALID ⌈(L − K + 1)/s⌉.",
        verdict="holds",
        property=same_and_valid_sizes,
        cases={
            "size": st.integers(1, 8),
            "kernel": KERNELS,
            "stride": STRIDES,
            "padding": PADDINGS,
        },
        subjects=("reimpl",),
    ),
    Claim(
        row="E4",
        says="SAME is a padding of torch's.",
        verdict="holds if",
        condition="its total is even: torch pads alike on both sides, TensorFlow has the odd zero "
        "behind",
        within=lambda size, kernel, stride, **_: sum(same_padding(size, kernel, stride)) % 2 == 0,
        property=same_is_torchs_padding,
        cases={"size": st.integers(4, 9), "kernel": KERNELS, "stride": STRIDES, "seed": SEEDS},
        subjects=("reimpl",),
    ),
    Claim(
        row="E4",
        says="conv2d_transpose is torch's transposed convolution, with the channels last and "
        "cropped to output_shape.",
        verdict="holds",
        property=tensorflows_transpose,
        cases={
            "size": st.integers(1, 8),
            "kernel": KERNELS,
            "stride": STRIDES,
            "padding": PADDINGS,
            "seed": SEEDS,
        },
        subjects=("reimpl",),
    ),
    Claim(
        row="E4",
        says="An output_shape that does not belong to the input is refused.",
        verdict="holds",
        property=output_shapes_are_checked,
        cases={
            "size": st.integers(1, 4),
            "kernel": KERNELS,
            "stride": STRIDES,
            "padding": PADDINGS,
            "offset": st.integers(-1, 5),
        },
        subjects=("reimpl",),
    ),
)
