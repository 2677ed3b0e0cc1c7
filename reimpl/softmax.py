r"""Softmax along an axis, its logarithm, and softmax of the negative.

    y = eᶻ / Σ eᶻ,   log y = z − log Σ eᶻ,   z = x − max x

The shift changes nothing but keeps the exponentials from overflowing. A row of −inf, or with a
+inf or NaN, is NaN. The derivatives are written in the outputs:

    softmax      gx = y · (gy − Σ y·gy)     symmetric, so that dy is the same of dx
    log_softmax  gx = gy − eʸ · Σ gy,       dy = dx − Σ eʸ·dx
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import REALS, accumulator
from reimpl.autocast import autocasted
from reimpl.layout import arrange
from reimpl.pullback import by_formulas


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    r"""Exponentials along an axis, scaled to sum to one: y = eˣ / Σ eˣ.

    Shapes:
        input and output alike, any; ``dim`` counts from the end if negative. Without ``dim``
        (deprecated) it is 0 for 0, 1 and 3 axes, else 1. With ``dtype`` the input is cast first.

    Backward: gx = y·(gy − Σ y·gy).

    Raises:
        IndexError: an axis that the input has not.
        NotImplementedError: a dtype that is not of real floating point.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html

    >>> softmax(torch.tensor([0.0, 0.0, 1000.0, 1000.0]), dim=0)
    tensor([0.0000, 0.0000, 0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input, _stacklevel)
    return _along("softmax", input, dim, dtype, _scale, _pull_scale, _pull_scale)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """Softmax of the negative, y = e⁻ˣ / Σ e⁻ˣ; see :func:`softmax`.

    >>> softmin(torch.tensor([0.0, 1000.0]), dim=0)
    tensor([1., 0.])
    """
    if dim is None:
        dim = _implicit_dim("softmin", input, _stacklevel)
    arguments.tensor("softmin", "input", input)
    return _along("softmin", -input, dim, dtype, _scale, _pull_scale, _pull_scale)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    r"""Logarithm of softmax, without forming it: y = x − log Σ eˣ.

    Shapes:
        As :func:`softmax`.

    Backward: gx = gy − eʸ·Σ gy.

    Raises:
        As :func:`softmax`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html

    >>> log_softmax(torch.tensor([0.0, 1000.0]), dim=0)
    tensor([-1000.,     0.])
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", input, _stacklevel)
    return _along("log_softmax", input, dim, dtype, _log, _pull_log, _push_log)


def _scale(x: Tensor, axis: int) -> Tensor:
    e = _shifted(x, axis).exp_()
    return e.mul_(e.sum(axis, keepdim=True).reciprocal_())


def _pull_scale(g: Tensor, y: Tensor, axis: int) -> Tensor:
    p = y * g  # immutable where g is one of autograd's zero tensors
    return torch.addcmul(p, y, p.sum(axis, keepdim=True), value=-1)


def _log(x: Tensor, axis: int) -> Tensor:
    z = _shifted(x, axis)
    return z.sub_(z.exp().sum(axis, keepdim=True).log_())


def _pull_log(g: Tensor, y: Tensor, axis: int) -> Tensor:
    return torch.addcmul(g, y.exp(), g.sum(axis, keepdim=True), value=-1)


def _push_log(d: Tensor, y: Tensor, axis: int) -> Tensor:
    return d - (y.exp() * d).sum(axis, keepdim=True)


def _shifted(x: Tensor, axis: int) -> Tensor:
    """X − max x, to be written to; an axis of no entries has no maximum and needs none."""
    return x - x.amax(axis, keepdim=True) if x.shape[axis] else x.clone()


def _along(
    op: str,
    input: Tensor,
    dim: int,
    dtype: torch.dtype | None,
    f: Callable[[Tensor, int], Tensor],
    pull: Callable[[Tensor, Tensor, int], Tensor],
    push: Callable[[Tensor, Tensor, int], Tensor],
) -> Tensor:
    """The formulas along one axis, contiguous as torch's and rounded once."""
    arguments.tensor(op, "input", input)
    axis = _axis(op, input, dim)
    if not (dtype is None or isinstance(dtype, torch.dtype)):
        raise TypeError(f"{op}: dtype must be a torch.dtype or None, got {dtype!r}")
    x = autocasted("softmax", input)[0] if dtype is None else input.to(dtype)
    arguments.dtype_among(op, x, REALS)
    y = by_formulas(
        torch.atleast_1d(x.to(accumulator(x.dtype))),
        lambda t: f(t, axis),
        lambda g, y: pull(g, y, axis),
        lambda d, y: push(d, y, axis),
        by_output=True,
    )
    return arrange(y, channels_last=False).to(x.dtype).reshape(input.shape)


def _axis(op: str, input: Tensor, dim: int) -> int:
    """``dim`` counted from the end; a number has one axis, as everywhere in torch."""
    n, d = max(input.dim(), 1), arguments.integer(op, "dim", dim)
    if not -n <= d < n:
        raise IndexError(f"{op}: dim must be from {-n} to {n - 1} for {input.dim()} axes, got {d}")
    return d if d < 0 else d - n


def _implicit_dim(op: str, input: Tensor, stacklevel: int) -> int:
    """The axis that torch once chose for itself, with its warning at the caller's line."""
    arguments.tensor(op, "input", input)
    warnings.warn(
        f"Implicit dimension choice for {op} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.dim() in (0, 1, 3) else 1
