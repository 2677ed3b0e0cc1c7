"""Elements whose error bound is infinite, and who can still judge them.

The analysis gives up where a number may overflow on the way to a small result, and where it meets
infinities that the kernel does not. Without another judge such an element could be anything.

* **The analysis in an unlimited range** bounds what an evaluation may do that does not overflow. A
  finite result lies within that bound, or is wrong.
* **The literal definition**, whose numbers have a far wider range than float64's, is asked about a
  few elements of each result, those first that are farthest from the oracle. A finite result has at
  least half of its digits in common with a finite definition. NaN or an infinity is demanded where
  both the definition and the oracle have it.

A result that overflows where the definition is finite is left alone: the formula that torch
documents may overflow there. So is a zero where torch's own result is zero or no number: a quotient
by what has overflowed. So are the gradients of an output that has overflowed. So is an
element that is ill-conditioned without limit, such as a quotient by a number that may be zero. What
is left alone is counted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from parity_tests.op import Tensors
from parity_tests.running_error import SAFETY, Bounded

if TYPE_CHECKING:
    from parity_tests.truth import Truth

ASKED, THOROUGHLY = 2, 8  # elements of a result; the latter of a failure's


def other_judges(true: Truth, name: str, result: Tensor) -> Bounded:
    """The result's bound, with what other judges say where it is infinite.

    It is still infinite where they have nothing to say.
    """
    allowed, unlimited = true.bound(name), true.unlimited(name)
    value, error = allowed.value.clone(), allowed.error.clone()
    open_ = error.isinf()
    told = open_ & unlimited.error.isfinite() & unlimited.value.isfinite() & result.isfinite()
    told &= ~(result == 0) | ~vanishes(true.theirs, name)
    value = torch.where(told, unlimited.value, value)
    error = torch.where(told, unlimited.error, error)
    # Where the unlimited analysis has a value but no bound, the element is ill-conditioned.
    asked = open_ & ~told & ~unlimited.value.isfinite()
    few = THOROUGHLY if true.trial.thorough else ASKED
    for index in farthest(asked, result, true.values[name])[:few]:
        if (found := defined(true, name, index, result)) is not None:
            value[index], error[index] = found
    return Bounded(value, error, allowed.terms)


def vanishes(theirs: Tensors | None, name: str) -> Tensor:
    """Where torch's own result is zero or no number: the documented formula overflows there."""
    if theirs is None:
        return torch.tensor(data=True)
    torchs = theirs[name].detach().to("cpu")
    return (torchs == 0) | ~torchs.isfinite()


def farthest(asked: Tensor, result: Tensor, oracle: Tensor) -> list[tuple[int, ...]]:
    """The first few of the elements asked about: other classes first, then the largest distance."""
    same = (result == oracle.to(result.dtype)) | (result.isnan() & oracle.isnan())
    distance = (result.to(oracle.dtype) - oracle).abs().nan_to_num(nan=math.inf)
    distance = distance.masked_fill(same, 0.0).masked_fill(~asked, -1.0).flatten()
    order = distance.argsort(descending=True, stable=True)[: int(asked.sum())][:THOROUGHLY]
    return [tuple(int(i) for i in torch.unravel_index(p, asked.shape)) for p in order]


def defined(
    true: Truth, name: str, index: tuple[int, ...], result: Tensor
) -> tuple[Any, float] | None:
    """The definition's value of an element, and how far a result may be from it."""
    number, oracle = true.defined(name, index), true.values[name][index]
    if number is None:
        return None
    exact = torch.tensor(number, dtype=oracle.dtype)
    if exact.isfinite():
        scale = max(abs(number), size(true.values[name]))
        error = half_the_digits(true) * scale / SAFETY
        return (exact, error) if result[index].isfinite() else None
    same = bool((exact == oracle) | (exact.isnan() & oracle.isnan()))
    # A number beyond the range may be met as an infinity or, by way of one, as NaN.
    overflown = exact.isinf() and not bool(result[index].isfinite())
    return (exact, 0.0) if same and not exact.is_complex() and not overflown else None


def size(values: Tensor) -> float:
    """The largest finite modulus: sums may cancel."""
    return float(values.abs().nan_to_num(nan=0.0, posinf=0.0).max())


def half_the_digits(true: Truth) -> float:
    """The root of the relative precision that the dtype under test computes in."""
    dtype = true.trial.dtype.to_real()
    wide = dtype if dtype.is_floating_point and dtype.itemsize > 2 else torch.float32
    return math.sqrt(torch.finfo(wide).eps)
