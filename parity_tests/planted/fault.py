"""A fault: one small, realistic mistake in an implementation that is otherwise correct."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from types import SimpleNamespace
from typing import Any, TypeVar

import torch

import reimpl
from parity_tests.subjects import Subject

Arguments = dict[str, Any]
Module = TypeVar("Module", bound=type[torch.nn.Module])


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A broken stand-in for one operator, and the checks that ought to notice it."""

    name: str  # unique, in kebab-case
    op: str  # the operator's name in torch.nn or torch.nn.functional
    kind: str  # the mistake's family: history, geometry, conventions, ...
    says: str  # the mistake in a line
    expected: tuple[str, ...]  # the checks that should catch it, the likeliest first
    broken: Callable[..., Any]  # takes the operator's own arguments, or is its nn.Module
    source: str = "planted"  # or "PyTorch #NNNN: what it did"

    def subject(self) -> Subject:
        """Return reimpl with this fault's operator broken and all else intact."""
        names = {name: getattr(reimpl, name) for name in reimpl.__all__}
        return Subject(self.name, (SimpleNamespace(**{**names, self.op: self.broken}),))


class Tampered(torch.autograd.Function):
    """The identity, whose backward passes the gradient through a given function."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        tensor: torch.Tensor, _tamper: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Return the tensor as it came."""
        return tensor.detach()  # an alias, strides and all

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _output: torch.Tensor) -> None:
        """Keep the function."""
        _, ctx.tamper = inputs

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the gradient as the mistake has it."""
        return ctx.tamper(grad), None

    @staticmethod
    def jvp(_ctx: Any, tangent: torch.Tensor, _: None) -> torch.Tensor:
        """Return the tangent as it came: the mistake is the backward's."""
        return tangent.clone()


def tampered(tensor: Any, tamper: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return the tensor, whose gradient is to be altered by `tamper`; what is none as it is."""
    return Tampered.apply(tensor, tamper) if isinstance(tensor, torch.Tensor) else tensor


def with_arguments(op: str, change: Callable[[Arguments], None]) -> Callable[..., Any]:
    """Return reimpl's function, with its signature, but for what `change` does to the arguments."""

    def body(run: Callable[..., Any], given: Arguments) -> Any:
        change(given)
        return run(**given)

    return wrapped(op, body)


def with_result(op: str, change: Callable[[Any, Arguments], Any]) -> Callable[..., Any]:
    """Return reimpl's function, with its signature, but for what `change` makes of the result."""
    return wrapped(op, lambda run, given: change(run(**given), given))


def wrapped(op: str, body: Callable[[Callable[..., Any], Arguments], Any]) -> Callable[..., Any]:
    """Return `body`, given reimpl's function and all its arguments, with that one's signature."""
    right = getattr(reimpl, op)
    signature = inspect.signature(right)

    @wraps(right)
    def broken(*args: Any, **options: Any) -> Any:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        return body(right, bound.arguments)

    return broken


def stand_in(module: Module) -> Module:
    """Give a class its base's name, which repr() shows; pickle goes by the qualified name."""
    module.__name__ = module.__base__.__name__  # type: ignore[union-attr]
    return module
