"""Convolutions and the linear layer: remainders of loops, borders, groups, initial values."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, stand_in, with_arguments, wrapped
from parity_tests.planted.history.backward import altered
from reimpl.arguments import HALF, repeated


def odd_zero_in_front(given: Arguments) -> None:
    """Put the odd zero of padding='same' in front where the kernel is dilated."""
    d = repeated(given["dilation"], 1)[0]
    zeros = d * (given["weight"].shape[-1] - 1)
    if given["padding"] == "same" and d > 1 and zeros % 2:
        given["input"] = reimpl.pad(given["input"], (zeros - zeros // 2, zeros // 2))
        given["padding"] = 0


def leftover_repeats(given: Arguments) -> None:
    """Give the entries behind the last window the gradient of the entry before them."""
    x, padding = given["input"], given["padding"]
    s, d = (repeated(given[name], 1)[0] for name in ("stride", "dilation"))
    if isinstance(padding, str) or repeated(padding, 1)[0] or not x.is_floating_point():
        return
    left = (x.shape[-1] - d * (given["weight"].shape[-1] - 1) - 1) % s

    def tamper(g: Tensor) -> Tensor:
        inner = g[..., : g.shape[-1] - left]
        return torch.cat((inner, inner[..., -1:].expand(*inner.shape[:-1], left)), -1)

    given["input"] = altered(x, tamper) if left else x


def seventh_tap_lost(given: Arguments) -> None:
    """Take the taps of a row six at a time and forget a remainder of one."""
    K = given["weight"].shape[-1]
    if K > 6 and K % 6 == 1:
        given["weight"] = given["weight"] * (torch.arange(K) < K - 1).to(given["weight"].dtype)


def last_sample_of_an_odd_batch(run: Any, given: Arguments) -> Tensor:
    """Leave the last sample of an odd batch out of a depthwise weight's gradient."""
    x, weight = given["input"], given["weight"]
    if x.dim() < 4 or not x.shape[0] % 2 or x.shape[0] < 3 or given["groups"] < x.shape[1]:
        return run(**given)
    last = {**given, "input": x[-1:], "weight": weight.detach()}
    return torch.cat((run(**{**given, "input": x[:-1]}), run(**last)))


def rounded_per_channel(run: Any, given: Arguments) -> Tensor:
    """Add up the input's channels in 16 bits."""
    x, w = given["input"], given["weight"]
    fits = x.dim() == 5 and w.dim() == 5 and x.shape[1] == w.shape[1] > 1 == given["groups"]
    if x.dtype not in HALF or not fits:
        return run(**given)
    y = run(**{**given, "input": x[:, :1], "weight": w[:, :1]})
    for c in range(1, x.shape[1]):
        part = {**given, "input": x[:, c : c + 1], "weight": w[:, c : c + 1], "bias": None}
        y = y + run(**part)
    return y


def channels_behind_depth(run: Any, given: Arguments) -> Tensor:
    """Keep the kernel's own layout, planes in front of channels, without a batch."""
    y = run(**given)
    return y.transpose(0, 1).contiguous().transpose(0, 1) if given["input"].dim() == 4 else y


def border_without_bias(run: Any, given: Arguments) -> Tensor:
    """Leave the rows and columns that output_padding adds without the bias."""
    bias, extra = given["bias"], repeated(given["output_padding"], 2)
    if bias is None or not any(extra) or bias.dtype in HALF:
        return run(**given)
    y = run(**{**given, "bias": None})
    H, W = y.shape[-2] - extra[0], y.shape[-1] - extra[-1]
    return reimpl.pad(y[..., :H, :W] + bias.view(-1, 1, 1), (0, extra[-1], 0, extra[0])) + (
        y - reimpl.pad(y[..., :H, :W], (0, extra[-1], 0, extra[0]))
    )


def turned_in_groups(given: Arguments) -> None:
    """Turn a dilated kernel round where there are groups."""
    if given["groups"] > 1 and repeated(given["dilation"], 1)[0] > 1:
        given["weight"] = given["weight"].flip(-1)


def planes_exchanged(given: Arguments) -> None:
    """Take the output_padding of the first axis for the second and the other way round."""
    extra = repeated(given["output_padding"], 3)
    if len(extra) == 3:
        given["output_padding"] = (extra[1], extra[0], extra[2])


def nothing_from_nothing(run: Any, given: Arguments) -> Tensor:
    """Return zeros, without the bias, where there are no features to add up."""
    return run(**{**given, "bias": None}) if given["input"].shape[-1:] == (0,) else run(**given)


def remainder_in_single(run: Any, given: Arguments) -> Tensor:
    """Multiply what is left of blocks of sixteen features in single precision."""
    x, w = given["input"], given["weight"]
    I = x.shape[-1] if x.dim() else 0
    if x.dtype != torch.float64 or I < 17 or not I % 16 or w.shape[-1] != I:
        return run(**given)
    whole = I - I % 16
    rest = run(x[..., whole:].float(), w[..., whole:].float()).double()
    return run(x[..., :whole], w[..., :whole], given["bias"]) + rest


def expanded_bias_gradient(run: Any, given: Arguments) -> Tensor:
    """Add up the memory of an expanded cotangent, not its entries, for the bias."""
    bias = given["bias"]
    if bias is None or bias.dtype not in (torch.float32, torch.float64) or bias.dim() != 1:
        return run(**given)
    y = run(**{**given, "bias": None})

    def once(g: Tensor) -> Tensor:
        shared = g.dim() > 1 and g.shape[0] > 1 and g.stride(0) == 0
        return torch.cat((g[:1], torch.zeros_like(g[1:]))) if shared else g

    return y + altered(bias.expand(y.shape), once)


@stand_in
class BoundOfAllGroups(reimpl.Conv1d):
    """Count the inputs of all groups for the bias's bound."""

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        super().reset_parameters()
        if self.bias is not None:
            with torch.no_grad():
                self.bias.mul_(self.groups**-0.5)


@stand_in
class AmountsNotReversed(reimpl.Conv2d):
    """Hand the amounts of padding='same' to the other modes rows first."""

    def _amounts(self) -> Any:
        amounts = super()._amounts()
        other = self.padding == "same" and self.padding_mode != "zeros"
        return [*amounts[2:], *amounts[:2]] if other else amounts


@stand_in
class QuotedMode(reimpl.Conv3d):
    """Show padding_mode in quotes."""

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        mode = f"padding_mode={self.padding_mode}"
        return super().extra_repr().replace(mode, f"padding_mode={self.padding_mode!r}")


@stand_in
class BoundOfTheInputs(reimpl.ConvTranspose2d):
    """Take in_channels, the weight's first axis, for the fan-in of the bias."""

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        super().reset_parameters()
        if self.bias is not None:
            with torch.no_grad():
                self.bias.mul_((self.weight.shape[1] / self.weight.shape[0]) ** 0.5)


@stand_in
class BiasOfTheDefault(reimpl.Linear):
    """Make the bias in the default dtype whatever dtype is asked for."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(in_features, out_features, bias, device, dtype)
        if self.bias is not None:
            self.bias = torch.nn.Parameter(self.bias.detach().to(torch.get_default_dtype()))


@stand_in
class ShuffledByTheRest(reimpl.ShuffledGroupedConv2d):
    """Shuffle by the channels of a group instead of the groups."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve and shuffle."""
        convolution: Any = self.convolution
        y = convolution(input)
        return reimpl.channel_shuffle(y, y.shape[1] // convolution.groups)


CONVOLVING = tuple(
    Fault(name=name, op=op, kind=kind, says=says, expected=expected, broken=broken)
    for name, op, kind, expected, broken, says in (
        ("conv1d-same-dilated-front", "conv1d", "geometry", ("forward",),
         with_arguments("conv1d", odd_zero_in_front),
         "with dilation the odd zero of padding='same' is in front"),
        ("conv1d-leftover-gradient", "conv1d", "backward", ("gradients",),
         with_arguments("conv1d", leftover_repeats),
         "entries that no window reaches get their neighbour's gradient"),
        ("conv2d-seventh-tap", "conv2d", "corners", ("forward",),
         with_arguments("conv2d", seventh_tap_lost),
         "rows are taken six taps at a time, and a single one left over is lost"),
        ("conv2d-depthwise-odd-batch", "conv2d", "backward", ("gradients",),
         wrapped("conv2d", last_sample_of_an_odd_batch),
         "a depthwise weight's gradient lacks the last sample of an odd batch"),
        ("conv3d-channels-in-half", "conv3d", "precision", ("forward",),
         wrapped("conv3d", rounded_per_channel),
         "16-bit inputs are rounded after every channel"),
        ("conv3d-unbatched-strides", "conv3d", "layout", ("forward",),
         wrapped("conv3d", channels_behind_depth),
         "without a batch the planes lie in front of the channels in memory"),
        ("conv-transpose1d-grouped-turned", "conv_transpose1d", "geometry", ("forward",),
         with_arguments("conv_transpose1d", turned_in_groups),
         "with groups a dilated kernel is turned round"),
        ("conv-transpose2d-bare-border", "conv_transpose2d", "boundary", ("forward",),
         wrapped("conv_transpose2d", border_without_bias),
         "what output_padding adds has no bias"),
        ("conv-transpose3d-planes-exchanged", "conv_transpose3d", "geometry", ("forward",),
         with_arguments("conv_transpose3d", planes_exchanged),
         "output_padding's first two entries are exchanged"),
        ("linear-no-features-no-bias", "linear", "corners", ("forward",),
         wrapped("linear", nothing_from_nothing),
         "without input features the bias is left out"),
        ("linear-remainder-in-single", "linear", "precision", ("forward",),
         wrapped("linear", remainder_in_single),
         "in double precision what is left of blocks of 16 features is computed in single"),
        ("linear-expanded-cotangent", "linear", "backward", ("gradients",),
         wrapped("linear", expanded_bias_gradient),
         "an expanded cotangent counts once in the bias's gradient"),
        ("conv1d-module-bound-of-all-groups", "Conv1d", "contract", ("contract",),
         BoundOfAllGroups, "the bias's bound counts the inputs of all groups"),
        ("conv2d-module-amounts-not-reversed", "Conv2d", "geometry", ("forward", "contract"),
         AmountsNotReversed, "padding='same' pads rows by the columns' amounts in other modes"),
        ("conv3d-module-quoted-mode", "Conv3d", "contract", ("contract",),
         QuotedMode, "repr shows padding_mode in quotes"),
        ("conv-transpose2d-module-bound", "ConvTranspose2d", "contract", ("contract",),
         BoundOfTheInputs, "the bias's bound is that of in_channels"),
        ("linear-module-bias-dtype", "Linear", "contract", ("contract",),
         BiasOfTheDefault, "the bias has the default dtype"),
        ("shuffled-grouped-conv2d-by-the-rest", "ShuffledGroupedConv2d", "conventions",
         ("forward",), ShuffledByTheRest, "the shuffle is by the channels of a group"),
    )
)  # fmt: skip
