"""The initial values of torch.nn's layers, drawn from the same stream in the same order."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def conv_uniform_(weight: Tensor, bias: Tensor | None) -> None:
    """Fill a convolution's (or linear layer's) parameters as torch's ``reset_parameters``.

    weight ~ U(−b, b) with b = √3 · √(2 / (1 + a²)) / √fan_in and a = √5, that is 1/√fan_in, but
    evaluated in this order so that the last bit agrees; bias ~ U(−1/√fan_in, 1/√fan_in). fan_in
    is the second axis times the taps, for transposed convolutions as well.

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852; the a = √5 is torch's (#15314).
    """
    fan_in = weight.shape[1] * weight.shape[2:].numel()
    with torch.no_grad():
        if weight.numel() > 0:
            gain = math.sqrt(2.0 / (1 + math.sqrt(5) ** 2))
            bound = math.sqrt(3.0) * (gain / math.sqrt(fan_in))
            # Drawn in index order whatever the layout, so that the values do not depend on it.
            fresh = torch.empty_like(weight, memory_format=torch.contiguous_format)
            weight.copy_(fresh.uniform_(-bound, bound))
        if bias is not None:
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            bias.uniform_(-bound, bound)
