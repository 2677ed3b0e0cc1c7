"""torch.autocast: which operators change the dtype of their tensors before they compute.

Torch has a list of kernels for each type of device. Those of the first kind compute in the 16-bit
type that autocast names, those of the second kind in float32. All others compute in what they are
given. Only floating-point numbers are changed, and never float64. A change is differentiable, so
that a gradient comes back in the input's own dtype. (A third kind of torch's, which takes the
widest dtype among its tensors, has no operator here.)

An operator asks :func:`autocasted` once, under the name of torch's kernel. The products of matrices
that it is made of must not be autocast: :func:`suspended` surrounds every hand-written forward,
backward and pushforward (:mod:`reimpl.function`).

Source: https://docs.pytorch.org/docs/stable/amp.html#autocast-op-reference and ATen's
autocast_mode.cpp, which is the more complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor

LOWER = frozenset({"conv", "conv_transpose", "linear"})  # on every device
_FFT = {f"fft_{name}" for name in ("fft", "ifft", "fftn", "ifftn")}
_PADS = {f"{mode}_pad{n}d" for mode in ("reflection", "replication") for n in (1, 2, 3)}
FLOAT32 = {
    "cpu": frozenset(
        {"avg_pool3d", "max_pool3d", "max_unpool2d", "max_unpool3d"}
        | {"adaptive_avg_pool3d", "adaptive_max_pool3d"}
        | (_PADS - {"reflection_pad3d"})
        | _FFT
    ),
    # ``pow`` and ``linalg_vector_norm`` are what torch composes other operators of.
    "cuda": frozenset(
        {"layer_norm", "rms_norm", "group_norm", "softmax", "log_softmax", "softplus"}
        | {"upsample", "pow", "linalg_vector_norm"}
    ),
}
_DEVICES = ("cpu", "cuda")


def autocasted(kernels: str | tuple[str, ...], *tensors: Any) -> tuple[Any, ...]:
    """The tensors in the dtypes that torch's kernel would compute in under autocast.

    ``kernels`` names it; several, where torch composes the operator of several. What is no tensor
    is left for the operator to reject.
    """
    if not torch._C._is_any_autocast_enabled():
        return tensors
    names = {kernels} if isinstance(kernels, str) else {*kernels}
    return tuple([_cast(names, t) for t in tensors])


def _cast(names: set[str], t: Any) -> Any:
    if not isinstance(t, Tensor) or not t.is_floating_point() or t.dtype == torch.float64:
        return t
    device = t.device.type
    if device not in _DEVICES or not torch.is_autocast_enabled(device):
        return t
    if names & LOWER:
        return t.to(torch.get_autocast_dtype(device))
    return t.float() if names & FLOAT32[device] else t


@contextmanager
def suspended() -> Iterator[None]:
    """No autocast on any device while this lasts."""
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        yield


def untouched(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with autocast suspended while it runs."""

    @wraps(function)
    def run(*args: Any) -> Any:
        if not torch._C._is_any_autocast_enabled():
            return function(*args)
        with suspended():
            return function(*args)

    return run
