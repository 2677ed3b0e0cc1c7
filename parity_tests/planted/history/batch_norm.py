"""Batch and instance normalization: estimates, gradients by mode, which statistics are used."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from parity_tests.planted.fault import Arguments, Fault, wrapped
from parity_tests.planted.history.backward import exchanged
from reimpl.affine import per_channel

Run = Callable[..., Tensor]


def _estimates_move(given: Arguments) -> bool:
    return given["training"] and given["running_var"] is not None


def biased_estimate(run: Run, given: Arguments) -> Tensor:
    var, x = given["running_var"], given["input"]
    if not (isinstance(var, Tensor) and isinstance(x, Tensor) and x.numel()):
        return run(**given)
    before = var.detach().clone()
    y = run(**given)
    if _estimates_move(given):
        n = x.numel() // x.shape[1]
        kept = before * (1 - given["momentum"])
        with torch.no_grad():
            var.copy_(kept + (var - kept) * (n - 1) / n)
    return y


def momentum_weighs_the_old(run: Run, given: Arguments) -> Tensor:
    momentum = given["momentum"]
    if isinstance(momentum, int | float | Tensor):
        given["momentum"] = 1 - momentum
    return run(**given)


def empty_batch_moves_the_estimates(run: Run, given: Arguments) -> Tensor:
    y = run(**given)
    if _estimates_move(given) and given["input"].numel() == 0:
        given["running_mean"].fill_(float("nan"))
        given["running_var"].mul_(1 - given["momentum"])
    return y


def gradient_of_training_in_evaluation(run: Run, given: Arguments) -> Tensor:
    y, x = run(**given), given["input"]
    if given["training"] or x.numel() <= x.shape[1]:
        return y
    own = {"running_mean": None, "running_var": None, "training": True}
    return exchanged(y, run(**given | own | {"eps": given["eps"] or 1e-5}))


def statistics_taken_for_constants(run: Run, given: Arguments) -> Tensor:
    y, x = run(**given), given["input"]
    if not given["training"] or x.numel() == 0:
        return y
    own = x.detach().to(torch.float64 if x.dtype == torch.float64 else torch.float32)
    axes = (0, *range(2, x.dim()))
    r = (own.var(axes, correction=0) + given["eps"]).rsqrt()
    centred = per_channel(x.to(own.dtype), None, -own.mean(axes))
    return exchanged(y, per_channel(per_channel(centred, r, None), given["weight"], given["bias"]))


def estimates_ignored(run: Run, given: Arguments) -> Tensor:
    y = run(**given)
    if given["use_input_stats"] or prod(given["input"].shape[2:]) < 2:
        return y
    return run(**given | {"use_input_stats": True, "running_mean": None, "running_var": None})


def single_positions_accepted(run: Run, given: Arguments) -> Tensor:
    x, own = given["input"], given["use_input_stats"] is True
    if not (own and isinstance(x, Tensor) and x.dim() > 2 and x.shape[0] > 1):
        return run(**given)
    if prod(x.shape[2:]) != 1:
        return run(**given)
    # What else is wrong stays refused; the estimates stay where they are.
    run(**given | {"input": torch.cat((x, x), -1), "running_mean": None, "running_var": None})
    return per_channel(x * 0, None, given["bias"]).to(x.dtype)


BATCH_NORM = (
    Fault(
        name="batch-norm-biased-estimate",
        op="batch_norm",
        kind="history",
        says="running_var moves towards the variance divided by n instead of n − 1",
        expected=("buffers", "forward"),
        broken=wrapped("batch_norm", biased_estimate),
        source="ml-explore/mlx #3817: BatchNorm's running_var followed the biased variance "
        "(as did tenstorrent/tt-metal #55438)",
    ),
    Fault(
        name="batch-norm-momentum-weighs-the-old",
        op="batch_norm",
        kind="history",
        says="momentum is the weight of the old estimate",
        expected=("buffers", "forward"),
        broken=wrapped("batch_norm", momentum_weighs_the_old),
        source="d2l-ai/d2l-en #2213: the moving averages weighed the old values by momentum",
    ),
    Fault(
        name="batch-norm-empty-batch-moves-the-estimates",
        op="batch_norm",
        kind="history",
        says="an empty batch makes running_mean NaN and shrinks running_var",
        expected=("buffers", "forward"),
        broken=wrapped("batch_norm", empty_batch_moves_the_estimates),
        source="PyTorch #12013: an empty batch made BatchNorm1d's running_mean NaN",
    ),
    Fault(
        name="batch-norm-gradient-of-training-in-evaluation",
        op="batch_norm",
        kind="history",
        says="in evaluation the gradient is that of training",
        expected=("gradients",),
        broken=wrapped("batch_norm", gradient_of_training_in_evaluation),
        source="pytorch/xla #913: batch norm's gradient in evaluation was wrong",
    ),
    Fault(
        name="batch-norm-statistics-taken-for-constants",
        op="batch_norm",
        kind="history",
        says="in training the gradient takes mean and variance for constants",
        expected=("gradients",),
        broken=wrapped("batch_norm", statistics_taken_for_constants),
        source="facebookresearch/CrypTen #143: batch norm's gradient in training lacked the terms "
        "of mean and variance",
    ),
    Fault(
        name="instance-norm-estimates-ignored",
        op="instance_norm",
        kind="history",
        says="the sample's own statistics are used even without use_input_stats",
        expected=("forward",),
        broken=wrapped("instance_norm", estimates_ignored),
        source="apache/tvm #14963: instance_norm ignored use_input_stats=False",
    ),
    Fault(
        name="instance-norm-single-positions-accepted",
        op="instance_norm",
        kind="history",
        says="a single position per sample is accepted if there are several samples",
        expected=("errors",),
        broken=wrapped("instance_norm", single_positions_accepted),
        source="PyTorch #45687: InstanceNorm accepted one position, but not for a batch of one",
    ),
)
