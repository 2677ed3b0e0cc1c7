"""A module's interface: repr, attributes, state, initial weights, copies; a signature."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import reimpl
from parity_tests.planted.fault import Arguments, Fault, stand_in, with_arguments
from reimpl.initial import conv_uniform_, kaiming_uniform_

contract = partial(Fault, kind="contract", expected=("contract",))


@stand_in
class ReprWithoutDilation(reimpl.Conv2d):
    """Leave the dilation out of repr."""

    def extra_repr(self) -> str:
        """Return what repr shows."""
        return super().extra_repr().replace(f", dilation={self.dilation}", "")


@stand_in
class BiasByFanOut(reimpl.Conv1d):
    """Draw the bias within 1/√fan_out."""

    def reset_parameters(self) -> None:
        """Draw anew."""
        conv_uniform_(self.weight, None)
        if self.bias is not None and self.weight.numel():
            bound = (self.weight.shape[0] * self.weight.shape[2:].numel()) ** -0.5
            nn.init.uniform_(self.bias, -bound, bound)


@stand_in
class BiasFirst(reimpl.Linear):
    """Draw the bias before the weight when parameters are reset."""

    def reset_parameters(self) -> None:
        """Draw anew."""
        if self.bias is None or not self.weight.shape[1]:
            conv_uniform_(self.weight, self.bias)
            return
        bound = self.weight.shape[1] ** -0.5
        nn.init.uniform_(self.bias, -bound, bound)
        kaiming_uniform_(self.weight, a=5**0.5)


@stand_in
class PaddingAsGiven(reimpl.ConvTranspose2d):
    """Keep output_padding as an integer where one was given."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias,
            dilation, padding_mode, device, dtype,
        )  # fmt: skip
        if isinstance(output_padding, int) and output_padding:
            self.output_padding = output_padding  # type: ignore[assignment]

    def extra_repr(self) -> str:
        """Return what repr shows."""
        given, self.output_padding = self.output_padding, self._pair()
        text = super().extra_repr()
        self.output_padding = given
        return text

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """Convolve."""
        given, self.output_padding = self.output_padding, self._pair()
        y = super().forward(input, output_size)
        self.output_padding = given
        return y

    def _pair(self) -> tuple[int, ...]:
        p: Any = self.output_padding
        return p if isinstance(p, tuple) else (p, p)


@stand_in
class ShiftAlways(reimpl.LayerNorm):
    """Have a bias even where none is wanted."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, bias, device, dtype)
        if elementwise_affine and not bias:
            self.bias = nn.Parameter(torch.zeros(self.normalized_shape, device=device, dtype=dtype))


@stand_in
class StrideAsGiven(reimpl.MaxPool2d):
    """Keep a missing stride as None."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, return_indices, ceil_mode)
        self.stride = stride

    def extra_repr(self) -> str:
        """Return what repr shows, the stride as it is used."""
        return super().extra_repr().replace("stride=None", f"stride={self.kernel_size}")


@stand_in
class WeightsKept(reimpl.GroupNorm):
    """Reset the bias only."""

    def reset_parameters(self) -> None:
        """Reset the bias, and the weight only while it is new."""
        if self.__dict__.setdefault("_built", False):
            if self.bias is not None:
                nn.init.zeros_(self.bias)
            return
        self.__dict__["_built"] = True
        super().reset_parameters()


@stand_in
class CopiesWithoutMomentum(reimpl.BatchNorm1d):
    """Forget the momentum when copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        again = copy.copy(self)
        again.__dict__ = copy.deepcopy(self.__dict__, memo)
        again.momentum = 0.1
        return again


@stand_in
class EstimatesShared(reimpl.BatchNorm3d):
    """Share the running estimates with deep copies."""

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        again = copy.copy(self)
        memo |= {id(t): t for t in self._buffers.values() if t is not None}
        again.__dict__ = copy.deepcopy(self.__dict__, memo)
        return again


@stand_in
class OldStatesRefused(reimpl.BatchNorm2d):
    """Demand num_batches_tracked of states that were saved before it existed."""

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, metadata: Any, *rest: Any
    ) -> None:
        metadata = {**metadata, "version": 2}
        super()._load_from_state_dict(state_dict, prefix, metadata, *rest)


@stand_in
class IntegerFactor(reimpl.Upsample):
    """Keep a whole scale factor as an integer."""

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__(size, scale_factor, mode, align_corners, recompute_scale_factor)
        if isinstance(self.scale_factor, float) and self.scale_factor.is_integer():
            self.scale_factor = int(self.scale_factor)


@stand_in
class AlwaysSingle(reimpl.RMSNorm):
    """Make the weight in float32 whatever dtype is asked for."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        single = torch.float32 if dtype == torch.float64 else dtype
        super().__init__(normalized_shape, eps, elementwise_affine, device, single)


def other_slope(input: Tensor, negative_slope: float = 0.1, inplace: bool = False) -> Tensor:
    """Leak a tenth by default."""
    return reimpl.leaky_relu(input, negative_slope, inplace)


def swapped(
    input: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Take dilation before groups, as convolution does."""
    geometry = stride, padding, output_padding, groups, dilation
    return reimpl.conv_transpose1d(input, weight, bias, *geometry)


def none_is_off(given: Arguments) -> None:
    """Take a missing align_corners for True in bilinear interpolation of images of one row."""
    if given["mode"] == "bilinear" and given["align_corners"] is None and not given["antialias"]:
        given["align_corners"] = given["input"].shape[-2] == 1 and given["size"] is not None


CONTRACT = (
    contract(
        name="conv2d-repr-without-dilation",
        op="Conv2d",
        says="repr leaves the dilation out",
        broken=ReprWithoutDilation,
    ),
    contract(
        name="conv1d-bias-by-fan-out",
        op="Conv1d",
        says="the initial bias is drawn within 1/√fan_out",
        broken=BiasByFanOut,
    ),
    contract(
        name="linear-bias-drawn-first",
        op="Linear",
        says="the bias is drawn before the weight: other numbers under the same seed",
        broken=BiasFirst,
    ),
    contract(
        name="conv-transpose2d-output-padding-as-given",
        op="ConvTranspose2d",
        says="the attribute output_padding is an integer where one was given",
        broken=PaddingAsGiven,
    ),
    contract(
        name="layer-norm-always-shifts",
        op="LayerNorm",
        says="bias=False is ignored",
        broken=ShiftAlways,
    ),
    contract(
        name="max-pool2d-stride-as-given",
        op="MaxPool2d",
        says="the attribute stride is None where none was given",
        broken=StrideAsGiven,
    ),
    contract(
        name="group-norm-weights-kept",
        op="GroupNorm",
        says="reset_parameters resets the bias only",
        broken=WeightsKept,
    ),
    contract(
        name="batch-norm1d-copies-without-momentum",
        op="BatchNorm1d",
        says="deepcopy forgets the momentum",
        broken=CopiesWithoutMomentum,
    ),
    contract(
        name="batch-norm3d-estimates-shared",
        op="BatchNorm3d",
        says="a deep copy shares the running estimates with the original",
        broken=EstimatesShared,
    ),
    contract(
        name="batch-norm2d-old-states-refused",
        op="BatchNorm2d",
        says="a state of version 1, without num_batches_tracked, is refused",
        broken=OldStatesRefused,
    ),
    contract(
        name="upsample-integer-factor",
        op="Upsample",
        says="the attribute scale_factor is an integer where it is whole",
        broken=IntegerFactor,
    ),
    contract(
        name="rms-norm-always-single",
        op="RMSNorm",
        says="dtype=float64 makes float32 weights",
        broken=AlwaysSingle,
    ),
    contract(
        name="leaky-relu-default",
        op="leaky_relu",
        says="the default slope is 0.1",
        broken=other_slope,
    ),
    contract(
        name="conv-transpose1d-order-of-arguments",
        op="conv_transpose1d",
        says="dilation comes before groups",
        broken=swapped,
    ),
    Fault(
        kind="contract",
        name="interpolate-corners-by-default",
        op="interpolate",
        says="align_corners=None means True for images of one row",
        expected=("forward",),
        broken=with_arguments("interpolate", none_is_off),
    ),
)
