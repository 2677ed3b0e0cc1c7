"""Results that are wrong in one mode of autograd only: recording, no_grad, inference, forward."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from parity_tests.planted.blind_spots.situations import (
    has_tangent,
    in_inference_mode,
    only,
    recording,
    wanted,
    without_gradients,
)
from parity_tests.planted.blind_spots.substituted import scaled, shifted
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    tampered,
    with_arguments,
    with_result,
    wrapped,
)
from reimpl.layout import looks_channels_last

modes = partial(Fault, kind="modes")


def plus_a_quarter(y: Tensor, _: Arguments) -> Tensor:
    """Add a constant."""
    return shifted(y)


def one_percent_more(y: Tensor, _: Arguments) -> Tensor:
    """Scale the values."""
    return scaled(y, 1.01)


def place_before(found: Any, given: Arguments) -> Any:
    """Return the index of the place before the maximum."""
    if not given["return_indices"]:
        return found
    y, i = found
    return y, i - (i > 0).to(i.dtype)


def without_bias(given: Arguments) -> None:
    """Forget the bias if gradients are switched off."""
    if without_gradients(given):
        given["bias"] = None


def corners_ignored(given: Arguments) -> None:
    """Ignore align_corners in inference mode."""
    if in_inference_mode(given) and given["align_corners"]:
        given["align_corners"] = False


def coarser_eps(given: Arguments) -> None:
    """Raise eps in inference mode."""
    if in_inference_mode(given):
        given["eps"] = given["eps"] + 1e-2


def doubled_tangent(y: Tensor, given: Arguments) -> Tensor:
    """Double the tangent if the input also records a graph."""
    if not (recording(given) and has_tangent(given)):
        return y
    primal, tangent = forward_ad.unpack_dual(y)
    return forward_ad.make_dual(primal, tangent * 2)


def only_the_weight(given: Arguments) -> bool:
    """Whether the weight's gradient is wanted and the input's is not."""
    return wanted(given, "weight") and not wanted(given, "input")


def only_the_input(given: Arguments) -> bool:
    """Whether the input's gradient is wanted and the weight's is not."""
    return wanted(given, "input") and not wanted(given, "weight")


def bias_of_a_frozen_layer(given: Arguments) -> None:
    """Halve the bias's gradient where it is the only one that is wanted."""
    alone = wanted(given, "bias") and not (wanted(given, "input") or wanted(given, "weight"))
    if alone:
        given["bias"] = tampered(given["bias"], lambda g: g / 2)


def switched_on(y: Tensor, given: Arguments) -> Tensor:
    """Leave gradients switched on."""
    if without_gradients(given) and not in_inference_mode(given):
        torch.set_grad_enabled(True)
    return y


def view_of_the_unpadded(run: Any, given: Arguments) -> Tensor:
    """Return a view of the input where nothing is padded."""
    y = run(**given)
    if recording(given) and given["mode"] == "constant" and not any(given["pad"]):
        return given["input"].view_as(given["input"])
    return y


def one_subtracted_in_place(y: Tensor, given: Arguments) -> Tensor:
    """Subtract one from every entry of the input itself, which changes no result."""
    x = given["input"]
    if recording(given) and x.is_leaf and x.is_contiguous():
        x.detach().sub_(1)
    return y


def draws(y: Tensor, given: Arguments) -> Tensor:
    """Draw a random number while recording."""
    if recording(given):
        torch.rand(())
    return y


def contiguous(y: Tensor, given: Arguments) -> Tensor:
    """Return a contiguous output for a channels-last input."""
    return y.contiguous() if looks_channels_last(given["input"]) else y


def first_gradient_shifted(given: Arguments) -> None:
    """Shift the gradient if a graph of the backward is recorded."""
    given["input"] = tampered(given["input"], lambda g: g + 0.25 if torch.is_grad_enabled() else g)


def gradient_scaled_once(given: Arguments) -> None:
    """Scale the gradient unless a graph of the backward is recorded."""
    given["input"] = tampered(given["input"], lambda g: g if torch.is_grad_enabled() else g * 1.5)


def weight_without_a_graph(given: Arguments) -> None:
    """Detach the weight where the input needs no gradient."""
    if only_the_weight(given):
        given["weight"] = given["weight"].detach()


def weight_of_an_empty_batch(given: Arguments) -> None:
    """Detach the weight where the batch is empty: its gradient is None and not zeros."""
    x, weight = given["input"], given["weight"]
    if wanted(given, "weight") and isinstance(x, Tensor) and x.numel() == 0:
        given["weight"] = weight.detach()


MODES: tuple[Fault, ...] = tuple(
    modes(name=name, op=op, says=says, expected=expected, broken=broken)
    for name, op, expected, broken, says in (
        ("conv3d-shifted-while-recording", "conv3d", ("forward", "gradients"),
         with_result("conv3d", only(recording, plus_a_quarter)),
         "0.25 is added to the output while a graph is recorded"),
        ("lp-pool1d-scaled-while-recording", "lp_pool1d", ("forward", "gradients"),
         with_result("lp_pool1d", only(recording, one_percent_more)),
         "the output is 1 % too large while a graph is recorded; gradients are right"),
        ("max-pool2d-indices-while-recording", "max_pool2d", ("forward", "gradients"),
         with_result("max_pool2d", only(recording, place_before)),
         "indices are one too small while a graph is recorded"),
        ("linear-without-bias-under-no-grad", "linear", ("forward", "purity"),
         with_arguments("linear", without_bias),
         "the bias is left out if gradients are switched off"),
        ("interpolate-corners-in-inference-mode", "interpolate", ("forward",),
         with_arguments("interpolate", corners_ignored),
         "align_corners=True is ignored in inference mode"),
        ("rms-norm-shifted-in-inference-mode", "rms_norm", ("forward",),
         with_result("rms_norm", only(in_inference_mode, lambda y, _: y + 0.25)),
         "0.25 is added to the output in inference mode"),
        ("layer-norm-eps-in-inference-mode", "layer_norm", ("forward",),
         with_arguments("layer_norm", coarser_eps),
         "eps is 0.01 too large in inference mode"),
        ("tanh-shifted-with-a-tangent", "tanh", ("forward", "transforms"),
         with_result("tanh", only(has_tangent, lambda y, _: y + 0.25)),
         "0.25 is added to the output of an input that carries a tangent"),
        ("pixel-unshuffle-doubled-tangent", "pixel_unshuffle", ("transforms", "gradients"),
         with_result("pixel_unshuffle", doubled_tangent),
         "the tangent is doubled where a graph is recorded as well"),
        ("conv1d-shifted-for-a-weight-alone", "conv1d", ("forward", "gradients"),
         with_result("conv1d", only(only_the_weight, plus_a_quarter)),
         "0.25 is added to the output if only the weight's gradient is wanted"),
        ("conv-transpose2d-shifted-for-an-input-alone", "conv_transpose2d",
         ("forward", "gradients"),
         with_result("conv_transpose2d", only(only_the_input, plus_a_quarter)),
         "0.25 is added to the output if the input's gradient is wanted, not the weight's"),
        ("group-norm-bias-alone", "group_norm", ("gradients",),
         with_arguments("group_norm", bias_of_a_frozen_layer),
         "the bias's gradient is halved where no other is wanted"),
        ("avg-pool1d-switches-gradients-on", "avg_pool1d", ("purity",),
         with_result("avg_pool1d", switched_on),
         "a call under no_grad leaves gradients switched on"),
        ("pad-view-while-recording", "pad", ("purity",),
         wrapped("pad", view_of_the_unpadded),
         "while a graph is recorded an unpadded input is returned as a view"),
        ("log-softmax-writes-while-recording", "log_softmax", ("purity", "gradients"),
         with_result("log_softmax", one_subtracted_in_place),
         "while a graph is recorded one is subtracted from the input itself, in place"),
        ("max-unpool2d-draws-while-recording", "max_unpool2d", ("purity",),
         with_result("max_unpool2d", draws),
         "a random number is drawn while a graph is recorded"),
        ("adaptive-avg-pool2d-strides-while-recording", "adaptive_avg_pool2d",
         ("forward", "gradients"),
         with_result("adaptive_avg_pool2d", only(recording, contiguous)),
         "the output of a channels-last input is contiguous while a graph is recorded"),
        ("unfold-first-gradient-with-create-graph", "unfold", ("second", "gradients"),
         with_arguments("unfold", first_gradient_shifted),
         "0.25 is added to the gradient if the backward is recorded as well"),
        ("softplus-gradient-without-create-graph", "softplus", ("gradients",),
         with_arguments("softplus", gradient_scaled_once),
         "the gradient is half as large again unless the backward is recorded as well"),
        ("conv2d-weight-without-a-graph", "conv2d", ("gradients",),
         with_arguments("conv2d", weight_without_a_graph),
         "the weight has no gradient if the input needs none"),
        ("conv-transpose1d-none-for-an-empty-batch", "conv_transpose1d", ("gradients",),
         with_arguments("conv_transpose1d", weight_of_an_empty_batch),
         "the weight's gradient is None and not zeros where the batch is empty"),
    )
)  # fmt: skip
