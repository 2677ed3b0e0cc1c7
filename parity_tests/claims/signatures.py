"""Misprinted signatures, row S: calls that are refused, by a message that names the argument."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import refusal, unless

RANKS = st.integers(1, 3)


def called(nn: Any, layer: str, rank: int, **misprinted: Any) -> Contradiction:
    """What a layer of two channels, built and called, raises."""
    first = () if "Pool" in layer else (2,) if "Norm" in layer else (2, 2)
    kernel = () if "Norm" in layer else (2,)
    x = torch.ones(2, 2, *[4] * rank)
    return refusal(lambda: getattr(nn, f"{layer}{rank}d")(*first, *kernel, **misprinted)(x))


def track_running_states(nn: Any, layer: str, rank: int) -> Contradiction:
    """A norm built with track_running_states."""
    return called(nn, layer, rank, track_running_states=True)


def padding_mode_zores(nn: Any, layer: str, rank: int) -> Contradiction:
    """A convolution built with padding_mode='zores'."""
    return called(nn, layer, rank, padding_mode="zores")


def stride_of_one_point(nn: Any, layer: str, rank: int) -> Contradiction:
    """A layer built with stride=1. and called."""
    return called(nn, layer, rank, stride=1.0)


MISPRINTS = {
    "track_running_states": ("BatchNorm", True),
    "padding_mode": ("Conv", "zores"),
    "stride": ("Conv", 1.0),
}


def refused_by_name(nn: Any, argument: str, rank: int) -> Contradiction:
    """The first line of what each of these calls raises: whether it contains the argument."""
    layer, value = MISPRINTS[argument]
    refused = called(nn, layer, rank, **{argument: value})
    return unless(refused is not None and argument in refused, f"it says: {refused}")


CONVOLUTIONS = st.sampled_from(["Conv", "ConvTranspose"])

CLAIMS = (
    Claim(
        row="S",
        says="BatchNorm2d takes track_running_states.",
        verdict="refuted",
        property=track_running_states,
        cases={"layer": st.sampled_from(["BatchNorm", "InstanceNorm"]), "rank": RANKS},
    ),
    Claim(
        row="S",
        says="Conv2d takes padding_mode='zores'.",
        verdict="refuted",
        property=padding_mode_zores,
        cases={"layer": CONVOLUTIONS, "rank": RANKS},
    ),
    Claim(
        row="S",
        says="Conv2d takes stride=1., a float.",
        verdict="refuted",
        property=stride_of_one_point,
        cases={"layer": CONVOLUTIONS | st.just("MaxPool"), "rank": RANKS},
    ),
    Claim(
        row="S",
        says="The message of each refusal names the argument.",
        verdict="holds",
        property=refused_by_name,
        cases={"argument": st.sampled_from(list(MISPRINTS)), "rank": RANKS},
        subjects=("reimpl",),
    ),
)
