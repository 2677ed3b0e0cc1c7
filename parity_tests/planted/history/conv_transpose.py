"""Transposed convolution: what the output's far end holds, and in which order arguments come."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_result
from parity_tests.planted.history.calls import with_valid_arguments
from reimpl.arguments import Ints, per_axis


def _pair(value: Any) -> Ints:
    return per_axis("conv_transpose2d", "its geometry", value, 2, 0)


def offset_by_stride_and_dilation(y: Tensor, given: Arguments) -> Tensor:
    both = zip(_pair(given["stride"]), _pair(given["dilation"]), strict=True)
    down, right = (int(s > 1 and d > 1) for s, d in both)
    return reimpl.pad(y, (right, -right, down, -down)) if down or right else y


def output_padding_filled_with_zeros(y: Tensor, given: Arguments) -> Tensor:
    for axis, extra in enumerate(_pair(given["output_padding"]), start=-2):
        added = torch.arange(y.shape[axis], device=y.device) >= y.shape[axis] - extra
        y = y.masked_fill(added.view(-1, *(1,) * (-1 - axis)), 0) if extra else y
    return y


def groups_and_dilation_swapped(given: Arguments) -> None:
    (dilation,) = per_axis("conv_transpose1d", "dilation", given["dilation"], 1, 0)
    given["dilation"], given["groups"] = given["groups"], dilation


CONV_TRANSPOSE = (
    Fault(
        name="conv-transpose2d-offset-by-stride-and-dilation",
        op="conv_transpose2d",
        kind="history",
        says="on an axis with stride and dilation the output lies one further on",
        expected=("forward",),
        broken=with_result("conv_transpose2d", offset_by_stride_and_dilation),
        source="apache/mxnet #11203: Conv2DTranspose with stride and dilation was offset",
    ),
    Fault(
        name="conv-transpose2d-output-padding-filled-with-zeros",
        op="conv_transpose2d",
        kind="history",
        says="what output_padding adds is zeros",
        expected=("forward",),
        broken=with_result("conv_transpose2d", output_padding_filled_with_zeros),
        source="llvm/torch-mlir #2026: output_padding padded the result with zeros "
        "(as did TVM, mila-iqia/myia #338)",
    ),
    Fault(
        name="conv-transpose1d-groups-and-dilation-swapped",
        op="conv_transpose1d",
        kind="history",
        says="groups and dilation are passed on in each other's place",
        expected=("forward",),
        broken=with_valid_arguments("conv_transpose1d", groups_and_dilation_swapped),
        source="IntelLabs/bayesian-torch #34: conv_transpose2d got dilation in place of groups",
    ),
)
