"""An implementation on other arrays, or with less than torch's abilities, as a subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from parity_tests.running_error import Rounding

if TYPE_CHECKING:
    from parity_tests.search import Cell

# How often autograd differentiates in each check; torch.func's transforms want all of it.
ORDERS_CLAIMED = (0, 1, 2)
ORDERS = {"gradients": 1, "second": 2, "transforms": 2}


@dataclass(frozen=True)
class Abilities:
    """What an implementation is judged by; what it does not claim is not asked of it."""

    derivatives: int = 2  # how often autograd differentiates it: 0, 1 or 2
    dtypes: tuple[str, ...] = ()  # torch's names; none named: all
    devices: tuple[str, ...] = ()  # likewise
    in_place: bool = True  # inplace=True and out= are honoured
    complete: bool = True  # else a call may be passed over by NotImplementedError, and is counted
    strided: bool = True  # outputs lie in memory as torch's do, on the meta device too
    conventions: bool = True  # signatures and exceptions are torch's
    rounding: Rounding = "once"  # of 16-bit types: once at the end, or every step

    def __post_init__(self) -> None:
        known = get_args(Rounding)
        if self.rounding not in known:
            raise ValueError(f"rounding must be one of {', '.join(known)}, got {self.rounding!r}")
        for name in self.dtypes if isinstance(self.dtypes, tuple) else (self.dtypes,):
            if not isinstance(getattr(torch, str(name), None), torch.dtype):
                raise ValueError(f"dtypes must be a tuple of torch's names, got {name!r}")
        if self.derivatives not in ORDERS_CLAIMED:
            raise ValueError(f"derivatives must be 0, 1 or 2, got {self.derivatives!r}")

    def include(self, cell: Cell) -> bool:
        """Whether the cell is about something claimed."""
        name, op = cell.check.name, cell.op
        dtype = str(cell.dtype).removeprefix("torch.")
        return (
            self.derivatives >= ORDERS.get(name, 0)
            and (self.strided or name not in ("meta", "transforms", "settings"))
            and (self.conventions or name not in ("errors", "contract"))
            and (self.in_place or not op.name.endswith("_"))
            and (cell.dtype is None or not self.dtypes or dtype in self.dtypes)
            and (not self.devices or cell.device in self.devices)
        )

    def drawn(self, dtypes: tuple[torch.dtype, ...]) -> tuple[torch.dtype, ...]:
        """Those of the dtypes that are claimed."""
        named = {str(dtype).removeprefix("torch."): dtype for dtype in dtypes}
        claimed = tuple(named[name] for name in named if name in (self.dtypes or named))
        return claimed or tuple(getattr(torch, name) for name in self.dtypes)


@dataclass(frozen=True)
class Adapter:
    """A namespace with torch.nn.functional's names, whose functions take arrays of their own.

    ``native`` makes such an array of a tensor, ``tensor`` a tensor of a result; without them the
    functions take tensors, and the adapter only says what they are able to. A NumPy module
    becomes a subject by ``parity_subject = Adapter.numpy(sys.modules[__name__])`` in it.
    ``pullback(function, *arrays)`` returns the result and what maps its cotangent to the arrays',
    as ``jax.vjp`` does: then autograd can differentiate once.
    """

    namespace: Any
    native: Callable[[Tensor], Any] | None = None
    tensor: Callable[[Any], Tensor] | None = None
    abilities: Abilities = Abilities()
    pullback: Callable[..., tuple[Any, Callable[[Any], Any]]] | None = None

    def __post_init__(self) -> None:
        if (self.native is None) != (self.tensor is None):
            raise ValueError("native and tensor go together: one is given, the other is not")

    @classmethod
    def numpy(
        cls,
        namespace: Any,
        dtypes: tuple[str, ...] = ("float32", "float64"),
        *,
        conventions: bool = True,
        complete: bool = True,
    ) -> Adapter:
        """Of functions on NumPy arrays, which share their memory with the tensors."""
        own = Abilities(
            derivatives=0,
            dtypes=dtypes,
            devices=("cpu",),
            strided=False,
            conventions=conventions,
            complete=complete,
        )
        return cls(namespace, lambda t: t.detach().numpy(), from_numpy, own)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found = getattr(self.namespace, name)
        if not callable(found):
            raise AttributeError(name)
        if self.native is None or self.tensor is None:
            return found
        native = self.native
        return self.converted(found, lambda t: native(resolved(t)), self.tensor)

    def converted(
        self,
        found: Callable[..., Any],
        native: Callable[[Tensor], Any],
        tensor: Callable[[Any], Tensor],
    ) -> Callable[..., Any]:
        """The function, taking and giving tensors."""

        @wraps(found)
        def on_tensors(*args: Any, **options: Any) -> Any:
            given = [v for v in (*args, *options.values()) if isinstance(v, Tensor)]

            def on_arrays(*arrays: Any) -> Any:
                """The function, of the arrays that stand for the tensors, in their order."""
                rest = iter(arrays)
                own = [next(rest) if isinstance(v, Tensor) else v for v in args]
                named = {k: next(rest) if isinstance(v, Tensor) else v for k, v in options.items()}
                return found(*own, **named)

            if self.pullback and torch.is_grad_enabled() and any(t.requires_grad for t in given):
                return Pulled.apply(native, tensor, partial(self.pullback, on_arrays), *given)
            arrays = [native(t) for t in given]

            def back(result: Any) -> Tensor:
                for array, itself in zip(arrays, given, strict=True):
                    if array is result:  # written in place
                        return itself
                return tensor(result)

            result = on_arrays(*arrays)
            return tuple(map(back, result)) if isinstance(result, tuple | list) else back(result)

        return on_tensors


def resolved(t: Tensor) -> Tensor:
    """The tensor itself, its numbers in its memory: other libraries know no lazy signs."""
    return t.resolve_conj().resolve_neg()


class Pulled(torch.autograd.Function):
    """A function on foreign arrays, with the pullback that comes with it."""

    @staticmethod
    def forward(
        ctx: Any,
        native: Callable[[Tensor], Any],
        tensor: Callable[[Any], Tensor],
        pullback: Callable[..., tuple[Any, Callable[[Any], Any]]],
        *tensors: Tensor,
    ) -> Tensor:
        """The result, as a tensor."""
        result, pull = pullback(*map(native, tensors))
        ctx.gradients = lambda cotangent: map(tensor, pull(native(cotangent)))
        return tensor(result)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        """The arrays' gradients, as tensors."""
        pairs = zip(ctx.gradients(cotangent), ctx.needs_input_grad[3:], strict=True)
        return None, None, None, *(gradient if needed else None for gradient, needed in pairs)


def from_numpy(value: Any) -> Tensor:
    """The tensor of an array, or of the scalar that NumPy makes of an array without axes."""
    return torch.from_numpy(np.ascontiguousarray(value).reshape(np.shape(value)))
