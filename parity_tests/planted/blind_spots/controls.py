"""Correct stand-ins that are unusual: other algorithms by size or mode, wider arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from parity_tests.planted.blind_spots.situations import recording, tensors
from parity_tests.planted.blind_spots.substituted import substituted
from parity_tests.planted.fault import Arguments, Fault, with_arguments, wrapped
from reimpl.arguments import HALF

WIDE = (torch.float32, torch.float64)


def all_of(given: Arguments, dtype: torch.dtype) -> bool:
    """Whether all tensors have this dtype."""
    return all(t.dtype == dtype for t in tensors(given))


def product_while_recording(run: Any, given: Arguments) -> Tensor:
    """Take torch's matrix product while a graph is recorded: other additions, other order."""
    y, x, w, b = run(**given), given["input"], given["weight"], given["bias"]
    plain = not torch.is_autocast_enabled("cpu") and not x.is_meta and w.dim() == 2 and y.numel()
    if not (plain and recording(given) and x.dtype in WIDE):
        return y
    columns = torch.arange(w.shape[1] - 1, -1, -1, device=x.device)
    z = torch.matmul(x.index_select(-1, columns), w.index_select(-1, columns).t())
    return substituted(y, z if b is None else z + b)


def one_rounding(run: Any, given: Arguments) -> Tensor:
    """Compose the norm in float32 and round once at the end."""
    y, x, w = run(**given), given["input"], given["weight"]
    if x.dtype not in HALF or not x.numel() or not x.is_contiguous():
        return y
    axes = tuple(range(-len(given["normalized_shape"]), 0))
    eps = torch.finfo(torch.float32).eps if given["eps"] is None else given["eps"]
    wide = x.float()
    z = wide * (wide.square().mean(axes, keepdim=True) + eps).rsqrt()
    return (z if w is None else z * w.float()).to(x.dtype)


def in_one_sweep(run: Any, given: Arguments) -> Tensor:
    """Beyond 512 columns take them by blocks, with a running maximum and a running sum."""
    y, x, dim = run(**given), given["input"], given["dim"]
    if dim is None or given["dtype"] is not None or x.dtype not in WIDE:
        return y
    if not x.dim() or x.shape[dim] <= 512 or not y.numel():
        return y
    largest = torch.full_like(x.narrow(dim, 0, 1), -torch.inf)
    total = torch.zeros_like(largest)
    for block in x.split(512, dim):
        grown = torch.maximum(largest, block.detach().amax(dim, keepdim=True))
        shift = finite_or_zero(grown)
        total = total * (largest - shift).exp() + (block - shift).exp().sum(dim, keepdim=True)
        largest = grown
    return ((x - finite_or_zero(largest)).exp() / total).contiguous()


def finite_or_zero(largest: Tensor) -> Tensor:
    """Zero in place of a maximum of −inf, from which nothing can be subtracted."""
    return torch.where(largest == -torch.inf, 0, largest)


def conjugated_first(given: Arguments) -> None:
    """Do what is left of conjugations and negations before anything is computed."""
    for name in ("input", "weight", "bias"):
        if isinstance(given[name], Tensor):
            given[name] = given[name].resolve_conj().resolve_neg()


def autocast_by_hand(run: Any, given: Arguments) -> Tensor:
    """Cast what autocast would, then compute without it."""
    if not torch.is_autocast_enabled("cpu"):
        return run(**given)
    dtype = torch.get_autocast_dtype("cpu")
    for name in ("input", "weight", "bias"):
        t = given[name]
        if isinstance(t, Tensor) and t.is_floating_point() and t.dtype != torch.float64:
            given[name] = t.to(dtype)
    with torch.autocast("cpu", enabled=False):
        return run(**given)


def in_double(run: Any, given: Arguments) -> Tensor:
    """Compute float32 in float64 and round once."""
    if not all_of(given, torch.float32) or not isinstance(given["input"], Tensor):
        return run(**given)
    run(**given)  # its checks
    doubles = {k: v.double() if isinstance(v, Tensor) else v for k, v in given.items()}
    return run(**doubles).float()


def right(name: str, op: str, says: str, broken: Callable[..., Any]) -> Fault:
    """A control."""
    return Fault(name=name, op=op, kind="control", says=says, expected=(), broken=broken)


RIGHT: tuple[Fault, ...] = (
    right(
        "right-linear-while-recording",
        "linear",
        "another order of additions while a graph is recorded",
        wrapped("linear", product_while_recording),
    ),
    right(
        "right-rms-norm-one-rounding",
        "rms_norm",
        "16 bits are computed in float32 and rounded once",
        wrapped("rms_norm", one_rounding),
    ),
    right(
        "right-softmax-in-one-sweep",
        "softmax",
        "more than 512 columns are taken by blocks",
        wrapped("softmax", in_one_sweep),
    ),
    right(
        "right-conv1d-conjugated-first",
        "conv1d",
        "conjugations are done before anything is computed",
        with_arguments("conv1d", conjugated_first),
    ),
    right(
        "right-conv2d-autocast-by-hand",
        "conv2d",
        "what autocast would cast is cast by hand",
        wrapped("conv2d", autocast_by_hand),
    ),
    right(
        "right-group-norm-in-double",
        "group_norm",
        "float32 is computed in float64",
        wrapped("group_norm", in_double),
    ),
)
