"""A gradient that lies in memory as its input does: channels last for channels last.

Autograd promises no layout for gradients, but PyTorch's own modules keep this one, and training in
channels last is fast only as long as all of it stays so.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reimpl.layout import several_in_one
from reimpl.linear_map import linear_map

_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def followed(input: Tensor) -> Tensor:
    """``input`` itself; its gradient will be in channels last if it is.

    Only for tensors that are nothing else: where axes of size one leave a choice it is plain.
    Compilers and torch.func's transforms have no layout to speak of.
    """
    if not (input.requires_grad and input.dim() in _FORMATS and torch.is_grad_enabled()):
        return input
    if input.is_contiguous() or torch.compiler.is_compiling():
        return input
    if torch._C._are_functorch_transforms_active() or not _is_channels_last(input):
        return input
    return linear_map(input, _unchanged, _in_channels_last)


def _is_channels_last(t: Tensor) -> bool:
    return t.is_contiguous(memory_format=_FORMATS[t.dim()])


def _unchanged(t: Tensor) -> Tensor:
    # An alias: of the tensor itself autograd makes a view with other strides along single entries.
    return t.detach()


def _in_channels_last(gradient: Tensor) -> Tensor:
    if several_in_one(gradient):
        return gradient
    return gradient.contiguous(memory_format=_FORMATS[gradient.dim()])
