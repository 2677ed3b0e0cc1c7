"""An implementation on other arrays, or with less than torch's abilities, as a subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from parity_tests.running_error import Rounding

if TYPE_CHECKING:
    from parity_tests.search import Cell

DIFFERENTIATING = ("gradients", "second", "transforms")


@dataclass(frozen=True)
class Abilities:
    """What an implementation is judged by; what it does not claim is not asked of it."""

    differentiable: bool = True  # autograd and torch.func's transforms go through
    dtypes: tuple[str, ...] = ()  # torch's names; none named: all
    devices: tuple[str, ...] = ()  # likewise
    in_place: bool = True  # inplace=True and out= are honoured
    strided: bool = True  # outputs lie in memory as torch's do, on the meta device too
    rounding: Rounding = "once"  # of 16-bit types: once at the end, or every step

    def include(self, cell: Cell) -> bool:
        """Whether the cell is about something claimed."""
        name, op = cell.check.name, cell.op
        dtype = str(cell.dtype).removeprefix("torch.")
        return (
            (self.differentiable or name not in DIFFERENTIATING)
            and (self.strided or name not in ("meta", "transforms"))
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

    ``native`` makes such an array of a tensor, ``tensor`` a tensor of a result. A NumPy module
    becomes a subject by ``parity_subject = Adapter.numpy(sys.modules[__name__])`` in it.
    """

    namespace: Any
    native: Callable[[Tensor], Any]
    tensor: Callable[[Any], Tensor]
    abilities: Abilities

    @classmethod
    def numpy(cls, namespace: Any, dtypes: tuple[str, ...] = ("float32", "float64")) -> Adapter:
        """Of functions on NumPy arrays, which share their memory with the tensors."""
        own = Abilities(differentiable=False, dtypes=dtypes, devices=("cpu",), strided=False)
        return cls(namespace, lambda t: t.detach().numpy(), from_numpy, own)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found = getattr(self.namespace, name)
        if not callable(found):
            raise AttributeError(name)

        @wraps(found)
        def converted(*args: Any, **options: Any) -> Any:
            met: list[tuple[Any, Tensor]] = []  # arrays, and the tensors they were

            def given(value: Any) -> Any:
                if not isinstance(value, Tensor):
                    return value
                met.append((self.native(value), value))
                return met[-1][0]

            def back(result: Any) -> Tensor:
                for array, tensor in met:  # what was written in place is returned as itself
                    if array is result:
                        return tensor
                return self.tensor(result)

            result = found(*map(given, args), **{k: given(v) for k, v in options.items()})
            return tuple(map(back, result)) if isinstance(result, tuple | list) else back(result)

        return converted


def from_numpy(value: Any) -> Tensor:
    """The tensor of an array, or of the scalar that NumPy makes of an array without axes."""
    return torch.from_numpy(np.ascontiguousarray(value).reshape(np.shape(value)))
