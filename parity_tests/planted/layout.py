"""Memory: strides that are ignored, offsets that are lost, outputs in another layout."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, stand_in, with_arguments, with_result
from reimpl.layout import looks_channels_last

layout = partial(Fault, kind="layout", expected=("forward",))


def dense(t: Tensor) -> bool:
    """Whether the elements fill their memory, in whatever order."""
    fresh = torch.empty(t.shape, device="meta").stride()
    return sorted(t.stride()) == sorted(fresh) and t.numel() > 0


def misread(t: Tensor) -> Tensor:
    """Read a dense tensor's memory as though it were contiguous."""
    if t.is_contiguous() or not dense(t):
        return t
    return t.as_strided(t.shape, torch.empty(t.shape, device="meta").stride())


def contiguous_output(y: Tensor, _: Arguments) -> Tensor:
    """Return channels last as contiguous."""
    return y.contiguous()


def weight_misread(given: Arguments) -> None:
    """Read the weight's memory in the order of its axes."""
    given["weight"] = misread(given["weight"])


def bias_from_the_start(given: Arguments) -> None:
    """Take every element of the bias next to the last, whatever its stride."""
    b = given["bias"]
    if b is not None and b.dim() == 1 and b.stride(0) > 1:
        given["bias"] = b.as_strided(b.shape, (1,))


def from_the_storages_start(given: Arguments) -> None:
    """Read from the start of the storage."""
    x = given["input"]
    if x.storage_offset() == 1 and x.is_contiguous():
        given["input"] = x.as_strided(x.shape, x.stride(), 0)


def indices_by_memory(found: Any, given: Arguments) -> Any:
    """Return indices contiguous where the values are channels last."""
    if not given["return_indices"]:
        return found
    y, i = found
    return y, i.contiguous()


def strides_of_the_input(y: Tensor, given: Arguments) -> Tensor:
    """Return the input's strides where its memory is dense."""
    x = given["input"]
    if given["dtype"] is not None or not dense(x):
        return y
    return torch.empty_like(x, dtype=y.dtype).copy_(y) if not y.requires_grad else y


def transposed_images(given: Arguments) -> None:
    """Take images whose columns lie next to each other for transposed ones, if square."""
    x = given["input"]
    square = x.dim() >= 2 and x.shape[-1] == x.shape[-2] > 1
    if square and x.stride(-2) == 1 and x.stride(-1) > 1:
        given["input"] = x.transpose(-2, -1)


def expanded_counted_once(given: Arguments) -> None:
    """Read past the end of an expanded batch, as far as there is memory."""
    x = given["input"]
    if x.dim() > 1 and x.shape[0] > 1 and x.stride(0) == 0 and x.is_floating_point():
        given["input"] = torch.cat((x[:1], torch.zeros_like(x[1:])))


@stand_in
class RunningMeanByMemory(reimpl.BatchNorm1d):
    """Read the running variance's memory without its stride, in evaluation."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        var = self.running_var
        if self.training or var is None or var.dim() != 1 or var.stride(0) < 2:
            return super().forward(input)
        self._buffers["running_var"] = var.as_strided(var.shape, (1,))
        y = super().forward(input)
        self._buffers["running_var"] = var
        return y


def channels_last_lost(y: Tensor, given: Arguments) -> Tensor:
    """Return three axes contiguous though the input is channels last."""
    x = given["input"]
    return y.contiguous() if x.dim() == 5 and looks_channels_last(x) else y


LAYOUT = (
    layout(
        name="conv2d-contiguous-output",
        op="conv2d",
        says="channels last comes out contiguous",
        broken=with_result("conv2d", contiguous_output),
    ),
    layout(
        name="conv1d-weight-misread",
        op="conv1d",
        says="a dense weight's memory is read in the order of its axes",
        broken=with_arguments("conv1d", weight_misread),
    ),
    layout(
        name="linear-bias-stride",
        op="linear",
        says="the bias's stride is ignored",
        broken=with_arguments("linear", bias_from_the_start),
    ),
    layout(
        name="gaussian-blur-storage-offset",
        op="gaussian_blur",
        says="a contiguous input one element into its storage is read from the start",
        broken=with_arguments("gaussian_blur", from_the_storages_start),
    ),
    layout(
        name="max-pool2d-contiguous-indices",
        op="max_pool2d",
        says="indices come out contiguous where the values are channels last",
        broken=with_result("max_pool2d", indices_by_memory),
    ),
    layout(
        name="softmax-strides-of-the-input",
        op="softmax",
        says="the output has the strides of a dense input, not contiguous ones",
        broken=with_result("softmax", strides_of_the_input),
    ),
    layout(
        name="laplacian-transposed",
        op="sobel",
        says="square images that lie column by column are taken for transposed ones",
        broken=with_arguments("sobel", transposed_images),
    ),
    layout(
        name="layer-norm-expanded",
        op="layer_norm",
        says="of an expanded batch only the first sample is there",
        broken=with_arguments("layer_norm", expanded_counted_once),
    ),
    layout(
        name="batch-norm1d-variance-stride",
        op="BatchNorm1d",
        says="the running variance's stride is ignored in evaluation",
        broken=RunningMeanByMemory,
    ),
    layout(
        name="interpolate-channels-last-3d",
        op="interpolate",
        says="channels last comes out contiguous for three axes",
        broken=with_result("interpolate", channels_last_lost),
    ),
    layout(
        name="pixel-unshuffle-channels-last",
        op="pixel_unshuffle",
        says="channels last comes out contiguous",
        broken=with_result("pixel_unshuffle", contiguous_output),
    ),
)
