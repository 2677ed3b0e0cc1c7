"""Number kinds: the ways to write one number, of which torch takes more than Python's own.

A call keeps plain numbers, and beside them how each is given (``Call.kinds``). So the conditions
of known faults, the definitions and the truth see plain numbers; only the call sees another kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

LEFT_OUT = "left out"  # the argument is not passed: it has its default

KINDS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "bool": bool,
    "numpy.int64": np.int64,
    "numpy.float32": np.float32,
    "numpy.float64": np.float64,
    "numpy.bool_": np.bool_,
    "tensor": torch.tensor,  # of no axes
}

SINGLE = ("numpy.float32", "tensor")  # they compute in single precision


def computed_with(*names: str) -> dict[tuple[str, str], str]:
    """Why these arguments are not given in single precision: see ``Op.without``."""
    reason = "Python computes with it before any kernel does, in single precision then"
    return {(name, kind): reason for name in names for kind in SINGLE}


# The same as source, for scripts.
SOURCES = {
    "numpy.int64": "np.int64",
    "numpy.float32": "np.float32",
    "numpy.float64": "np.float64",
    "numpy.bool_": "np.bool_",
    "tensor": "torch.tensor",
}

# The kinds that make sense for a plain number, by its type. Floats and flags in the place of sizes
# are mistakes, which the errors check makes.
OF_FLOATS = ("int", "bool", "numpy.float32", "numpy.float64", "numpy.int64", "tensor")
OF_INTEGERS = ("numpy.int64", "tensor")
OF_FLAGS = ("int", "numpy.bool_", "tensor")


def given(kind: str, value: Any) -> Any:
    """A plain number, or every number of a sequence, in another kind."""
    if isinstance(value, tuple | list):
        return type(value)(given(kind, v) for v in value)
    return value if value is None else KINDS[kind](value)


def suits(kind: str, value: Any) -> bool:
    """Whether the kind can hold the number, or every number of a sequence, without changing it."""
    if isinstance(value, tuple | list):
        return bool(value) and all(suits(kind, v) for v in value)
    match value:
        case bool():
            return kind in OF_FLAGS
        case int():
            return kind in OF_INTEGERS and abs(value) < 2**53
        case float():
            return kind in OF_FLOATS and exact(kind, value) == value
    return False


def exact(kind: str, value: float) -> float:
    """The number that the kind makes of a float: NumPy's and torch's default have 24 bits."""
    if value - value != 0:  # NaN and infinities are no integers
        return value if kind.startswith("numpy.float") or kind == "tensor" else 0.0
    if kind in ("numpy.float32", "tensor"):
        return float(np.float32(value))
    return float(KINDS[kind](value))


def source(kind: str, value: Any) -> str:
    """How a script writes it."""
    if isinstance(value, tuple | list):
        inner = ", ".join(source(kind, v) for v in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
    if kind == "numpy.float32" and value - value == 0:
        return repr(np.float32(value))
    return f"{SOURCES[kind]}({value!r})" if kind in SOURCES else repr(given(kind, value))
