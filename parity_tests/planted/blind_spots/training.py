"""Modules and estimates whose behaviour depends on the mode of autograd, or on train and eval."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.blind_spots.situations import recording, training_step
from parity_tests.planted.blind_spots.substituted import shifted
from parity_tests.planted.fault import Arguments, Fault, stand_in, wrapped

modes = partial(Fault, kind="modes")


def never_moves(run: Any, given: Arguments) -> Tensor:
    """Leave the estimates where they are while a graph is recorded."""
    if recording(given) and given["training"] and given["running_mean"] is not None:
        given["running_mean"] = given["running_mean"].clone()
        given["running_var"] = given["running_var"].clone()
    return run(**given)


@stand_in
class MovesTwice(reimpl.BatchNorm2d):
    """Move the estimates twice while a graph is recorded."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        y = super().forward(input)
        if self.training and self.track_running_stats and training_step(self, input):
            counter = self.num_batches_tracked
            count = None if counter is None else counter.clone()
            super().forward(input.detach())
            if counter is not None and count is not None:
                counter.copy_(count)
        return y


@stand_in
class CountsUnderNoGrad(reimpl.BatchNorm1d):
    """Count batches only if no graph is recorded."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        counter = self.num_batches_tracked
        count = None if counter is None else counter.clone()
        y = super().forward(input)
        if counter is not None and count is not None and training_step(self, input):
            counter.copy_(count)
        return y


@stand_in
class NeverMoves(reimpl.InstanceNorm2d):
    """Leave the estimates where they are while a graph is recorded."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        mean, var = self.running_mean, self.running_var
        if mean is None or var is None or not (self.training and training_step(self, input)):
            return super().forward(input)
        before = mean.clone(), var.clone()
        y = super().forward(input)
        with torch.no_grad():
            mean.copy_(before[0])
            var.copy_(before[1])
        return y


@stand_in
class EvaluatesByTheEstimates(reimpl.BatchNorm3d):
    """Normalize by the estimates in training, too, if gradients are switched off."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        mean, var = self.running_mean, self.running_var
        if torch.is_grad_enabled() or not self.training or mean is None or var is None:
            return super().forward(input)
        before = mean.clone(), var.clone()
        super().forward(input)
        return reimpl.batch_norm(input, *before, self.weight, self.bias, False, 0.0, self.eps)


@stand_in
class ShiftsInEvaluation(reimpl.GroupNorm):
    """Leave the bias out in evaluation, which should make no difference."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        if self.training:
            return super().forward(input)
        return reimpl.group_norm(input, self.num_groups, self.weight, None, self.eps)


@stand_in
class CountsPaddingInEvaluation(reimpl.AvgPool2d):
    """Count the padding in evaluation whatever was asked for."""

    def forward(self, input: Tensor) -> Tensor:
        """Average."""
        asked = self.count_include_pad
        self.count_include_pad = asked or not self.training
        try:
            return super().forward(input)
        finally:
            self.count_include_pad = asked


@stand_in
class ShiftedWhileRecording(reimpl.Softmax2d):
    """Add a constant while a graph is recorded."""

    def forward(self, input: Tensor) -> Tensor:
        """Scale exponentials."""
        y = super().forward(input)
        return shifted(y) if training_step(self, input) else y


@stand_in
class NarrowIndices(reimpl.MaxPool3d):
    """Return 32-bit indices while a graph is recorded."""

    def forward(self, input: Tensor) -> Any:
        """Pool."""
        found = super().forward(input)
        if not (self.return_indices and training_step(self, input)):
            return found
        return found[0], found[1].int()


TRAINING: tuple[Fault, ...] = (
    modes(
        name="batch-norm-never-moves-while-recording",
        op="batch_norm",
        says="the running estimates stay where they are while a graph is recorded",
        expected=("buffers", "gradients"),
        broken=wrapped("batch_norm", never_moves),
    ),
    modes(
        name="batch-norm2d-moves-twice-while-recording",
        op="BatchNorm2d",
        says="the running estimates move twice while a graph is recorded",
        expected=("buffers", "gradients"),
        broken=MovesTwice,
    ),
    modes(
        name="batch-norm1d-counts-under-no-grad",
        op="BatchNorm1d",
        says="num_batches_tracked grows only if no graph is recorded",
        expected=("buffers", "gradients"),
        broken=CountsUnderNoGrad,
    ),
    modes(
        name="instance-norm2d-never-moves-while-recording",
        op="InstanceNorm2d",
        says="the running estimates stay where they are while a graph is recorded",
        expected=("buffers", "gradients"),
        broken=NeverMoves,
    ),
    modes(
        name="batch-norm3d-estimates-under-no-grad",
        op="BatchNorm3d",
        says="in training the running estimates normalize if gradients are switched off",
        expected=("forward", "buffers"),
        broken=EvaluatesByTheEstimates,
    ),
    modes(
        name="group-norm-module-evaluates-without-bias",
        op="GroupNorm",
        says="in evaluation the bias is left out",
        expected=("forward", "contract"),
        broken=ShiftsInEvaluation,
    ),
    modes(
        name="avg-pool2d-module-evaluates-with-padding",
        op="AvgPool2d",
        says="in evaluation the padding counts whatever count_include_pad says",
        expected=("forward", "contract"),
        broken=CountsPaddingInEvaluation,
    ),
    modes(
        name="softmax2d-shifted-while-recording",
        op="Softmax2d",
        says="0.25 is added to the output while a graph is recorded",
        expected=("forward", "gradients"),
        broken=ShiftedWhileRecording,
    ),
    modes(
        name="max-pool3d-narrow-indices-while-recording",
        op="MaxPool3d",
        says="indices are 32-bit while a graph is recorded",
        expected=("forward", "gradients"),
        broken=NarrowIndices,
    ),
)
