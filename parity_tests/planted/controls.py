"""Right operators, wrapped as faults are: whatever is caught here is the wrapping."""

from __future__ import annotations

from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, stand_in, tampered, with_arguments


def no_change(_: Arguments) -> None:
    """Leave the arguments as they are."""


@stand_in
class TheSameBatchNorm(reimpl.BatchNorm1d):
    """Batch normalization by a subclass."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize as the base does."""
        return super().forward(input)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Rectify by another spelling."""
    return reimpl.relu(input, True) if inplace else reimpl.relu(input)


def unchanged_gradient(given: Arguments) -> None:
    """Tamper with the gradient of the input to no effect."""
    given["input"] = tampered(given["input"], lambda g: g)


CONTROLS = tuple(
    Fault(name=f"right-{op.lower()}", op=op, kind="control", says=says, expected=(), broken=broken)
    for op, says, broken in (
        ("conv2d", "wrapped by arguments", with_arguments("conv2d", no_change)),
        ("conv_transpose1d", "wrapped by arguments", with_arguments("conv_transpose1d", no_change)),
        ("max_pool1d", "wrapped by arguments", with_arguments("max_pool1d", no_change)),
        ("softmax", "wrapped by arguments", with_arguments("softmax", no_change)),
        ("avg_pool1d", "tampered with", with_arguments("avg_pool1d", unchanged_gradient)),
        ("relu", "rewritten", relu),
        ("BatchNorm1d", "a subclass", TheSameBatchNorm),
    )
)
