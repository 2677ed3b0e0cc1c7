"""Max unpooling: values go back to the places that max pooling took them from.

Letters: N samples, C channels, *M input and *L output positions, *K taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import REALS, Ints, repeated
from reimpl.autocast import autocasted
from reimpl.layout import arrange, looks_channels_last, split
from reimpl.selection import overwrite
from reimpl.windows import spanned

Size = int | Sequence[int]


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Max unpooling over one axis; see :func:`max_unpool2d`.

    >>> max_unpool1d(torch.tensor([[5.0, 7.0]]), torch.tensor([[1, 2]]), 2)
    tensor([[0., 5., 7., 0.]])
    """
    geometry = kernel_size, stride, padding, output_size
    return _max_unpool("max_unpool1d", 1, input, indices, *geometry)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros, with every value written at its index: x[n,c, i(m)] = y[n,c,m].

    Where an index occurs twice the last value stays, yet the gradient goes to all of them (#80204).

    Shapes:
        input and int64 indices (N, C, *M) or (C, *M), output (N, C, *L) or (C, *L) with
        L = s(M−1) + K − 2p, or ``output_size`` if that is less than a stride away from it; its
        first two entries may be any batch and channels. Indices count row by row through *L.

    Backward: a selection of the cotangent at the indices.

    Raises:
        ValueError: an output_size that does not fit, or a negative one.
        RuntimeError: tensors that do not fit, empty ones (but in the first axis), indices outside.
        NotImplementedError: an input that is not floating point.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool2d.html

    >>> y, indices = torch.tensor([[[5.0, 7.0]]], requires_grad=True), torch.tensor([[[3, 3]]])
    >>> x = max_unpool2d(y, indices, 2)
    >>> x.tolist()
    [[[0.0, 0.0, 0.0, 7.0], [0.0, 0.0, 0.0, 0.0]]]
    >>> torch.autograd.grad(x[0, 0, 3], y)
    (tensor([[[1., 1.]]]),)
    """
    geometry = kernel_size, stride, padding, output_size
    return _max_unpool("max_unpool2d", 2, input, indices, *geometry)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Max unpooling over three axes; see :func:`max_unpool2d`.

    >>> max_unpool3d(torch.ones(1, 1, 1, 1), torch.tensor([[[[3]]]]), (1, 2, 2))
    tensor([[[[0., 0.],
              [0., 1.]]]])
    """
    geometry = kernel_size, stride, padding, output_size
    return _max_unpool("max_unpool3d", 3, input, indices, *geometry)


def _max_unpool(
    op: str,
    rank: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    output_size: Sequence[int] | None,
) -> Tensor:
    (input,) = autocasted(f"max_unpool{max(rank, 2)}d", input)  # torch has no kernel for one axis
    arguments.tensor(op, "input", input)
    arguments.tensor(op, "indices", indices)
    M = tuple(input.shape[-rank:])
    enough = len(M) == rank
    L = _unpooled_size(op, M, kernel_size, stride, padding, output_size) if enough else ()
    if input.dim() not in (rank + 1, rank + 2) or 0 in input.shape[1:]:
        raise RuntimeError(
            f"{op}: input must have {rank + 2} axes, or {rank + 1} without a batch, all but the "
            f"first not empty, got {tuple(input.shape)}"
        )
    if indices.dtype != torch.int64:
        raise RuntimeError(f"{op}: indices must be int64, got {indices.dtype}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"{op}: indices must have input's shape {tuple(input.shape)}, "
            f"got {tuple(indices.shape)}"
        )
    arguments.dtype_among(op, input, REALS)
    arguments.same_device(op, input, "indices", indices)
    if max(L) >= 2**63:
        raise TypeError(f"{op}: kernel_size must give sizes of 64 bits, got {kernel_size} for {L}")
    arguments.storable(op, "kernel_size", kernel_size, (*input.shape[:-rank], *L), input.dtype)
    y, i = input.flatten(-rank), indices.flatten(-rank)
    if 0 in L:
        y, i = y[..., :0], i[..., :0]  # indices into nothing, which torch ignores
    x = _written(op, y, i, L)
    channels_last = rank == 2 and input.dim() == 4 and looks_channels_last(input)
    return arrange(x, channels_last)


def _written(op: str, y: Tensor, i: Tensor, L: Ints) -> Tensor:
    try:
        return split(overwrite(y, i, prod(L)), -1, *L)
    except RuntimeError as error:
        if "out of bounds" not in str(error):
            raise
        raise RuntimeError(f"{op}: indices must lie in an output of {L}, got {error}") from error


def _unpooled_size(
    op: str, M: Ints, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Ints:
    rank = len(M)
    K = _per_axis(op, "kernel_size", kernel_size, rank)
    s = _per_axis(op, "stride (or kernel_size without one)", K if stride is None else stride, rank)
    p = _per_axis(op, "padding", padding, rank)
    spans = zip(M, K, s, p, strict=True)
    L = tuple([spanned(m, k, ss, 1) - 2 * pp for m, k, ss, pp in spans])
    if output_size is None:
        for name, values in (("kernel_size", K), ("stride", s), ("padding", p)):
            arguments.integers(op, name, tuple([int(v) if type(v) is bool else v for v in values]))
    else:
        if not isinstance(output_size, (tuple, list)):
            raise TypeError(f"{op}: output_size must be integers or None, got {output_size!r}")
        wanted = tuple([arguments.integer(op, "output_size", l) for l in output_size])
        wanted = wanted[2:] if len(wanted) == rank + 2 else wanted
        if len(wanted) != rank or any(
            not l - ss < w < l + ss for l, w, ss in zip(L, wanted, s, strict=True)
        ):
            raise ValueError(
                f"{op}: output_size must have {rank} entries, or {rank + 2}, each less than a "
                f"stride of {s} away from {L}, got {tuple(output_size)}"
            )
        L = wanted
    if min(L) < 0:
        raise ValueError(
            f"{op}: output_size must not be negative, got {L} by kernel_size {K}, stride {s} and "
            f"padding {p}"
        )
    if rank == 3 and min(s) < 1:
        raise RuntimeError(f"{op}: stride must be positive for three axes, got {stride}")
    return L


def _per_axis(op: str, name: str, value: Any, rank: int) -> Ints:
    """One number per axis, or one for all of them; torch demands no more, not even a sign.

    Torch's Python computes a size from them, so that they need not be integers where another size
    is wanted; only the kernel for three axes looks at stride and padding itself.
    """
    check = arguments.integer if rank == 3 and name != "kernel_size" else arguments.number
    entries = tuple([check(op, name, v) for v in repeated(value, rank)])
    if len(entries) != rank:
        error = RuntimeError if name == "kernel_size" and len(entries) < rank else IndexError
        raise error(f"{op}: {name} must be an int or {rank} ints, got {value}")
    return entries
