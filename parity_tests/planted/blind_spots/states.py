"""States that a tensor can be in besides its strides: lazy bits, leaves, views, shared memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import reimpl
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    stand_in,
    tampered,
    with_arguments,
    wrapped,
)

states = partial(Fault, kind="states")


def conjugation_ignored(name: str) -> Callable[[Arguments], None]:
    """Read the memory of a tensor whose conjugation is still to be done."""

    def change(given: Arguments) -> None:
        t = given[name]
        if isinstance(t, Tensor) and t.is_conj():
            given[name] = t.conj()

    return change


def negation_ignored(given: Arguments) -> None:
    """Read the memory of a tensor whose negation is still to be done."""
    x = given["input"]
    if isinstance(x, Tensor) and x.is_neg() and not given.get("inplace"):
        given["input"] = torch._neg_view(x)


def computed_weight_detached(given: Arguments) -> None:
    """Take a weight that was computed for a constant."""
    w = given["weight"]
    if isinstance(w, Tensor) and not w.is_leaf:
        given["weight"] = w.detach()


def parameter_twice(given: Arguments) -> None:
    """Double the gradient of a weight that is an nn.Parameter."""
    if isinstance(given["weight"], nn.Parameter):
        given["weight"] = tampered(given["weight"], lambda g: g * 2)


def aligned_offset_ignored(given: Arguments) -> None:
    """Read from the start of the storage where the offset is a multiple of eight."""
    x = given["input"]
    if isinstance(x, Tensor) and x.storage_offset() % 8 == 0 < x.storage_offset():
        given["input"] = x.as_strided(x.shape, x.stride(), 0)


def inference_tensor_unscaled(given: Arguments) -> None:
    """Leave beta out for a tensor that was made in inference mode."""
    if isinstance(given["input"], Tensor) and given["input"].is_inference():
        given["beta"] = 1.0


def whole_base_clamped(run: Any, given: Arguments) -> Tensor:
    """Clamp the whole tensor of which the input is a view."""
    x = given["input"]
    y = run(**given)
    if x._is_view() and x._base is not None and not x._base.requires_grad:
        x._base.detach().clamp_(given["min_val"], given["max_val"])
    return y


def out_zeroed_first(given: Arguments) -> None:
    """Fill `out` with zeros before the input is read."""
    x, out = given["input"], given["out"]
    both = isinstance(x, Tensor) and isinstance(out, Tensor) and x.numel() > 0
    if both and out.data_ptr() == x.data_ptr() != 0 and not x.requires_grad:
        out.zero_()


def one_tensor_for_both(given: Arguments) -> None:
    """Leave the bias out if it is the weight itself."""
    if given["weight"] is not None and given["weight"] is given["bias"]:
        given["bias"] = None


def fan_of_a_parameter(given: Arguments) -> None:
    """Take the other fan if the tensor is an nn.Parameter."""
    other = {"fan_in": "fan_out", "fan_out": "fan_in"}
    if isinstance(given["tensor"], nn.Parameter) and given["mode"] in other:
        given["mode"] = other[given["mode"]]


def tied_weight_once(given: Arguments) -> None:
    """Give the weight no gradient if it shares the input's memory."""
    x, w = given["input"], given["weight"]
    if not (isinstance(x, Tensor) and isinstance(w, Tensor) and x.numel()):
        return
    if torch._C._are_functorch_transforms_active() or not w.requires_grad:
        return
    if x.data_ptr() == w.data_ptr() != 0:
        given["weight"] = w.detach()


@stand_in
class KeepsItsFirstWeight(reimpl.Linear):
    """Keep the weight of the first evaluation, whatever is loaded or learnt later."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer."""
        if self.training or torch.is_grad_enabled() or self.weight.is_meta:
            return super().forward(input)
        kept = self.__dict__.setdefault("_packed", self.weight.detach().clone())
        return reimpl.linear(input, kept.to(self.weight), self.bias)


STATES: tuple[Fault, ...] = (
    states(
        name="fft-conjugation-ignored",
        op="fft",
        says="the memory of a lazily conjugated input is read as it is",
        expected=("forward",),
        broken=with_arguments("fft", conjugation_ignored("input")),
    ),
    states(
        name="conv1d-weight-conjugation-ignored",
        op="conv1d",
        says="the memory of a lazily conjugated weight is read as it is",
        expected=("forward",),
        broken=with_arguments("conv1d", conjugation_ignored("weight")),
    ),
    states(
        name="hardtanh-negation-ignored",
        op="hardtanh",
        says="the memory of a lazily negated input is read as it is",
        expected=("forward",),
        broken=with_arguments("hardtanh", negation_ignored),
    ),
    states(
        name="conv-transpose2d-computed-weight",
        op="conv_transpose2d",
        says="a weight that is no leaf of the graph has no gradient",
        expected=("gradients",),
        broken=with_arguments("conv_transpose2d", computed_weight_detached),
    ),
    states(
        name="group-norm-parameter-twice",
        op="group_norm",
        says="the gradient of a weight that is an nn.Parameter is doubled",
        expected=("gradients",),
        broken=with_arguments("group_norm", parameter_twice),
    ),
    states(
        name="pixel-unshuffle-aligned-offset",
        op="pixel_unshuffle",
        says="a storage offset that is a multiple of eight is ignored",
        expected=("forward",),
        broken=with_arguments("pixel_unshuffle", aligned_offset_ignored),
    ),
    states(
        name="softplus-inference-tensor",
        op="softplus",
        says="beta is left out for an input that was made in inference mode",
        expected=("forward",),
        broken=with_arguments("softplus", inference_tensor_unscaled),
    ),
    states(
        name="hardtanh-in-place-clamps-the-base",
        op="hardtanh_",
        says="in place on a view, the whole tensor behind it is clamped",
        expected=("purity",),
        broken=wrapped("hardtanh_", whole_base_clamped),
    ),
    states(
        name="normalize-out-is-the-input",
        op="normalize",
        says="out is zeroed first, even if it is the input",
        expected=("forward", "purity"),
        broken=with_arguments("normalize", out_zeroed_first),
    ),
    states(
        name="layer-norm-one-tensor-for-both",
        op="layer_norm",
        says="the bias is left out if it is the same tensor as the weight",
        expected=("forward", "purity"),
        broken=with_arguments("layer_norm", one_tensor_for_both),
    ),
    states(
        name="kaiming-uniform-parameter",
        op="kaiming_uniform_",
        says="an nn.Parameter is filled by the other fan",
        expected=("forward",),
        broken=with_arguments("kaiming_uniform_", fan_of_a_parameter),
    ),
    states(
        name="linear-tied-weight",
        op="linear",
        says="a weight that shares the input's memory has no gradient",
        expected=("gradients",),
        broken=with_arguments("linear", tied_weight_once),
    ),
    states(
        name="linear-module-keeps-its-first-weight",
        op="Linear",
        says="under no_grad the weight of the first evaluation is kept, whatever is loaded later",
        expected=("contract", "forward"),
        broken=KeepsItsFirstWeight,
    ),
)
