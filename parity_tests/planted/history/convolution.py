"""Convolution: weights and inputs misread, gradients of groups and borders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, wrapped
from parity_tests.planted.history.backward import exchanged
from parity_tests.planted.history.calls import with_valid_arguments
from parity_tests.planted.history.memory import as_if_contiguous, as_if_packed
from reimpl.arguments import Ints, per_axis

Run = Callable[..., Tensor]


def _pair(value: Any) -> Ints:
    return per_axis("conv2d", "its geometry", value, 2, 0)


def weight_strides_ignored(given: Arguments) -> None:
    if given["weight"].dim() == 4:
        given["weight"] = as_if_contiguous(given["weight"])


def channel_slice_taken_for_all(given: Arguments) -> None:
    if given["input"].dim() == 4:
        given["input"] = as_if_packed(given["input"])


def last_taps_miss_the_last_row(run: Run, given: Arguments) -> Tensor:
    y, w = run(**given), given["weight"]
    depthwise = given["groups"] == w.shape[0] > 1 and w.shape[1] == 1
    numbers = not isinstance(given["padding"], str)
    if not (depthwise and numbers and _pair(given["stride"])[0] > 1 and _pair(given["padding"])[0]):
        return y
    last = (torch.arange(w.shape[2], device=w.device) == w.shape[2] - 1).view(-1, 1)
    path = run(**given | {"weight": torch.where(last, w.detach(), w)})
    taps = {"weight": torch.where(last, w, w.detach()), "bias": None}
    above = run(**given | taps | {"input": given["input"].detach()}).narrow(-2, 0, y.shape[-2] - 1)
    return exchanged(y, path + reimpl.pad(above, (0, 0, 0, 1)))


def first_groups_weights_for_all(run: Run, given: Arguments) -> Tensor:
    y, groups = run(**given), given["groups"]
    if groups == 1 or max(_pair(given["stride"])) == 1:
        return y
    first = given["weight"].detach()[: given["weight"].shape[0] // groups]
    by_input = run(**given | {"weight": torch.cat((first,) * groups), "bias": None})
    return exchanged(y, by_input + run(**given | {"input": given["input"].detach()}))


class _Broadcast(torch.autograd.Function):
    """A bias at every position; its gradient is summed in its own 16 bits, one by one."""

    generate_vmap_rule = True

    @staticmethod
    def forward(bias: Tensor, shape: tuple[int, ...]) -> Tensor:
        return bias.view(-1, 1, 1).expand(shape).clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None: ...

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        columns = grad.movedim(-3, 0).flatten(1)
        total = torch.zeros_like(columns[:, 0])
        for column in columns.unbind(1):
            total = total + column
        return total, None


def bias_gradient_summed_in_bfloat16(run: Run, given: Arguments) -> Tensor:
    y, bias = run(**given), given["bias"]
    if bias is None or bias.dtype != torch.bfloat16 or y.numel() == 0:
        return y
    return exchanged(y, run(**given | {"bias": None}) + _Broadcast.apply(bias, tuple(y.shape)))


def first_samples_weight_under_vmap(given: Arguments) -> None:
    weight = given["weight"]
    if given["bias"] is None and torch._C._functorch.is_batchedtensor(weight):
        axis = torch._C._functorch.maybe_get_bdim(weight)
        given["weight"] = torch._C._functorch.get_unwrapped(weight).select(axis, 0)


CONVOLUTION = (
    Fault(
        name="conv2d-weight-strides-ignored",
        op="conv2d",
        kind="history",
        says="a weight that is not contiguous is read in the order of memory",
        expected=("forward", "purity"),
        broken=with_valid_arguments("conv2d", weight_strides_ignored),
        source="PyTorch #192212: on MPS conv2d misread weights that are not contiguous "
        "(as #1246 on the CPU in 2017)",
    ),
    Fault(
        name="conv2d-channel-slice-taken-for-all",
        op="conv2d",
        kind="history",
        says="some channels of a channels-last input are read as if they were all it has",
        expected=("forward",),
        broken=with_valid_arguments("conv2d", channel_slice_taken_for_all),
        source="PyTorch #180984: conv2d on MPS misread channel slices of channels-last tensors",
    ),
    Fault(
        name="conv2d-last-taps-miss-the-last-row",
        op="conv2d",
        kind="history",
        says="depthwise with stride and padding, the last row of taps gets no gradient from the "
        "last row of the output (the original: 24 channels only)",
        expected=("gradients",),
        broken=wrapped("conv2d", last_taps_miss_the_last_row),
        source="PyTorch #50042: weight gradient of a depthwise conv2d with stride 2 was wrong",
    ),
    Fault(
        name="conv2d-first-groups-weights-for-all",
        op="conv2d",
        kind="history",
        says="with groups and a stride, the input's gradient takes the first group's weights for "
        "all (the original ran a kernel that knew no groups)",
        expected=("gradients",),
        broken=wrapped("conv2d", first_groups_weights_for_all),
        source="ml-explore/mlx #3800: input gradient of a grouped, strided conv2d was wrong",
    ),
    Fault(
        name="conv2d-bias-gradient-summed-in-bfloat16",
        op="conv2d",
        kind="history",
        says="the gradient of a bfloat16 bias is accumulated in bfloat16",
        expected=("gradients",),
        broken=wrapped("conv2d", bias_gradient_summed_in_bfloat16),
        source="PyTorch #68048: conv2d's bias gradient stuck at 256 in bfloat16",
    ),
    Fault(
        name="conv1d-vmap-without-bias",
        op="conv1d",
        kind="history",
        says="under vmap without a bias the first sample's weight serves all (the thread only "
        "says that the rule was wrong in this case)",
        expected=("transforms",),
        broken=with_valid_arguments("conv1d", first_samples_weight_under_vmap),
        source="pytorch/functorch #338: convolution's batching rule was wrong without a bias",
    ),
)
