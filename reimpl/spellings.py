"""The other names and signatures under which torch calls its operators.

``ALIASES`` take their operator's own arguments. ``ADAPTED`` take others: each comes with a function
that gives an operator that signature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._C import _nn

Function = Callable[..., Any]

ALIASES: Mapping[str, tuple[Function, ...]] = {
    "adaptive_avg_pool2d": (_nn.adaptive_avg_pool2d,),
    "adaptive_avg_pool3d": (_nn.adaptive_avg_pool3d,),
    "pad": (_nn.pad,),
    "unfold": (_nn.im2col,),
    "fold": (_nn.col2im,),
    "elu": (_nn.elu,),
    "hardtanh": (_nn.hardtanh,),
    "leaky_relu": (_nn.leaky_relu,),
    "relu": (torch.relu, Tensor.relu),
    "relu_": (Tensor.relu_,),
    "relu6": (_nn.relu6,),
    "softplus": (_nn.softplus,),
    "sigmoid": (torch.sigmoid, Tensor.sigmoid, torch.special.expit),
    "tanh": (torch.tanh, Tensor.tanh),
    "rms_norm": (torch.rms_norm,),
    "fft": (torch.fft.fft,),
    "ifft": (torch.fft.ifft,),
    "fftn": (torch.fft.fftn,),
    "ifftn": (torch.fft.ifftn,),
    **{
        f"{pool}{n}d": (getattr(F, f"_{pool}{n}d"),)
        for pool in ("max_pool", "adaptive_max_pool")
        for n in (1, 2, 3)
    },
}


def running_norm(own: Function) -> Function:
    """Batch and instance norm: the parameters stand before the running statistics."""

    def norm(
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        *training_momentum_eps_cudnn: Any,
    ) -> Any:
        *options, _cudnn = training_momentum_eps_cudnn
        return own(input, running_mean, running_var, weight, bias, *options)

    return norm


def group_norm(own: Function) -> Function:
    """One argument more, which says whether cuDNN may be used."""

    def norm(
        input: Tensor,
        num_groups: int,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
        cudnn_enabled: bool = True,  # noqa: ARG001 - torch's
    ) -> Any:
        return own(input, num_groups, weight, bias, eps)

    return norm


def layer_norm(own: Function) -> Function:
    """One argument more, which says whether cuDNN may be used."""

    def norm(
        input: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
        cudnn_enable: bool = True,  # noqa: ARG001 - torch's
    ) -> Any:
        return own(input, normalized_shape, weight, bias, eps)

    return norm


def softmax(own: Function) -> Function:
    """No level of the stack for a warning."""

    def soft(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
        return own(input, dim, dtype=dtype)

    return soft


def max_pool(own: Function, *, indices: bool) -> Function:
    """The name says whether indices are returned, and no stride is an empty one."""

    def pool(
        input: Tensor,
        kernel_size: Any,
        stride: Any = (),
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = indices,  # noqa: ARG001 - torch.nn.functional's
    ) -> Any:
        stride = None if stride == () else stride
        return own(input, kernel_size, stride, padding, dilation, ceil_mode, indices)

    return pool


def adaptive_max_pool(own: Function) -> Function:
    """Indices are always returned."""

    def pool(input: Tensor, output_size: Any, return_indices: bool = True) -> Any:  # noqa: ARG001
        return own(input, output_size, True)

    return pool


def constant_pad(own: Function) -> Function:
    """No mode: the value is the third argument."""
    return lambda input, pad, value=0: own(input, pad, "constant", value)


def padding(own: Function, *, mode: str) -> Function:
    """The name says the mode."""
    return lambda input, padding: own(input, padding, mode)


def in_place(own: Function) -> Function:
    """The result takes the input's place."""
    return lambda input: input.copy_(own(input))


ADAPTED: Mapping[str, Mapping[Function, Callable[[Function], Function]]] = {
    "batch_norm": {torch.batch_norm: running_norm},
    "instance_norm": {torch.instance_norm: running_norm},
    "group_norm": {torch.group_norm: group_norm},
    "layer_norm": {torch.layer_norm: layer_norm},
    "softmax": dict.fromkeys((torch.softmax, Tensor.softmax, torch.special.softmax), softmax),
    "log_softmax": dict.fromkeys(
        (torch.log_softmax, Tensor.log_softmax, torch.special.log_softmax), softmax
    ),
    "sigmoid": dict.fromkeys((torch.sigmoid_, Tensor.sigmoid_), in_place),
    "tanh": dict.fromkeys((torch.tanh_, Tensor.tanh_), in_place),
    "relu6": {_nn.relu6_: in_place},
    "pad": {torch.constant_pad_nd: constant_pad}
    | {
        getattr(_nn, f"{name}_pad{n}d"): partial(padding, mode=mode)
        for name, mode in (("reflection", "reflect"), ("replication", "replicate"))
        for n in (1, 2, 3)
    },
    **{
        f"max_pool{n}d": {
            getattr(torch, f"max_pool{n}d"): partial(max_pool, indices=False),
            getattr(torch if n == 1 else _nn, f"max_pool{n}d_with_indices"): partial(
                max_pool, indices=True
            ),
            getattr(F, f"max_pool{n}d_with_indices"): partial(max_pool, indices=True),
        }
        for n in (1, 2, 3)
    },
    **{
        f"adaptive_max_pool{n}d": {
            getattr(torch if n == 1 else _nn, f"adaptive_max_pool{n}d"): adaptive_max_pool,
            getattr(F, f"adaptive_max_pool{n}d_with_indices"): adaptive_max_pool,
        }
        for n in (1, 2, 3)
    },
}
