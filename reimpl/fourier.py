"""Discrete Fourier transforms, over one axis or several, with torch.fft's signatures.

Each is linear: the input is zero-padded or trimmed to the length asked for, transformed, and scaled
by one real number. Its adjoint scales by the same number, transforms with the opposite sign in the
exponent, and pads or trims back; where the input was real, so is the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import INTEGERS
from reimpl.autocast import autocasted
from reimpl.gradient_layout import followed
from reimpl.linear_map import linear_map
from reimpl.spectrum import COMPLEX_OF, Lengths, resized, spectrum

_DTYPES = (
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
    torch.bool,
    *INTEGERS,
)


def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    r"""The discrete Fourier transform along one axis, of any length in O(n log n).

    y[k] = s · Σ_j x[j] · e^(−2πi·jk/n), with s = 1, 1/√n for norm "ortho", 1/n for "forward"

    ``n`` entries are taken: the axis is trimmed, or zeros are added behind it.

    Shapes:
        input any with at least one axis; output the same but for ``n`` along ``dim``.

    Backward: the unnormalised inverse of the cotangent, times s; real for a real input.

    Raises:
        RuntimeError: a length below one, an unknown norm, a dtype that torch.fft has not.
        IndexError: no such axis.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.fft.html

    >>> fft(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    """
    (input,) = autocasted("fft_fft", input)
    return _transformed("fft", input, _length("fft", input, n, dim), norm, -1)


def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    r"""The inverse of :func:`fft` along one axis.

    x[j] = s · Σ_k y[k] · e^(+2πi·jk/n), with s = 1/n, 1/√n for norm "ortho", 1 for "forward"

    Shapes:
        input any with at least one axis; output the same but for ``n`` along ``dim``.

    Backward: :func:`fft` without its normalisation, times s; real for a real input.

    Raises:
        RuntimeError: a length below one, an unknown norm, a dtype that torch.fft has not.
        IndexError: no such axis.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ifft.html

    >>> ifft(torch.tensor([10 + 0j, -2 + 2j, -2 + 0j, -2 - 2j])).real
    tensor([1., 2., 3., 4.])
    """
    (input,) = autocasted("fft_ifft", input)
    return _transformed("ifft", input, _length("ifft", input, n, dim), norm, 1)


def fftn(
    input: Tensor,
    s: Sequence[int] | None = None,
    dim: Sequence[int] | None = None,
    norm: str | None = None,
) -> Tensor:
    r""":func:`fft` along several axes: all, or those of ``dim``, or the last for which ``s`` says.

    y[k] = s · Σ_j x[j] · e^(−2πi·(j₁k₁/n₁ + …)), with s = 1, 1/√N or 1/N, and N = n₁·n₂·…

    ``s`` holds the lengths n₁, n₂, …, where −1 stands for the axis's own.

    Shapes:
        input any; output the same but for ``s`` along ``dim``.

    Backward: :func:`ifftn` without its normalisation, times s; real for a real input.

    Raises:
        RuntimeError: a length below one, more lengths than axes, an axis twice, an unknown norm, a
            dtype that torch.fft has not.
        IndexError: no such axis.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.fftn.html

    >>> fftn(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).real
    tensor([[10., -2.],
            [-4.,  0.]])
    """
    (input,) = autocasted("fft_fftn", input)
    return _transformed("fftn", input, _lengths("fftn", input, s, dim), norm, -1)


def ifftn(
    input: Tensor,
    s: Sequence[int] | None = None,
    dim: Sequence[int] | None = None,
    norm: str | None = None,
) -> Tensor:
    r"""The inverse of :func:`fftn`, along the same axes by default.

    x[j] = s · Σ_k y[k] · e^(+2πi·(j₁k₁/n₁ + …)), with s = 1/N, 1/√N or 1, and N = n₁·n₂·…

    Shapes:
        input any; output the same but for ``s`` along ``dim``.

    Backward: :func:`fftn` without its normalisation, times s; real for a real input.

    Raises:
        RuntimeError: a length below one, more lengths than axes, an axis twice, an unknown norm, a
            dtype that torch.fft has not.
        IndexError: no such axis.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ifftn.html

    >>> ifftn(torch.tensor([[10.0, -2.0], [-4.0, 0.0]])).real
    tensor([[1., 2.],
            [3., 4.]])
    """
    (input,) = autocasted("fft_ifftn", input)
    return _transformed("ifftn", input, _lengths("ifftn", input, s, dim), norm, 1)


# Torch transforms real numbers as they lie along one axis, and makes them complex for several.
_ONE_AXIS = ("fft", "ifft")


def _transformed(op: str, input: Tensor, lengths: Lengths, norm: str | None, sign: int) -> Tensor:
    shape = [lengths.get(axis, input.shape[axis]) for axis in range(-input.dim(), 0)]
    name = "n" if op in _ONE_AXIS else "s"
    arguments.storable(op, name, tuple(lengths.values()), tuple(shape), torch.complex32)
    scale = _scale(op, norm, prod([*lengths.values()]), inverse=sign > 0)
    own = {axis: input.shape[axis] for axis in lengths}
    real = not input.is_complex()
    floating = input.dtype if input.is_floating_point() or not real else torch.get_default_dtype()

    def forward(x: Tensor) -> Tensor:
        x = resized(x.to(floating), lengths)
        z = x.to(COMPLEX_OF[floating])  # whose strides are no longer zero where those of x were
        strides = x.stride() if op in _ONE_AXIS else z.stride()
        return spectrum(z, lengths, sign, scale, strides)

    def adjoint(y: Tensor) -> Tensor:
        x = resized(spectrum(y, lengths, -sign, scale), own)
        return x.real.contiguous() if real else x

    return linear_map(followed(input), forward, adjoint)


def _scale(op: str, norm: str | None, n: int, *, inverse: bool) -> float:
    if not (norm is None or isinstance(norm, str)):
        raise TypeError(f"{op}: norm must be a str or None, got {norm!r}")
    if norm == "ortho":
        return 1 / sqrt(n)
    if norm not in (None, "backward", "forward"):
        raise RuntimeError(f"{op}: norm must be 'backward', 'ortho' or 'forward', got {norm!r}")
    return 1 / n if inverse == (norm != "forward") else 1.0


def _length(op: str, input: Tensor, n: int | None, dim: int) -> Lengths:
    """The one axis and its length."""
    _checked(op, input)
    if not input.dim():
        raise IndexError(f"{op}: input must have an axis, got a tensor of none")
    axis = _axis(op, input, dim)
    return {axis: _positive(op, "n", input.shape[axis] if n is None else n)}


def _lengths(op: str, input: Tensor, s: Any, dim: Any) -> Lengths:
    """The axes and their lengths."""
    _checked(op, input)
    sizes = None if s is None else arguments.one_or_more(op, "s", s)
    if dim is None:
        count = input.dim() if sizes is None else len(sizes)
        if count > input.dim():
            raise RuntimeError(f"{op}: s must be no longer than input has axes, got {s}")
        axes = list(range(-count, 0))
    else:
        axes = [_axis(op, input, axis) for axis in arguments.one_or_more(op, "dim", dim)]
        if len(set(axes)) < len(axes):
            raise RuntimeError(f"{op}: dim must name every axis once, got {dim}")
    sizes = (-1,) * len(axes) if sizes is None else sizes
    if len(sizes) != len(axes):
        raise RuntimeError(f"{op}: s must be as long as dim={dim}, got {s}")
    return {
        axis: _positive(op, "s", input.shape[axis] if n == -1 else n)
        for axis, n in zip(axes, sizes, strict=True)
    }


def _checked(op: str, input: Tensor) -> None:
    arguments.tensor(op, "input", input)
    arguments.dtype_among(op, input, _DTYPES)


def _positive(op: str, name: str, n: int) -> int:
    length = arguments.integer(op, name, n)
    if length < 1:
        raise RuntimeError(f"{op}: {name}, or input's size, must be positive, got {n}")
    return length


def _axis(op: str, input: Tensor, dim: int) -> int:
    """The axis counted from the end."""
    d, axis = input.dim(), arguments.integer(op, "dim", dim)
    if not -d <= axis < d:
        raise IndexError(f"{op}: dim must be from {-d} to {d - 1}, got {dim}")
    return axis - d if axis >= 0 else axis
