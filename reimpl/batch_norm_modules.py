"""Batch normalization as modules: parameters, running estimates and when they move."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reimpl import arguments
from reimpl.batch_norm import batch_norm


class ChannelNorm(nn.Module):
    """What batch and instance normalization share: one parameter and one estimate per channel."""

    _version = 2  # 2 added num_batches_tracked
    __constants__: ClassVar[list[str]] = [
        "track_running_stats",
        "momentum",
        "eps",
        "num_features",
        "affine",
    ]

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats

        if affine or track_running_stats:
            arguments.at_least(type(self).__name__, "num_features", num_features, 0)

        def parameter(wanted: bool) -> nn.Parameter | None:
            if not wanted:
                return None
            return nn.Parameter(torch.empty(num_features, device=device, dtype=dtype))

        self.register_parameter("weight", parameter(affine))
        self.register_parameter("bias", parameter(affine and bias))
        mean = var = count = None
        if track_running_stats:
            mean = torch.zeros(num_features, device=device, dtype=dtype)
            var = torch.ones(num_features, device=device, dtype=dtype)
            count = torch.tensor(0, dtype=torch.long, device=device)
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean zero, variance one, no batches seen."""
        if self.track_running_stats:
            for buffer, value in (
                (self.running_mean, 0),
                (self.running_var, 1),
                (self.num_batches_tracked, 0),
            ):
                assert buffer is not None
                buffer.fill_(value)

    def reset_parameters(self) -> None:
        """Reset the running estimates; weight one, bias zero."""
        self.reset_running_stats()
        with torch.no_grad():
            if self.weight is not None:
                self.weight.fill_(1)
            if self.bias is not None:
                self.bias.fill_(0)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        """Accept states of version 1, which have no num_batches_tracked."""
        key, version = prefix + "num_batches_tracked", local_metadata.get("version")
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            known = count is not None and not count.is_meta
            state_dict[key] = count if known else torch.tensor(0, dtype=torch.long)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(ChannelNorm):
    """What the three ranks share: everything but the number of axes they accept."""

    _axes: ClassVar[tuple[int, ...]]

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.batch_norm` by the batch or by the estimates; moves the estimates."""
        arguments.tensor(type(self).__name__, "input", input)
        if input.dim() not in self._axes:
            need = " or ".join(map(str, self._axes))
            raise ValueError(
                f"{type(self).__name__}: input must have {need} axes, got {tuple(input.shape)}"
            )
        momentum = self._count_batch()
        # Estimates that are not tracked must not move either, but they serve in evaluation.
        use = self.track_running_stats or not self.training
        return batch_norm(
            input,
            self.running_mean if use else None,
            self.running_var if use else None,
            self.weight,
            self.bias,
            self.training or (self.running_mean is None and self.running_var is None),
            momentum,  # type: ignore[arg-type]
            self.eps,
        )

    def _count_batch(self) -> float | Tensor:
        """Count this batch, if tracking; return its weight in the running estimates.

        momentum=None is the average of all batches, weight 1/count, as a tensor so that no value
        is read back from the device; 0 when nothing is counted, so that nothing moves.
        """
        count = self.num_batches_tracked
        tracking = self.training and self.track_running_stats and count is not None
        if tracking:
            assert count is not None
            count.add_(1)
        if self.momentum is not None:
            return self.momentum
        return count.double().reciprocal() if tracking and count is not None else 0.0


class BatchNorm1d(_BatchNorm):
    """Batch normalization of (N, C) or (N, C, L); see :func:`reimpl.batch_norm`.

    In training each batch is normalized by its own statistics, and the running estimates move
    towards them by ``momentum`` (None: the average of all batches so far, by
    ``num_batches_tracked``). In evaluation the estimates are used, or the batch's own statistics
    with ``track_running_stats=False``.

    Backward: as :func:`reimpl.batch_norm`.

    Raises:
        ValueError: an input of other ranks, and as :func:`reimpl.batch_norm`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html

    >>> BatchNorm1d(2, affine=False)(torch.tensor([[0.0, 5.0], [2.0, 9.0]]))
    tensor([[-1.0000, -1.0000],
            [ 1.0000,  1.0000]])
    """

    _axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalization of (N, C, H, W); see :class:`BatchNorm1d`.

    Backward: as :func:`reimpl.batch_norm`.

    Raises:
        ValueError: an input of other ranks, and as :func:`reimpl.batch_norm`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html

    >>> BatchNorm2d(3)
    BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    _axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalization of (N, C, D, H, W); see :class:`BatchNorm1d`.

    Backward: as :func:`reimpl.batch_norm`.

    Raises:
        ValueError: an input of other ranks, and as :func:`reimpl.batch_norm`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm3d.html

    >>> BatchNorm3d(3).eval()(torch.ones(1, 3, 1, 2, 2)).shape
    torch.Size([1, 3, 1, 2, 2])
    """

    _axes = (5,)
