"""Softmax and its logarithm: large numbers, 16-bit sums, −∞, cotangents that are not contiguous."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import torch
from torch import Tensor

from parity_tests.planted.fault import Arguments, Fault, with_result, wrapped
from parity_tests.planted.history.backward import altered, exchanged
from parity_tests.planted.history.memory import as_if_contiguous
from reimpl.arguments import HALF, accumulator
from reimpl.layout import arrange

Run = Callable[..., Tensor]


def _rows(given: Arguments) -> tuple[Tensor, int] | None:
    """The input as it is computed with, and the axis; None where there is nothing to shift."""
    x, dim = given["input"].detach(), given["dim"]
    x = x if given["dtype"] is None else x.to(given["dtype"])
    return None if dim is None or x.dim() == 0 or x.numel() == 0 else (x, dim)


def maximum_added_before_subtracting(run: Run, given: Arguments) -> Tensor:
    y, rows = run(**given), _rows(given)
    if rows is None:
        return y
    x, dim = rows[0].to(accumulator(rows[0].dtype)), rows[1]
    top = x.amax(dim, keepdim=True)
    value = x - (top + (x - top).exp().sum(dim, keepdim=True).log())
    return exchanged(arrange(value.to(y.dtype), channels_last=False), y)


def sum_in_sixteen_bits(run: Run, given: Arguments) -> Tensor:
    y, rows = run(**given), _rows(given)
    if rows is None or y.dtype not in HALF:
        return y
    x, dim = rows
    e = (x - x.amax(dim, keepdim=True)).exp()
    total = torch.zeros_like(e.select(dim, 0))
    for part in e.unbind(dim):
        total = total + part
    return exchanged(arrange(e / total.unsqueeze(dim), channels_last=False), y)


def low_entries_spoil_the_row(y: Tensor, given: Arguments) -> Tensor:
    rows = _rows(given)
    if rows is None:
        return y
    x, dim = rows
    return y.masked_fill((x == -inf).any(dim, keepdim=True), nan)


def cotangent_read_in_order(y: Tensor, _: Arguments) -> Tensor:
    return altered(y, as_if_contiguous)


SOFTMAX = (
    Fault(
        name="log-softmax-maximum-added-before-subtracting",
        op="log_softmax",
        kind="history",
        says="computed as x − (max + log Σ e^(x − max)), which rounds where max is large",
        expected=("forward",),
        broken=wrapped("log_softmax", maximum_added_before_subtracting),
        source="PyTorch #38839: log_softmax on CUDA was wrong around −10⁷",
    ),
    Fault(
        name="softmax-sum-in-sixteen-bits",
        op="softmax",
        kind="history",
        says="16-bit exponentials are added up in 16 bits",
        expected=("forward",),
        broken=wrapped("softmax", sum_in_sixteen_bits),
        source="pytorch/executorch #20090: softmax accumulated half and bfloat16 in themselves",
    ),
    Fault(
        name="log-softmax-low-entries-spoil-the-row",
        op="log_softmax",
        kind="history",
        says="a row with −∞ in it is NaN throughout",
        expected=("forward",),
        broken=with_result("log_softmax", low_entries_spoil_the_row),
        source="gabrieldemarmiesse/torch-mojo-backend #319: log_softmax gave NaN for −∞ entries",
    ),
    Fault(
        name="log-softmax-cotangent-read-in-order",
        op="log_softmax",
        kind="history",
        says="a cotangent that is not contiguous is read in the order of memory",
        expected=("gradients",),
        broken=with_result("log_softmax", cotangent_read_in_order),
        source="torch/nn #832: LogSoftMax's backward was wrong for non-contiguous gradOutput",
    ),
)
