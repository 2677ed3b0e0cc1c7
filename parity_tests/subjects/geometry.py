"""What the shipped subjects do with torch's geometric arguments."""

from __future__ import annotations

from typing import Any

import numpy as np


def each(value: int | tuple[int, ...], n: int) -> tuple[int, ...]:
    """One number for every axis."""
    return (value,) * n if isinstance(value, int) else tuple(value) * (n // len(value))


def with_batch(x: Any, n: int) -> tuple[Any, bool]:
    """The input with an axis of samples, and whether it had none."""
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"input: expected {n + 1} or {n + 2} axes, got shape {x.shape}")
    return (x, False) if x.ndim == n + 2 else (x[None], True)


def sides(
    padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """The padding before and after each axis; "same" puts the odd one after."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(r // 2, r - r // 2) for r in reach]
    return [(p, p) for p in each(padding, len(kernel))]


def overhang(
    length: int, kernel: int, stride: int, padding: int, dilation: int, *, ceil_mode: bool
) -> int:
    """How far the last window reaches beyond the right padding, where sizes are rounded up.

    A window that would start in the right padding does not count.
    """
    room = length + 2 * padding - dilation * (kernel - 1) - 1
    count = -(-room // stride) if ceil_mode else room // stride
    if count * stride >= length + padding:
        count -= 1
    return max(0, count * stride - room)


def implicit_dim(ndim: int) -> int:
    """The axis that softmax takes where it is given none."""
    return 0 if ndim in (0, 1, 3) else 1


def dtype_name(dtype: Any) -> str:
    """NumPy's name of a torch dtype."""
    return str(dtype).removeprefix("torch.")


def zeroed_between(w: np.ndarray[Any, Any], dilation: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The kernel with zeros between its taps."""
    n = len(dilation)
    sizes = [d * (k - 1) + 1 for k, d in zip(w.shape[-n:], dilation, strict=True)]
    dilated = np.zeros((*w.shape[:-n], *sizes), w.dtype)
    taps: tuple[Any, ...] = (..., *(slice(None, None, d) for d in dilation))
    dilated[taps] = w
    return dilated
