"""Instance normalization as modules: parameters, running estimates and when they move."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from torch import Tensor

from reimpl import arguments
from reimpl.batch_norm_modules import ChannelNorm
from reimpl.instance_norm import instance_norm


class _InstanceNorm(ChannelNorm):
    """What the three ranks share: everything but the number of positional axes."""

    _rank: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.instance_norm` by the instances or by the estimates; moves the latter."""
        name, axes = type(self).__name__, (self._rank + 1, self._rank + 2)
        arguments.tensor(name, "input", input)
        if input.dim() not in axes:
            raise ValueError(
                f"{name}: input must have {axes[1]} axes, or {axes[0]} without a batch, "
                f"got {tuple(input.shape)}"
            )
        x = input if input.dim() == axes[1] else input.unsqueeze(0)
        if x.shape[1] != self.num_features:
            message = (
                f"{name}: input must have num_features={self.num_features} channels, "
                f"got {tuple(input.shape)}"
            )
            if self.affine:
                raise ValueError(message)
            warnings.warn(message, stacklevel=2)
        y = instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,  # None freezes the estimates
            self.eps,
        )
        return y if input.dim() == axes[1] else y.squeeze(0)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Say why states from before 0.4.0, which tracked by default, do not fit."""
        if local_metadata.get("version") is None and not self.track_running_stats:
            names = ("running_mean", "running_var")
            found = [name for name in names if state_dict.pop(prefix + name, None) is not None]
            if found:
                error_msgs.append(
                    f"{type(self).__name__}: the state must have no {' and '.join(found)} with "
                    "track_running_stats=False, the default since torch 0.4.0; remove them, or set "
                    "track_running_stats=True"
                )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """Instance normalization of (N, C, L) or (C, L); see :func:`reimpl.instance_norm`.

    Without ``track_running_stats`` every input is normalized by its own statistics, in evaluation
    too. With it the running estimates move in training by ``momentum`` (None: not at all), and
    evaluation uses them. ``num_batches_tracked`` stays 0.

    Backward: as :func:`reimpl.instance_norm`.

    Raises:
        ValueError: an input of other ranks, or of other than num_features channels with affine (a
            warning without), and as :func:`reimpl.instance_norm`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm1d.html

    >>> import torch
    >>> InstanceNorm1d(2, eps=0.0)(torch.tensor([[1.0, 3.0], [5.0, 9.0]]))
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """

    _rank = 1


class InstanceNorm2d(_InstanceNorm):
    """Instance normalization of (N, C, H, W) or (C, H, W); see :class:`InstanceNorm1d`.

    Backward: as :func:`reimpl.instance_norm`.

    Raises:
        As :class:`InstanceNorm1d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm2d.html

    >>> InstanceNorm2d(3)
    InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)
    """

    _rank = 2


class InstanceNorm3d(_InstanceNorm):
    """Instance normalization of (N, C, D, H, W) or (C, D, H, W); see :class:`InstanceNorm1d`.

    Backward: as :func:`reimpl.instance_norm`.

    Raises:
        As :class:`InstanceNorm1d`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm3d.html

    >>> InstanceNorm3d(3, affine=True).bias
    Parameter containing:
    tensor([0., 0., 0.], requires_grad=True)
    """

    _rank = 3
