"""Interpolation to another size, one axis after the other (see :mod:`reimpl.resampling`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from reimpl import arguments, resampling
from reimpl.arguments import REALS, Ints, accumulator
from reimpl.autocast import autocasted
from reimpl.avg_pool import adapt
from reimpl.gradient_layout import followed
from reimpl.layout import arrange, looks_channels_last
from reimpl.resampling import Axis, Entries, remembered, resample

_SELECTING = ("nearest", "nearest-exact")
# The numbers of spatial axes that a mode is for.
_RANKS = dict.fromkeys((*_SELECTING, "area"), (1, 2, 3)) | {
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "lanczos": (2,),
    "trilinear": (3,),
}
_KERNELS = {"bicubic": resampling.CUBIC}
_FILTERS = {
    "bilinear": resampling.LINEAR,
    "bicubic": resampling.KEYS,
    "lanczos": resampling.LANCZOS,
}


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    r"""Resample every spatial axis to ``size``, or to ⌊size · scale_factor⌋.

    y[n, c, *o] = Σ_j Π_axes a[o, j] · x[n, c, *j]

    with a sparse matrix a per axis that depends on the mode; :mod:`reimpl.resampling` has the
    formulas. A scale_factor is also the distance of samples, unless it is recomputed.

    Shapes:
        input (N, C, *L) with one to three axes L: one for 'linear', two for 'bilinear', 'bicubic'
        and 'lanczos', three for 'trilinear'; output (N, C, *O).

    Backward: the transposed matrices.

    Raises:
        ValueError: neither or both of size and scale_factor, or one of the wrong length; an option
            that does not go with the mode or the rank.
        RuntimeError: an empty axis, or a size below 1 ('area' knows size 0).
        NotImplementedError: a mode for another rank; a dtype without a kernel.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html

    >>> interpolate(torch.tensor([[[0.0, 4.0]]]), size=4, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    >>> interpolate(torch.tensor([[[0.0, 4.0]]]), scale_factor=1.5)
    tensor([[[0., 0., 4.]]])
    """
    op = "interpolate"
    arguments.tensor(op, "input", input)
    _check_options(op, input, mode, align_corners, antialias)
    shape = tuple(input.shape)
    L, rank = shape[2:], len(shape) - 2
    recompute = recompute_scale_factor or (mode == "area" and size is None)
    sizes, scales = _sizes(op, L, size, scale_factor, recompute)
    _check_sizes(op, shape, sizes, mode, f"size={size}, scale_factor={scale_factor}")
    name, given = ("scale_factor", scale_factor) if size is None else ("size", size)
    arguments.storable(op, name, given, (*shape[:2], *sizes), input.dtype)
    if mode == "area":
        return adapt(op, rank, input, sizes)
    if mode != "lanczos":
        (input,) = autocasted("upsample", input)
    images = mode in _SELECTING or _RANKS[mode] == (2,)  # of bytes, for which torch has kernels
    arguments.dtype_among(op, input, (*REALS, torch.uint8) if images else REALS)
    skips = antialias or (input.dtype == torch.uint8 and mode not in _SELECTING)
    x = followed(input).to(accumulator(input.dtype))
    for i in reversed(range(rank)):
        axis = Axis(L[i], sizes[i], scales[i], bool(align_corners))
        if axis.size != axis.out or not skips:
            entries = _entries(axis, mode, antialias, sizes, input.dtype)
            x = resample(x, i - rank, axis, entries)
    if x is input:  # nothing was resampled
        x = x.clone()
    return arrange(x, _channels_last(input)).to(input.dtype)


def _channels_last(input: Tensor) -> bool:
    """Whether torch returns channels last."""
    return input.dim() in (4, 5) and input.numel() > 0 and looks_channels_last(input)


@remembered
def _entries(axis: Axis, mode: str, antialias: bool, sizes: Ints, dtype: torch.dtype) -> Entries:
    """The matrix of one axis."""
    if mode in _SELECTING:
        small = len(sizes) == 2 and sum(sizes) <= 128  # the limit is torch's, for its CPU kernels
        single = small or dtype != torch.float64
        return resampling.select(axis, exact=mode == "nearest-exact", single=single, small=small)
    if antialias:
        return resampling.filter(axis, _FILTERS[mode])
    return resampling.interpolate(axis, _KERNELS.get(mode, resampling.LINEAR))


def _check_options(
    op: str, input: Tensor, mode: str, align_corners: bool | None, antialias: bool
) -> None:
    """The options go with the mode, and the mode with the rank."""
    rank, smooth = input.dim() - 2, mode not in (*_SELECTING, "area")
    if align_corners is not None and (not smooth or (align_corners and mode == "lanczos")):
        raise ValueError(
            f"{op}: align_corners must go with a mode of linear, bilinear, bicubic or trilinear, "
            f"got mode={mode!r}"
        )
    if antialias and not (mode in _FILTERS and rank == 2):
        raise ValueError(
            f"{op}: antialias must go with bilinear, bicubic or lanczos and an input of 4 axes, "
            f"got mode={mode!r} and {input.dim()} axes"
        )
    if mode == "lanczos" and rank == 2 and not antialias:
        raise ValueError(f"{op}: antialias must be True for mode='lanczos', got {antialias}")


def _sizes(
    op: str, L: Ints, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[Ints, tuple[float | None, ...]]:
    """The size of the output, and the scale of each axis where the caller's is to be used."""
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"{op}: one of size and scale_factor must be given, got size={size}, "
            f"scale_factor={scale_factor}"
        )
    none: tuple[None, ...] = (None,) * len(L)
    if size is not None:
        if recompute:
            raise ValueError(f"{op}: recompute_scale_factor must not go with a size, got {size}")
        sizes = _each(op, "size", size, len(L))
        return tuple([arguments.integer(op, "size", m) for m in sizes]), none
    factors = _each(op, "scale_factor", scale_factor, len(L))
    factors = tuple([arguments.number(op, "scale_factor", factor) for factor in factors])
    if not recompute and any(isinstance(factor, Tensor) for factor in factors):
        raise TypeError(f"{op}: scale_factor must be a number or several, got {scale_factor!r}")
    sizes = tuple([int(n * factor) for n, factor in zip(L, factors, strict=True)])
    return sizes, none if recompute else tuple(map(float, factors))


def _check_sizes(op: str, shape: Ints, sizes: Ints, mode: str, given: str) -> None:
    """The mode is for that many axes, and there is something to resample, and to resample it to."""
    L, least = shape[2:], 0 if mode == "area" else 1
    if len(L) not in _RANKS.get(mode, ()):
        raise NotImplementedError(
            f"{op}: mode must be one for an input of {len(shape)} axes, got {mode!r}"
        )
    averaged = mode == "area" and set(sizes) == {1}  # whatever there is: of nothing that is NaN
    if (min(L) < 1 and not averaged) or shape[1] < least:
        raise RuntimeError(f"{op}: input must have no empty axis but its batch, got {shape}")
    if min(sizes) < least:
        raise RuntimeError(f"{op}: at least {least} of every axis must be left of {L}, got {given}")


def _each(op: str, name: str, value: Any, n: int) -> tuple[Any, ...]:
    """One value per axis; a single one serves all."""
    if not isinstance(value, (tuple, list)):
        return (value,) * n
    if len(value) != n:
        raise ValueError(f"{op}: {name} must be a number or {n} of them, got {value}")
    return tuple(value)
