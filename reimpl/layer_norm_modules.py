"""Layer normalization and its root-mean-square variant as modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reimpl import arguments
from reimpl.arguments import repeated
from reimpl.layer_norm import layer_norm, rms_norm


class _TrailingNorm(nn.Module):
    """What both share: parameters with a number for each element of the trailing axes."""

    __constants__: ClassVar[list[str]] = ["normalized_shape", "eps", "elementwise_affine"]

    weight: nn.Parameter | None

    def _set_up(
        self, shape: Any, affine: bool, device: Any, dtype: Any, **parameters: bool
    ) -> None:
        self.normalized_shape = repeated(shape, 1)
        self.elementwise_affine = affine
        for name, wanted in parameters.items():
            made = None
            if affine and wanted:
                made = nn.Parameter(torch.empty(self.normalized_shape, device=device, dtype=dtype))
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight one, bias zero."""
        for name, t in self.named_parameters():
            nn.init.constant_(t, 1 if name == "weight" else 0)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class LayerNorm(_TrailingNorm):
    """Layer normalization over the trailing axes ``normalized_shape``, an int or several.

    For the formula see :func:`reimpl.layer_norm`.

    Backward: as :func:`reimpl.layer_norm`.

    Raises:
        As :func:`reimpl.layer_norm`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html

    >>> LayerNorm(2, eps=0.0, elementwise_affine=False)(torch.tensor([[1.0, 3.0], [5.0, 9.0]]))
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.eps = eps
        self._set_up(normalized_shape, elementwise_affine, device, dtype, weight=True, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.layer_norm` of ``input``."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return f"{super().extra_repr()}, bias={self.bias is not None}"


class RMSNorm(_TrailingNorm):
    """Division by the root mean square over the trailing axes ``normalized_shape``.

    For the formula see :func:`reimpl.rms_norm`.

    Backward: as :func:`reimpl.rms_norm`.

    Raises:
        As :func:`reimpl.rms_norm`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RMSNorm.html

    >>> RMSNorm(2, elementwise_affine=False)(torch.tensor([1.0, 7.0]))
    tensor([0.2000, 1.4000])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.eps = eps
        self._set_up(normalized_shape, elementwise_affine, device, dtype, weight=True)

    def forward(self, x: Tensor) -> Tensor:
        """:func:`reimpl.rms_norm` of ``x``."""
        arguments.tensor("RMSNorm", "x", x)
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)
