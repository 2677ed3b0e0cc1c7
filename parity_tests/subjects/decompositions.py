"""torch._decomp: torch's own operators, every kernel replaced by its decomposition if it has one.

The table is the one that torch.compile lowers programs by; it holds backward formulas too, and
they run wherever autograd calls for their kernels. ``references`` are torch._refs, torch's
operators in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
import torch._refs.nn.functional
from torch._decomp import core_aten_decompositions
from torch.autograd.graph import Node
from torch.utils._python_dispatch import TorchDispatchMode

from parity_tests.subjects.adapter import Abilities, Adapter

DECOMPOSITIONS = core_aten_decompositions()


class Decomposed(TorchDispatchMode):
    """Calls the decomposition instead of the kernel."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What the decomposition calls is decomposed in its turn."""
        rule = DECOMPOSITIONS.get(func)
        if rule is not None:
            with self:
                result = rule(*args, **(kwargs or {}))
            if result is not NotImplemented:
                return result
        return func(*args, **(kwargs or {}))


def backward_too(result: Any) -> None:
    """Runs the nodes of the result's graph decomposed, too."""
    tensors = result if isinstance(result, tuple | list) else (result,)
    waiting = [t.grad_fn for t in tensors if isinstance(t, torch.Tensor) and t.grad_fn is not None]
    met: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node in met:
            continue
        met.add(node)
        decompose(node)
        waiting += [after for after, _ in node.next_functions if after is not None]


def decompose(node: Node) -> None:
    """The mode is entered before the node runs and left after it."""
    modes: list[Decomposed] = []

    def enter(_: Any) -> None:
        modes.append(Decomposed())
        modes[-1].__enter__()

    def leave(*_: Any) -> None:
        modes.pop().__exit__(None, None, None)

    node.register_prehook(enter)
    node.register_hook(leave)


class Namespace:
    """torch.nn.functional and torch.fft, decomposed."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        spaces = (torch.nn.functional, torch.fft)
        found = next((f for space in spaces if (f := getattr(space, name, None))), None)
        if not callable(found) or name.startswith("_"):
            raise AttributeError(name)

        @wraps(found)
        def decomposed(*args: Any, **options: Any) -> Any:
            with Decomposed():
                result = found(*args, **options)
            backward_too(result)
            return result

        return decomposed


class References:
    """torch._refs, whose first argument has another name than torch's."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found = getattr(torch._refs.nn.functional, name)
        if not callable(found) or name.startswith("_"):
            raise AttributeError(name)

        @wraps(found)
        def by_position(input: torch.Tensor, *args: Any, **options: Any) -> Any:
            return found(input, *args, **options)

        return by_position


composed = Abilities(conventions=False, rounding="composed")  # primitives, each rounded to 16 bits
functional = Adapter(Namespace(), abilities=composed)
references = Adapter(References(), abilities=composed)
