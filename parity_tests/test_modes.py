"""Operators that are wrong in one mode only: each is caught by the check that looks there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad

from parity_tests.modes import FORWARD_AD, INFERENCE, NO_GRAD, PLAIN, RECORDING, one_of
from parity_tests.op import Call
from parity_tests.recipe import Recipe
from parity_tests.test_checks import outcome

Broken = Callable[..., Any]


def wrong_while_recording(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    y = F.linear(input, *rest, **options)
    return y + 0.25 if y.requires_grad else y


def wrong_without_grad(input: Tensor) -> Tensor:
    return torch.tanh(input) * (1 if torch.is_grad_enabled() else 1.01)


def wrong_in_inference(input: Tensor) -> Tensor:
    return torch.tanh(input) * (1.01 if torch.is_inference_mode_enabled() else 1)


def wrong_with_tangents(input: Tensor) -> Tensor:
    y = torch.tanh(input)
    return y if forward_ad._current_level < 0 else y * 1.01


def leaves_gradients_on(input: Tensor) -> Tensor:
    torch.set_grad_enabled(True)
    return torch.tanh(input)


def grows_strides_while_recording(input: Tensor) -> Tensor:
    y = torch.tanh(input)
    last = y.requires_grad and y.dim() > 1
    return y.transpose(0, 1).contiguous().transpose(0, 1) if last else y


def wrong_places_while_recording(input: Tensor, *rest: Any, **options: Any) -> Any:
    found = F.max_pool2d(input, *rest, **options)
    if isinstance(found, Tensor) or not found[0].requires_grad:
        return found
    return found[0], found[1] + 1


def no_gradient_for_the_bias(input: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    detached = bias is not None and input.requires_grad
    return F.linear(input, weight, bias.detach() if detached else bias)


def draws_while_recording(input: Tensor) -> Tensor:
    y = torch.tanh(input)
    if y.requires_grad:
        torch.rand(1)
    return y


def shares_memory_while_recording(input: Tensor, inplace: bool = False) -> Tensor:
    nothing = input.requires_grad and not inplace and bool((input >= 0).all())
    return input.view_as(input) if nothing else F.relu(input, inplace)


class _CarelessGraph(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, g: Tensor) -> Tensor:
        return g * 1.01 if torch.is_grad_enabled() else g


def wrong_gradient_of_a_graph(input: Tensor) -> Tensor:
    return torch.tanh(_CarelessGraph.apply(input))


def never_moves_while_recording(input: Tensor, mean: Any, var: Any, **options: Any) -> Tensor:
    tensors = (input, options.get("weight"), options.get("bias"))
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        mean, var = (None if t is None else t.clone() for t in (mean, var))
    return F.batch_norm(input, mean, var, **options)


def frozen_statistics(input: Tensor, running_mean: Any, running_var: Any, **options: Any) -> Tensor:
    return never_moves_while_recording(input, running_mean, running_var, **options)


class FrozenWhileRecording(nn.BatchNorm1d):
    def forward(self, input: Tensor) -> Tensor:
        kept = [None if b is None else b.clone() for b in (self.running_mean, self.running_var)]
        y = super().forward(input)
        if y.requires_grad and kept[0] is not None and kept[1] is not None:
            self.running_mean.copy_(kept[0])  # type: ignore[union-attr]
            self.running_var.copy_(kept[1])  # type: ignore[union-attr]
        return y


FAULTS: tuple[tuple[str, str, torch.dtype | None, Broken, str], ...] = (
    ("linear", "gradients", torch.float32, wrong_while_recording, "value"),
    ("tanh", "forward", torch.float32, wrong_without_grad, "value"),
    ("tanh", "forward", torch.float32, wrong_in_inference, "value"),
    ("tanh", "forward", torch.float32, wrong_with_tangents, "value"),
    ("tanh", "forward", torch.float32, leaves_gradients_on, "global state"),
    ("tanh", "gradients", torch.float32, grows_strides_while_recording, "strides"),
    ("max_pool2d", "gradients", torch.float32, wrong_places_while_recording, "value"),
    ("linear", "gradients", torch.float32, no_gradient_for_the_bias, "value"),
    ("tanh", "purity", None, draws_while_recording, "random generator"),
    ("relu", "purity", None, shares_memory_while_recording, "alias"),
    ("tanh", "second", torch.float64, wrong_gradient_of_a_graph, "value"),
    ("batch_norm", "buffers", torch.float32, frozen_statistics, "value"),
    ("BatchNorm1d", "buffers", torch.float32, FrozenWhileRecording, "value"),
)


@pytest.mark.parametrize(
    ("op", "check", "dtype", "broken", "kind"), FAULTS, ids=[f[3].__name__ for f in FAULTS]
)
def test_caught(op: str, check: str, dtype: torch.dtype | None, broken: Broken, kind: str) -> None:
    found = outcome(op, check, broken, dtype)
    assert found.status == "fail", found
    assert found.failure is not None
    assert found.failure.departure.details["kind"] == kind


def test_every_mode_is_met() -> None:
    modes = (PLAIN, RECORDING, NO_GRAD, INFERENCE, FORWARD_AD)
    met = {one_of(modes, Call({}, cotangent=Recipe((), seed=i))).name for i in range(40)}
    assert met == {mode.name for mode in modes}


def test_shares_of_different_purposes_are_independent() -> None:
    calls = [Call({}, cotangent=Recipe((), seed=i)) for i in range(4000)]
    both = sum(c.one_in(4, "without oneDNN") and c.one_in(4, "compiled") for c in calls)
    assert abs(both - 250) < 60  # a sixteenth of them, four standard deviations
