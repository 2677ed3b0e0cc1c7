"""What the claims' properties are written with: tensors by seed, comparisons in sentences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from parity_tests.claims.claim import Contradiction

SEEDS = st.integers(0, 2**16)

# Results of a few hundred roundings at most, on numbers of order one, in double precision.
CLOSE = 1e-9


def numbers(seed: int, *shape: int) -> Tensor:
    """Normal numbers in double precision."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def integers(seed: int, *shape: int) -> Tensor:
    """Small integers in double precision, of which sums and products are exact."""
    return torch.from_numpy(np.random.default_rng(seed).integers(-3, 4, shape).astype(float))


def differs(got: Tensor, expected: Tensor, *, within: float = 0.0) -> Contradiction:
    """Where two results differ most, if they do by more than ``within``."""
    got, expected = got.detach(), expected.detach()
    if got.shape != expected.shape:
        return f"the shape is {tuple(got.shape)}, not {tuple(expected.shape)}"
    if not got.numel():
        return None
    difference = (got - expected).abs()
    worst = int(difference.argmax())
    if float(difference.flatten()[worst]) <= within:
        return None
    index = [int(i) for i in np.unravel_index(worst, tuple(got.shape))]
    one, other = got.flatten()[worst].item(), expected.flatten()[worst].item()
    return f"entry {index} is {one:.6g}, not {other:.6g}"


def unless(claimed: bool, contradiction: str) -> Contradiction:
    """The contradiction, unless things are as claimed."""
    return None if claimed else contradiction


def refusal(call: Callable[[], object]) -> Contradiction:
    """What a call raises, its first line; nothing where it is accepted."""
    try:
        call()
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return None


def ones(*shape: int) -> Tensor:
    """Ones in double precision."""
    return torch.ones(shape, dtype=torch.float64)
