r"""Max pooling over windows that lie at regular steps, or that adapt to the size of the output.

How maxima are found, and where, is the affair of :mod:`reimpl.maxima`.

Letters: N samples, C channels, *L input and *M output positions, *K taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from reimpl import arguments
from reimpl.arguments import INTEGERS, REALS
from reimpl.autocast import autocasted
from reimpl.gradient_layout import followed
from reimpl.layout import arrange, looks_channels_last
from reimpl.maxima import Adaptive, Looks, Regular, chosen, maxima, places
from reimpl.pooling import pooled_input, pooled_windows

Size = int | Sequence[int]
Pooled = torch.Tensor | tuple[torch.Tensor, torch.Tensor]


def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Max pooling over one axis; see :func:`max_pool2d`. Integers go with ``return_indices`` only.

    >>> max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 2.0, 0.0]]), 2, ceil_mode=True)
    tensor([[3., 2., 0.]])
    """
    geometry = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool1d", 1, input, geometry, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Maximum of every window; with ``return_indices`` also where in its channel it lies.

    y[n,c,m] = max_k x[n,c, s·m + d·k − p], with nothing outside the input; the index counts
    row by row through *L. Equal maxima: the first; several NaN: the last. A window without any
    input, which dilation allows, gives −∞ (the least integer), and an index that may lie outside.

    Shapes:
        input (N, C, *L) or (C, *L), output and int64 indices (N, C, *M) or (C, *M);
        M = ⌊(L + 2p − d(K−1) − 1) / s⌋ + 1, rounded up with ``ceil_mode``, then less a window
        that would start behind the input. Without a stride windows are one kernel apart.

    Backward: every cotangent goes to its window's maximum and adds up there.

    Raises:
        RuntimeError: geometry out of range, among it p > K/2 (#152152); an empty channel or axis.
        NotImplementedError: bool and complex.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html

    >>> max_pool2d(torch.tensor([[[1.0, 2.0, 0.0], [4.0, 4.0, 5.0]]]), 2, 1, return_indices=True)
    (tensor([[[4., 5.]]]), tensor([[[3, 5]]]))
    """
    geometry = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool2d", 2, input, geometry, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Max pooling over three axes; see :func:`max_pool2d`.

    >>> max_pool3d(torch.arange(8.0).view(1, 2, 2, 2), 2, return_indices=True)
    (tensor([[[[7.]]]]), tensor([[[[7]]]]))
    """
    geometry = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool3d", 3, input, geometry, return_indices)


def adaptive_max_pool1d(input: Tensor, output_size: Size, return_indices: bool = False) -> Pooled:
    """Max pooling to a given length; see :func:`adaptive_max_pool2d`.

    >>> adaptive_max_pool1d(torch.tensor([[1.0, 5.0, 2.0, 3.0, 4.0]]), 2)
    tensor([[5., 4.]])
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False
) -> Pooled:
    """Maximum of M windows that cover the input evenly: from ⌊m·L/M⌋ up to ⌈(m+1)·L/M⌉.

    Shapes:
        input (N, C, *L) or (C, *L), output and int64 indices (N, C, *M) or (C, *M), with M as
        ``output_size`` says; None (for an axis of two or three) keeps L.

    Backward: every cotangent goes to its window's maximum and adds up there.

    Raises:
        RuntimeError: an input that is empty but in its first axis, a negative size.
        NotImplementedError: an input that is not floating point.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html

    >>> adaptive_max_pool2d(torch.arange(9.0).view(1, 3, 3), (2, None), return_indices=True)
    (tensor([[[3., 4., 5.],
             [6., 7., 8.]]]), tensor([[[3, 4, 5],
             [6, 7, 8]]]))
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(
    input: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False
) -> Pooled:
    """Max pooling to a given size of three axes; see :func:`adaptive_max_pool2d`.

    >>> adaptive_max_pool3d(torch.arange(27.0).view(1, 3, 3, 3), 1)
    tensor([[[[26.]]]])
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


def _max_pool(
    op: str, rank: int, input: Tensor, geometry: tuple[Any, ...], return_indices: bool
) -> Pooled:
    if not return_indices:  # torch's kernel that returns them is not in its list
        (input,) = autocasted(f"max_pool{rank}d", input)
    pooled_input(op, rank, input)
    alone = rank == 1 and not return_indices  # torch has a kernel of its own for this
    arguments.dtype_among(op, input, REALS if alone else (*REALS, *INTEGERS))
    windows = pooled_windows(op, tuple(input.shape[-rank:]), *geometry)
    own_layout = alone and input.device.type == "cpu" and not _derivative_wanted(input)
    channels_last = not own_layout and _channels_last(input, rank)
    looks = [Regular(*axis) for axis in zip(*windows, strict=True)]
    return _pool(input, looks, channels_last, return_indices)


def _adaptive_max_pool(
    op: str, rank: int, input: Tensor, output_size: Any, return_indices: bool
) -> Pooled:
    (input,) = autocasted(f"adaptive_max_pool{rank}d", input)
    arguments.tensor(op, "input", input)
    if input.dim() not in (rank + 1, rank + 2) or 0 in input.shape[1:]:
        raise RuntimeError(
            f"{op}: input must have {rank + 2} axes, or {rank + 1} without a batch, all but the "
            f"first not empty, got {tuple(input.shape)}"
        )
    arguments.dtype_among(op, input, REALS)
    L = tuple(input.shape[-rank:])
    output_size = arguments.unpacked(output_size) if rank > 1 else output_size
    if rank > 1 and isinstance(output_size, (tuple, list)):
        if len(output_size) != rank:
            error = ValueError if len(output_size) >= input.dim() else RuntimeError
            raise error(f"{op}: output_size must be one or {rank} ints, got {output_size}")
        output_size = [l if m is None else m for l, m in zip(L, output_size, strict=True)]
    M = arguments.per_axis(op, "output_size", output_size, rank, 0)
    arguments.storable(op, "output_size", output_size, (*input.shape[:-rank], *M), torch.int64)
    if prod(M) >= 2**28:  # the lists of windows below take longer to run out of memory
        input.new_empty((*input.shape[:-rank], *M))
    looks = [
        Adaptive(l, m) if m == 0 or l % m else Regular(l, m, l // m, l // m)
        for l, m in zip(L, M, strict=True)
    ]
    return _pool(input, looks, rank < 3 and _channels_last(input, rank), return_indices)


def _derivative_wanted(x: Tensor) -> bool:
    """Where a derivative by x is asked for torch finds the places too, by another kernel."""
    if torch.is_grad_enabled() and x.requires_grad:
        return True
    if torch.compiler.is_compiling():
        return False
    if torch._C._are_functorch_transforms_active():
        return True
    if forward_ad._current_level < 0:
        return False
    return forward_ad.unpack_dual(x).tangent is not None


def _channels_last(x: Tensor, rank: int) -> bool:
    """Whether torch takes ``x`` for channels last; one axis is two, the first of size one."""
    if rank == 3 and x.dim() == 4:  # the only kernel that knows the layout without a batch
        return not x.is_contiguous() and x.movedim(0, -1).is_contiguous()
    x = x.unsqueeze(-2) if rank == 1 else x
    return x.dim() == max(rank, 2) + 2 and looks_channels_last(x)


def _pool(input: Tensor, looks: Looks, channels_last: bool, return_indices: bool) -> Pooled:
    """The values, and the places if asked for, in torch's layout."""
    batched = input.dim() == len(looks) + 2
    x = followed(input)
    x = x if batched else x.unsqueeze(0)
    index = places(x.detach(), looks) if return_indices else None
    y = maxima(x, looks) if index is None else chosen(x, index, looks)
    y = arrange(y, channels_last)
    y = y if batched else y.squeeze(0)
    if index is None:
        return y
    index = arrange(index, channels_last)
    return y, index if batched else index.squeeze(0)
