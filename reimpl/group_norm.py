r"""Group normalization: standardize groups of channels, then scale and shift each channel."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reimpl import arguments
from reimpl.affine import shaped
from reimpl.arguments import REALS, accumulator
from reimpl.autocast import autocasted
from reimpl.gradient_layout import followed
from reimpl.layout import arrange, looks_channels_last
from reimpl.standardize import standardize


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    r"""Normalize every sample over groups of neighbouring channels and their positions.

    y = (x − μ) / √(σ² + ε) · weight + bias

    μ and σ² (divided by the number of values) are a group's own, weight and bias a channel's.

    Shapes:
        input and output (N, C, *L), weight and bias (C); num_groups divides C.

    Backward: gx = r·(gz − ⟨gz⟩ − z⟨z gz⟩), gz = weight·gy, r = 1/√(σ² + ε).

    Raises:
        ValueError: a single value in all of a group's samples (two samples of one value each are
            accepted, and give zeros: #45687).
        ZeroDivisionError: no groups.
        RuntimeError: groups that do not divide the channels; shapes, dtypes or devices that do not
            fit.
        NotImplementedError: an input that is not floating point.
        TypeError: a value of the wrong kind.

    Source: Wu and He 2018, https://arxiv.org/abs/1803.08494;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.group_norm.html

    >>> group_norm(torch.tensor([[1.0, 3.0, 5.0, 9.0]]), 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    eps = arguments.number("group_norm", "eps", eps)
    input, weight, bias = autocasted("group_norm", input, weight, bias)
    G = _check(input, num_groups, weight, bias)
    N, C, *L = input.shape
    x = followed(input).to(accumulator(input.dtype)).reshape(N, G, C // G, prod(L))
    a, b = shaped(x.dtype, (1, G, C // G, 1), weight, bias)
    y = standardize(x, (2, 3), eps, a, b).z.reshape(input.shape)
    last = input.dim() in (4, 5) and not input.is_meta and looks_channels_last(input)
    return arrange(y, last).to(input.dtype)


def _check(input: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None) -> int:
    op = "group_norm"
    arguments.tensor(op, "input", input)
    arguments.optional_tensor(op, "weight", weight)
    arguments.optional_tensor(op, "bias", bias)
    G, shape = arguments.integer(op, "num_groups", num_groups), tuple(input.shape)
    if len(shape) < 2:
        raise RuntimeError(f"{op}: input must have at least 2 axes, got {shape}")
    if G == 0:
        raise ZeroDivisionError(f"{op}: num_groups must be positive, got 0")
    if shape[0] * shape[1] // G * prod(shape[2:]) == 1:
        raise ValueError(
            f"{op}: input must have more than 1 value per group, got {shape} with num_groups={G}"
        )
    if G < 0 or shape[1] % G:
        raise RuntimeError(
            f"{op}: num_groups must be positive and divide input's {shape[1]} channels, got {G}"
        )
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.shape != shape[1:2]:
            raise RuntimeError(
                f"{op}: {name} must have shape ({shape[1]},) for input's channels, "
                f"got {tuple(t.shape)}"
            )
    arguments.dtype_among(op, input, REALS)
    arguments.parameters_alike(op, input, weight=weight, bias=bias)
    return G


class GroupNorm(nn.Module):
    """Group normalization of (N, C, *L), with a scale and a shift for each channel.

    For the formula see :func:`reimpl.group_norm`.

    Backward: as :func:`reimpl.group_norm`.

    Raises:
        ValueError: groups that do not divide the channels, and as :func:`reimpl.group_norm`.
        ZeroDivisionError: no groups.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html

    >>> GroupNorm(2, 4, affine=False, eps=0.0)(torch.tensor([[1.0, 3.0, 5.0, 9.0]]))
    tensor([[-1.,  1., -1.,  1.]])
    """

    __constants__: ClassVar[list[str]] = ["num_groups", "num_channels", "eps", "affine"]

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups == 0:
            raise ZeroDivisionError("GroupNorm: num_groups must be positive, got 0")
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_groups must divide num_channels={num_channels}, got {num_groups}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        if affine:
            arguments.at_least("GroupNorm", "num_channels", num_channels, 0)
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            made = torch.empty(num_channels, device=device, dtype=dtype) if wanted else None
            self.register_parameter(name, None if made is None else nn.Parameter(made))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight one, bias zero."""
        for t, value in ((self.weight, 1), (self.bias, 0)):
            if t is not None:
                nn.init.constant_(t, value)

    def forward(self, input: Tensor) -> Tensor:
        """:func:`reimpl.group_norm` of ``input``."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
