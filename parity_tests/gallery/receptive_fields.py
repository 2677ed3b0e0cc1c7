"""What part of the input one output unit sees: by recurrence, and by its gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import reimpl
from parity_tests.gallery.figures import Figure, Panel, Section, source
from parity_tests.gallery.images import Images
from parity_tests.gallery.pictures import heat
from reimpl.analysis.receptive_field import Layer, receptive_field, support

SIZE = 23


def same(dilation: int) -> Layer:
    """A 3×3 layer that keeps the image's size."""
    return Layer(3, padding=dilation, dilation=dilation)


DILATIONS = {f"dilation {d}": [same(d)] for d in (1, 2, 3, 4, 5)}
STACKS = {
    "two layers": [same(1)] * 2,
    "three layers": [same(1)] * 3,
    "dilations 1, 2, 4": [same(1), same(2), same(4)],
    "dilations 2, 2, 2": [same(2)] * 3,
    "strides 2, 2, 1": [Layer(3, stride=2, padding=1)] * 2 + [same(1)],
}


def stack(x: Tensor, layers: Sequence[Layer]) -> Tensor:
    for K, s, p, d in layers:
        x = reimpl.conv2d(x, torch.ones(1, 1, K, K), stride=s, padding=p, dilation=d)
    return x


def seen(layers: Sequence[Layer]) -> Tensor:
    """Where the gradient of the middle unit is not zero."""
    image = torch.ones(1, 1, SIZE, SIZE)
    m = stack(image, layers).shape[-1] // 2
    return support(lambda x: stack(x, layers), image, (0, 0, m, m))[0, 0]


def paths(layers: Sequence[Layer]) -> Tensor:
    """How many ways lead from each input to the middle unit: its gradient, all weights one."""
    image = torch.ones(1, 1, SIZE, SIZE, requires_grad=True)
    y = stack(image, layers)
    m = y.shape[-1] // 2
    y[0, 0, m, m].backward()
    assert image.grad is not None
    return image.grad[0, 0]


def section(_: Images) -> Section:
    return Section(
        "receptive-fields",
        "Receptive fields",
        f"Of {SIZE}×{SIZE} inputs, those that the middle output unit sees. The frame is the field "
        "by recurrence, receptive_field(layers); the colours are measured.",
        (
            Figure(
                "Dilation",
                "A 3×3 kernel, its taps ever further apart: more is spanned at nine weights, and "
                "more is left out in between. Yellow where the unit’s gradient is not zero.",
                source(stack, seen),
                tuple(
                    _map(label, layers, seen(layers).float()) for label, layers in DILATIONS.items()
                ),
                5,
            ),
            Figure(
                "Stacks of 3×3 layers",
                "Colours follow the square root of the number of paths from an input to the unit, "
                "violet none and yellow most: inputs near the middle count most. Two layers "
                "span 5×5 and three 7×7. Dilations 1, 2, 4 reach further without gaps; dilation 2 "
                "thrice misses every second row and column.",
                source(stack, paths),
                tuple(
                    _map(label, layers, paths(layers).sqrt()) for label, layers in STACKS.items()
                ),
                5,
            ),
        ),
    )


def _map(label: str, layers: Sequence[Layer], values: Tensor) -> Panel:
    field = receptive_field(layers)
    unit = stack(torch.ones(1, 1, SIZE, SIZE), layers).shape[-1] // 2
    first = field.of(unit).start
    frame = f'<rect x="{first}" y="{first}" width="{field.size}" height="{field.size}"/>'
    told = f"{label}: {field.size}×{field.size}"
    count = int((values != 0).sum())
    return Panel(told, heat(values), f"receptive field of {told}, {count} inputs seen", frame)
