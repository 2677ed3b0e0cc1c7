"""Every numeric argument of every operator, in every type of number: torch decides what it takes.

NumPy's numbers, bools, integers for floats, floats for integers, complex numbers, tensors of no
axes, lists for tuples and arrays for both. What torch accepts, reimpl accepts with the same result.
What torch rejects it rejects, too, unless ``TRIPS`` says that torch's Python trips over it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import reimpl
from parity_tests.experiments import outputs_of
from parity_tests.op import Call, Op
from parity_tests.ops import OPS
from parity_tests.search import rounds_of_calls
from parity_tests.trial import seeded, torchs

TYPES: dict[str, Callable[[Any], Any]] = {
    "int64 of NumPy": np.int64,
    "int32 of NumPy": np.int32,
    "float64 of NumPy": np.float64,
    "float32 of NumPy": np.float32,
    "float16 of NumPy": np.float16,
    "bool of NumPy": np.bool_,
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "tensor of an int": lambda v: torch.tensor(int(v)),
    "tensor of a float": lambda v: torch.tensor(float(v)),
}

# Torch's Python asks for the length of what it takes for a sequence, or for the truth of a
# comparison of NumPy's. Its C++ asserts that NumPy's arrays are lists.
TRIPS = re.compile(
    r"has no len\(\)|len\(\) of a 0-d tensor|iteration over a 0-d tensor|not iterable"
    r"|cond must be a bool|INTERNAL ASSERT|scalar.isIntegral"
)

# (operator, argument, type): why torch's verdict is not followed.
APART = (
    (r"[lL]ocal_?[rR]esponse", r"alpha|beta|k", "complex", "torch makes real numbers complex"),
    (r"[mM]ax_?[uU]npool", "output_size", "first", "torch looks at the first of a list's entries"),
    (r"Conv\dd", "padding", "first", "torch looks at the first of a tuple's entries"),
    (r"(lp_pool|LPPool)\dd?", "norm_type", "", "a power of zero, which is no error to NumPy"),
    (
        "interpolate|Upsample",
        "scale_factor",
        "all float16",
        "torch multiplies sizes in NumPy's 16 bits",
    ),
)


def spellings(value: Any) -> Iterator[tuple[str, Any]]:
    """The same number or numbers in other types."""
    if isinstance(value, (tuple, list)):
        for name, convert in TYPES.items():
            yield f"all {name}", type(value)([convert(v) for v in value])
        for name in ("int64 of NumPy", "float32 of NumPy", "bool", "tensor of an int"):
            yield f"first {name}", type(value)([TYPES[name](value[0]), *value[1:]])
        yield "the other sequence", (list if isinstance(value, tuple) else tuple)(value)
        yield "an array", np.array(value)
        yield "a tensor", torch.tensor(value)
        return
    for name, convert in TYPES.items():
        try:
            yield name, convert(value)
        except (OverflowError, ValueError):  # an infinity is no integer
            continue


def numeric(op: Op, call: Call) -> Iterator[tuple[str, Any]]:
    """The call's arguments that are numbers, defaults included."""
    defaults = {p.name: p.default for p in op.parameters.parameters.values()}
    for name, value in {**defaults, **call.arguments}.items():
        several = value if isinstance(value, (tuple, list)) else [value]
        # Bools and what is drawn have no other spelling of theirs to try.
        if len(several) and all(type(v) in (int, float) for v in several):
            yield name, value


def outcome(op: Op, target: Any, call: Call) -> Any:
    """The outputs, or what was raised."""
    with warnings.catch_warnings(), seeded():
        warnings.simplefilter("ignore")
        try:
            return outputs_of(op.run(target, call, call.tensors(torch.float32)))
        except Exception as error:
            return error


def differ(ours: Any, theirs: Any) -> bool:
    """Whether one raised and the other did not, or the results are others."""
    if isinstance(theirs, Exception) and TRIPS.search(str(theirs)):
        return False
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        return isinstance(ours, Exception) != isinstance(theirs, Exception)
    return any(unlike(ours[name], theirs[name]) for name in theirs)


def unlike(a: Tensor, b: Tensor) -> bool:
    """Other shapes or dtypes, or far from each other: precision is what the cells look at."""
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return True
    return not torch.allclose(a.double(), b.double(), 1e-3, 1e-4, equal_nan=True)


@pytest.mark.parametrize("op", [op for op in OPS if not op.reference], ids=lambda op: op.name)
def test_types_of_numbers(op: Op) -> None:
    """As torch, for each type."""
    own, theirs = getattr(reimpl, op.name), torchs(op)
    for call in rounds_of_calls(op, "ordinary", examples=8, seed=3):
        if differ(outcome(op, own, call), outcome(op, theirs, call)):
            continue  # the cells judge it: a known fault of torch
        for name, value in numeric(op, call):
            for kind, other in spellings(value):
                if apart(op, name, kind):
                    continue
                changed = replace(call, arguments={**call.arguments, name: other})
                results = outcome(op, own, changed), outcome(op, theirs, changed)
                assert not differ(*results), f"{name} as {kind} ({other!r}): {results}"


def apart(op: Op, name: str, kind: str) -> bool:
    """Whether torch's verdict is not followed there."""
    return any(
        re.match(o, op.name) and re.fullmatch(n, name) and kind.startswith(k)
        for o, n, k, _ in APART
    )


def test_softplus_takes_out() -> None:
    """Written there and returned; no derivative, and no other dtype, as in torch."""
    x = torch.linspace(-2, 2, 5)
    functions: tuple[Any, ...] = (torch.nn.functional.softplus, reimpl.softplus)
    for function in functions:
        out = torch.empty(5)
        assert function(x, 2.0, out=out) is out
        assert torch.allclose(out, torch.nn.functional.softplus(x, 2.0))
        with pytest.raises(RuntimeError):
            function(x, out=torch.empty(5, dtype=torch.float64))
        with pytest.raises(RuntimeError):
            function(x.clone().requires_grad_(), out=torch.empty(5))
        with pytest.raises(TypeError):
            function(x, out=[1.0])
