"""Padding by reflection, replication and wrapping: selection at an index, one axis at a time.

Along an axis of size L, with ``lo`` entries added in front and ``hi`` behind, entry
i = −lo, …, L+hi−1 of the result is x[j(i)]:

    reflect    j = (L−1) − |(L−1) − |i||    the edge is not repeated
    replicate  j = clamp(i, 0, L−1)
    circular   j = i mod L

A negative amount crops. The adjoint adds each entry back to where it was read.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reimpl.linear_map import linear_map

MODES = ("zeros", "reflect", "replicate", "circular")
Amounts = tuple[tuple[int, int], ...]


def pad_by_selection(op: str, x: Tensor, amounts: Amounts, mode: str) -> Tensor:
    """``x`` padded by ``(lo, hi)`` along each trailing axis, the entries taken from ``x``."""
    for axis, (lo, hi) in enumerate(amounts, start=-len(amounts)):
        _check(op, x.shape[axis], lo, hi, mode)
        if lo or hi:
            x = _select(x, axis, _source(x.shape[axis], lo, hi, mode, x.device))
    return x


def _check(op: str, size: int, lo: int, hi: int, mode: str) -> None:
    limit = {"reflect": size - 1, "circular": size}.get(mode)
    if limit is not None and max(lo, hi) > limit:
        raise RuntimeError(
            f"{op}: padding with padding_mode={mode!r} must be at most {limit} "
            f"for an input axis of size {size}, got {(lo, hi)}"
        )
    if size + lo + hi < 1 or size < 1:
        raise RuntimeError(
            f"{op}: padding must leave at least one entry of an input axis of size {size}, "
            f"got {(lo, hi)}"
        )


def _source(size: int, lo: int, hi: int, mode: str, device: torch.device) -> Tensor:
    i = torch.arange(-lo, size + hi, device=device)
    if mode == "reflect":
        return (size - 1) - ((size - 1) - i.abs()).abs()
    return i.clamp(0, size - 1) if mode == "replicate" else i.remainder(size)


def _select(x: Tensor, axis: int, source: Tensor) -> Tensor:
    size = x.shape[axis]

    def select(t: Tensor) -> Tensor:
        return t.index_select(axis, source)

    def add_back(t: Tensor) -> Tensor:
        shape = list(t.shape)
        shape[axis] = size
        return t.new_zeros(shape).index_add_(axis, source, t)

    return linear_map(x, select, add_back)
