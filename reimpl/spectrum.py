"""The Fourier transform over several axes of a tensor, in the memory layout torch gives it.

Axes are counted from the end, so that a vmapped axis in front does not move them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from reimpl.cooley_tukey import transform
from reimpl.layout import arrange, looks_channels_last

Lengths = dict[int, int]  # by axis

COMPLEX_OF = {  # dtype.to_complex(), which torch.compile does not know
    torch.float32: torch.complex64,
    torch.float64: torch.complex128,
    torch.complex64: torch.complex64,
    torch.complex128: torch.complex128,
}


def spectrum(
    x: Tensor,
    axes: Collection[int],
    sign: int,
    scale: float = 1.0,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """A complex ``x`` transformed along the axes one after the other, and scaled.

    The output's axes are ordered in memory as the strides are, by default those of ``x``.
    """
    y = x
    for axis in axes:
        rows = y.movedim(axis, 0)
        columns = transform(rows.reshape(rows.shape[0], -1), sign)
        y = columns.view(rows.shape).movedim(0, axis)
    y = y * scale if scale != 1 else y
    return _laid_out(y, strides or x.stride(), axes) if axes else y.clone()


def resized(x: Tensor, lengths: Lengths) -> Tensor:
    """Axes trimmed, or zeros added behind them; its own adjoint with the former lengths."""
    for axis, n in lengths.items():
        x = x.narrow(axis, 0, min(n, x.shape[axis]))
    sizes = list(x.shape)
    for axis, n in lengths.items():
        sizes[axis] = n
    if sizes == list(x.shape):
        return x
    channels_last = x.dim() in (4, 5) and looks_channels_last(x)
    y = arrange(x.new_zeros(sizes), channels_last)
    y[tuple(slice(n) for n in x.shape)] = x
    return y


def _laid_out(y: Tensor, strides: Sequence[int], axes: Collection[int]) -> Tensor:
    """Dense, the transformed axes innermost; within them and before them, in the strides' order."""
    transformed = [y.dim() + axis for axis in axes]
    outermost_first = sorted(range(y.dim()), key=lambda d: -strides[d])
    order = [d for d in outermost_first if d not in transformed]
    order += [d for d in outermost_first if d in transformed]
    back = [order.index(d) for d in range(y.dim())]
    return y.permute(order).contiguous().permute(back)
