"""Fourier transforms of every length; what is said of them, and of filters by frequency.

Agreement is within the error bound of `running_error`, with the value of torch.fft in double
precision; what torch's dtypes and arguments ask for is compared with torch itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import reimpl
from parity_tests.running_error import accept, bound

COMPLEX = (torch.complex64, torch.complex128)
LENGTHS = (*range(1, 65), 1009, 2003, 4001)
PAIRS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "fft": (reimpl.fft, torch.fft.fft),
    "ifft": (reimpl.ifft, torch.fft.ifft),
    "fftn": (reimpl.fftn, torch.fft.fftn),
    "ifftn": (reimpl.ifftn, torch.fft.ifftn),
}
both_ways = pytest.mark.parametrize("name", ["fft", "ifft"])
in_both_dtypes = pytest.mark.parametrize("dtype", COMPLEX)


def random(*shape: int, dtype: torch.dtype = torch.complex128, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, dtype=dtype, generator=generator)


def with_gradient(transform: Callable[..., Tensor], **options: Any) -> Callable[..., list[Tensor]]:
    """The result, and the gradient for a cotangent of the result's shape."""

    def call(x: Tensor, cotangent: Tensor) -> list[Tensor]:
        y = transform(x, **options)
        return [y, *torch.autograd.grad(y, x, cotangent)]

    return call


def assert_alike(name: str, x: Tensor, **options: Any) -> None:
    """Result and gradient within the bound of torch's in double precision."""
    ours, torchs = (with_gradient(f, **options) for f in PAIRS[name])
    x.requires_grad_()
    y = PAIRS[name][1](x, **options)
    cotangent = random(*y.shape, dtype=y.dtype, seed=1)
    for result, allowed in zip(
        ours(x, cotangent), bound(torchs, [x, cotangent], x.dtype), strict=True
    ):
        assert allowed is not None
        good = accept(result.detach(), allowed.value, allowed.error)
        assert good.all(), f"{name} of {tuple(x.shape)} with {options}"


# ---- agreement with torch.fft


@in_both_dtypes
@both_ways
def test_every_length_agrees_with_its_gradient(name: str, dtype: torch.dtype) -> None:
    for n in LENGTHS:
        assert_alike(name, random(2, n, dtype=dtype))


@both_ways
def test_real_numbers_have_real_gradients(name: str) -> None:
    for n in (*range(1, 65, 3), 1009):
        for dtype in (torch.float32, torch.float64):
            assert_alike(name, random(2, n, dtype=dtype))


@in_both_dtypes
@pytest.mark.parametrize("name", ["fftn", "ifftn"])
def test_several_axes(name: str, dtype: torch.dtype) -> None:
    for shape in ((61,), (6, 37), (5, 4, 7), (1, 16, 3)):
        for norm in (None, "ortho", "forward"):
            assert_alike(name, random(*shape, dtype=dtype), norm=norm)
    assert_alike(name, random(3, 4, 5, dtype=dtype), s=(7, 2), dim=(2, 0))


def test_integers_become_numbers_of_the_default_dtype() -> None:
    for dtype in (torch.bool, torch.uint8, torch.int64):
        x = torch.arange(12).view(3, 4).to(dtype)
        y, expected = reimpl.fftn(x), torch.fft.fftn(x)
        assert y.dtype == expected.dtype
        torch.testing.assert_close(y, expected)


# ---- identities


@in_both_dtypes
def test_the_inverse_undoes(dtype: torch.dtype) -> None:
    for n in (1, 2, 8, 37, 60, 1009):
        x = random(n, dtype=dtype)
        for norm in ("backward", "ortho", "forward"):
            (allowed,) = bound(
                lambda x, m=norm: [torch.fft.ifft(torch.fft.fft(x, norm=m), norm=m)], [x], dtype
            )
            assert allowed is not None
            back = reimpl.ifft(reimpl.fft(x, norm=norm), norm=norm)
            assert accept(back, x.to(torch.complex128), allowed.error).all()


def test_parseval() -> None:
    for n in (3, 16, 53, 1009):
        x = random(n)
        power = reimpl.fft(x, norm="ortho").abs().square().sum()
        torch.testing.assert_close(power, x.abs().square().sum(), rtol=1e-14, atol=0)


def test_a_product_of_spectra_is_a_circular_convolution() -> None:
    for n in (1, 6, 32, 41):
        x, h = random(n), random(n, seed=1)
        convolved = torch.stack([(h * x.flip(0).roll(k + 1)).sum() for k in range(n)])
        product = reimpl.ifft(reimpl.fft(x) * reimpl.fft(h))
        torch.testing.assert_close(product, convolved, rtol=1e-13, atol=1e-13)


def test_a_convolution_of_images_by_their_padded_spectra() -> None:
    x, w = random(5, 7, dtype=torch.float64), random(3, 2, dtype=torch.float64)
    full = reimpl.conv2d(x[None, None], w.flip(0, 1)[None, None], padding=(2, 1))[0, 0]
    product = reimpl.fftn(x, (7, 8)) * reimpl.fftn(w, (7, 8))
    torch.testing.assert_close(reimpl.ifftn(product).real, full, rtol=1e-13, atol=1e-13)


def test_a_shift_turns_the_phases() -> None:
    n, x = 37, random(37)
    turned = reimpl.fft(x) * torch.exp(-2j * math.pi * 5 * torch.arange(n).double() / n)
    torch.testing.assert_close(reimpl.fft(x.roll(5)), turned, rtol=1e-12, atol=1e-12)


# ---- filters

FILTERS = {
    "ideal": (reimpl.ideal_low_pass, reimpl.ideal_high_pass),
    "gaussian": (reimpl.gaussian_low_pass, reimpl.gaussian_high_pass),
}
of_both_kinds = pytest.mark.parametrize("kind", FILTERS)


@of_both_kinds
def test_low_and_high_add_up_to_the_image(kind: str) -> None:
    low, high = FILTERS[kind]
    for shape in ((8, 8), (2, 7, 12), (1, 5)):
        x = random(*shape, dtype=torch.float64)
        torch.testing.assert_close(low(x, 0.2) + high(x, 0.2), x, rtol=1e-13, atol=1e-13)


@of_both_kinds
def test_a_low_pass_keeps_the_mean_and_removes_detail(kind: str) -> None:
    low, high = FILTERS[kind]
    x = random(16, 15, dtype=torch.float64) + 3
    y, z = low(x, 0.1), high(x, 0.1)
    torch.testing.assert_close(y.mean(), x.mean(), rtol=1e-13, atol=0)
    assert abs(z.mean()) < 1e-13
    assert y.diff(dim=1).abs().mean() < 0.5 * x.diff(dim=1).abs().mean()
    assert y.var() < x.var()


def test_an_ideal_filter_keeps_or_drops_a_wave() -> None:
    wave = torch.cos(2 * math.pi * 0.25 * torch.arange(8).double()).expand(4, 8)
    for cutoff, kept in ((0.24, False), (0.25, True), (0.26, True)):
        low = reimpl.ideal_low_pass(wave, cutoff)
        torch.testing.assert_close(low, wave * kept, rtol=0, atol=1e-15)


def test_a_gaussian_filter_weakens_a_wave_by_the_bell() -> None:
    wave = torch.cos(2 * math.pi * 0.25 * torch.arange(8).double()).expand(4, 8)
    low = reimpl.gaussian_low_pass(wave, 0.25)
    torch.testing.assert_close(low, wave * math.exp(-0.5), rtol=0, atol=1e-15)


def test_a_wide_ideal_filter_drops_nothing() -> None:
    x = random(6, 6, dtype=torch.float64)
    torch.testing.assert_close(reimpl.ideal_low_pass(x, 0.5**0.5), x, rtol=1e-14, atol=1e-14)
