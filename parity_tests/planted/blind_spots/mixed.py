"""Parameters and estimates of another dtype than the input."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.blind_spots.substituted import substituted
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    stand_in,
    tampered,
    with_arguments,
    wrapped,
)
from reimpl.arguments import HALF

mixed = partial(Fault, kind="mixed")


def wider(given: Arguments, name: str) -> bool:
    """Whether that argument is float32 beside a 16-bit input."""
    x, t = given["input"], given[name]
    both = isinstance(x, Tensor) and isinstance(t, Tensor)
    return both and x.dtype in HALF and t.dtype == torch.float32


def cast_down(*names: str) -> Callable[[Arguments], None]:
    """Round float32 parameters to the 16 bits of the input."""

    def change(given: Arguments) -> None:
        for name in names:
            if wider(given, name):
                given[name] = substituted(given[name], given[name].to(given["input"].dtype))

    return change


def gradient_rounded(name: str) -> Callable[[Arguments], None]:
    """Round the gradient of a float32 parameter to the 16 bits of the input."""

    def change(given: Arguments) -> None:
        if wider(given, name):
            dtype = given["input"].dtype
            given[name] = tampered(given[name], lambda g: g.to(dtype).to(g.dtype))

    return change


def promoted(run: Any, given: Arguments) -> Tensor:
    """Return float32 if the weight is float32."""
    y = run(**given)
    return y.float() if wider(given, "weight") else y


def batch_mean_rounded(run: Any, given: Arguments) -> Tensor:
    """Round the batch's mean to 16 bits before it moves a float32 estimate."""
    mean, momentum, x = given["running_mean"], given["momentum"], given["input"]
    if not (wider(given, "running_mean") and given["training"] is True and x.numel()):
        return run(**given)
    before = mean.clone()
    y = run(**given)
    with torch.no_grad():
        batch = x.detach().float().mean((0, *range(2, x.dim()))).to(x.dtype).float()
        mean.copy_(before * (1 - momentum) + batch * momentum)
    return y


def coarse_variance(run: Any, given: Arguments) -> Tensor:
    """Round a float32 variance to the 16 bits of the input in evaluation."""
    if wider(given, "running_var") and not given["training"]:
        given["running_var"] = given["running_var"].to(given["input"].dtype).float()
    return run(**given)


def double_estimates_stay(run: Any, given: Arguments) -> Tensor:
    """Move copies of float64 estimates beside a float32 input."""
    x, mean, var = given["input"], given["running_mean"], given["running_var"]
    doubles = all(isinstance(t, Tensor) and t.dtype == torch.float64 for t in (mean, var))
    if doubles and isinstance(x, Tensor) and x.dtype == torch.float32:
        given["running_mean"], given["running_var"] = mean.float(), var.float()
    return run(**given)


@stand_in
class ReturnsSingle(reimpl.BatchNorm2d):
    """Return float32 where the parameters are float32 and the input is not."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        y = super().forward(input)
        return y.float() if self.weight is not None and self.weight.dtype == torch.float32 else y


@stand_in
class CastsItsParameters(reimpl.GroupNorm):
    """Round float32 parameters to the input's 16 bits."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        given = {"input": input, "weight": self.weight, "bias": self.bias}
        cast_down("weight", "bias")(given)
        return reimpl.group_norm(input, self.num_groups, given["weight"], given["bias"], self.eps)


MIXED: tuple[Fault, ...] = (
    mixed(
        name="layer-norm-mixed-weight-cast-down",
        op="layer_norm",
        says="float32 weight and bias beside a 16-bit input are rounded to 16 bits",
        expected=("forward",),
        broken=with_arguments("layer_norm", cast_down("weight", "bias")),
    ),
    mixed(
        name="rms-norm-mixed-promotes",
        op="rms_norm",
        says="the output of a 16-bit input is float32 if the weight is",
        expected=("forward",),
        broken=wrapped("rms_norm", promoted),
    ),
    mixed(
        name="rms-norm-mixed-gradient-rounded",
        op="rms_norm",
        says="the gradient of a float32 weight is rounded to the 16 bits of the input",
        expected=("gradients",),
        broken=with_arguments("rms_norm", gradient_rounded("weight")),
    ),
    mixed(
        name="group-norm-mixed-gradient-rounded",
        op="group_norm",
        says="the gradient of a float32 bias is rounded to the 16 bits of the input",
        expected=("gradients",),
        broken=with_arguments("group_norm", gradient_rounded("bias")),
    ),
    mixed(
        name="batch-norm-mixed-mean-rounded",
        op="batch_norm",
        says="a float32 running mean moves towards the batch's mean rounded to 16 bits",
        expected=("forward", "buffers"),
        broken=wrapped("batch_norm", batch_mean_rounded),
    ),
    mixed(
        name="batch-norm-mixed-variance-cast-down",
        op="batch_norm",
        says="in evaluation a float32 running variance is rounded to the 16 bits of the input",
        expected=("forward",),
        broken=wrapped("batch_norm", coarse_variance),
    ),
    mixed(
        name="instance-norm-double-estimates-stay",
        op="instance_norm",
        says="float64 estimates beside a float32 input stay where they are",
        expected=("forward", "buffers"),
        broken=wrapped("instance_norm", double_estimates_stay),
    ),
    mixed(
        name="batch-norm2d-mixed-returns-single",
        op="BatchNorm2d",
        says="a layer with float32 parameters returns float32 for a 16-bit input",
        expected=("forward", "buffers"),
        broken=ReturnsSingle,
    ),
    mixed(
        name="group-norm-module-mixed-cast-down",
        op="GroupNorm",
        says="float32 parameters beside a 16-bit input are rounded to 16 bits",
        expected=("forward",),
        broken=CastsItsParameters,
    ),
)
