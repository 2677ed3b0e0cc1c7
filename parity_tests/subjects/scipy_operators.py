"""SciPy: torch's operators, said in scipy.special, scipy.signal, scipy.ndimage and scipy.fft."""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import Any

import numpy as np
from scipy import fft as transforms
from scipy import ndimage, signal, special

from parity_tests.subjects.adapter import Adapter
from parity_tests.subjects.geometry import (
    dtype_name,
    each,
    implicit_dim,
    sides,
    with_batch,
    zeroed_between,
)

Array = np.ndarray[Any, Any]


def conv(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    method: str = "auto",
) -> Array:
    """signal.correlate, one output channel after another; ``"auto"`` may go through the FFT."""
    n, w = weight.ndim - 2, weight
    if any(d != 1 for d in each(dilation, n)):
        raise NotImplementedError("dilation")  # zeros between the taps would make NaN of infinities
    x, alone = with_batch(input, n)
    if x.shape[1] != groups * w.shape[1] or w.shape[0] % groups:
        raise RuntimeError(f"input: channels of {x.shape} do not fit {weight.shape}, {groups=}")
    around = sides(padding, weight.shape[2:], each(dilation, n))
    x = np.pad(x, ((0, 0), (0, 0), *around))
    steps = tuple(slice(None, None, s) for s in each(stride, n))
    per_group = w.shape[0] // groups

    def channel(sample: Array, o: int) -> Array:
        first = o // per_group * w.shape[1]
        own = sample[first : first + w.shape[1]]
        whole: Array = signal.correlate(own, w[o].conj(), mode="valid", method=method)
        return whole[0][steps]

    if any(k < r for k, r in zip(x.shape[2:], w.shape[2:], strict=True)):
        raise RuntimeError(f"weight: a kernel of {w.shape[2:]} is larger than {x.shape[2:]}")
    if not (x.size and w.size):
        raise NotImplementedError("empty arrays")
    y = np.stack([np.stack([channel(sample, o) for o in range(w.shape[0])]) for sample in x])
    y = y if bias is None else y + bias.reshape(-1, *[1] * n)
    return y[0] if alone else y


conv1d = conv2d = conv3d = conv


class Direct:
    """The same subject, with the sums of convolutions taken directly."""

    conv1d = conv2d = conv3d = staticmethod(partial(conv, method="direct"))


def max_pool(
    n: int,
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """ndimage.maximum_filter, of which the windows that torch takes are kept."""
    if ceil_mode or return_indices:
        raise NotImplementedError("ceil_mode" if ceil_mode else "return_indices")
    x, alone = with_batch(input, n)
    kernel, d, p = each(kernel_size, n), each(dilation, n), each(padding, n)
    taps = zeroed_between(np.ones(kernel, bool), d)
    steps = each(kernel if stride is None else stride, n)
    x = np.pad(x, ((0, 0), (0, 0), *((s, s) for s in p)), constant_values=-np.inf)
    # The filter's windows are centred; torch's first one starts at the border.
    whole = ndimage.maximum_filter(x, footprint=taps[None, None], mode="nearest")
    starts = [
        slice(t // 2, t // 2 + length - t + 1, s)
        for t, length, s in zip(taps.shape, x.shape[2:], steps, strict=True)
    ]
    y: Array = whole[(..., *starts)]
    return y[0] if alone else y


max_pool1d, max_pool2d, max_pool3d = (partial(max_pool, n) for n in (1, 2, 3))


def sigmoid(input: Array) -> Array:
    """special.expit, of real numbers."""
    if np.iscomplexobj(input):
        raise NotImplementedError("complex numbers")
    return np.asarray(special.expit(input))


def tanh(input: Array) -> Array:
    """np.tanh."""
    return np.tanh(input)


def softplus(input: Array, beta: float = 1, threshold: float = 20) -> Array:
    """-special.log_expit(-x), which has no threshold."""
    if threshold != 20:
        raise NotImplementedError("threshold")
    scaled = input * np.asarray(beta, input.dtype)
    return np.asarray(-special.log_expit(-scaled) / np.asarray(beta, input.dtype))


def softmax(input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Array:
    """special.softmax."""
    x = input if dtype is None else input.astype(dtype_name(dtype))
    return np.asarray(special.softmax(x, axis=implicit_dim(x.ndim) if dim is None else dim))


def log_softmax(
    input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Array:
    """special.log_softmax."""
    x = input if dtype is None else input.astype(dtype_name(dtype))
    return np.asarray(special.log_softmax(x, axis=implicit_dim(x.ndim) if dim is None else dim))


# What image libraries call the padding modes: ndimage's mirror repeats no border pixel.
BORDERS = {"replicate": "nearest", "symmetric": "reflect", "reflect": "mirror", "circular": "wrap"}


def sobel(input: Array, padding_mode: str = "replicate") -> Array:
    """ndimage.sobel of every plane, along the rows and along the columns."""
    border = BORDERS[padding_mode]
    planes = input.reshape(math.prod(input.shape[:-2]), *input.shape[-2:])
    both = [[ndimage.sobel(plane, axis, mode=border) for axis in (0, 1)] for plane in planes]
    return np.array(both, input.dtype).reshape(*input.shape[:-2], 2, *input.shape[-2:])


def laplacian(input: Array, padding_mode: str = "replicate") -> Array:
    """ndimage.laplace of every plane."""
    return np.asarray(ndimage.laplace(input, mode=BORDERS[padding_mode], axes=(-2, -1)))


def gaussian_blur(
    input: Array, sigma: float, truncate: float = 4.0, padding_mode: str = "replicate"
) -> Array:
    """ndimage.gaussian_filter of every plane."""
    mode = BORDERS[padding_mode]
    blurred = ndimage.gaussian_filter(input, sigma, truncate=truncate, mode=mode, axes=(-2, -1))
    return np.asarray(blurred)


def laplacian_of_gaussian(
    input: Array, sigma: float, truncate: float = 4.0, padding_mode: str = "replicate"
) -> Array:
    """ndimage.gaussian_laplace of every plane."""
    mode = BORDERS[padding_mode]
    filtered = ndimage.gaussian_laplace(input, sigma, truncate=truncate, mode=mode, axes=(-2, -1))
    return np.asarray(filtered)


def fft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """fft.fft."""
    return np.asarray(transforms.fft(input, n, dim, norm))


def ifft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """fft.ifft."""
    return np.asarray(transforms.ifft(input, n, dim, norm))


def fftn(input: Array, s: Any = None, dim: Any = None, norm: str | None = None) -> Array:
    """fft.fftn."""
    return np.asarray(transforms.fftn(input, s, dim, norm))


def ifftn(input: Array, s: Any = None, dim: Any = None, norm: str | None = None) -> Array:
    """fft.ifftn."""
    return np.asarray(transforms.ifftn(input, s, dim, norm))


DTYPES = ("float64", "float32", "complex128", "complex64")
own = partial(Adapter.numpy, dtypes=DTYPES, conventions=False, complete=False)
parity_subject = own(sys.modules[__name__])
direct = own(Direct)
