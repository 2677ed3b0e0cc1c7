r"""What a convolution costs: its parameters, and its multiplications for one sample.

Every parameter but a bias is used once per position, so multiplications are parameters times
positions; multiplications by padded zeros are counted, as torch's FlopCounterMode counts them (two
flops for each, the other being the addition). Biases are left out.

Letters: C input and O output channels, G groups; a size, a kernel or a number of positions is one
integer per axis, and their products are written ∏L, ∏K, ∏M.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from reimpl import arguments
from reimpl.analysis.sizes import convolution_size

Ints = Sequence[int]
Size = int | Sequence[int]


class Cost(NamedTuple):
    """Parameters and multiplications; the costs of stages are added with :func:`total`."""

    parameters: int
    multiplications: int


def total(*costs: Cost) -> Cost:
    """The cost of stages one after the other.

    >>> total(Cost(1, 10), Cost(2, 20))
    Cost(parameters=3, multiplications=30)
    """
    return Cost(sum(c.parameters for c in costs), sum(c.multiplications for c in costs))


def convolution(
    in_channels: int, out_channels: int, kernel: Ints, positions: Ints, groups: int = 1
) -> Cost:
    """O·C/G·∏K parameters, each used at ∏M positions.

    A convolution's positions are its output's, a transposed convolution's are its input's.

    Raises:
        RuntimeError: numbers that are not positive, or groups that do not divide the channels.

    Source: Krizhevsky et al. 2012 (groups), https://papers.nips.cc/paper/4824

    >>> convolution(8, 8, (3, 3), positions=(10, 10))
    Cost(parameters=576, multiplications=57600)
    """
    op = "convolution"
    channels = {"in_channels": in_channels, "out_channels": out_channels, "groups": groups}
    for name, value in channels.items():
        arguments.at_least(op, name, value, 1)
    _check_axes(op, kernel=kernel, positions=positions)
    if in_channels % groups or out_channels % groups:
        raise RuntimeError(
            f"{op}: groups must divide in_channels={in_channels} and out_channels={out_channels}, "
            f"got {groups}"
        )
    parameters = out_channels * in_channels // groups * prod(kernel)
    return Cost(parameters, parameters * prod(positions))


def depthwise_separable(in_channels: int, out_channels: int, kernel: Ints, positions: Ints) -> Cost:
    """C·∏K + C·O parameters, each used at ∏M positions: 1/O + 1/∏K of a plain convolution.

    Raises:
        RuntimeError: numbers that are not positive.

    Source: Howard et al. 2017, https://arxiv.org/abs/1704.04861

    >>> depthwise_separable(8, 8, (3, 3), positions=(10, 10))
    Cost(parameters=136, multiplications=13600)
    """
    _check_axes("depthwise_separable", kernel=kernel, positions=positions)
    depthwise = convolution(in_channels, in_channels, kernel, positions, groups=in_channels)
    pointwise = convolution(in_channels, out_channels, (1,) * len(kernel), positions)
    return total(depthwise, pointwise)


def spatially_separable(
    channels: int, kernel: Ints, size: Ints, stride: Size = 1, padding: Size = 0
) -> Cost:
    """C·ΣK parameters: one-dimensional kernels, first axis first, on every channel by itself.

    Stage i works on axes already reduced up to i: C·Σᵢ Kᵢ·M₁…Mᵢ·Lᵢ₊₁…L_d multiplications, or
    C·ΣK·∏L if sizes are kept.

    Raises:
        RuntimeError: numbers that are not positive, or a kernel that spans more than the input.

    Source: Jin et al. 2014, https://arxiv.org/abs/1412.5474

    >>> spatially_separable(1, (3, 3), size=(10, 10), padding=1)
    Cost(parameters=6, multiplications=600)
    """
    op = "spatially_separable"
    arguments.at_least(op, "channels", channels, 1)
    _check_axes(op, kernel=kernel, size=size)
    rank = len(kernel)
    s = arguments.per_axis(op, "stride", stride, rank, 1)
    p = arguments.per_axis(op, "padding", padding, rank, 0)
    stages, left = [], list(size)
    for axis, taps in enumerate(kernel):
        left[axis] = convolution_size(left[axis], taps, s[axis], p[axis])
        line = [taps if a == axis else 1 for a in range(rank)]
        stages.append(convolution(channels, channels, line, left, groups=channels))
    return total(*stages)


def flattened(
    in_channels: int,
    out_channels: int,
    kernel: Ints,
    size: Ints,
    stride: Size = 1,
    padding: Size = 0,
) -> Cost:
    """O·(C + ΣK) parameters: one-dimensional kernels over the channels, then over each axis.

    The first stage costs O·C·∏L, the others are :func:`spatially_separable`. Per filter that is
    (C + K + K')·L·L' for two axes if sizes are kept, against C·K·K'·L·L' of a plain convolution.

    Raises:
        RuntimeError: numbers that are not positive, or a kernel that spans more than the input.

    Source: Jin et al. 2014, https://arxiv.org/abs/1412.5474

    >>> flattened(8, 1, (3, 3), size=(10, 10), padding=1)
    Cost(parameters=14, multiplications=1400)
    """
    _check_axes("flattened", kernel=kernel, size=size)
    lateral = convolution(in_channels, out_channels, (1,) * len(kernel), size)
    return total(lateral, spatially_separable(out_channels, kernel, size, stride, padding))


def _check_axes(op: str, *, kernel: Ints, **other: Ints) -> None:
    for name, value in {"kernel": kernel, **other}.items():
        for entry in arguments.integers(op, name, value):
            arguments.at_least(op, name, entry, 1)
        if len(value) != len(kernel):
            raise RuntimeError(
                f"{op}: {name} must have an integer for each axis of kernel={tuple(kernel)}, "
                f"got {tuple(value)}"
            )
