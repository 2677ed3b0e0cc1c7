"""A map given by formulas: its value, its pullback and its pushforward.

    y = f(x),   gx = pull(gy, k),   dy = push(dx, k),   where k is x, or y if ``by_output``

The formulas are linear in their first argument and differentiable in ``k``, which stays attached
to the graph: so every order of derivative exists. Which of x and y is kept is torch's choice for
the operator, since the kept one may not be overwritten before the backward.

An elementwise map has a diagonal Jacobian, for which pull and push are the same. A map along an
axis counts it from the end, so that a vmapped axis in front does not move it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from reimpl.function import Differentiable, call

Map = Callable[[Tensor], Tensor]
Pull = Callable[[Tensor, Tensor], Tensor]


def by_formulas(
    x: Tensor, f: Map, pull: Pull, push: Pull | None = None, *, by_output: bool = False
) -> Tensor:
    """``f(x)``, with the derivatives that ``pull`` and ``push`` (by default the same) say."""
    return call(_ByFormulas, _DualByFormulas, x, f, pull, push or pull, by_output)


class _ByFormulas(Differentiable):
    @staticmethod
    def forward(x: Tensor, f: Map, _pull: Pull, _push: Pull, _by_output: bool) -> Tensor:
        return f(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, _, ctx.pull, ctx.push, by_output = inputs
        kept = output if by_output else x
        ctx.save_for_backward(kept)
        ctx.save_for_forward(kept)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor, None, None, None, None]:
        (kept,) = ctx.saved_tensors
        return ctx.pull(gy, kept.conj()), None, None, None, None

    @staticmethod
    def vmap(
        _info: Any, in_dims: Any, x: Tensor, f: Map, pull: Pull, push: Pull, by_output: bool
    ) -> tuple[Tensor, int]:
        return by_formulas(x.movedim(in_dims[0], 0), f, pull, push, by_output=by_output), 0


class _DualByFormulas(_ByFormulas):
    @staticmethod
    def jvp(ctx: Any, dx: Tensor, *_: None) -> Tensor:
        return ctx.push(dx, *ctx.saved_tensors)
