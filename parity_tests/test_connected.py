"""Which inputs an output hangs together with: after the backward a gradient is there, or None.

The check ``gradients`` makes missing gradients zero; an optimizer tells them apart.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

import reimpl

CHANNELS = ((2, 0, 3, 1), (0, 2, 3, 1), (0, 0, 3, 1), (2, 2, 3, 1), (0, 4, 4, 2))  # N, C, O, groups


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", ["conv", "conv_transpose"])
def test_convolutions_without_channels_or_samples(name: str, rank: int) -> None:
    """Gradients of zeros for everything, as in torch."""
    met = 0
    for N, C, O, groups in CHANNELS:
        rows = (O, C // groups) if name == "conv" else (C, O // groups)
        if not rows[0]:
            continue  # torch rejects it
        found = [
            gradients(getattr(module, f"{name}{rank}d"), (N, C), rows, O, rank, groups)
            for module in (F, reimpl)
        ]
        assert found[0] == found[1]
        met += 1
    assert met >= 3


def gradients(
    function: Any, leading: Any, rows: Any, channels: int, rank: int, groups: int
) -> list[Any]:
    """None, or shape and sum, for input, weight and bias."""
    tensors = [
        torch.ones(*leading, *(4,) * rank, requires_grad=True),
        torch.ones(*rows, *(2,) * rank, requires_grad=True),
        torch.ones(channels, requires_grad=True),
    ]
    function(*tensors, groups=groups).sum().backward()
    return [None if t.grad is None else (t.grad.shape, t.grad.sum().item()) for t in tensors]
