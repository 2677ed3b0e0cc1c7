"""JAX: torch's operators, said in jax.lax, jax.nn, jax.image and jax.numpy.

What these say differently is left as they say it. Calls that they have no words for are passed
over.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import torch
from jax import lax
from torch import Tensor

from parity_tests.subjects.adapter import Abilities, Adapter, from_numpy
from parity_tests.subjects.geometry import dtype_name, each, implicit_dim, overhang, with_batch

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

Array = Any


def layout(n: int) -> tuple[str, str, str]:
    """Of input, kernel and output, in n dimensions."""
    axes = "DHW"[-n:]
    return f"NC{axes}", f"OI{axes}", f"NC{axes}"


def conv(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """lax.conv_general_dilated; its SAME is torch's."""
    n = weight.ndim - 2
    x, alone = with_batch(input, n)
    pads = padding.upper() if isinstance(padding, str) else [(p, p) for p in each(padding, n)]
    y = lax.conv_general_dilated(
        x,
        weight,
        each(stride, n),
        pads,
        rhs_dilation=each(dilation, n),
        dimension_numbers=layout(n),
        feature_group_count=groups,
        precision=lax.Precision.HIGHEST,
    )
    return finished(y, bias, n, alone=alone)


def conv_transpose(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Array:
    """lax.conv_transpose, which knows no groups; its padding is what is left around the output."""
    if groups != 1:
        raise NotImplementedError("groups")
    n = weight.ndim - 2
    x, alone = with_batch(input, n)
    reach = [d * (k - 1) for k, d in zip(weight.shape[2:], each(dilation, n), strict=True)]
    sides = zip(reach, each(padding, n), each(output_padding, n), strict=True)
    y = lax.conv_transpose(
        x,
        weight,
        each(stride, n),
        [(r - p, r - p + more) for r, p, more in sides],
        rhs_dilation=each(dilation, n),
        dimension_numbers=layout(n),
        transpose_kernel=True,
        precision=lax.Precision.HIGHEST,
    )
    return finished(y, bias, n, alone=alone)


def finished(y: Array, bias: Array, n: int, *, alone: bool) -> Array:
    """With the bias, and without the axis of samples that was added."""
    y = y if bias is None else y + bias.reshape(-1, *[1] * n)
    return y[0] if alone else y


conv1d = conv2d = conv3d = conv
conv_transpose1d = conv_transpose2d = conv_transpose3d = conv_transpose


def linear(input: Array, weight: Array, bias: Array = None) -> Array:
    """jnp.matmul."""
    y = jnp.matmul(input, weight.T, precision=lax.Precision.HIGHEST)
    return y if bias is None else y + bias


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
    """lax.reduce_window of maxima, which has no indices."""
    if return_indices:
        raise NotImplementedError("return_indices")
    x, alone = with_batch(input, n)
    kernel, d = each(kernel_size, n), each(dilation, n)
    steps, p = each(kernel if stride is None else stride, n), each(padding, n)
    geometry = zip(x.shape[2:], kernel, steps, p, d, strict=True)
    more = [overhang(*axis, ceil_mode=ceil_mode) for axis in geometry]
    y = lax.reduce_window(
        x,
        np.asarray(-np.inf, x.dtype)[()],
        lax.max,
        (1, 1, *kernel),
        (1, 1, *steps),
        ((0, 0), (0, 0), *((s, s + m) for s, m in zip(p, more, strict=True))),
        window_dilation=(1, 1, *d),
    )
    return y[0] if alone else y


def avg_pool(
    n: int,
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """lax.reduce_window of sums, over one of ones: the size of each window within the input."""
    x, alone = with_batch(input, n)
    kernel, p = each(kernel_size, n), each(padding, n)
    steps = each(kernel if stride is None else stride, n)
    geometry = zip(x.shape[2:], kernel, steps, p, (1,) * n, strict=True)
    more = [overhang(*axis, ceil_mode=ceil_mode) for axis in geometry]

    def sums(x: Array, sides: tuple[int, ...]) -> Array:
        return lax.reduce_window(
            x,
            np.zeros((), x.dtype)[()],
            lax.add,
            (1, 1, *kernel),
            (1, 1, *steps),
            ((0, 0), (0, 0), *((s, s + m) for s, m in zip(sides, more, strict=True))),
        )

    ones = jnp.ones((1, 1, *x.shape[2:]), x.dtype)
    if count_include_pad:
        ones = jnp.pad(ones, ((0, 0), (0, 0), *((s, s) for s in p)), constant_values=1)
    count = divisor_override or sums(ones, (0,) * n if count_include_pad else p)
    y = sums(x, p) / count
    return y[0] if alone else y


max_pool1d, max_pool2d, max_pool3d = (partial(max_pool, n) for n in (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = (partial(avg_pool, n) for n in (1, 2, 3))


def affine(y: Array, weight: Array, bias: Array, shape: tuple[int, ...]) -> Array:
    """Scaled and shifted."""
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def layer_norm(
    input: Array,
    normalized_shape: Any,
    weight: Array = None,
    bias: Array = None,
    eps: float = 1e-5,
) -> Array:
    """jax.nn.standardize over the last axes."""
    axes = tuple(range(-len(normalized_shape), 0))
    y = jax.nn.standardize(input, axis=axes, epsilon=eps)
    return affine(y, weight, bias, tuple(normalized_shape))


def group_norm(
    input: Array, num_groups: int, weight: Array = None, bias: Array = None, eps: float = 1e-5
) -> Array:
    """jax.nn.standardize over each group of channels."""
    groups = input.reshape(input.shape[0], num_groups, -1)
    y = jax.nn.standardize(groups, axis=-1, epsilon=eps).reshape(input.shape)
    return affine(y, weight, bias, (-1, *[1] * (input.ndim - 2)))


def batch_norm(
    input: Array,
    running_mean: Array,
    running_var: Array,
    weight: Array = None,
    bias: Array = None,
    training: bool = False,
    momentum: float = 0.1,  # noqa: ARG001 - torch's signature
    eps: float = 1e-5,
) -> Array:
    """jax.nn.standardize over samples and places; arrays that cannot be updated are not."""
    if training and running_mean is not None:
        raise NotImplementedError("running statistics")
    channels = (-1, *[1] * (input.ndim - 2))
    if training:
        y = jax.nn.standardize(input, axis=(0, *range(2, input.ndim)), epsilon=eps)
    else:
        mean, variance = running_mean.reshape(channels), running_var.reshape(channels)
        y = jax.nn.standardize(input, mean=mean, variance=variance, epsilon=eps)
    return affine(y, weight, bias, channels)


def relu(input: Array, inplace: bool = False) -> Array:  # noqa: ARG001 - arrays are immutable
    """jax.nn.relu."""
    return jax.nn.relu(input)


def relu6(input: Array, inplace: bool = False) -> Array:  # noqa: ARG001
    """jax.nn.relu6."""
    return jax.nn.relu6(input)


def hardtanh(
    input: Array,
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,  # noqa: ARG001
) -> Array:
    """jax.nn.hard_tanh, whose bounds are fixed."""
    if (min_val, max_val) != (-1, 1):
        raise NotImplementedError("min_val, max_val")
    return jax.nn.hard_tanh(input)


def leaky_relu(
    input: Array,
    negative_slope: float = 0.01,
    inplace: bool = False,  # noqa: ARG001
) -> Array:
    """jax.nn.leaky_relu."""
    return jax.nn.leaky_relu(input, negative_slope)


def elu(input: Array, alpha: float = 1.0, inplace: bool = False) -> Array:  # noqa: ARG001
    """jax.nn.elu."""
    return jax.nn.elu(input, alpha)


def softplus(input: Array, beta: float = 1, threshold: float = 20) -> Array:
    """jax.nn.softplus, which has no threshold."""
    if threshold != 20:
        raise NotImplementedError("threshold")
    return jax.nn.softplus(input * beta) / beta


def sigmoid(input: Array) -> Array:
    """jax.nn.sigmoid."""
    return jax.nn.sigmoid(input)


def tanh(input: Array) -> Array:
    """jnp.tanh."""
    return jnp.tanh(input)


def softmax(input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Array:
    """jax.nn.softmax."""
    if not input.ndim:
        raise NotImplementedError("no axes")
    x = input if dtype is None else input.astype(dtype_name(dtype))
    return jax.nn.softmax(x, axis=implicit_dim(x.ndim) if dim is None else dim)


def log_softmax(
    input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Array:
    """jax.nn.log_softmax."""
    if not input.ndim:
        raise NotImplementedError("no axes")
    x = input if dtype is None else input.astype(dtype_name(dtype))
    return jax.nn.log_softmax(x, axis=implicit_dim(x.ndim) if dim is None else dim)


METHODS = {
    "nearest-exact": "nearest",
    "linear": "linear",
    "bilinear": "linear",
    "trilinear": "linear",
    "bicubic": "cubic",
    "lanczos": "lanczos3",
}


def interpolate(
    input: Array,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """jax.image.resize, which takes sizes."""
    if mode not in METHODS:
        raise NotImplementedError(f"mode={mode!r}")
    if align_corners:
        raise NotImplementedError("align_corners")
    if size is None and not recompute_scale_factor:
        raise NotImplementedError("scale_factor")
    n, lengths = input.ndim - 2, input.shape[2:]
    if size is None:
        factors = (scale_factor,) * n if isinstance(scale_factor, int | float) else scale_factor
        size = tuple(int(k * f) for k, f in zip(lengths, factors, strict=True))
    shape = (*input.shape[:2], *each(size, n))
    return jax.image.resize(input, shape, METHODS[mode], antialias=antialias)


PADDING = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(input: Array, pad: Any, mode: str = "constant", value: float | None = None) -> Array:
    """jnp.pad."""
    if min(pad, default=0) < 0:
        raise NotImplementedError("negative padding")
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    widths = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    filling = {"constant_values": value or 0} if mode == "constant" else {}
    return jnp.pad(input, widths, PADDING[mode], **filling)


def fft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """jnp.fft.fft."""
    return jnp.fft.fft(input, n, dim, norm)


def ifft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """jnp.fft.ifft."""
    return jnp.fft.ifft(input, n, dim, norm)


def fftn(input: Array, s: Any = None, dim: Any = None, norm: str | None = None) -> Array:
    """jnp.fft.fftn."""
    return jnp.fft.fftn(input, s, (dim,) if isinstance(dim, int) else dim, norm)


def ifftn(input: Array, s: Any = None, dim: Any = None, norm: str | None = None) -> Array:
    """jnp.fft.ifftn."""
    return jnp.fft.ifftn(input, s, (dim,) if isinstance(dim, int) else dim, norm)


def native(t: Tensor) -> Array:
    """A copy, as JAX's arrays never change."""
    t = t.detach().resolve_conj().resolve_neg()
    if t.dtype == torch.bfloat16:
        return jnp.array(t.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16))
    return jnp.array(t.numpy())


def tensor(array: Array) -> Tensor:
    """A copy, as tensors do change."""
    if array.dtype == jnp.bfloat16:
        return from_numpy(np.asarray(array).view(np.int16).copy()).view(torch.bfloat16)
    return from_numpy(np.array(array))


def pullback(
    function: Callable[..., Array], *arrays: Array
) -> tuple[Array, Callable[[Array], Any]]:
    """jax.vjp; of complex numbers JAX gives the conjugate of torch's gradients."""
    result, pull = jax.vjp(function, *arrays)
    return result, lambda cotangent: [jnp.conj(g) for g in pull(jnp.conj(cotangent))]


parity_subject = Adapter(
    sys.modules[__name__],
    native,
    tensor,
    Abilities(
        derivatives=1,
        dtypes=("float64", "float32", "bfloat16", "complex128", "complex64"),
        devices=("cpu",),
        in_place=False,
        complete=False,
        strided=False,
        conventions=False,
        rounding="every",  # of bfloat16: jax.nn composes primitives
    ),
    pullback,
)
