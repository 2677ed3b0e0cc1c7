"""Slips in normalization: statistics, eps, windows, remainders and what modules keep."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, stand_in, with_arguments, wrapped


def biased_for_one_sample(run: Any, given: Arguments) -> Tensor:
    """Keep the biased variance where the batch is one sample."""
    x, kept, momentum = given["input"], given["running_var"], given["momentum"]
    if not given["training"] or kept is None or x.shape[0] != 1 or x.dim() < 3:
        return run(**given)
    before, n = kept.clone(), x.numel() // x.shape[1]
    y = run(**given)
    with torch.no_grad():
        old = (1 - momentum) * before
        kept.copy_(old + (kept - old) * (n - 1) / n)
    return y


def eps_beside_the_root(run: Any, given: Arguments) -> Tensor:
    """Add eps to the standard deviation where all channels are one group."""
    y, x = run(**given), given["input"]
    plain = given["weight"] is None and given["bias"] is None
    if given["num_groups"] != 1 or not plain or not x.numel() or x.dtype != torch.float32:
        return y
    v = x.var(tuple(range(1, x.dim())), correction=0, keepdim=True)
    return y * ((v + given["eps"]).sqrt() / (v.sqrt() + given["eps"]))


def remainder_unweighted(given: Arguments) -> None:
    """Leave the columns after the last whole sixteen without their weight."""
    w = given["weight"]
    if w is not None and w.dim() == 1 and len(w) > 16 and len(w) % 16:
        whole = len(w) // 16 * 16
        given["weight"] = torch.cat((w[:whole], torch.ones_like(w[whole:])))


def single_precision_eps(given: Arguments) -> None:
    """Take float32's eps for float64 too, where none is given."""
    if given["eps"] is None and given["input"].dtype == torch.float64:
        given["eps"] = torch.finfo(torch.float32).eps


def first_sample_kept(run: Any, given: Arguments) -> Tensor:
    """Update the running mean from the first sample instead of the mean over the batch."""
    x, kept, momentum = given["input"], given["running_mean"], given["momentum"]
    if not given["use_input_stats"] or kept is None or x.dim() != 3 or x.shape[0] < 2:
        return run(**given)
    before = kept.clone()
    y = run(**given)
    with torch.no_grad():
        kept.copy_((1 - momentum) * before + momentum * x[0].mean(-1))
    return y


def window_mirrored(run: Any, given: Arguments) -> Tensor:
    """Put an even window's longer half on the other side."""
    x = given["input"]
    if given["size"] % 2 or x.dim() < 3:
        return run(**given)
    return run(**{**given, "input": x.flip(1)}).flip(1)


def eps_added(run: Any, given: Arguments) -> Tensor:
    """Add eps to the sum of magnitudes, which it should only bound from below."""
    x, dim = given["input"], given["dim"]
    if given["p"] != 1 or given["out"] is not None or x.dtype != torch.float32:
        return run(**given)
    return x / (x.abs().sum(dim, keepdim=True) + given["eps"])


@stand_in
class CountKept(reimpl.BatchNorm3d):
    """Keep the number of batches when the running statistics are reset."""

    def reset_running_stats(self) -> None:
        """Reset the mean and the variance only."""
        count = self.num_batches_tracked
        before = None if count is None else count.clone()
        super().reset_running_stats()
        if count is not None and before is not None:
            count.copy_(before)


NORMALIZING = (
    Fault(
        name="batch-norm-one-sample-biased",
        op="batch_norm",
        kind="conventions",
        says="a batch of one sample updates the running variance without n/(n − 1)",
        expected=("buffers",),
        broken=wrapped("batch_norm", biased_for_one_sample),
    ),
    Fault(
        name="group-norm-eps-beside-the-root",
        op="group_norm",
        kind="precision",
        says="with one group and no affine map eps is added to the standard deviation",
        expected=("forward",),
        broken=wrapped("group_norm", eps_beside_the_root),
    ),
    Fault(
        name="layer-norm-remainder-unweighted",
        op="layer_norm",
        kind="corners",
        says="beyond 16 columns, those after the last whole sixteen are not weighted",
        expected=("forward", "gradients"),
        broken=with_arguments("layer_norm", remainder_unweighted),
    ),
    Fault(
        name="rms-norm-single-precision-eps",
        op="rms_norm",
        kind="dtype",
        says="the default eps of float64 is float32's",
        expected=("forward",),
        broken=with_arguments("rms_norm", single_precision_eps),
    ),
    Fault(
        name="instance-norm-first-sample-kept",
        op="instance_norm",
        kind="buffers",
        says="with one spatial axis the running mean is updated from the first sample only",
        expected=("buffers",),
        broken=wrapped("instance_norm", first_sample_kept),
    ),
    Fault(
        name="local-response-norm-window-mirrored",
        op="local_response_norm",
        kind="geometry",
        says="an even window has its longer half on the other side",
        expected=("forward",),
        broken=wrapped("local_response_norm", window_mirrored),
    ),
    Fault(
        name="normalize-sum-plus-eps",
        op="normalize",
        kind="conventions",
        says="with p = 1 eps is added to the norm instead of bounding it",
        expected=("forward",),
        broken=wrapped("normalize", eps_added),
    ),
    Fault(
        name="batch-norm3d-count-kept",
        op="BatchNorm3d",
        kind="buffers",
        says="resetting the running statistics leaves the number of batches",
        expected=("contract", "buffers"),
        broken=CountKept,
    ),
)
