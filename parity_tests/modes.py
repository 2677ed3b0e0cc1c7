"""The modes a call can run in: what autograd does meanwhile.

Libraries choose kernels by whether a gradient is recorded, so what holds in one mode need not hold
in another.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from parity_tests.op import Call, Tensors

Cotangent = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Mode:
    """How a call is made: a context around it, and what its tensors are."""

    name: str  # as it follows "in"
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    requires_grad: bool = False  # of the call's wanted tensors
    tangents: bool = False  # they are dual numbers
    context: str = ""  # ``around`` as source

    def given(self, call: Call, tensors: Tensors, tangent: Cotangent) -> Tensors:
        """The call's tensors as they are in this mode, which must be entered."""
        names = [n for n in wanted_names(call) if differentiable(tensors[n])]
        if self.requires_grad:
            for name in names:
                if not tensors[name].is_inference():
                    tensors[name].requires_grad_()
        if not self.tangents:
            return tensors
        return tensors | {
            n: forward_ad.make_dual(tensors[n], tangent(f"tangent of {n}", tensors[n]))
            for n in names
        }


PLAIN = Mode("plain mode")
RECORDING = Mode("recording mode", requires_grad=True)
NO_GRAD = Mode("no_grad mode", torch.no_grad, requires_grad=True, context="torch.no_grad()")
INFERENCE = Mode("inference mode", torch.inference_mode, context="torch.inference_mode()")
FORWARD_AD = Mode(
    "forward-mode AD",
    forward_ad.dual_level,
    tangents=True,
    context="torch.autograd.forward_ad.dual_level()",
)
MODES = (PLAIN, RECORDING, NO_GRAD, INFERENCE, FORWARD_AD)


def wanted_names(call: Call) -> list[str]:
    """The tensors to differentiate by, with the inputs of all steps if the input is one."""
    steps = [f"step {i} input" for i, _ in enumerate(call.steps, start=1)]
    return [*call.wanted, *(steps if "input" in call.wanted else ())]


def differentiable(t: Tensor) -> bool:
    """Whether a tensor of this dtype can have a gradient."""
    return t.is_floating_point() or t.is_complex()


def without_tangents(results: Tensors) -> Tensors:
    """The values of results that may be dual numbers."""
    return {name: forward_ad.unpack_dual(t).primal for name, t in results.items()}


def one_of(modes: tuple[Mode, ...], call: Call) -> Mode:
    """One of the modes, always the same one for the same call."""
    return modes[call.share(len(modes), "mode")]
