"""How wide the error bound of a result may be, and the reasons where it is wider.

**16-bit types** compute in float32, where sums cost next to nothing. There every well-conditioned
element of outputs and gradients has a bound of at most `LIMIT` units in the last place, `SAFETY`
included. An element is well-conditioned, nothing cancels in it, when it changes by at most `WELL`
times as much as its inputs do, relatively: all inputs and cotangents are multiplied by 1 ± 2⁻²⁰
with random signs, several times, in float64.

**float32 and float64** round every addition, and any order of additions is allowed. A single
rounding takes half a unit, and `SAFETY` of those are 4 units. There the smallest error of a whole
result that is caught is at most `LIMIT` units, in the median of the calls.

`REASONS` lists everything that needs more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from parity_tests.expectations import named_by
from parity_tests.experiments import is_integer
from parity_tests.op import Tensors
from parity_tests.running_error import SAFETY
from parity_tests.trial import seeded
from parity_tests.truth import Truth, computed_in

LIMIT = 8.0  # units in the last place
DEFINITE = ("forward", "gradients")  # the checks whose bounds are held to it
WELL = 4.0
NUDGE, NUDGES, SEED = 2.0**-20, 8, 2


@dataclass(frozen=True)
class Reason:
    """Why a bound is wider than `LIMIT` units, and how many units are enough."""

    ops: str  # patterns, with bars between them
    checks: str
    bits: int  # 16, or 32 for all wider types
    units: float
    why: str


REASONS = (
    Reason(
        "sigmoid|Sigmoid|tanh|Tanh|elu*|ELU",
        "gradients",
        16,
        20,
        "the backward uses the rounded output, and y(1 - y) and its kin cancel where y is flat",
    ),
    Reason(
        "softmax|Softmax*|softmin|Softmin",
        "gradients",
        16,
        100,
        "the backward uses the rounded output: two of its products cancel",
    ),
    Reason(
        "InstanceNorm*",
        "gradients",
        16,
        500,
        "of two positions the gradient is what eps leaves of a difference that cancels",
    ),
    Reason(
        "interpolate|Upsample",
        "forward|gradients",
        16,
        200,
        "weights come from rounded coordinates: one that is zero need not be known to be zero",
    ),
    Reason(
        "sobel_magnitude",
        "gradients",
        16,
        math.inf,
        "where the image is flat the gradient has no direction",
    ),
    Reason(
        "FlattenedConv2d",
        "gradients",
        16,
        16,
        "three convolutions, each of whose outputs and gradients is rounded",
    ),
    Reason(
        "*conv*|*Conv*|linear|Linear",
        "forward|gradients",
        32,
        1200,
        "sums of many products in any order: 4 units for each, of the sum of their moduli",
    ),
    Reason(
        "*avg_pool*|*AvgPool*|*max_pool*|*MaxPool*|*old",
        "forward|gradients",
        32,
        150,
        "sums in any order: 4 units for each addend",
    ),
    Reason(
        "pad|*Pad?d|interpolate|Upsample|Upsampling*",
        "forward|gradients",
        32,
        60,
        "sums in any order, of weights that come from rounded coordinates in interpolation",
    ),
    Reason(
        "lp_pool*|LPPool*|*norm|*Norm*|normalize",
        "forward|gradients",
        32,
        350,
        "statistics are sums, powers take 4 roundings, and the gradients are differences",
    ),
    Reason(
        "sigmoid|tanh|elu*|softplus|gamma|*soft*|*Soft*|Sigmoid|Tanh|ELU",
        "forward|gradients",
        32,
        180,
        "elementary functions take 4 roundings, 16 units each, and there are several of them",
    ),
    Reason(
        "sobel*|laplacian*|gaussian_blur|gaussian_pyramid|difference_of_gaussians",
        "forward|gradients",
        32,
        1200,
        "sums of many products in any order, and differences of such sums",
    ),
    Reason(
        "*fft*|ideal_*|gaussian_*_pass",
        "forward|gradients",
        32,
        1000,
        "a Fourier transform rounds 7 log n times, and a small output has as much of it as a large",
    ),
)


def limit(op: str, check: str, dtype: torch.dtype) -> float:
    """How many units are enough for an operator's bounds in a check."""
    bits = 16 if dtype.itemsize == 2 else 32
    return max(
        (
            reason.units
            for reason in REASONS
            if reason.bits == bits and named_by(reason.ops, op) and named_by(reason.checks, check)
        ),
        default=LIMIT,
    )


def widest(true: Truth) -> float | None:
    """The widest bound of a well-conditioned element, in units; None where there is no such one."""
    changes, eps = sensitivities(true), torch.finfo(computed_in(true.trial.dtype)).eps
    found: list[float] = []
    for name, value in true.values.items():
        if is_integer(value):
            continue
        size = value.abs()
        well = size.isfinite() & (size > 0) & (changes[name] <= WELL * size)
        found += (SAFETY * true.bound(name).error[well] / size[well] / eps).tolist()
    return max(found, default=None)


def sensitivities(true: Truth) -> dict[str, Tensor]:
    """How much each element changes, over NUDGE, when all inputs change by NUDGE, relatively."""
    generator = torch.Generator().manual_seed(SEED)

    def nudged(t: Tensor) -> Tensor:
        signs = torch.randint(0, 2, t.shape, generator=generator) * 2 - 1
        return t.clone() if is_integer(t) else t * (1 + NUDGE * signs)

    trial, worst = true.trial, {n: torch.zeros(v.shape) for n, v in true.values.items()}
    for _ in range(NUDGES):
        given = {name: nudged(t) for name, t in true.inputs.items()}
        over = {name: nudged(t) for name, t in true.cotangents.items()}
        run = partial(true.experiment, trial.op, trial.oracle, trial.call, given)
        with torch.backends.mkldnn.flags(enabled=False), seeded():
            results = run(partial(by_name, over))
        for name, result in results.items():
            change = (result.detach() - true.values[name]).abs() / NUDGE
            worst[name] = torch.maximum(worst[name], change)
    return worst


def by_name(cotangents: Tensors, name: str, _: Tensor) -> Tensor:
    """The cotangent of that name."""
    return cotangents[name].clone()
