"""xavier_uniform_, xavier_normal_, kaiming_uniform_ and kaiming_normal_ of torch.nn.init."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from parity_tests.definitions.activations import random
from parity_tests.kinds import computed_with
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import put, with_shape
from parity_tests.ops.dtypes import FLOATS
from parity_tests.strategies import Draw

XAVIER = {"gain": (1.0, 0.5, 3)}

KAIMING = {
    "a": (0, 0.2, 5**0.5),
    "mode": ("fan_in", "fan_out"),
    "nonlinearity": ("leaky_relu", "relu", "tanh", "linear", "conv_transpose2d", "selu"),
}


def draw_initial(d: Draw, *, options: Mapping[str, tuple[Any, ...]]) -> Call:
    """A weight of a linear layer or of a convolution along one to three axes.

    Random numbers fall into place in the order of memory: test_initial.py looks at other layouts.
    """
    # Two axes without entries have no fan.
    O = d.integer(1, 9)
    I = d.row(d.channels())
    taps = (d.integer(1, 3) for _ in range(d.choice("spatial axes", (0, 2, 1, 3))))
    tensor = replace(d.tensor(O, I, *taps, written=True), layout="contiguous", fixed=True)
    return Call({"tensor": tensor, **{k: d.choice(k, v) for k, v in options.items()}})


def oracle(name: str, dtype: torch.dtype) -> Callable[..., Tensor]:
    """The numbers that torch draws in that dtype, in double precision."""

    def drawn(tensor: Tensor, **options: Any) -> Tensor:
        with _disable_current_modes():  # no rounding to follow: the numbers are what they are
            fresh = torch.empty(tensor.shape, dtype=dtype)
            return getattr(torch.nn.init, name)(fresh, **options).double()

    return drawn


def vector(call: Call) -> Mapping[str, Any]:
    """A tensor of one axis, which has no fan."""
    return {"tensor": with_shape(call.arguments["tensor"], 3)}


FAULTS = (
    Bad("tensor", "one axis", vector),
    Bad("tensor", "no tensor", put(tensor=None)),
)

XAVIER_FAULTS = (Bad("gain", "no number", put(gain=None)),)

KAIMING_FAULTS = (
    Bad("mode", "unknown", put(mode="fan")),
    Bad("mode", "no text", put(mode=1)),
    Bad("nonlinearity", "unknown", put(nonlinearity="sine")),
    Bad("a", "text", put(a="0", nonlinearity="leaky_relu")),
)


def initialiser(name: str) -> Op:
    """Declare an initialiser."""
    xavier = name.startswith("xavier")
    options = XAVIER if xavier else KAIMING
    return Op(
        name=name,
        without=computed_with("gain", "a"),
        signature=(
            "(tensor, gain=1.0, generator=None)"
            if xavier
            else "(tensor, a=0, mode='fan_in', nonlinearity='leaky_relu', generator=None)"
        ),
        definition=random,
        draw=partial(draw_initial, options=options),
        differentiable=(),
        order=0,
        dtypes=FLOATS,
        levels={"spatial axes": (0, 1, 2, 3), **options},
        bad=(*FAULTS, *(XAVIER_FAULTS if xavier else KAIMING_FAULTS)),
        oracle=partial(oracle, name),
    )


INITIALISERS = (
    *map(initialiser, ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_")),
)
