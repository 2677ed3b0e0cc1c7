"""The autograd Function that every hand-written backward derives from."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor
from torch.autograd import Function


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


def unviewed(y: Tensor) -> Tensor:
    """The tensor as nobody's view: autograd lets nobody write to a view that a Function made.

    For views whose base is this package's own; Dynamo does not know ``.data``.
    """
    return y.data if y._is_view() else y
