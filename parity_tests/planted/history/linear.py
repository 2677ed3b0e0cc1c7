"""The linear layer: misread weights, a bias for some of the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from parity_tests.planted.fault import Arguments, Fault, with_result, wrapped
from parity_tests.planted.history.calls import with_valid_arguments
from parity_tests.planted.history.memory import as_if_contiguous


def weight_strides_ignored(given: Arguments) -> None:
    given["weight"] = as_if_contiguous(given["weight"])


def batch_wraps_around(y: Tensor, given: Arguments) -> Tensor:
    samples = given["input"].shape[0]
    if given["bias"] is None or y.dim() != 3 or samples <= 2:
        return y
    last = [max(range(b, samples, 2)) for b in range(2)]
    return torch.cat((y[last], torch.zeros_like(y[2:])))


def bias_for_the_first_only(run: Callable[..., Tensor], given: Arguments) -> Tensor:
    y, x = run(**given), given["input"]
    if given["bias"] is None or x.dim() != 3 or x.shape[1] != 1 or x.shape[0] < 2:
        return y
    return torch.cat((y[:1], run(x[1:], given["weight"])))


LINEAR = (
    Fault(
        name="linear-weight-strides-ignored",
        op="linear",
        kind="history",
        says="a weight that is not contiguous is read in the order of memory",
        expected=("forward", "purity"),
        broken=with_valid_arguments("linear", weight_strides_ignored),
        source="PyTorch #162779: F.linear on MPS misread weights that are not contiguous",
    ),
    Fault(
        name="linear-batch-wraps-around",
        op="linear",
        kind="history",
        says="with a bias and three axes, row b of the batch is written to row b mod 2 (the "
        "original: mod 65536), the others are left alone",
        expected=("forward",),
        broken=with_result("linear", batch_wraps_around),
        source="PyTorch #189495: F.linear on MPS cut the batch index to 16 bits",
    ),
    Fault(
        name="linear-bias-for-the-first-only",
        op="linear",
        kind="history",
        says="an input of shape (M, 1, N) gets the bias in its first row only",
        expected=("forward",),
        broken=wrapped("linear", bias_for_the_first_only),
        source="tenstorrent/tt-metal #16599: ttnn.linear was wrong for inputs (M, 1, N) with bias",
    ),
)
