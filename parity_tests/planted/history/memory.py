"""What a kernel reads or writes that takes a tensor's memory for contiguous, or for packed."""

from __future__ import annotations

from math import prod

from torch import Tensor

from reimpl.layout import looks_channels_last


def as_if_contiguous(t: Tensor) -> Tensor:
    """The numbers of ``t`` in the order of memory, its strides ignored."""
    return t if t.is_contiguous() else _reread(t, range(t.dim()))


def as_if_packed(t: Tensor) -> Tensor:
    """The same for channels last: a slice of channels is taken for all there are."""
    if not looks_channels_last(t) or t.movedim(1, -1).is_contiguous():
        return t
    return _reread(t, (0, *range(2, t.dim()), 1))


def _reread(t: Tensor, order: tuple[int, ...] | range) -> Tensor:
    """``t`` with the dense strides of that order of axes, but where they would leave the memory."""
    if sum((n - 1) * s for n, s in zip(t.shape, t.stride(), strict=True)) < t.numel() - 1:
        return t  # an expanded tensor
    strides = [0] * t.dim()
    for place, axis in enumerate(order):
        strides[axis] = prod(t.shape[a] for a in order[place + 1 :])
    return t.as_strided(t.shape, strides)


def written_in_order(y: Tensor) -> Tensor:
    """A channels-last output whose memory was filled in the order N, C, *L."""
    if y.is_contiguous() or not looks_channels_last(y):
        return y
    N, C, *L = y.shape
    return y.reshape(N, *L, C).movedim(-1, 1)
