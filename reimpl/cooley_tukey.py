r"""The discrete Fourier transform of any length n in O(n log n) steps.

    y[k] = Σ_j ω_n^{jk} · x[j],   ω_n = e^{sign·2πi/n}

A length n = r·m is taken apart, j = m·a + b and k = c + r·d (Cooley and Tukey, "An algorithm for
the machine calculation of complex Fourier series", 1965):

    y[c + r·d] = Σ_b ω_m^{bd} · (ω_n^{bc} · Σ_a ω_r^{ac} · x[m·a + b])

that is transforms of length r, a product with the twiddle factors ω_n^{bc}, transforms of length m.
With the transformed axis in front and everything else behind it, in one axis of size B, a step is
one matrix product and its result lies where the next one wants it (Stockham's order).

A small length is a product with the matrix ω^{jk}. A large prime is a convolution with a chirp,
since 2jk = j² + k² − (k−j)² (Bluestein, "A linear filtering approach to the computation of discrete
Fourier transform", 1970):

    y[k] = c[k] · Σ_j (c[j]·x[j]) · c̄[k−j],   c[j] = ω_{2n}^{j²}

and the convolution is three transforms of a power of two.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

LARGEST = 32  # length of a transform by its matrix; 8 and 16 take more time, 31 ten times as much


def transform(x: Tensor, sign: int) -> Tensor:
    """The transform along the first axis of a complex ``x`` (n, B), n > 0."""
    n = x.shape[0]
    return _in_steps(x, radices(n), sign, roots(n, sign, x))


def radices(n: int) -> list[int]:
    """Factors of n, small ones as large as may be, large ones prime."""
    factors: list[int] = []
    for p in prime_factors(n):
        if factors and factors[-1] * p <= LARGEST:
            factors[-1] *= p
        else:
            factors.append(p)
    return factors or [1]


def prime_factors(n: int) -> list[int]:
    """The primes whose product is n, in increasing order."""
    factors, p = [], 2
    while p * p <= n:
        while n % p == 0:
            factors.append(p)
            n //= p
        p += 1
    return [*factors, n] if n > 1 else factors


def roots(n: int, sign: int, like: Tensor) -> Tensor:
    """All powers of ω_n, in the order of the exponent, each correct but for about one rounding.

    A power is i^q times one within an eighth of a turn, where the angle is small: so the error of
    the angle is, and quarters of a turn are exact. Computed on the CPU and in double precision,
    and anew for every call: kept, tensors would outlive the mode (of tracing, say) they belong to.
    """
    quarters = 4 * torch.arange(n, device="cpu")
    q = (2 * quarters + n).div(2 * n, rounding_mode="floor")  # to the nearest
    angle = (quarters - q * n).double() * (pi / (2 * n))
    quarter_turns = torch.tensor([1, 1j, -1, -1j], dtype=torch.complex128, device="cpu")[q % 4]
    powers = torch.complex(angle.cos(), angle.sin()) * quarter_turns
    return (powers if sign > 0 else powers.conj_physical()).to(like.device, like.dtype)


def _in_steps(x: Tensor, factors: list[int], sign: int, powers: Tensor) -> Tensor:
    """``powers`` are those of a root whose order n divides."""
    n, B = x.shape
    r, *rest = factors
    if not rest:
        return _in_one(x, sign, powers)
    m = n // r
    z = _in_one(x.reshape(r, m * B), sign, powers).view(r, m, B).transpose(0, 1)  # b, c, *
    z = z * _power_of_products(powers, n, m, r).unsqueeze(-1)
    return _in_steps(z.reshape(m, r * B), rest, sign, powers).reshape(n, B)  # (d, c), *


def _in_one(x: Tensor, sign: int, powers: Tensor) -> Tensor:
    n = x.shape[0]
    return _by_chirp(x, sign) if n > LARGEST else _power_of_products(powers, n, n, n) @ x


def _power_of_products(powers: Tensor, n: int, rows: int, columns: int) -> Tensor:
    """ω_n^{jk} for all j < rows and k < columns."""
    products = torch.arange(rows, device="cpu").unsqueeze(-1) * torch.arange(columns, device="cpu")
    step = powers.shape[0] // n
    return powers[(products % n * step).to(powers.device)]


def _by_chirp(x: Tensor, sign: int) -> Tensor:
    n, B = x.shape
    N = 1 << (2 * n - 2).bit_length()  # no less than the 2n − 1 differences k − j
    chirp = roots(2 * n, sign, x)[(torch.arange(n, device="cpu") ** 2 % (2 * n)).to(x.device)]
    kernel = x.new_zeros(N, 1)
    kernel[:n, 0] = chirp.conj() / N  # here, so that no sum grows beyond its result's size
    kernel[N - n + 1 :, 0] = kernel[1:n, 0].flip(0)
    padded = x.new_zeros(N, B)
    padded[:n] = chirp.unsqueeze(-1) * x
    spectrum = transform(padded, sign) * transform(kernel, sign)
    return transform(spectrum, -sign)[:n] * chirp.unsqueeze(-1)
