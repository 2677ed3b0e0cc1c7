"""The autograd Function that every hand-written backward derives from, and how it is called."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import unwrap_dead_wrappers
from torch.autograd import Function, forward_ad

from reimpl.autocast import suspended, untouched


class Differentiable(Function):
    """An autograd Function with ``setup_context``, as torch.func and vmap need it.

    ``Function.apply`` binds its arguments to ``inspect.signature(forward)`` whenever there is a
    ``setup_context``; computing that signature takes longer than a small product. inspect looks
    for ``__signature__`` first, so it is computed once, here.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        forward: Any = cls.__dict__.get("forward")
        if isinstance(forward, staticmethod):
            function: Any = forward.__func__
            function.__signature__ = inspect.signature(function)
        for name in ("backward", "jvp"):
            rule: Any = cls.__dict__.get(name)
            if isinstance(rule, staticmethod):
                setattr(cls, name, staticmethod(untouched(rule.__func__)))


def call(plain: type[Differentiable], dual: type[Differentiable], *args: Any) -> Any:
    """The Function of those arguments; ``dual`` is the ``plain`` one with a jvp.

    Dynamo refuses a Function that has a jvp. And a Function costs more than a small operator, so
    where nobody asks for a derivative it is its forward and no more: the backward of a backward
    mostly. Otherwise it is called as ``Function.apply`` calls it, but for the binding of arguments
    to the signature, which ours need not.
    """
    if torch._C._is_any_autocast_enabled():
        with suspended():
            return call(plain, dual, *args)
    if torch.compiler.is_compiling():
        return plain.apply(*args)
    if torch._C._are_functorch_transforms_active():
        return dual.apply(*args)
    if not differentiated(*args):
        return dual.forward(*args)
    return super(Function, dual).apply(*unwrap_dead_wrappers(args))  # type: ignore[misc]


def differentiated(*args: Any) -> bool:
    """Whether anybody may ask for a derivative by one of the tensors."""
    if torch.is_grad_enabled() and any(isinstance(a, Tensor) and a.requires_grad for a in args):
        return True
    if torch.compiler.is_compiling():
        return False
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def unviewed(y: Tensor) -> Tensor:
    """The tensor as nobody's view: autograd lets nobody write to a view that a Function made.

    For views whose base is this package's own; Dynamo does not know ``.data``.
    """
    return y.data if y._is_view() else y
