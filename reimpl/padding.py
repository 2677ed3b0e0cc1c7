"""Padding: more entries around the trailing axes, constant ones or copies of the input's own.

Along an axis of size L, with ``lo`` entries added in front and ``hi`` behind, entry
i = −lo, …, L+hi−1 of the result is x[j(i)] (but in circular mode x is what is left of it):

    constant   j = i, and outside 0, …, L−1 a given value
    reflect    j = (L−1) − |(L−1) − |i||    the edge is not repeated
    replicate  j = clamp(i, 0, L−1)
    circular   j = i mod L

A negative amount crops. The adjoint adds each entry back to where it was read; for constants that
is padding by the opposite amounts, with zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import COMPLEX, INTEGERS, REALS, accumulator
from reimpl.autocast import autocasted
from reimpl.gradient_layout import followed
from reimpl.layout import arrange, looks_channels_last
from reimpl.linear_map import linear_map

_KERNELS = {"reflect": "reflection", "replicate": "replication", "circular": "circular"}
MODES = ("zeros", "reflect", "replicate", "circular")
Amounts = tuple[tuple[int, int], ...]


def pad(
    input: Tensor,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> Tensor:
    r"""Pad the trailing axes; ``pad`` counts from the last axis, each with front and back.

    y[…, i] = x[…, j(i)], with j by ``mode``: ``'constant'`` puts ``value`` (default 0) around x,
    ``'reflect'`` mirrors it at its edges, ``'replicate'`` repeats them, ``'circular'`` wraps x
    around. Negative amounts crop; circular mode crops first and wraps what is left.

    Shapes:
        input (*, *L), pad (lo, hi) of the last axis, then of the one before, …; output
        (*, *(lo + L + hi)). Any input in constant mode; else one or two axes before 1 to 3 padded.

    Backward: every entry is added back to where it was read.

    Raises:
        RuntimeError: pad odd or too long, crops more than there is, or reaches further than its
            mode allows (L−1 to reflect, what is left to wrap); a value without constant mode; a
            value that the dtype cannot hold.
        NotImplementedError: an unknown mode, or ranks or dtypes that a mode has not.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pad.html

    >>> pad(torch.tensor([[1, 2, 3]]), (2, 1), mode="reflect")
    tensor([[3, 2, 1, 2, 3, 2]])
    >>> pad(torch.tensor([1, 2, 3]), (-1, 2), value=9)
    tensor([2, 3, 9, 9])
    """
    arguments.tensor("pad", "input", input)
    amounts = _pairs(pad, input.dim())
    if not isinstance(mode, str):
        raise TypeError(f"pad: mode must be a string, got {mode!r}")
    if value is not None:
        value = arguments.number("pad", "value", value)
    if mode == "constant":
        # Integers stay what they are: above 2**53 a float would be another number.
        exact = value if isinstance(value, int) else 0.0 if value is None else float(value)
        return _surround(followed(input), amounts, exact)
    if mode not in MODES[1:]:
        modes = ("constant", *MODES[1:])
        raise NotImplementedError(f"pad: mode must be one of {modes}, got {mode!r}")
    if value:
        raise RuntimeError(f"pad: value must be None or 0 with mode={mode!r}, got {value}")
    if not 1 <= len(amounts) <= 3 or input.dim() - len(amounts) not in (1, 2):
        raise NotImplementedError(
            f"pad: pad must leave one or two axes of the input alone and have 2, 4 or 6 entries "
            f"with mode={mode!r}, got {tuple(pad)} for an input of {tuple(input.shape)}"
        )
    (input,) = autocasted(f"{_KERNELS[mode]}_pad{len(amounts)}d", input)
    if mode != "circular":
        arguments.dtype_among("pad", input, (*REALS, *COMPLEX[1:], *INTEGERS))
    keeps_layout = mode != "circular" and input.dim() in (4, 5)
    channels_last = keeps_layout and looks_channels_last(input)
    y = pad_by_selection("pad", followed(input).to(accumulator(input.dtype)), amounts, mode)
    return arrange(y, channels_last).to(input.dtype)


def _pairs(pad: Sequence[int], rank: int) -> Amounts:
    """``pad`` as (lo, hi) for each of the axes it names, in their order."""
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"pad: pad must be a tuple of integers, got {pad!r}")
    flat = [arguments.integer("pad", "pad", p) for p in pad]
    if len(flat) % 2 or len(flat) > 2 * rank:
        raise RuntimeError(
            f"pad: pad must have an even number of entries, at most {2 * rank} for an input of "
            f"{rank} axes, got {tuple(flat)}"
        )
    return tuple(zip(flat[::2], flat[1::2], strict=True))[::-1]


def _surround(x: Tensor, amounts: Amounts, value: float) -> Tensor:
    """``x`` with ``value`` around it; with zeros a linear map, whose adjoint takes them off."""
    for size, (lo, hi) in zip(x.shape[x.dim() - len(amounts) :], amounts, strict=True):
        if size + min(lo, 0) + min(hi, 0) < 0:
            raise RuntimeError(
                f"pad: pad must crop no more than an axis has, got {(lo, hi)} for size {size}"
            )
    _storable("pad", x, amounts)
    opposite = tuple([(-lo, -hi) for lo, hi in amounts])
    channels_last = x.dim() in (4, 5) and looks_channels_last(x)

    def by(amounts: Amounts, value: float) -> Callable[[Tensor], Tensor]:
        return lambda t: _framed(t, amounts, value, channels_last)

    return linear_map(x, by(amounts, 0.0), by(opposite, 0.0), by(amounts, value))


def _storable(op: str, x: Tensor, amounts: Amounts) -> None:
    """Memory must be able to hold what is padded."""
    lead = x.dim() - len(amounts)
    grown = [l + lo + hi for l, (lo, hi) in zip(x.shape[lead:], amounts, strict=True)]
    arguments.storable(op, "pad", amounts, (*x.shape[:lead], *grown), x.dtype)


def _framed(x: Tensor, amounts: Amounts, value: float, channels_last: bool) -> Tensor:
    shape = list(x.shape)
    for axis, (lo, hi) in enumerate(amounts, start=-len(amounts)):
        shape[axis] += lo + hi
        x = x.narrow(axis, max(0, -lo), x.shape[axis] + min(lo, 0) + min(hi, 0))
    if all(max(pair) <= 0 for pair in amounts):
        return x.clone()
    if channels_last:
        y = x.new_empty((shape[0], *shape[2:], shape[1])).movedim(-1, 1)
    else:
        y = x.new_empty(shape)
    inner = y.fill_(value)
    for axis, (lo, _) in enumerate(amounts, start=-len(amounts)):
        inner = inner.narrow(axis, max(0, lo), x.shape[axis])
    inner.copy_(x)
    return y


def pad_by_selection(op: str, x: Tensor, amounts: Amounts, mode: str) -> Tensor:
    """``x`` padded by ``(lo, hi)`` along each trailing axis, the entries taken from ``x``."""
    _check(op, x, amounts, mode)
    if all(min(pair) >= 0 for pair in amounts):
        return linear_map(
            x, lambda t: _surrounded(t, amounts, mode), lambda t: _folded_back(t, amounts, mode)
        )
    for axis, (lo, hi) in enumerate(amounts, start=-len(amounts)):
        if lo or hi:
            x = _select(x, axis, lo, hi, mode)
    return x


def _check(op: str, x: Tensor, amounts: Amounts, mode: str) -> None:
    sizes = tuple(x.shape[-len(amounts) :])
    for size, (lo, hi) in zip(sizes, amounts, strict=True):
        left = size + min(lo, 0) + min(hi, 0)
        most = {"reflect": size - 1, "replicate": max(lo, hi), "circular": left}[mode]
        if max(lo, hi) > most or size + lo + hi < 0:
            raise RuntimeError(
                f"{op}: padding in mode {mode!r} must add at most {most} entries to an input axis "
                f"of size {size} and not crop more than there are, got {(lo, hi)}"
            )
    _storable(op, x, amounts)
    if mode == "circular":
        return
    if 0 in x.shape[x.dim() - len(amounts) - 1 :]:  # torch's kernels want channels, too
        raise RuntimeError(
            f"{op}: input may be empty in its batch only with padding in mode {mode!r}, "
            f"got {tuple(x.shape)}"
        )
    if not any(size + lo + hi for size, (lo, hi) in zip(sizes, amounts, strict=True)):
        raise RuntimeError(f"{op}: padding must leave something of {sizes}, got {amounts}")


def _surrounded(x: Tensor, amounts: Amounts, mode: str) -> Tensor:
    """One copy of ``x``, and then its margins axis by axis from what is there already."""
    shape = list(x.shape)
    for axis, (lo, hi) in enumerate(amounts, start=-len(amounts)):
        shape[axis] += lo + hi
    y = x.new_empty(shape)
    _inner(y, amounts).copy_(x)
    for axis, pair in enumerate(amounts, start=-len(amounts)):
        for margin, origin in _margins(y, axis, *pair, mode):
            margin.copy_(origin if mode != "reflect" else origin.flip(axis))
    return y


def _folded_back(y: Tensor, amounts: Amounts, mode: str) -> Tensor:
    """Every margin added back to where it was copied from, the last axis first."""
    y = y.clone(memory_format=torch.contiguous_format)
    for axis in range(-1, -len(amounts) - 1, -1):
        for margin, origin in _margins(y, axis, *amounts[axis], mode):
            if mode == "reflect":
                origin.add_(margin.flip(axis))
            else:
                origin.add_(margin.sum(axis, keepdim=True) if mode == "replicate" else margin)
    return _inner(y, amounts).clone(memory_format=torch.contiguous_format)


def _inner(y: Tensor, amounts: Amounts) -> Tensor:
    """What lies between the margins."""
    for axis, (lo, hi) in enumerate(amounts, start=-len(amounts)):
        y = y.narrow(axis, lo, y.shape[axis] - lo - hi)
    return y


def _margins(y: Tensor, axis: int, lo: int, hi: int, mode: str) -> list[tuple[Tensor, Tensor]]:
    """The margins of an axis that are there, each with its origin (in reverse for ``reflect``)."""
    size = y.shape[axis] - lo - hi
    origins = {
        "reflect": ((lo + 1, lo), (lo + size - 1 - hi, hi)),
        "replicate": ((lo, 1), (lo + size - 1, 1)),
        "circular": ((size, lo), (lo, hi)),
    }[mode]
    margins = (0, lo), (lo + size, hi)
    return [
        (y.narrow(axis, *margin), y.narrow(axis, *origin))
        for margin, origin in zip(margins, origins, strict=True)
        if margin[1]
    ]


def _select(x: Tensor, axis: int, lo: int, hi: int, mode: str) -> Tensor:
    size = x.shape[axis]
    first, end = min(size, max(0, -lo)), size + min(hi, 0)  # the part of the input that is kept

    def source(start: int, stop: int) -> Tensor:
        i = torch.arange(start, max(start, stop), device=x.device)
        if mode == "reflect":
            return (size - 1) - ((size - 1) - i.abs()).abs()
        if mode == "replicate":
            return i.clamp(0, size - 1)
        return (i - first).remainder(max(1, end - first)) + first

    front, back = source(-lo, min(0, size + hi)), source(max(size, -lo), size + hi)
    parts = [len(front), max(0, end - first), len(back)]

    def select(t: Tensor) -> Tensor:
        kept = t.narrow(axis, first, parts[1])
        return torch.cat((t.index_select(axis, front), kept, t.index_select(axis, back)), axis)

    def add_back(t: Tensor) -> Tensor:
        shape = list(t.shape)
        shape[axis] = size
        x = t.new_zeros(shape)
        before, kept, behind = t.split(parts, axis)
        x.narrow(axis, first, parts[1]).copy_(kept)
        return x.index_add_(axis, front, before).index_add_(axis, back, behind)

    return linear_map(x, select, add_back)
