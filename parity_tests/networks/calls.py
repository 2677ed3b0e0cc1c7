"""The calls a network makes, recorded as they happen, and each judged by its own error bound.

What a call was given is kept, and so is the gradient that came back to its output. The call is then
judged for itself: its outputs, the buffers it updated and the gradients of its inputs, against
torch in float64 on the same numbers. An error upstream is nobody else's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from parity_tests.experiments import is_integer
from parity_tests.running_error import accept, bound, error_over_bound, one_operator
from parity_tests.subjects import TORCH

Function = Callable[..., Any]
BUFFERS = ("running_mean", "running_var")  # the second and third argument of who has them


@dataclass
class Call:
    """One call of one operator: what it was given, what it returned, what came back."""

    name: str
    function: Function  # the subject's
    given: list[Any]  # arguments, flattened; tensors as copies
    structure: TreeSpec
    returned: list[Tensor] = field(default_factory=list)  # copies
    cotangents: dict[int, Tensor] = field(default_factory=dict)  # by output, where one came

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments, one after another."""
        return [value for value in self.given if isinstance(value, Tensor)]

    def results(
        self, function: Function, tensors: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Outputs, updated buffers and gradients of a function on these numbers."""
        # An operator may work in place: it is given copies, and the gradients are the originals'.
        leaves = [
            t.detach().requires_grad_(old.requires_grad)
            for t, old in zip(tensors, self.tensors, strict=True)
        ]
        copies = [t.clone() for t in leaves]
        left = iter(copies)
        given = [next(left) if isinstance(value, Tensor) else value for value in self.given]
        args, kwargs = tree_unflatten(given, self.structure)
        outputs = flat(function(*args, **kwargs))
        found = {f"output {i}": t for i, t in enumerate(outputs)}
        found |= dict(buffers(self.name, args, kwargs))
        wanted = {f"gradient {i}": t for i, t in enumerate(leaves) if t.requires_grad}
        if wanted and self.cotangents:
            gradients = torch.autograd.grad(
                [outputs[i] for i in self.cotangents],
                list(wanted.values()),
                list(cotangents),
                allow_unused=True,
            )
            found |= {k: g for k, g in zip(wanted, gradients, strict=True) if g is not None}
        return {name: t.detach() for name, t in found.items()}

    def departure(self) -> str | None:
        """What is outside its bound, if anything is."""
        stored = [*(t.detach() for t in self.tensors), *self.cotangents.values()]
        split = len(self.tensors)
        got = self.results(self.function, stored[:split], stored[split:])
        for i, output in enumerate(self.returned):  # what the network really went on with
            got[f"output {i}"] = output
        torchs = TORCH.find(self.name)
        assert torchs is not None
        names: list[str] = []

        def true(*tensors: Tensor) -> list[Tensor]:
            results = self.results(one_operator(torchs), tensors[:split], tensors[split:])
            names[:] = results
            return list(results.values())

        dtype = next(t.dtype for t in self.tensors if t.is_floating_point())
        bounds = bound(true, stored, dtype)
        for name, allowed in zip(names, bounds, strict=True):
            if name not in got:
                return f"{self.name}: {name} is missing"
            if allowed is None or is_integer(got[name]):
                continue  # indices: what they select is an output
            if got[name].shape != allowed.value.shape:
                return f"{self.name}: {name} has shape {tuple(got[name].shape)}"
            good = accept(got[name], allowed.value, allowed.error)
            if not good.all():
                over = error_over_bound(got[name], allowed.value, allowed.error)[~good]
                return f"{self.name}: {name} is off by {float(over.max()):.3g} error bounds"
        return None


class Recorder:
    """A namespace like ``operators`` that keeps every call."""

    def __init__(self, operators: Any) -> None:
        self.calls: list[Call] = []
        names = [n for n in dir(operators) if n[0].islower() and TORCH.find(n) is not None]
        functions = {n: getattr(operators, n) for n in names if callable(getattr(operators, n))}
        self.operators = SimpleNamespace(**{n: self.keep(n, f) for n, f in functions.items()})

    def keep(self, name: str, function: Function) -> Function:
        """The function, and a record of each call."""

        def recorded(*args: Any, **kwargs: Any) -> Any:
            given, structure = tree_flatten((args, kwargs))
            call = Call(name, function, [copied(value) for value in given], structure)
            result = function(*args, **kwargs)
            for i, output in enumerate(flat(result)):
                call.returned.append(output.detach().clone())
                if output.requires_grad:
                    output.register_hook(lambda g, i=i: call.cotangents.__setitem__(i, g.detach()))
            self.calls.append(call)
            return result

        return recorded

    def departures(self) -> Iterator[tuple[int, str]]:
        """The calls that left their bound, in the order in which they were made."""
        for place, call in enumerate(self.calls):
            if (departure := call.departure()) is not None:
                yield place, departure


def copied(value: Any) -> Any:
    """A copy of a tensor, a gradient asked for or not; anything else as it is."""
    if not isinstance(value, Tensor):
        return value
    return value.detach().clone().requires_grad_(value.requires_grad)


def flat(result: Any) -> list[Tensor]:
    """The tensors of what a call returns."""
    return [t for t in tree_flatten(result)[0] if isinstance(t, Tensor)]


def buffers(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The running statistics among a norm's arguments."""
    if name in ("batch_norm", "instance_norm"):
        found = dict(zip(BUFFERS, args[1:3], strict=False)) | kwargs
        yield from ((b, found[b]) for b in BUFFERS if isinstance(found.get(b), Tensor))
