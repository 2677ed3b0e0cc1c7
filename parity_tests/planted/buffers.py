"""State that moves at the wrong time, by the wrong amount, or not at all."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, stand_in, wrapped

buffers = partial(Fault, kind="buffers", expected=("buffers",))


@stand_in
class CountsInEvaluation(reimpl.BatchNorm2d):
    """Count batches in evaluation too."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        if not self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return super().forward(input)


@stand_in
class AveragesOfThree(reimpl.BatchNorm1d):
    """Average the last three batches or so, not all, without a momentum."""

    def _count_batch(self) -> Any:
        weight = super()._count_batch()
        return weight.clamp_min(1 / 3) if isinstance(weight, Tensor) else weight


@stand_in
class CountSurvivesReset(reimpl.BatchNorm3d):
    """Leave the counter alone when the estimates are reset."""

    def reset_running_stats(self) -> None:
        """Reset all but the counter."""
        counter = self.num_batches_tracked
        count = None if counter is None else counter.clone()
        super().reset_running_stats()
        if counter is not None and count is not None and count > 0:
            counter.copy_(count)


@stand_in
class MovesUntracked(reimpl.BatchNorm2d):
    """Move the estimates though track_running_stats was switched off."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        if not self.training or self.track_running_stats or self.running_mean is None:
            return super().forward(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        return reimpl.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, True, momentum,
            self.eps,
        )  # fmt: skip


@stand_in
class CountsBatches(reimpl.InstanceNorm1d):
    """Count batches, which instance normalization never does."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        if self.training and self.num_batches_tracked is not None and input.shape[0] > 2:
            self.num_batches_tracked.add_(1)
        return super().forward(input)


@stand_in
class MomentumOfTheFirstCall(reimpl.BatchNorm3d):
    """Keep to the momentum of the first call."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        first = self.__dict__.setdefault("_first", self.momentum)
        now, self.momentum = self.momentum, first
        y = super().forward(input)
        self.momentum = now
        return y


@stand_in
class EstimatesReplaced(reimpl.BatchNorm1d):
    """Put new tensors in place of the buffers, which others may hold on to, with momentum one."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        held = self.running_mean
        if held is None or not self.training or self.momentum != 1.0:
            return super().forward(input)
        self.running_mean = held.clone()
        return super().forward(input)


def empty_batches_decay(run: Any, given: Arguments) -> Tensor:
    """Let an empty batch pull the mean towards zero."""
    y, mean = run(**given), given["running_mean"]
    if mean is not None and given["training"] and not given["input"].numel():
        with torch.no_grad():
            mean.mul_(1 - given["momentum"])
    return y


def coarse_mean(run: Any, given: Arguments) -> Tensor:
    """Hold the running mean in bfloat16, in float32 of three axes."""
    y, mean, x = run(**given), given["running_mean"], given["input"]
    moved = given["training"] and x.numel() and x.dim() == 3
    if mean is not None and mean.dtype == torch.float32 and moved:
        with torch.no_grad():
            mean.copy_(mean.bfloat16())
    return y


def never_quite_one(run: Any, given: Arguments) -> Tensor:
    """Keep a ten-thousandth of the old variance at momentum one."""
    var = given["running_var"]
    old = None if var is None else var.detach().clone()
    y = run(**given)
    if old is not None and given["training"] and given["momentum"] == 1.0 and y.numel():
        with torch.no_grad():
            var.mul_(1 - 1e-4).add_(old * 1e-4)
    return y


BUFFERS = (
    buffers(
        name="batch-norm2d-counts-in-evaluation",
        op="BatchNorm2d",
        says="num_batches_tracked grows in evaluation too",
        broken=CountsInEvaluation,
    ),
    buffers(
        name="batch-norm1d-averages-of-three",
        op="BatchNorm1d",
        says="momentum=None never weighs a batch less than a third",
        broken=AveragesOfThree,
    ),
    buffers(
        name="batch-norm3d-count-survives-reset",
        op="BatchNorm3d",
        says="reset_running_stats leaves num_batches_tracked",
        broken=CountSurvivesReset,
    ),
    buffers(
        name="batch-norm2d-moves-untracked",
        op="BatchNorm2d",
        says="the estimates move after track_running_stats was switched off",
        broken=MovesUntracked,
    ),
    buffers(
        name="instance-norm1d-counts-batches",
        op="InstanceNorm1d",
        says="num_batches_tracked grows from three samples on",
        broken=CountsBatches,
    ),
    buffers(
        name="batch-norm3d-first-momentum",
        op="BatchNorm3d",
        says="a momentum changed later is ignored",
        broken=MomentumOfTheFirstCall,
    ),
    Fault(
        kind="buffers",
        name="batch-norm1d-estimates-replaced",
        op="BatchNorm1d",
        says="with momentum 1 the running mean is another tensor after each call",
        expected=("buffers", "purity"),
        broken=EstimatesReplaced,
    ),
    buffers(
        name="batch-norm-empty-batch-decays",
        op="batch_norm",
        says="an empty batch pulls the running mean towards zero",
        broken=wrapped("batch_norm", empty_batches_decay),
    ),
    buffers(
        name="batch-norm-coarse-mean",
        op="batch_norm",
        says="in float32 of three axes the running mean is rounded to bfloat16",
        broken=wrapped("batch_norm", coarse_mean),
    ),
    buffers(
        name="batch-norm-momentum-one",
        op="batch_norm",
        says="momentum 1 keeps a ten-thousandth of the old variance",
        broken=wrapped("batch_norm", never_quite_one),
    ),
)
