r"""Smooth activations from the logistic function σ(x) = 1 / (1 + e⁻ˣ): its integral, itself, tanh.

They are written with exponentials of numbers that are not positive, so that nothing overflows,
and with expm1 and log1p where a difference from one would cancel. The derivatives of σ and tanh
are written in the output.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.activations import apply, check
from reimpl.arguments import INTEGERS, REALS, accumulator
from reimpl.autocast import autocasted
from reimpl.gradient_layout import followed
from reimpl.pullback import by_formulas

_FLOATING = (*REALS, torch.complex64, torch.complex128)


def softplus(
    input: Tensor, beta: float = 1, threshold: float = 20, *, out: Tensor | None = None
) -> Tensor:
    r"""Smooth rectifier: y = log(1 + e^z) / β with z = βx; see :func:`relu`.

    y = x where z > threshold. Evaluated as (max(0, z) + log(1 + e^−|z|)) / β; β = 0 gives inf.

    With ``out`` the result is written there, and has no derivative.

    Backward: gx = σ(z)·gy, and gy where z > threshold; no second derivative where z ≥ threshold.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softplus.html

    >>> softplus(torch.tensor([0.0, 1000.0]))
    tensor([6.9315e-01, 1.0000e+03])
    """
    (input,) = autocasted("softplus", input)
    check("softplus", input, REALS)
    beta = arguments.number("softplus", "beta", beta, scalar=True)
    threshold = arguments.number("softplus", "threshold", threshold, scalar=True)

    def soften(x: Tensor) -> Tensor:
        z = x * beta
        return torch.where(z > threshold, x, (z.clamp_min(0) + (-z.abs()).exp().log1p()) / beta)

    def pull(g: Tensor, x: Tensor) -> Tensor:
        z = x * beta
        below = z.masked_fill(z >= threshold, threshold)
        return torch.where(z > threshold, g, g * _sigmoid(below))

    if out is not None:
        _check_out("softplus", input, out)
    y = apply(input, soften, pull)
    return y if out is None else torch.sub(y.detach(), 0, out=out)


def _check_out(op: str, input: Tensor, out: Tensor) -> None:
    arguments.tensor(op, "out", out)
    if torch.is_grad_enabled() and (input.requires_grad or out.requires_grad):
        raise RuntimeError(f"{op}: out must be None where a gradient is wanted, got a Tensor")
    arguments.alike(op, input, out=out)


def sigmoid(input: Tensor) -> Tensor:
    r"""Logistic function: y = σ(x) = 1 / (1 + e^−x).

    Shapes:
        input and output alike, any; the output of integers and bools has the default dtype.

    Backward: gx = y·(1 − y)·gy (complex: its conjugate).

    Raises:
        NotImplementedError: complex32.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.sigmoid.html

    >>> sigmoid(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return _sigmoid(_floating("sigmoid", input)).to(_output_dtype(input))


def tanh(input: Tensor) -> Tensor:
    r"""Hyperbolic tangent: y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ); see :func:`sigmoid`.

    Evaluated as ∓(e^s − 1) / (e^s + 1) with s = ∓2x, the sign for which Re s ≤ 0.

    Backward: gx = (1 − y²)·gy (complex: its conjugate).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.tanh.html

    >>> tanh(torch.tensor([-1000.0, 0.0, 0.5]))
    tensor([-1.0000,  0.0000,  0.4621])
    """

    def f(x: Tensor) -> Tensor:
        right = x.real >= 0
        s = torch.where(right, -2 * x, 2 * x)
        t = s.expm1()
        return torch.where(right, -t, t) / _one_plus_exp(s)

    def pull(g: Tensor, y: Tensor) -> Tensor:
        return g * (1 - y * y)

    y = by_formulas(_floating("tanh", input), f, pull, by_output=True)
    return y.to(_output_dtype(input))


def _sigmoid(x: Tensor) -> Tensor:
    """σ(x) = 1 / (1 + e^−x) = eˣ / (eˣ + 1): whichever has the small exponential."""

    def f(x: Tensor) -> Tensor:
        right = x.real >= 0
        s = torch.where(right, -x, x)
        return torch.where(right, 1, s.exp()) / _one_plus_exp(s)

    def pull(g: Tensor, y: Tensor) -> Tensor:
        return g * (1 - y) * y

    return by_formulas(x, f, pull, by_output=True)


def _one_plus_exp(s: Tensor) -> Tensor:
    """1 + e^s for Re s ≤ 0.

    With s = p + iq its real part is (e^p − 1)·cos q + 2·cos²(q/2), of two terms that do not
    cancel near the zeros at p = 0, q = ±π, ±3π, …: there σ and tanh have their poles.
    """
    if not s.is_complex():
        return s.exp() + 1
    e, half = s.exp(), (s.imag * 0.5j).exp()
    real = s.real.expm1() * (s.imag * 1j).exp().real + 2 * half.real.square()
    return torch.view_as_complex(torch.stack((real, e.imag), -1))


def _floating(op: str, input: Tensor) -> Tensor:
    """``input`` in the dtype to compute in."""
    arguments.tensor(op, "input", input)
    arguments.dtype_among(op, input, (*_FLOATING, *INTEGERS, torch.bool))
    return followed(input).to(accumulator(_output_dtype(input)))


def _output_dtype(input: Tensor) -> torch.dtype:
    """The input's, or the default one for integers."""
    return input.dtype if input.dtype in _FLOATING else torch.get_default_dtype()
