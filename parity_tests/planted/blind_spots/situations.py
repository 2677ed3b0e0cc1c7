"""In which situation a call is made: what the faults of the blind spots depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from parity_tests.planted.fault import Arguments

Change = Callable[[Any, Arguments], Any]  # of a result, as `with_result` takes it
When = Callable[[Arguments], bool]


def tensors(given: Arguments) -> Iterator[Tensor]:
    """The tensors among the arguments."""
    return (value for value in given.values() if isinstance(value, Tensor))


def recording(given: Arguments) -> bool:
    """Whether the call records a graph for a backward."""
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors(given))


def training_step(module: nn.Module, input: Tensor) -> bool:
    """Whether the call of a module records a graph for a backward."""
    given = {"input": input, **dict(module.named_parameters())}
    return isinstance(input, Tensor) and recording(given)


def without_gradients(_: Arguments) -> bool:
    """Whether gradients are switched off."""
    return not torch.is_grad_enabled()


def in_inference_mode(_: Arguments) -> bool:
    """Whether the call is made in inference mode."""
    return torch.is_inference_mode_enabled()


def wanted(given: Arguments, name: str) -> bool:
    """Whether the gradient of that argument is asked for."""
    value = given[name]
    return torch.is_grad_enabled() and isinstance(value, Tensor) and value.requires_grad


def has_tangent(given: Arguments) -> bool:
    """Whether the input carries a tangent of forward-mode differentiation; vmap hides it."""
    x = given["input"]
    if forward_ad._current_level < 0 or not isinstance(x, Tensor):
        return False
    hidden = torch._C._functorch.is_batchedtensor(x)
    return not hidden and forward_ad.unpack_dual(x).tangent is not None


def sixteen_bit(dtype: torch.dtype) -> When:
    """Whether the input has this dtype."""
    return lambda given: isinstance(given["input"], Tensor) and given["input"].dtype == dtype


def only(when: When, change: Change) -> Change:
    """Change the result in that situation only."""
    return lambda y, given: change(y, given) if when(given) else y
