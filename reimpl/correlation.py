r"""Correlation along one axis of an image that goes on beyond its borders.

    y[i] = Σ_k w[k] · x[j(i + k − r)]   k = 0, …, 2r,   i = 0, …, L−1

Separable kernels are one such correlation per axis. Beyond the borders the image goes on as
``padding_mode`` says, however far that is; for x = a b c d, with the names scipy.ndimage gives it:

    replicate   a a a | a b c d | d d d   j = clamp(i, 0, L−1)                         "nearest"
    symmetric   c b a | a b c d | d c b   mirrored between two pixels, period 2L       "reflect"
    reflect     d c b | a b c d | c b a   mirrored at the last pixel, period 2(L−1)    "mirror"
    circular    b c d | a b c d | a b c   j = i mod L                                  "wrap"

The adjoint spreads each y over the taps, then adds every x beyond the borders back to where it was
read.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.arguments import REALS
from reimpl.linear_map import linear_map

MODES = ("replicate", "symmetric", "reflect", "circular")


def correlate_along(x: Tensor, axis: int, taps: Sequence[float], padding_mode: str) -> Tensor:
    """``x`` correlated with an odd number of ``taps`` along ``axis``, counted from the last one."""
    L, r = x.shape[axis], len(taps) // 2
    source = _source(L, r, padding_mode, x.device)

    def correlate(t: Tensor) -> Tensor:
        extended = t.index_select(axis, source)
        y = t.new_zeros(t.shape)
        for k, w in enumerate(taps):
            y.add_(extended.narrow(axis, k, L), alpha=w)
        return y

    def spread(t: Tensor) -> Tensor:
        shape = list(t.shape)
        shape[axis] = len(source)
        extended = t.new_zeros(shape)
        for k, w in enumerate(taps):
            extended.narrow(axis, k, L).add_(t, alpha=w)
        return t.new_zeros(t.shape).index_add_(axis, source, extended)

    return linear_map(x, correlate, spread)


def check_image(op: str, input: Tensor, padding_mode: str) -> None:
    """An image (…, H, W) of real numbers with a pixel at least, and a known way beyond it."""
    arguments.tensor(op, "input", input)
    if input.dim() < 2 or 0 in input.shape[-2:]:
        raise RuntimeError(
            f"{op}: input must be (…, H, W) with H and W positive, got {tuple(input.shape)}"
        )
    arguments.dtype_among(op, input, REALS)
    if padding_mode not in MODES:
        raise ValueError(f"{op}: padding_mode must be one of {MODES}, got {padding_mode!r}")


def _source(L: int, r: int, padding_mode: str, device: torch.device) -> Tensor:
    """j(i) for i = −r, …, L−1+r."""
    i = torch.arange(-r, L + r, device=device)
    if padding_mode == "replicate":
        return i.clamp(0, L - 1)
    if padding_mode == "circular":
        return i.remainder(L)
    if padding_mode == "symmetric":
        folded = i.remainder(2 * L)
        return torch.minimum(folded, 2 * L - 1 - folded)
    period = max(1, 2 * (L - 1))
    folded = i.remainder(period)
    return torch.minimum(folded, period - folded)
