r"""Receptive fields: what part of the input an output unit sees.

By recurrence through a stack of layers, from the input on: neighbouring units see windows that lie
``jump`` entries apart, so a layer widens the window by d(K−1) of these, moves its start back by p
of them, and makes them s times as far apart.

    size ← size + d(K−1)·jump,   start ← start − p·jump,   jump ← s·jump

Or measured: an entry is seen if the gradient of the unit reaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from reimpl import arguments


class Layer(NamedTuple):
    """The geometry of a convolution or a pool along one axis."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


class ReceptiveField(NamedTuple):
    """Unit m of the output sees the ``size`` entries from start + jump·m on.

    Entries below zero, or behind the input, are padding.
    """

    size: int
    jump: int
    start: int

    def of(self, unit: int) -> range:
        """The entries that a unit sees.

        >>> ReceptiveField(size=3, jump=2, start=-1).of(4)
        range(7, 10)
        """
        first = self.start + self.jump * unit
        return range(first, first + self.size)


def receptive_field(layers: Iterable[Layer]) -> ReceptiveField:
    """The field of a stack along one axis, first layer first.

    size = 1 + Σᵢ dᵢ(Kᵢ−1)·jumpᵢ,   start = −Σᵢ pᵢ·jumpᵢ,   jumpᵢ = s₁·…·sᵢ₋₁

    It is the extent from the first entry seen to the last: with dilations there may be gaps.

    Raises:
        RuntimeError: geometry out of range.
        TypeError: what is no :class:`Layer`, or an entry of one that is no integer.

    Source: Araujo, Norris, Sim 2019, https://distill.pub/2019/computing-receptive-fields

    Two 3×3 convolutions see what one 5×5 does, and three what one 7×7 does:

    >>> receptive_field([Layer(3)] * 2), receptive_field([Layer(5)])
    (ReceptiveField(size=5, jump=1, start=0), ReceptiveField(size=5, jump=1, start=0))
    >>> receptive_field([Layer(3)] * 3).size
    7
    >>> receptive_field([Layer(3, stride=2, padding=1), Layer(2, stride=2)])
    ReceptiveField(size=5, jump=4, start=-1)
    """
    size, jump, start = 1, 1, 0
    for layer in layers if isinstance(layers, Iterable) else (layers,):
        if not isinstance(layer, Layer):
            raise TypeError(f"receptive_field: layers must be Layers, got {layer!r}")
        for name, value in layer._asdict().items():
            arguments.at_least("receptive_field", name, value, 0 if name == "padding" else 1)
        size += layer.dilation * (layer.kernel - 1) * jump
        start -= layer.padding * jump
        jump *= layer.stride
    return ReceptiveField(size, jump, start)


def support(function: Callable[[Tensor], Tensor], input: Tensor, unit: tuple[int, ...]) -> Tensor:
    """Where the gradient of one output unit is not zero: a mask of the input's shape.

    seen[i] = (∂y[unit]/∂x[i] ≠ 0),   y = function(x)

    A gradient can be zero where a path exists: behind a closed rectifier, beside a maximum, or
    with weights that are zero or cancel. Then take the union over several inputs or weights.

    Raises:
        IndexError: a unit outside the output, or of another rank.
        TypeError: an input that is no tensor.
        RuntimeError: an input that is not floating point.

    Source: Luo et al. 2016, https://arxiv.org/abs/1701.04128

    >>> dilated = torch.nn.Conv1d(1, 1, 3, dilation=2)
    >>> support(dilated, torch.ones(1, 8), (0, 1)).int()
    tensor([[0, 1, 0, 1, 0, 1, 0, 0]], dtype=torch.int32)
    """
    arguments.tensor("support", "input", input)
    arguments.integers("support", "unit", unit)
    if not input.is_floating_point():
        raise RuntimeError(f"support: input must be floating point, got {input.dtype}")
    x = input.detach().requires_grad_()
    with torch.enable_grad():
        y = function(x)
    if len(unit) != y.dim() or any(not 0 <= u < n for u, n in zip(unit, y.shape, strict=False)):
        raise IndexError(
            f"support: unit must be an index into the output of shape {tuple(y.shape)}, got {unit}"
        )
    (gradient,) = torch.autograd.grad(y[unit], x)
    return gradient != 0


def bounds(seen: Tensor) -> tuple[range, ...]:
    """The smallest box around a mask: along each axis from the first entry set to the last.

    Raises:
        RuntimeError: a mask in which nothing is set.
        TypeError: a mask that is no tensor.

    >>> bounds(torch.tensor([[0, 1, 0, 1, 0], [0, 0, 1, 0, 0]]) == 1)
    (range(0, 2), range(1, 4))
    """
    arguments.tensor("bounds", "seen", seen)
    places = seen.nonzero()
    if not len(places):
        raise RuntimeError(f"bounds: seen must be true somewhere, got {tuple(seen.shape)} of False")
    first, last = places.amin(0).tolist(), places.amax(0).tolist()
    return tuple(range(lo, hi + 1) for lo, hi in zip(first, last, strict=True))
