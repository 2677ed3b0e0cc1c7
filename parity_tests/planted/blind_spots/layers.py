"""The same kinds of blind spots in modules: modes, dtypes, sizes, settings, gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.blind_spots.situations import in_inference_mode, training_step
from parity_tests.planted.blind_spots.substituted import scaled, shifted, substituted
from parity_tests.planted.fault import Fault, stand_in, tampered
from reimpl.arguments import HALF


@stand_in
class UnbiasedInInferenceMode(reimpl.Conv2d):
    """Leave the bias out in inference mode."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        y = super().forward(input)
        if self.bias is None or not in_inference_mode({}):
            return y
        return y - self.bias.view(-1, 1, 1)


@stand_in
class ShiftedWhileRecording(reimpl.AdaptiveMaxPool2d):
    """Add a constant while a graph is recorded."""

    def forward(self, input: Tensor) -> Any:
        """Pool."""
        y: Any = super().forward(input)
        if not training_step(self, input):
            return y
        return (shifted(y[0]), y[1]) if self.return_indices else shifted(y)


@stand_in
class ContiguousWhileRecording(reimpl.ReplicationPad2d):
    """Return contiguous outputs while a graph is recorded."""

    def forward(self, input: Tensor) -> Tensor:
        """Pad."""
        y = super().forward(input)
        return y.contiguous() if training_step(self, input) else y


@stand_in
class HalfAPercentMore(reimpl.LPPool1d):
    """Be 0.5 % too large in float16."""

    def forward(self, input: Tensor) -> Tensor:
        """Pool."""
        y = super().forward(input)
        return scaled(y, 1.005) if y.dtype == torch.float16 else y


@stand_in
class OnePercentLess(reimpl.InstanceNorm1d):
    """Be 1 % too small in bfloat16 without an affine map."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        y = super().forward(input)
        return scaled(y, 0.99) if y.dtype == torch.bfloat16 and self.weight is None else y


@stand_in
class DefaultForZero(reimpl.LocalResponseNorm):
    """Take beta = 0 for the default."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        beta = self.beta or 0.75
        return reimpl.local_response_norm(input, self.size, self.alpha, beta, self.k)


@stand_in
class ValueInSingle(reimpl.ConstantPad1d):
    """Round the value to float32."""

    def forward(self, input: Tensor) -> Tensor:
        """Pad."""
        value = self.value
        if isinstance(value, float) and abs(value) < 3e38:
            value = torch.tensor(value, dtype=torch.float32).item()
        return reimpl.pad(input, self.padding, "constant", value)


@stand_in
class LaterChannelsUnbiased(reimpl.ConvTranspose1d):
    """Leave the bias out beyond 64 channels."""

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """Convolve."""
        y = super().forward(input, output_size)
        if self.bias is None or self.out_channels <= 64:
            return y
        late = torch.arange(self.out_channels, device=y.device) >= 64
        return y - torch.where(late, self.bias, 0).view(-1, 1)


@stand_in
class LastSampleDropped(reimpl.MaxUnpool2d):
    """Return zeros for the last of more than eight samples."""

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """Unpool."""
        y = super().forward(input, indices, output_size)
        if y.dim() != 4 or y.shape[0] <= 8:
            return y
        early = torch.arange(y.shape[0], device=y.device) < y.shape[0] - 1
        return torch.where(early.view(-1, 1, 1, 1), y, 0)


@stand_in
class AlwaysSingle(reimpl.Conv3d):
    """Make float32 parameters whatever the default dtype is."""

    def reset_parameters(self) -> None:
        """Draw parameters, in float32 where float64 is the default."""
        if self.weight.dtype == torch.get_default_dtype() == torch.float64:
            self.float()
        super().reset_parameters()


@stand_in
class RoundedUnderAutocast(reimpl.Softmin):
    """Round float32 to the 16 bits of autocast and back."""

    def forward(self, input: Tensor) -> Tensor:
        """Scale exponentials."""
        y = super().forward(input)
        if not torch.is_autocast_enabled("cpu") or y.dtype != torch.float32:
            return y
        return substituted(y, y.detach().to(torch.get_autocast_dtype("cpu")))


@stand_in
class VarianceOverflows(reimpl.LayerNorm):
    """Return NaN where the sum of squares is too large for float16."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        y = super().forward(input)
        if y.dtype != torch.float16 or not y.numel():
            return y
        axes = tuple(range(-len(self.normalized_shape), 0))
        large = input.detach().float().square().sum(axes, keepdim=True) > 65504
        return substituted(y, torch.where(large, float("nan"), y.detach()))


@stand_in
class KeptGraph(reimpl.Sigmoid):
    """Give no gradient the second time."""

    def forward(self, input: Tensor) -> Tensor:
        """Squash."""
        seen: list[int] = []

        def tamper(g: Tensor) -> Tensor:
            seen.append(1)
            return g if len(seen) == 1 else torch.zeros_like(g)

        return super().forward(tampered(input, tamper))


@stand_in
class ParameterCastDown(reimpl.LayerNorm):
    """Round float32 parameters to the input's 16 bits, and their gradients."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize."""
        if not isinstance(input, Tensor) or input.dtype not in HALF or self.weight is None:
            return super().forward(input)
        weight = self.weight.to(input.dtype)
        bias = None if self.bias is None else self.bias.to(input.dtype)
        return reimpl.layer_norm(input, self.normalized_shape, weight, bias, self.eps)


LAYERS: tuple[Fault, ...] = tuple(
    Fault(name=name, op=op, kind=kind, says=says, expected=expected, broken=broken)
    for name, op, kind, expected, broken, says in (
        ("conv2d-module-unbiased-in-inference-mode", "Conv2d", "modes", ("forward",),
         UnbiasedInInferenceMode, "the bias is left out in inference mode"),
        ("adaptive-max-pool2d-module-shifted", "AdaptiveMaxPool2d", "modes",
         ("forward", "gradients"), ShiftedWhileRecording,
         "0.25 is added to the output while a graph is recorded"),
        ("replication-pad2d-contiguous-while-recording", "ReplicationPad2d", "modes",
         ("forward", "gradients"), ContiguousWhileRecording,
         "the output of a channels-last input is contiguous while a graph is recorded"),
        ("lp-pool1d-module-half-a-percent", "LPPool1d", "sixteen-bit", ("forward",),
         HalfAPercentMore, "in float16 the output is 0.5 % too large"),
        ("instance-norm1d-one-percent", "InstanceNorm1d", "sixteen-bit", ("forward",),
         OnePercentLess, "in bfloat16, without an affine map, the output is 1 % too small"),
        ("local-response-norm-module-beta-zero", "LocalResponseNorm", "values", ("forward",),
         DefaultForZero, "beta = 0 is taken for the default"),
        ("constant-pad1d-value-in-single", "ConstantPad1d", "values", ("forward",),
         ValueInSingle, "the value is rounded to float32"),
        ("conv-transpose1d-module-65-channels", "ConvTranspose1d", "sizes", ("forward",),
         LaterChannelsUnbiased, "channels beyond 64 have no bias"),
        ("max-unpool2d-module-9-samples", "MaxUnpool2d", "sizes", ("forward",),
         LastSampleDropped, "the last of more than eight samples is zero"),
        ("conv3d-module-always-single", "Conv3d", "settings", ("contract",), AlwaysSingle,
         "parameters are float32 where the default dtype is float64"),
        ("softmin-module-autocast-rounds", "Softmin", "settings", ("purity", "forward"),
         RoundedUnderAutocast, "under autocast the output is rounded to 16 bits"),
        ("layer-norm-module-squares-overflow", "LayerNorm", "infinite", ("forward",),
         VarianceOverflows, "in float16 the output is NaN where the sum of squares is too large"),
        ("sigmoid-module-kept-graph", "Sigmoid", "gradients", ("purity", "gradients"), KeptGraph,
         "the second backward through a kept graph gives zeros"),
        ("layer-norm-module-mixed-cast-down", "LayerNorm", "mixed", ("forward", "gradients"),
         ParameterCastDown, "float32 parameters beside a 16-bit input are rounded to 16 bits"),
    )
)  # fmt: skip
