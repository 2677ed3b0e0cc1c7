r"""Filters in the frequency domain: a real mask on the spectrum of an image.

    y = F⁻¹(m · F x)

Row k of H has frequency k/H for k < H/2, else k/H − 1, in cycles per sample: from −1/2 to 1/2. With
columns likewise, |f| = √(f₁² + f₂²) is at most √½. Low-pass and high-pass masks add to one, so that
low + high = x, and the mean is the part of frequency zero: a low-pass keeps it, a high-pass drops
it. All masks are even in f, so y is real, and the filter is its own adjoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.linear_map import linear_map
from reimpl.spectrum import COMPLEX_OF, spectrum

Mask = Callable[[Tensor], Tensor]  # of |f|

_IMAGE = (-2, -1)


def ideal_low_pass(input: Tensor, cutoff: float) -> Tensor:
    r"""Drop all frequencies above a cutoff.

    y = F⁻¹(m·F x), m(f) = 1 where |f| ≤ cutoff, else 0

    ``cutoff`` is in cycles per sample and positive; from √½ on nothing is dropped.

    Shapes:
        input (*, H, W), output the same.

    Backward: the same filter.

    Raises:
        NotImplementedError: an input that is neither float32 nor float64.
        RuntimeError: fewer than two axes, H or W zero, a cutoff that is not positive.
        TypeError: a value of the wrong kind.

    Source: Gonzalez and Woods, "Digital Image Processing", §4.8

    >>> ideal_low_pass(torch.tensor([[1.0, 2.0], [3.0, 6.0]]), 0.1)
    tensor([[3., 3.],
            [3., 3.]])
    """
    return _filtered("ideal_low_pass", input, cutoff, lambda f: _inside(f, cutoff))


def ideal_high_pass(input: Tensor, cutoff: float) -> Tensor:
    r"""Drop all frequencies up to a cutoff: what :func:`ideal_low_pass` drops.

    y = F⁻¹(m·F x), m(f) = 0 where |f| ≤ cutoff, else 1

    Shapes:
        input (*, H, W), output the same.

    Backward: the same filter.

    Raises:
        NotImplementedError: an input that is neither float32 nor float64.
        RuntimeError: fewer than two axes, H or W zero, a cutoff that is not positive.
        TypeError: a value of the wrong kind.

    Source: Gonzalez and Woods, "Digital Image Processing", §4.9

    >>> ideal_high_pass(torch.tensor([[1.0, 2.0], [3.0, 6.0]]), 0.1)
    tensor([[-2., -1.],
            [ 0.,  3.]])
    """
    return _filtered("ideal_high_pass", input, cutoff, lambda f: 1 - _inside(f, cutoff))


def gaussian_low_pass(input: Tensor, cutoff: float) -> Tensor:
    r"""Weaken high frequencies gently, which leaves no ringing.

    y = F⁻¹(m·F x), m(f) = e^(−|f|²/(2·cutoff²))

    ``cutoff`` is in cycles per sample and positive: the bell's standard deviation.

    Shapes:
        input (*, H, W), output the same.

    Backward: the same filter.

    Raises:
        NotImplementedError: an input that is neither float32 nor float64.
        RuntimeError: fewer than two axes, H or W zero, a cutoff that is not positive.
        TypeError: a value of the wrong kind.

    Source: Gonzalez and Woods, "Digital Image Processing", §4.8

    >>> gaussian_low_pass(torch.tensor([[0.0, 4.0]]), 0.5)
    tensor([[0.7869, 3.2131]])
    """
    return _filtered("gaussian_low_pass", input, cutoff, lambda f: _bell(f, cutoff).exp())


def gaussian_high_pass(input: Tensor, cutoff: float) -> Tensor:
    r"""Weaken low frequencies: what :func:`gaussian_low_pass` takes away.

    y = F⁻¹(m·F x), m(f) = 1 − e^(−|f|²/(2·cutoff²))

    Shapes:
        input (*, H, W), output the same.

    Backward: the same filter.

    Raises:
        NotImplementedError: an input that is neither float32 nor float64.
        RuntimeError: fewer than two axes, H or W zero, a cutoff that is not positive.
        TypeError: a value of the wrong kind.

    Source: Gonzalez and Woods, "Digital Image Processing", §4.9

    >>> gaussian_high_pass(torch.tensor([[0.0, 4.0]]), 0.5)
    tensor([[-0.7869,  0.7869]])
    """
    return _filtered("gaussian_high_pass", input, cutoff, lambda f: -_bell(f, cutoff).expm1())


def _filtered(op: str, input: Tensor, cutoff: Any, mask: Mask) -> Tensor:
    arguments.tensor(op, "input", input)
    if not isinstance(cutoff, (int, float)):
        raise TypeError(f"{op}: cutoff must be a number, got {cutoff!r}")
    if not cutoff > 0:
        raise RuntimeError(f"{op}: cutoff must be positive, got {cutoff}")
    arguments.dtype_among(op, input, (torch.float32, torch.float64))
    if input.dim() < 2 or 0 in input.shape[-2:]:
        raise RuntimeError(f"{op}: input must be (*, H, W) with pixels, got {tuple(input.shape)}")
    H, W = input.shape[-2:]
    m = mask(torch.hypot(_frequencies(H).unsqueeze(-1), _frequencies(W)))
    m = m.to(input.device, input.dtype)

    def apply(x: Tensor) -> Tensor:
        masked = spectrum(x.to(COMPLEX_OF[x.dtype]), _IMAGE, -1) * m
        return spectrum(masked, _IMAGE, 1, 1 / (H * W)).real.contiguous()

    return linear_map(input, apply, apply)


def _frequencies(n: int) -> Tensor:
    # In double precision, on the CPU: the same mask on every device.
    k = torch.arange(n, dtype=torch.float64, device="cpu")
    return torch.where(2 * k < n, k, k - n) / n


def _inside(f: Tensor, cutoff: float) -> Tensor:
    return (f <= cutoff).double()


def _bell(f: Tensor, cutoff: float) -> Tensor:
    return -f.square() / (2 * cutoff**2)
