"""Whether zeros may take part in products: 0 · ∞ is NaN, which must not reach what depends on none.

A plan that multiplies by more zeros than the definition has is for finite numbers alone, and
another one stands in for it where some are not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from reimpl.layout import several_in_one


def all_finite(*tensors: Tensor) -> bool:
    """Whether all numbers are finite; no, if they cannot be looked at, or if their sum overflows.

    A compiler has no numbers yet, nor have the tensors that stand in for others. Under the vmap of
    ``is_grads_batched`` one tensor stands for several, of which there is no one answer.
    """
    return not torch.compiler.is_compiling() and all(map(_finite, tensors))


def _finite(t: Tensor) -> bool:
    readable = type(t) in (Tensor, Parameter) and not t.is_meta and not several_in_one(t)
    return readable and bool(t.sum().isfinite())
