"""Activations made of pieces: NaN, kinks, negative slopes, second derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Fault
from parity_tests.planted.history.backward import altered, exchanged, with_pull


def nan_becomes_zero(input: Tensor, inplace: bool = False) -> Tensor:
    y = reimpl.relu(input, inplace)
    if not y.is_floating_point():
        return y
    return y.masked_fill_(y.isnan(), 0) if inplace else y.masked_fill(y.isnan(), 0)


def inplace_does_nothing(input: Tensor) -> Tensor:
    if isinstance(input, Tensor) and not input.is_contiguous():
        return input
    return reimpl.relu_(input)


def gradient_shared_at_six(input: Tensor, inplace: bool = False) -> Tensor:
    y = reimpl.relu6(input, inplace)
    if inplace or not y.is_floating_point():
        return y

    def pull(g: Tensor, x: Tensor) -> Tensor:
        return torch.where(x == 6, g * 0.5, g.masked_fill((x <= 0) | (x > 6), 0))

    return with_pull(y, input, pull)


def difference_of_relus(input: Tensor, inplace: bool = False) -> Tensor:
    y = reimpl.relu6(input, inplace)
    if inplace or not input.is_floating_point():
        return y
    x = input.detach()
    return exchanged(reimpl.relu(x) - reimpl.relu(x - 6), y)


def zero_slope_passes_all(
    input: Tensor, negative_slope: float = 0.01, inplace: bool = False
) -> Tensor:
    y = reimpl.leaky_relu(input, negative_slope, inplace)
    return exchanged(y, input * 1) if negative_slope == 0 and not inplace else y


def zero_slope_refused(
    input: Tensor, negative_slope: float = 0.01, inplace: bool = False
) -> Tensor:
    if not inplace or negative_slope != 0 or not isinstance(input, Tensor):
        return reimpl.leaky_relu(input, negative_slope, inplace)

    def refuse(_: Tensor) -> Tensor:
        raise RuntimeError("leaky_relu: negative_slope must be positive in place, got 0")

    return input.copy_(reimpl.leaky_relu(altered(input.clone(), refuse), negative_slope))


def sign_read_from_the_output(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    negative = isinstance(negative_slope, int | float) and negative_slope < 0
    if not negative or not isinstance(input, Tensor):
        return reimpl.leaky_relu_(input, negative_slope)
    x = input.clone()
    y = reimpl.leaky_relu(x.detach(), negative_slope)
    with_gradient = torch.where(y > 0, x, x * negative_slope)
    return input.copy_(exchanged(y, with_gradient))


def negative_alpha_by_the_output(
    input: Tensor, alpha: float = 1.0, inplace: bool = False
) -> Tensor:
    y = reimpl.elu(input, alpha, inplace)
    if inplace or alpha >= 0:
        return y

    def pull(g: Tensor, x: Tensor) -> Tensor:
        out = reimpl.elu(x, alpha)
        return torch.where(out <= 0, g * (out + alpha), g)

    return with_pull(y, input, pull)


def second_derivative_without_the_first_cotangent(
    input: Tensor, alpha: float = 1.0, inplace: bool = False
) -> Tensor:
    y = reimpl.elu(input, alpha, inplace)
    if inplace:
        return y

    def pull(g: Tensor, x: Tensor) -> Tensor:
        bent = alpha * x.clamp_max(0).exp()
        slope = torch.where(x > 0, 1, bent.detach())
        return exchanged(g * slope, g * slope + torch.where(x > 0, 0, bent))

    return with_pull(y, input, pull)


ACTIVATIONS = (
    Fault(
        name="relu-nan-becomes-zero",
        op="relu",
        kind="history",
        says="NaN is rectified to zero",
        expected=("forward",),
        broken=nan_becomes_zero,
        source="apache/mxnet #11115: relu clipped NaN to zero",
    ),
    Fault(
        name="relu-inplace-does-nothing",
        op="relu_",
        kind="history",
        says="an input that is not contiguous stays as it is (the original: convolutions' outputs)",
        expected=("forward",),
        broken=inplace_does_nothing,
        source="PyTorch #94389: ReLU(inplace=True) on MPS did nothing behind a convolution",
    ),
    Fault(
        name="relu6-gradient-shared-at-six",
        op="relu6",
        kind="history",
        says="at exactly 6 half the gradient passes",
        expected=("gradients",),
        broken=gradient_shared_at_six,
        source="tinygrad #18029: relu6's gradient at 6 was 0.5",
    ),
    Fault(
        name="relu6-difference-of-relus",
        op="relu6",
        kind="history",
        says="computed as relu(x) − relu(x − 6), which cancels for large x",
        expected=("forward",),
        broken=difference_of_relus,
        source="tinygrad #18028: relu6 of large float16 numbers was 8, or 0",
    ),
    Fault(
        name="leaky-relu-zero-slope-passes-all",
        op="leaky_relu",
        kind="history",
        says="with slope 0 every gradient passes",
        expected=("gradients",),
        broken=zero_slope_passes_all,
        source="chainer/chainer #5898: leaky_relu with slope 0 passed all gradients on",
    ),
    Fault(
        name="leaky-relu-zero-slope-refused",
        op="leaky_relu",
        kind="history",
        says="the backward of an in-place call with slope 0 raises",
        expected=("gradients",),
        broken=zero_slope_refused,
        source="PyTorch #37345: the backward of LeakyReLU(0, inplace=True) raised",
    ),
    Fault(
        name="leaky-relu-sign-read-from-the-output",
        op="leaky_relu_",
        kind="history",
        says="with a negative slope the backward reads the sign of x from y and does not raise",
        expected=("gradients", "errors"),
        broken=sign_read_from_the_output,
        source="PyTorch #31938: leaky_relu_ with a negative slope had wrong gradients",
    ),
    Fault(
        name="elu-negative-alpha-by-the-output",
        op="elu",
        kind="history",
        says="with a negative alpha the backward reads the sign of x from y",
        expected=("gradients",),
        broken=negative_alpha_by_the_output,
        source="PyTorch #47671: elu's backward was wrong for negative alpha",
    ),
    Fault(
        name="elu-second-derivative-without-the-first-cotangent",
        op="elu",
        kind="history",
        says="the second derivative is not multiplied with the first one's cotangent",
        expected=("second",),
        broken=second_derivative_without_the_first_cotangent,
        source="TensorFlow #11091: the second derivative of 2·elu lacked the factor",
    ),
)
