"""Tensors as data: a recipe prints in a line, shrinks well and gives everyone the same numbers.

Values come from NumPy's PCG64, one stream per recipe, never from torch's generator: that one
differs by length and dtype, and belongs to the library under test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, np.dtype[np.float64]]

UNSIGNED = (torch.uint8, torch.bool)  # they hold no negative numbers


# --- Fills: what the numbers are, simplest first, so that a failure shrinks to the readable ---


def zeros(_: np.random.Generator, shape: tuple[int, ...], __: torch.dtype) -> Array:
    """0 everywhere."""
    return np.zeros(shape)


def ones(_: np.random.Generator, shape: tuple[int, ...], __: torch.dtype) -> Array:
    """1 everywhere."""
    return np.ones(shape)


def signs(random: np.random.Generator, shape: tuple[int, ...], __: torch.dtype) -> Array:
    """-1, 0 and 1: sums of them are exact in every dtype, 16-bit ones included."""
    return random.choice([-1.0, 0.0, 0.0, 1.0, 1.0], size=shape)


def integers(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """Small integers, as small as the dtype's significand needs to keep sums exact."""
    if dtype in (torch.float16, torch.bfloat16):
        return signs(random, shape, dtype)
    return random.integers(-8, 9, size=shape).astype(float)


def dyadic(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """Small integers over 4: exact, but no integers."""
    return integers(random, shape, dtype) / 4


def large_integers(
    random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype
) -> Array:
    """The same times 2**14: exact, and sums of a few overflow in float16."""
    return integers(random, shape, dtype) * 2.0**14


def normal(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """N(0, 1); rounded from N(0, 100) for integers; an image's whole range for uint8."""
    if dtype == torch.uint8:
        return random.integers(0, 256, size=shape).astype(float)
    values = random.standard_normal(shape)
    return values if _has_finfo(dtype) else np.rint(10 * values)


def positive(random: np.random.Generator, shape: tuple[int, ...], _: torch.dtype) -> Array:
    """Between 1/2 and 2, as a variance would be; eighths, so that they can be read."""
    return random.integers(4, 17, size=shape) / 8


def spread(random: np.random.Generator, shape: tuple[int, ...], _: torch.dtype) -> Array:
    """Between 1/2 and 2 with all their digits."""
    return random.uniform(0.5, 2, size=shape)


def offset(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """A large mean with a small spread: what a one-pass variance cannot survive."""
    return 2.0 ** (0.4 * _digits(dtype)) * 3 + random.standard_normal(shape)


def huge(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """N(0, 1) scaled up as far as products of four such numbers stay in the dtype's range."""
    return random.standard_normal(shape) * 2.0 ** (0.2 * _exponents(dtype))


def tiny(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """N(0, 1) scaled down likewise."""
    return random.standard_normal(shape) * 2.0 ** (-0.2 * _exponents(dtype))


def mixed(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """N(0, 1), each element with a scale of its own."""
    reach = min(20.0, 0.3 * _exponents(dtype))
    return random.standard_normal(shape) * 2.0 ** np.rint(random.uniform(-reach, reach, shape))


def special(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """Small integers with ties, and among them some NaN, infinities and a negative zero.

    Integer dtypes have none of these: theirs are the ends of uint8's range, and numbers that
    float32 cannot hold.
    """
    values = integers(random, shape, dtype)
    odd = random.choice(_odd_kinds(dtype), size=shape)
    # A few, sometimes one: a tensor full of NaN hides how each of them travels.
    share = random.choice([0.02, 0.1, 0.3])
    return np.where(random.random(shape) < share, odd, values)


def odd_one(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """Likewise, but one element for certain, however small the tensor, and it alone."""
    values = np.asarray(integers(random, shape, dtype), dtype=float)
    kinds = _odd_kinds(dtype)
    if values.size:
        values.flat[random.integers(values.size)] = random.choice(kinds)
    return values


def subnormal(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """N(0, 1) scaled to around the smallest normal number: most lie below it."""
    if not _has_finfo(dtype):
        return integers(random, shape, dtype)
    return random.standard_normal(shape) * torch.finfo(dtype).tiny / 4


def limit(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """Numbers whose squares overflow in float16, where operators compute in float32.

    In wider types they stay where squares do not overflow. Most tensors have one sign: their sums
    overflow first.
    """
    if not _has_finfo(dtype):
        return integers(random, shape, dtype)
    low, high = (0.6, 0.95) if dtype == torch.float16 else (0.2, 0.3)
    powers = random.uniform(low, high, shape) * _exponents(dtype)
    each = shape if random.integers(4) == 0 else ()
    signs = random.choice([-1.0, 1.0], size=each)
    return signs * 2.0**powers


def gaps(random: np.random.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Array:
    """Small integers, and zeros all along an axis: vectors of length zero, empty windows."""
    values = integers(random, shape, dtype)
    if not shape:
        return values * 0
    axis = int(random.integers(len(shape)))
    across = tuple(1 if i == axis else size for i, size in enumerate(shape))
    return np.where(random.random(across) < 0.5, 0.0, values)


def _odd_kinds(dtype: torch.dtype) -> list[float]:
    """What is odd in a dtype."""
    if _has_finfo(dtype):
        return [math.nan, math.inf, -math.inf, -0.0]
    return [0, 255] if dtype in UNSIGNED else [2.0**24 + 1, -(2.0**24) - 3]


def _digits(dtype: torch.dtype) -> float:
    """Bits of the significand."""
    return -math.log2(torch.finfo(dtype).eps) if _has_finfo(dtype) else 8.0


def _exponents(dtype: torch.dtype) -> float:
    """Largest exponent of two, capped so that float64's extremes stay printable."""
    if _has_finfo(dtype):
        return min(128.0, math.log2(torch.finfo(dtype).max))
    return 63.0 if dtype == torch.int64 else 8.0


def _has_finfo(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point or dtype.is_complex


Fill = Callable[[np.random.Generator, tuple[int, ...], torch.dtype], Array]
FILLS: dict[str, Fill] = {
    fill.__name__: fill
    for fill in (
        zeros,
        ones,
        signs,
        integers,
        dyadic,
        large_integers,
        positive,
        spread,
        normal,
        offset,
        huge,
        tiny,
        mixed,
        subnormal,
        limit,
        special,
        odd_one,
        gaps,
    )
}
ODD = ("special", "odd_one")  # that hold NaN and infinities


# --- Layouts: where the numbers lie; each takes a contiguous tensor ---


def contiguous(t: Tensor) -> Tensor:
    return t


def channels_last(t: Tensor) -> Tensor:
    return t.movedim(1, -1).contiguous().movedim(-1, 1) if t.dim() > 2 else t


def permuted(t: Tensor) -> Tensor:
    order = tuple(reversed(range(t.dim())))
    return t.permute(order).contiguous().permute(order)


def sliced(t: Tensor) -> Tensor:
    return torch.stack((t, t), -1)[..., 0]


def column(t: Tensor) -> Tensor:
    return torch.stack((t, t), 1)[:, 0] if t.dim() else t


def offset_by_one(t: Tensor) -> Tensor:
    return torch.cat((t.new_zeros(1), t.flatten()))[1:].view(t.shape)


def expanded(t: Tensor) -> Tensor:
    return t[:1].expand(t.shape) if t.dim() and t.shape[0] else t


def one_number(t: Tensor) -> Tensor:
    return t.flatten()[:1].view((1,) * t.dim()).expand(t.shape) if t.numel() else t


def transposed_pair(t: Tensor) -> Tensor:
    return t.transpose(0, 1).contiguous().transpose(0, 1) if t.dim() > 1 else t


def loose_ones(t: Tensor) -> Tensor:
    strides = (step if size != 1 else 1 for size, step in zip(t.shape, t.stride(), strict=True))
    return t.as_strided(t.shape, tuple(strides))


Layout = Callable[[Tensor], Tensor]
LAYOUTS: dict[str, Layout] = {
    layout.__name__: layout
    for layout in (
        contiguous,
        channels_last,
        permuted,
        sliced,
        column,
        offset_by_one,
        expanded,
        one_number,
        transposed_pair,
        loose_ones,  # strides of size-1 axes are free, and kernels that test layouts trip over them
    )
}


OVERLAPPING = ("expanded", "one_number")  # several elements share memory

# --- States: what else a tensor can be; each takes a plain tensor of floating-point numbers ---


def non_leaf(t: Tensor) -> Tensor:
    return t.requires_grad_() * 1  # by a number: the strides stay as they are


def parameter(t: Tensor) -> Tensor:
    return torch.nn.Parameter(t)


def hooked(t: Tensor) -> Tensor:
    t.requires_grad_().register_hook(lambda gradient: gradient)
    return t


def conjugated(t: Tensor) -> Tensor:
    return t.conj().resolve_conj().conj() if t.is_complex() else t


def negated(t: Tensor) -> Tensor:
    return (-t)._neg_view()


def part_of_a_base(t: Tensor) -> Tensor:
    around = t.new_zeros(16)  # so that it is aligned, but not at the start
    return torch.cat((around, t.flatten(), around))[16 : 16 + t.numel()].view(t.shape)


def inference(t: Tensor) -> Tensor:
    with torch.inference_mode():
        return t.clone()


def zero_tensor(t: Tensor) -> Tensor:
    return torch._efficientzerotensor(t.shape, dtype=t.dtype, device=t.device)


STATES: dict[str, Layout] = {
    state.__name__: state
    for state in (
        non_leaf,
        parameter,
        hooked,
        conjugated,
        negated,
        part_of_a_base,
        inference,
        zero_tensor,
    )
}


@lru_cache(32)  # the subject, torch and the oracle are given the same numbers one after the other
def filled(fill: str, shape: tuple[int, ...], seed: int, dtype: torch.dtype) -> Tensor:
    """A recipe's numbers in float64, shared by all who ask for them."""
    random = np.random.Generator(np.random.PCG64(seed))
    numbers = FILLS[fill](random, shape, dtype)
    # Arithmetic on an array of no axes makes it a scalar.
    numbers = np.asarray(np.abs(numbers) if dtype in UNSIGNED else numbers)
    with torch.inference_mode(False):  # it is shared, and others may differentiate
        return torch.from_numpy(numbers)


@dataclass(frozen=True)
class Recipe:
    """One tensor: its shape, what fills it, how it lies in memory, and the seed of its numbers."""

    shape: tuple[int, ...]
    fill: str = "normal"
    layout: str = "contiguous"
    seed: int = 0
    batched: bool = False  # axis 0 is the batch, which samples of one call vary
    dtype: str | None = None  # when it is not the dtype under test, e.g. a counter's int64
    values: tuple[float, ...] | None = None  # literal numbers instead of a fill
    written: bool = False  # updated in place by the operator: no two elements may share memory
    fixed: bool = False  # samples of one call leave its layout alone
    state: str | None = None  # besides its layout: one of STATES
    same_as: str | None = None  # the tensor of the call whose memory it shares, its numbers too

    def numbers(self, dtype: torch.dtype) -> Tensor:
        """The numbers, before rounding to ``dtype``; not to be written to."""
        if self.values is not None:
            return torch.tensor(self.values, dtype=torch.float64).reshape(self.shape)
        return filled(self.fill, self.shape, self.seed, dtype)

    def tensor(self, dtype: torch.dtype, device: str = "cpu") -> Tensor:
        """A fresh tensor that shares memory with nothing."""
        if self.dtype is not None:
            dtype = getattr(torch, self.dtype)
        numbers = self.numbers(dtype)
        if dtype.is_complex:
            # The imaginary part is a stream of its own, not a copy of the real one.
            other = replace(self, seed=self.seed + 1) if self.values is None else self
            numbers = torch.complex(numbers, other.numbers(dtype))
        overlaps = self.layout in OVERLAPPING
        layout = contiguous if self.written and overlaps else LAYOUTS[self.layout]
        made = layout(numbers.to(dtype=dtype, device=device, copy=True))
        return made if self.state is None else STATES[self.state](made)

    def __str__(self) -> str:
        parts = [str(list(self.shape)), self.fill if self.values is None else str(self.values)]
        if self.layout != "contiguous":
            parts.append(self.layout)
        parts += [word for word in (self.dtype, self.state) if word]
        parts += [f"in the memory of {self.same_as}"] if self.same_as else []
        return " ".join(parts)
