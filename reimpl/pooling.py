"""Where pooling windows lie: the inputs and the sizes that every pool shares.

Letters as in :mod:`reimpl.windows`: L sizes of the grid, M positions, K taps, stride s, padding p,
dilation d.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from reimpl import arguments
from reimpl.arguments import Ints
from reimpl.windows import Windows, fitting


def pooled_input(op: str, rank: int, input: Tensor) -> None:
    """``input`` must be (N, C, *L) or (C, *L), empty in its batch at most."""
    arguments.tensor(op, "input", input)
    if input.dim() not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"{op}: input must have {rank + 2} axes, or {rank + 1} without a batch, "
            f"got {tuple(input.shape)}"
        )
    if 0 in input.shape[-rank - 1 :]:
        raise RuntimeError(f"{op}: input may be empty in its batch only, got {tuple(input.shape)}")


def pooled_windows(
    op: str,
    size: Ints,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Windows:
    """The windows of a pool over a grid of ``size``; without a stride they are one kernel apart.

    The padding is at most half a kernel, whatever the dilation (#152152).
    """
    rank = len(size)
    flag(op, "ceil_mode", ceil_mode)
    K = arguments.per_axis(op, "kernel_size", kernel_size, rank, 1)
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        stride = K
    if max(K) >= 2**31:  # torch's kernels keep it in 32 bits, and no memory holds much more
        raise RuntimeError(f"{op}: kernel_size must fit in 32 bits, got {kernel_size}")
    s = arguments.per_axis(op, "stride", stride, rank, 1)
    p = arguments.per_axis(op, "padding", padding, rank, 0)
    d = arguments.per_axis(op, "dilation", dilation, rank, 1)
    if any(2 * pp > k for pp, k in zip(p, K, strict=True)):
        raise RuntimeError(f"{op}: padding must be at most half of kernel_size={K}, got {padding}")
    M = []
    for l, k, ss, pp, dd in zip(size, K, s, p, d, strict=True):
        M.append(pooled_positions(l, k, ss, pp, dd, ceil_mode))
    if min(M) < 1:
        raise RuntimeError(
            f"{op}: kernel_size must span no more than the padded input, got {K} with "
            f"dilation {d} for an input of {size} with padding {p}"
        )
    return Windows(size, tuple(M), K, s, p, d).nearby


def pooled_positions(size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """How many windows an axis has.

    M = ⌊(L + 2p − d(K−1) − 1) / s⌋ + 1, or with ``ceil_mode`` the quotient rounded up, so that the
    last window may overhang; but one that would start behind grid and front padding, at
    s(M−1) ≥ L + p, is dropped (#57178).
    """
    m = fitting(size + 2 * p + (s - 1 if ceil_mode else 0), k, s, d)
    return m - 1 if ceil_mode and s * (m - 1) >= size + p else m


def flag(op: str, name: str, value: object) -> None:
    """``value`` must be a bool; torch takes no 0 or 1 for one."""
    if not isinstance(value, bool):
        raise TypeError(f"{op}: {name} must be a bool, got {value!r}")
