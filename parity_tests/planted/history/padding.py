"""Padding: wrapped amounts, transposed images, reflection too far, layers that pad."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, stand_in, with_arguments, with_result
from parity_tests.planted.history.calls import with_valid_arguments


def front_alone_is_forgotten(given: Arguments) -> None:
    if given["mode"] == "circular":
        pairs = zip(given["pad"][::2], given["pad"][1::2], strict=True)
        given["pad"] = [p for lo, hi in pairs for p in ((0, 0) if hi == 0 < lo else (lo, hi))]


def two_axes_transposed(y: Tensor, given: Arguments) -> Tensor:
    x, pad = given["input"], list(given["pad"])
    if x.dim() != 2 or len(pad) != 4 or given["mode"] != "constant" or min(pad) < 1:
        return y
    left, _, top, _ = pad
    rest = [y.shape[1] - left - x.shape[0], y.shape[0] - top - x.shape[1]]
    return reimpl.pad(x.t(), (left, rest[0], top, rest[1]), value=given["value"])


def reflection_goes_too_far(given: Arguments) -> None:
    x, pad = given["input"], given["pad"]
    if given["mode"] != "reflect" or not isinstance(x, Tensor) or not isinstance(pad, tuple | list):
        return
    far = any(p >= x.shape[-1 - i // 2] for i, p in enumerate(pad[: 2 * x.dim()]))
    if far and all(isinstance(p, int) for p in pad):
        given["mode"] = "replicate"


@stand_in
class AcrossTheWrongAxis(reimpl.Conv2d):
    def _amounts(self) -> Sequence[int]:
        amounts = super()._amounts()
        numbers = self.padding_mode == "circular" and isinstance(self.padding, tuple)
        return amounts[::-1] if numbers else amounts


@stand_in
class HalfOnEachSide(reimpl.Conv2d):
    def _amounts(self) -> Sequence[int]:
        if self.padding_mode != "circular" or not isinstance(self.padding, tuple):
            return super()._amounts()
        return [half for p in self.padding[::-1] for half in ((p + 1) // 2, p // 2)]


PADDING = (
    Fault(
        name="pad-front-alone-is-forgotten",
        op="pad",
        kind="history",
        says="circular padding in front of an axis but not behind it adds nothing",
        expected=("forward",),
        broken=with_valid_arguments("pad", front_alone_is_forgotten),
        source="PyTorch #24504: circular padding did nothing where the right side was 0",
    ),
    Fault(
        name="pad-two-axes-transposed",
        op="pad",
        kind="history",
        says="a matrix padded with constants on all four sides is written transposed",
        expected=("forward",),
        broken=with_result("pad", two_axes_transposed),
        source="PyTorch #80192: F.pad on MPS put a matrix across its frame",
    ),
    Fault(
        name="pad-reflection-goes-too-far",
        op="pad",
        kind="history",
        says="reflecting further than the input reaches is accepted",
        expected=("errors",),
        broken=with_arguments("pad", reflection_goes_too_far),
        source="PyTorch #2563: ReflectionPad2d accepted more than the input's size, and crashed",
    ),
    Fault(
        name="conv2d-layer-circular-across-the-wrong-axis",
        op="Conv2d",
        kind="history",
        says="circular padding takes the amounts of the axes in the wrong order",
        expected=("forward",),
        broken=AcrossTheWrongAxis,
        source="PyTorch #37844: circular padding in Conv2d went across the wrong dimension",
    ),
    Fault(
        name="conv2d-layer-circular-half-on-each-side",
        op="Conv2d",
        kind="history",
        says="circular padding adds half the amount on each side",
        expected=("forward",),
        broken=HalfOnEachSide,
        source="PyTorch #20981: Conv2d's circular padding added (p + 1)//2 and p//2",
    ),
)
