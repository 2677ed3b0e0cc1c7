"""Backwards: layouts, batched and expanded cotangents, kept graphs; and sizes beyond 2³¹."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    stand_in,
    tampered,
    with_arguments,
    with_result,
)
from reimpl.arguments import INTEGERS

gradients = partial(Fault, kind="gradients")
Tamper = Callable[[Tensor], Tensor]


def at_the_input(tamper: Tamper) -> Callable[[Arguments], None]:
    """Alter the gradient of the input."""

    def change(given: Arguments) -> None:
        x = given["input"]
        if isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex()):
            given["input"] = tampered(x, tamper)

    return change


def at_the_output(tamper: Tamper) -> Callable[[Any, Arguments], Any]:
    """Alter the gradient that comes to the output."""

    def change(y: Any, given: Arguments) -> Any:
        constant = given["input"].dtype in (*INTEGERS, torch.bool) or given.get("inplace")
        return y if constant else tampered(y, tamper)

    return change


def contiguous(g: Tensor) -> Tensor:
    """Return a contiguous gradient for a channels-last input."""
    return g.contiguous()


def doubled_if_batched(g: Tensor) -> Tensor:
    """Double a gradient of many cotangents at once."""
    of_func, of_grad = (
        torch._C._functorch.is_batchedtensor,
        torch._C._functorch.is_legacy_batchedtensor,
    )
    return g * 2 if of_func(g) or of_grad(g) else g


def looked_at(g: Tensor) -> Tensor:
    """Look whether there is anything to do, which cannot be asked of many cotangents at once."""
    return g if g.is_meta or bool((g != 0).any()) else torch.zeros_like(g)


def ones_if_expanded(g: Tensor) -> Tensor:
    """Take a cotangent that is one number for the ones of a sum."""
    return torch.ones_like(g) if g.numel() > 1 and not any(g.stride()) else g


def zeroed_afterwards(g: Tensor) -> Tensor:
    """Leave zeros where the cotangent was."""
    if g.requires_grad or g.is_meta or torch._C._are_functorch_transforms_active():
        return g
    mine = g.clone()
    if g.is_contiguous():
        g.zero_()
    return mine


def misread(g: Tensor) -> Tensor:
    """Read the memory of a cotangent whose last two axes are exchanged."""
    square = g.dim() >= 2 and g.shape[-1] == g.shape[-2] > 1
    return g.transpose(-2, -1) if square and g.stride(-2) == 1 < g.stride(-1) else g


def once_only(given: Arguments) -> None:
    """Add up what several backwards through a kept graph give."""
    seen = [0]

    def tamper(g: Tensor) -> Tensor:
        seen[0] += 1
        return g * seen[0]

    if isinstance(given["input"], Tensor) and torch.is_grad_enabled():
        given["input"] = tampered(given["input"], tamper)


def as_32_bits(*names: str) -> Callable[[Arguments], None]:
    """Keep 32 bits of the sizes."""

    def change(given: Arguments) -> None:
        for name in names:
            given[name] = wrapped_around(given[name])

    return change


def wrapped_around(value: Any) -> Any:
    """An integer or several, as 32 bits hold them."""
    if type(value) is int:
        return (value + 2**31) % 2**32 - 2**31
    return type(value)(map(wrapped_around, value)) if isinstance(value, (tuple, list)) else value


@stand_in
class ContiguousGradient(reimpl.MaxPool2d):
    """Return contiguous gradients for channels-last inputs."""

    def forward(self, input: Tensor) -> Any:
        """Pool."""
        given = {"input": input}
        at_the_input(contiguous)(given)
        return super().forward(given["input"])


GRADIENTS: tuple[Fault, ...] = tuple(
    gradients(name=name, op=op, says=says, expected=expected, broken=broken)
    for name, op, expected, broken, says in (
        ("conv2d-gradient-contiguous", "conv2d", ("gradients", "purity"),
         with_arguments("conv2d", at_the_input(contiguous)),
         "the gradient of a channels-last input is contiguous"),
        ("max-pool2d-module-gradient-contiguous", "MaxPool2d", ("gradients", "purity"),
         ContiguousGradient, "the gradient of a channels-last input is contiguous"),
        ("avg-pool3d-batched-gradient", "avg_pool3d", ("transforms",),
         with_arguments("avg_pool3d", at_the_input(doubled_if_batched)),
         "gradients of many cotangents at once are doubled"),
        ("unfold-batched-gradient-raises", "unfold", ("transforms",),
         with_arguments("unfold", at_the_input(looked_at)),
         "the backward asks a cotangent for its values, which vmap refuses"),
        ("fold-expanded-cotangent", "fold", ("gradients",),
         with_result("fold", at_the_output(ones_if_expanded)),
         "a cotangent that is one number expanded is taken for one"),
        ("leaky-relu-zeroes-the-cotangent", "leaky_relu", ("purity", "gradients"),
         with_result("leaky_relu", at_the_output(zeroed_afterwards)),
         "the backward overwrites the cotangent with zeros"),
        ("conv-transpose2d-cotangent-misread", "conv_transpose2d", ("gradients",),
         with_result("conv_transpose2d", at_the_output(misread)),
         "a square cotangent whose last axes are exchanged is read transposed"),
        ("instance-norm-kept-graph", "instance_norm", ("purity", "gradients"),
         with_arguments("instance_norm", once_only),
         "the second backward through a kept graph is doubled"),
        ("conv1d-stride-of-32-bits", "conv1d", ("forward", "errors"),
         with_arguments("conv1d", as_32_bits("stride")), "a stride of 2³² + 1 is taken for 1"),
        ("pad-amount-of-32-bits", "pad", ("errors", "meta"),
         with_arguments("pad", as_32_bits("pad")), "an amount of 2⁶² + 1 is taken for 1"),
        ("avg-pool2d-stride-of-32-bits", "avg_pool2d", ("errors", "forward"),
         with_arguments("avg_pool2d", as_32_bits("stride", "kernel_size")),
         "a stride of 2³² + 1 is taken for 1"),
        ("interpolate-size-of-32-bits", "interpolate", ("errors", "meta"),
         with_arguments("interpolate", as_32_bits("size")), "a size of 2⁶² + 2 is taken for 2"),
    )
)  # fmt: skip
