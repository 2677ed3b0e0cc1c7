"""Claims about convolution: row C1, and what D1 says of its arguments."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import SEEDS, differs, integers, refusal, unless

RANKS = st.integers(1, 3)
MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


def conv(nn: Any, rank: int, transposed: bool = False) -> Any:
    """The layer of that rank."""
    return getattr(nn, f"Conv{'Transpose' * transposed}{rank}d")


# --- C1 ---


def weight_by_groups(
    nn: Any, rank: int, channels: tuple[int, int], groups: int, kernel: int
) -> Contradiction:
    """The weight's shape, the channels being so many in each group."""
    I, O = channels
    layer = conv(nn, rank)(I * groups, O * groups, kernel, groups=groups)
    found, expected = tuple(layer.weight.shape), (O * groups, I, *[kernel] * rank)
    return unless(found == expected, f"it is {found}, not {expected}")


def same_keeps_the_size(
    nn: Any, rank: int, kernel: int, dilation: int, stride: int
) -> Contradiction:
    """The output's size with padding='same', beside the input's."""
    x = torch.zeros(1, 1, *range(4, 4 + rank))

    def output() -> tuple[int, ...]:
        layer = conv(nn, rank)(1, 1, kernel, stride, "same", dilation)
        return tuple(layer(x).shape)

    return refusal(output) or unless(output() == x.shape, f"{tuple(x.shape)} becomes {output()}")


def valid_pads_nothing(nn: Any, rank: int, kernel: int, stride: int, seed: int) -> Contradiction:
    """padding='valid' against padding=0."""
    x, w = integers(seed, 1, 2, *[6] * rank), integers(seed + 1, 3, 2, *[kernel] * rank)
    function = getattr(nn, f"conv{rank}d")
    return differs(function(x, w, None, stride, "valid"), function(x, w, None, stride, 0))


def padding_mode_pads_first(
    nn: Any, rank: int, mode: str, padding: int, seed: int
) -> Contradiction:
    """A layer with a padding_mode against padding in that mode, then a convolution without."""
    x = integers(seed, 1, 2, *range(4, 4 + rank))
    layer = conv(nn, rank)(2, 3, 3, padding=padding, padding_mode=mode, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(integers(seed + 1, *layer.weight.shape))
    padded = nn.pad(x, [padding] * 2 * rank, MODES[mode])
    return differs(layer(x), getattr(nn, f"conv{rank}d")(padded, layer.weight))


def xavier_bit_for_bit(nn: Any, name: str, shape: tuple[int, ...], seed: int) -> Contradiction:
    """Values of one generator's state, against torch.nn.init's."""
    drawn = []
    for function in (getattr(nn, name), getattr(torch.nn.init, name)):
        generator = torch.Generator().manual_seed(seed)
        drawn.append(function(torch.empty(shape), generator=generator))
    return differs(*drawn)


def initial_weights_bit_for_bit(
    nn: Any, rank: int, transposed: bool, groups: int, seed: int
) -> Contradiction:
    """A new layer's weight and bias under one seed, against those of torch's."""
    drawn = []
    for module in (nn, torch.nn):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layer = conv(module, rank, transposed)(4, 6, 3, groups=groups)
        drawn.append(torch.cat([p.flatten() for p in layer.parameters()]))
    return differs(*drawn)


# --- D1 ---


def integer_or_tuple(nn: Any, kernel: int, stride: int, padding: int) -> Contradiction:
    """Layers given kernel, stride and padding as integers, and the same layers given pairs."""
    x, geometry = integers(0, 1, 2, 6, 5), (kernel, stride, min(padding, kernel // 2))
    for name in ("Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d"):
        channels = (2, 2) if "Conv" in name else ()
        single = getattr(nn, name)(*channels, *geometry).double()
        double = getattr(nn, name)(*channels, *[(n, n) for n in geometry]).double()
        double.load_state_dict(single.state_dict())
        wrong = differs(single(x), double(x))
        if wrong:
            return f"{name}: {wrong}"
    return None


def two_groups_are_two_convolutions(nn: Any, channels: tuple[int, int], seed: int) -> Contradiction:
    """groups=2 against two convolutions, each of half the channels to half the outputs."""
    I, O = channels
    x, w = integers(seed, 2, 2 * I, 4, 3), integers(seed + 1, 2 * O, I, 2, 2)
    halves = zip(x.chunk(2, 1), w.chunk(2, 0), strict=True)
    apart = torch.cat([nn.conv2d(*half) for half in halves], 1)
    return differs(nn.conv2d(x, w, groups=2), apart)


def channels_with_kernels_of_their_own(
    nn: Any, channels: int, multiplier: int, seed: int
) -> Contradiction:
    """groups=in_channels: output c·m + i against channel c convolved with kernel c·m + i."""
    x = integers(seed, 1, channels, 4, 3)
    w = integers(seed + 1, channels * multiplier, 1, 2, 2)
    alone = [nn.conv2d(x[:, [o // multiplier]], w[[o]]) for o in range(len(w))]
    return differs(nn.conv2d(x, w, groups=channels), torch.cat(alone, 1))


class Channels(NamedTuple):
    """Channels in groups, of which there are at most as many as input channels."""

    inputs: int
    outputs: int
    groups: int


def groups_of_any_number(nn: Any, channels: Channels) -> Contradiction:
    """Whether a layer with so many groups is built, and gives its output channels."""
    I, O, G = channels

    def output() -> tuple[int, ...]:
        return tuple(nn.Conv2d(I, O, 1, groups=G)(torch.zeros(1, I, 1, 1)).shape)

    return refusal(output) or unless(output() == (1, O, 1, 1), f"the output is {output()}")


CLAIMS = (
    Claim(
        row="C1",
        says="The weight of Conv1d, 2d and 3d is (O, I/groups, *K).",
        verdict="holds",
        property=weight_by_groups,
        cases={
            "rank": RANKS,
            "channels": st.tuples(st.integers(1, 3), st.integers(1, 3)),
            "groups": st.integers(1, 3),
            "kernel": st.integers(1, 3),
        },
    ),
    Claim(
        row="C1",
        says="padding='same' gives an output of the input's size.",
        verdict="holds if",
        condition="the stride is 1: with any other the call is refused",
        within=lambda stride, **_: stride == 1,
        property=same_keeps_the_size,
        cases={
            "rank": RANKS,
            "kernel": st.integers(1, 5),
            "dilation": st.integers(1, 3),
            "stride": st.integers(1, 3),
        },
    ),
    Claim(
        row="C1",
        says="padding='valid' pads nothing.",
        verdict="holds",
        property=valid_pads_nothing,
        cases={
            "rank": RANKS,
            "kernel": st.integers(1, 4),
            "stride": st.integers(1, 3),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="C1",
        says="padding_mode zeros, reflect, replicate or circular says what the input is padded "
        "with.",
        verdict="holds",
        property=padding_mode_pads_first,
        cases={
            "rank": RANKS,
            "mode": st.sampled_from(list(MODES)),
            "padding": st.integers(0, 3),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="C1",
        says="xavier_normal_ and xavier_uniform_ equal torch's bit for bit under one seed.",
        verdict="holds",
        property=xavier_bit_for_bit,
        cases={
            "name": st.sampled_from(["xavier_uniform_", "xavier_normal_"]),
            "shape": st.lists(st.integers(1, 5), min_size=2, max_size=4).map(tuple),
            "seed": SEEDS,
        },
        subjects=("reimpl",),
    ),
    Claim(
        row="C1",
        says="So do the initial weights of the convolutions and their transposes.",
        verdict="holds",
        property=initial_weights_bit_for_bit,
        cases={
            "rank": RANKS,
            "transposed": st.booleans(),
            "groups": st.integers(1, 2),
            "seed": SEEDS,
        },
        subjects=("reimpl",),
    ),
    Claim(
        row="D1",
        says="Every geometric argument is an integer or a tuple.",
        verdict="holds",
        property=integer_or_tuple,
        cases={
            "kernel": st.integers(1, 3),
            "stride": st.integers(1, 3),
            "padding": st.integers(0, 1),
        },
    ),
    Claim(
        row="D1",
        says="groups=2 is two convolutions side by side, each of half the input channels to half "
        "the output channels.",
        verdict="holds",
        property=two_groups_are_two_convolutions,
        cases={"channels": st.tuples(st.integers(1, 3), st.integers(1, 3)), "seed": SEEDS},
    ),
    Claim(
        row="D1",
        says="groups=in_channels gives each channel out_channels/in_channels kernels of its own.",
        verdict="holds",
        property=channels_with_kernels_of_their_own,
        cases={"channels": st.integers(1, 4), "multiplier": st.integers(1, 3), "seed": SEEDS},
    ),
    Claim(
        row="D1",
        says="groups may be any number from 1 to in_channels.",
        verdict="holds if",
        condition="it divides in_channels and out_channels",
        within=lambda channels: all(n % channels.groups == 0 for n in channels),
        property=groups_of_any_number,
        cases={
            "channels": st.integers(1, 6).flatmap(
                lambda I: st.builds(Channels, st.just(I), st.integers(1, 6), st.integers(1, I))
            ),
        },
    ),
)
