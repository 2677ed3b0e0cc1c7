"""Strides of convolutions' outputs: every layout, with axes of one entry, in every rank and dtype.

The cells meet these combinations too, but each of them rarely.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import reimpl
from parity_tests.recipe import LAYOUTS
from parity_tests.verdict import strides_differ

DTYPES = (torch.float32, torch.float64, torch.complex64, torch.bfloat16)
LAID = ("contiguous", "channels_last", "permuted", "sliced", "loose_ones")
SIZES = ((1, 3), (1, 2), (1, 2, 5), (1, 2), (1, 2))  # N, C, L, K, O


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("padding", [0, 1, "same"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", ["conv", "conv_transpose"])
def test_strides(name: str, rank: int, padding: Any, dtype: torch.dtype) -> None:
    """The same as torch's wherever torch takes the call."""
    if name == "conv_transpose" and padding == "same":
        return
    layouts = itertools.product(LAID, ("contiguous", "loose_ones"))
    compared = 0
    for (layout, weights_layout), (N, C, L, K, O) in itertools.product(
        layouts, itertools.product(*SIZES)
    ):
        channels = (O, C) if name == "conv" else (C, O)
        x = LAYOUTS[layout](torch.ones(N, C, *(L,) * rank, dtype=dtype))
        w = LAYOUTS[weights_layout](torch.ones(*channels, *(K,) * rank, dtype=dtype))
        theirs = outcome(getattr(F, f"{name}{rank}d"), x, w, padding)
        if theirs is None or not theirs.numel():
            continue
        ours = getattr(reimpl, f"{name}{rank}d")(x, w, padding=padding)
        assert not strides_differ(ours, theirs), (layout, weights_layout, (N, C, L, K, O))
        compared += 1
    assert compared > 100


def outcome(function: Any, x: Tensor, w: Tensor, padding: Any) -> Tensor | None:
    """What torch returns, or None where it rejects the call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that padding may copy
        try:
            return function(x, w, padding=padding)
        except RuntimeError:
            return None
