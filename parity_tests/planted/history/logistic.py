"""Smooth activations: thresholds and large arguments."""

from __future__ import annotations

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Fault
from parity_tests.planted.history.backward import with_pull


def threshold_on_the_output(
    input: Tensor, beta: float = 1, threshold: float = 20, *, out: Tensor | None = None
) -> Tensor:
    def pull(g: Tensor, x: Tensor) -> Tensor:
        linear = reimpl.softplus(x, beta, threshold) * beta > threshold
        return torch.where(linear, g, g * reimpl.sigmoid(x * beta))

    y = reimpl.softplus(input, beta, threshold, out=out)
    return y if out is not None else with_pull(y, input, pull)


def threshold_without_beta(
    input: Tensor, beta: float = 1, threshold: float = 20, *, out: Tensor | None = None
) -> Tensor:
    y = reimpl.softplus(input, beta, threshold, out=out)
    if beta == 1 or out is not None:
        return y
    return torch.where(input > threshold, input * beta, y)


def exponential_overflows(input: Tensor) -> Tensor:
    y = reimpl.sigmoid(input)
    if not input.is_complex():
        return y
    return y.masked_fill((-input.real).exp().isinf(), complex("nan+nanj"))


def quotient_overflows(input: Tensor) -> Tensor:
    y = reimpl.tanh(input)
    if not input.is_floating_point():
        return y
    return y.masked_fill((-2 * input).exp().isinf(), float("nan"))


LOGISTIC = (
    Fault(
        name="softplus-threshold-on-the-output",
        op="softplus",
        kind="history",
        says="the backward compares beta·y with the threshold instead of beta·x",
        expected=("gradients",),
        broken=threshold_on_the_output,
        source="PyTorch #55587: Softplus's backward applied the threshold to its output",
    ),
    Fault(
        name="softplus-threshold-without-beta",
        op="softplus",
        kind="history",
        says="x itself is compared with the threshold, and beyond it the slope is beta",
        expected=("forward",),
        broken=threshold_without_beta,
        source="brainpy/BrainPy #580: softplus was wrong beyond the threshold",
    ),
    Fault(
        name="sigmoid-exponential-overflows",
        op="sigmoid",
        kind="history",
        says="complex numbers whose real part is so low that e^−x overflows give NaN",
        expected=("forward",),
        broken=exponential_overflows,
        source="PyTorch #135777: sigmoid of large negative complex numbers was NaN",
    ),
    Fault(
        name="tanh-quotient-overflows",
        op="tanh",
        kind="history",
        says="computed as (1 − e^−2x)/(1 + e^−2x), NaN where that overflows",
        expected=("forward",),
        broken=quotient_overflows,
        source="BVLC/caffe #1455: tanh of large numbers was NaN",
    ),
)
