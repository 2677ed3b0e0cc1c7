"""Checking arguments: every message names the operator, the argument, what it got, what it needs.

The exception classes are torch's own for the same mistake: TypeError for a value of the wrong
kind, RuntimeError for tensors that do not fit (NotImplementedError, its subclass, for a dtype
without a kernel), ValueError where torch's Python layer checks. Nothing here looks at the values
of a tensor, so all of it works on the meta device and under torch.compile.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from operator import index
from typing import Any

import torch
from torch import Tensor

Ints = tuple[int, ...]

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
REALS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
HALF = (torch.float16, torch.bfloat16)
COMPLEX = (torch.complex32, torch.complex64, torch.complex128)

_COMPUTED_IN = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.complex32: torch.complex64,
}


def accumulator(dtype: torch.dtype) -> torch.dtype:
    """The dtype an operator computes in before it rounds once to ``dtype``."""
    return _COMPUTED_IN.get(dtype, dtype)


def tensor(op: str, name: str, value: object) -> None:
    """``value`` must be a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{op}: {name} must be a Tensor, got {type(value).__name__}")


def optional_tensor(op: str, name: str, value: object) -> None:
    """``value`` must be a tensor or None."""
    if not (value is None or isinstance(value, Tensor)):
        raise TypeError(f"{op}: {name} must be a Tensor or None, got {type(value).__name__}")


def number(op: str, name: str, value: Any, *, scalar: bool = False) -> Any:
    """``value`` as a real number (or a tensor holding one); torch takes NumPy's numbers, too.

    Where torch's own parameter is a ``Scalar`` it also takes a complex number that is real.
    """
    if type(value) is float or type(value) is int:
        return value
    plain = _python_number(value)
    if scalar and isinstance(plain, complex) and plain.imag == 0:
        return plain.real
    if not isinstance(plain, (int, float, Tensor)):
        raise TypeError(f"{op}: {name} must be a number, got {value!r}")
    return plain


def _python_number(value: Any) -> Any:
    """A number of NumPy's as Python's; everything else as it is. NumPy need not be there."""
    kind = type(value)
    if kind.__module__ == "numpy" and kind.__name__ != "ndarray":
        return value.item()
    return value


def integer(op: str, name: str, value: Any) -> int:
    """``value`` as an int; torch takes what has ``__index__``, but no bool and no float."""
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, bool):
        raise TypeError(f"{op}: {name} must be an integer, got {value}")
    try:
        number_ = index(value)
    except TypeError:
        raise TypeError(f"{op}: {name} must be an integer, got {value!r}") from None
    if not -(2**63) <= number_ < 2**63:
        raise RuntimeError(f"{op}: {name} must fit in 64 bits, got {value}")
    return number_


def extent(op: str, name: str, value: Any) -> int:
    """``value`` as an int, for the size of a parameter, where torch takes a bool as well."""
    return int(value) if isinstance(value, bool) else integer(op, name, value)


def at_least(op: str, name: str, value: int, least: int) -> int:
    """``value`` as an integer no smaller than ``least``."""
    number_ = integer(op, name, value)
    if number_ < least:
        raise RuntimeError(f"{op}: {name} must be {_SIGNS[least]}, got {number_}")
    return number_


_SIGNS = {0: "non-negative", 1: "positive"}


def storable(op: str, name: str, given: object, shape: Ints, dtype: torch.dtype) -> None:
    """An output of ``shape`` must be one that memory can hold: addresses have 47 bits.

    Before anything is computed of its sizes, which would take as long as it is large.
    """
    if prod(shape) * dtype.itemsize >= 2**47:
        raise RuntimeError(
            f"{op}: {name} must give an output that memory can hold, got {given!r}, "
            f"for the shape {tuple(shape)}"
        )


def integers(op: str, name: str, value: Any) -> Ints:
    """``value`` as a tuple of integers, however many."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{op}: {name} must be a tuple of integers, got {value!r}")
    return tuple([integer(op, name, entry) for entry in value])


def one_or_more(op: str, name: str, value: Any) -> Ints:
    """``value`` as a tuple of integers, where a single one may stand for itself."""
    return integers(op, name, value if isinstance(value, (tuple, list)) else (value,))


def unpacked(value: Any) -> Any:
    """An array or a tensor of several numbers as a tuple of them.

    For the parameters that torch unpacks in Python, where anything that can be iterated will do.
    """
    several = getattr(value, "ndim", 0) == 1
    return tuple(value) if several else value


def per_axis(op: str, name: str, value: Any, n: int, least: int) -> Ints:
    """One integer per spatial axis, none below ``least``; an int or a single entry serves all."""
    if isinstance(value, (tuple, list)):
        entries: Ints = tuple([integer(op, name, v) for v in value])
        entries = entries * n if len(entries) == 1 else entries
    else:
        entries = (integer(op, name, value),) * n
    if len(entries) != n:
        raise RuntimeError(f"{op}: {name} must be an int or {n} ints, got {value}")
    if min(entries) < least:
        raise RuntimeError(f"{op}: {name} must be {_SIGNS[least]}, got {value}")
    return entries


def repeated(value: Any, n: int) -> tuple[Any, ...]:
    """A module's geometry as a tuple: ``3 -> (3, 3)``; an iterable is taken as it is."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * n


def dtype_among(
    op: str, input: Tensor, allowed: Iterable[torch.dtype], name: str = "input"
) -> None:
    """``input`` must have one of the dtypes the operator computes in."""
    if input.dtype not in allowed:
        names = ", ".join(str(d).removeprefix("torch.") for d in allowed)
        raise NotImplementedError(f"{op}: {name} must have a dtype of {names}, got {input.dtype}")


def alike(op: str, input: Tensor, **others: Tensor | None) -> None:
    """The other tensors must have the dtype and the device of ``input``."""
    for name, t in others.items():
        if t is None:
            continue
        if t.dtype != input.dtype:
            raise RuntimeError(f"{op}: {name} must have input's dtype {input.dtype}, got {t.dtype}")
        same_device(op, input, name, t)


def same_device(op: str, input: Tensor, name: str, t: Tensor) -> None:
    """``t`` must be on the device of ``input``."""
    if t.device != input.device:
        raise RuntimeError(f"{op}: {name} must be on input's device {input.device}, got {t.device}")


def parameters_alike(op: str, input: Tensor, **others: Tensor | None) -> None:
    """All one dtype, that of ``input``; a 16-bit input may also go with float32 ones."""
    given = {name: t for name, t in others.items() if t is not None}
    allowed = {input.dtype, torch.float32} if input.dtype in HALF else {input.dtype}
    dtypes = [t.dtype for t in given.values()]
    for name, t in given.items():
        if t.dtype not in allowed or t.dtype != dtypes[0]:
            need = " or ".join(sorted(map(str, allowed)))
            raise RuntimeError(
                f"{op}: {name} must have dtype {need}, one for all parameters and statistics, "
                f"got {t.dtype} among {sorted(set(map(str, dtypes)))}"
            )
        same_device(op, input, name, t)
