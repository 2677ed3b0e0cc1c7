"""Claims about normalisation layers: rows A6 to A12, and what D says of batch norm."""

from __future__ import annotations

import inspect
from itertools import product
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import CLOSE, SEEDS, differs, integers, numbers, unless

KINDS = st.sampled_from(["batch", "group", "instance", "layer"])
SIZES = st.tuples(st.integers(2, 4), st.integers(1, 3), st.integers(1, 3), st.integers(2, 3))


def centred_and_scaled(x: Tensor, axes: tuple[int, ...], eps: float = 1e-5) -> Tensor:
    """(x − μ)/√(σ² + ε), μ and σ² over the axes."""
    mu = x.mean(axes, keepdim=True)
    var = ((x - mu) ** 2).mean(axes, keepdim=True)
    return (x - mu) / (var + eps) ** 0.5


# --- A6 ---


def one_formula(nn: Any, kind: str, size: tuple[int, ...], seed: int) -> Contradiction:
    """Each layer, without affine parameters, against the formula with its axes."""
    N, C, H, W = size
    C *= 2
    x = numbers(seed, N, C, H, W)
    if kind == "batch":
        return differs(
            nn.BatchNorm2d(C).double()(x), centred_and_scaled(x, (0, 2, 3)), within=CLOSE
        )
    if kind == "group":
        parts = centred_and_scaled(x.reshape(N, 2, -1), (2,)).reshape(x.shape)
        return differs(nn.group_norm(x, 2), parts, within=CLOSE)
    axes = (2, 3) if kind == "instance" else (1, 2, 3)
    y = nn.InstanceNorm2d(C).double()(x) if kind == "instance" else nn.layer_norm(x, (C, H, W))
    return differs(y, centred_and_scaled(x, axes), within=CLOSE)


def local_response_too(nn: Any, size: int, seed: int) -> Contradiction:
    """Local response norm against the formula, over any of the sets of axes."""
    x = numbers(seed, 2, 3, 2)
    y = nn.local_response_norm(x, size)
    candidates = [(0, 2), (2,), (1, 2), (1,)]
    gaps = [float((y - centred_and_scaled(x, axes)).abs().max()) for axes in candidates]
    said = f"it is off by {min(gaps):.3g} at least: no mean is subtracted"
    return unless(min(gaps) <= CLOSE, said)


# --- A7, A8 ---


def per_neuron(nn: Any, batch: int, features: int, seed: int) -> Contradiction:
    """BatchNorm1d of (N, C) against each column by itself."""
    x = numbers(seed, batch, features)
    alone = torch.cat([centred_and_scaled(c, (0,)) for c in x.split(1, 1)], 1)
    return differs(nn.BatchNorm1d(features).double()(x), alone, within=CLOSE)


def defaults(nn: Any, kind: str) -> Contradiction:
    """The constructor's defaults, and the buffers of an instance."""
    layer = getattr(nn, kind)
    expected = {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}
    parameters = inspect.signature(layer).parameters
    found = {name: parameters[name].default for name in expected}
    buffers = [name for name, _ in layer(2).named_buffers()]
    if buffers != ["running_mean", "running_var", "num_batches_tracked"]:
        return f"the buffers are {buffers}"
    return unless(found == expected, f"the defaults are {found}")


def statistics_fluctuate_as_one_over_n(nn: Any, n: int, population: list[int]) -> Contradiction:
    """The mean of every possible batch of n from a population: its variance is σ²/n, exactly."""
    values = torch.tensor(population, dtype=torch.float64)
    batches = torch.tensor(list(product(population, repeat=n)), dtype=torch.float64).T
    layer = nn.BatchNorm1d(batches.shape[1], momentum=1.0).double()
    layer(batches)  # each channel is one batch, so the running means are the batches' means
    variance = ((layer.running_mean - values.mean()) ** 2).mean()
    expected = ((values - values.mean()) ** 2).mean() / n
    return differs(variance, expected, within=CLOSE)


def bias_before_batch_norm(nn: Any, channels: int, training: bool, seed: int) -> Contradiction:
    """Outputs with and without the bias of a convolution in front, and the bias's gradient."""
    x, w = numbers(seed, 2, 2, 3, 3), numbers(seed + 1, channels, 2, 2, 2)
    b = numbers(seed + 2, channels).requires_grad_()
    norm = nn.BatchNorm2d(channels).double().train(training)
    with_bias = norm(nn.conv2d(x, w, b))
    without = norm(nn.conv2d(x, w))
    cotangent = numbers(seed + 3, *with_bias.shape)
    (gradient,) = torch.autograd.grad(with_bias, b, cotangent)
    return differs(with_bias, without, within=CLOSE) or differs(
        gradient, torch.zeros_like(gradient), within=CLOSE
    )


def untracked_is_without_moving_average(nn: Any, wanted: str, seed: int) -> Contradiction:
    """What track_running_stats=False leaves in eval, against the average that was wanted."""
    layer = nn.BatchNorm1d(2, track_running_stats=False).double()
    batches = [numbers(seed + i, 3, 2) for i in range(3)]
    for batch in batches:
        layer(batch)
    if wanted == "no running statistics":
        x = numbers(seed + 9, 4, 2)
        return differs(layer.eval()(x), centred_and_scaled(x, (0,)), within=CLOSE)
    cumulative = nn.BatchNorm1d(2, momentum=None).double()
    for batch in batches:
        cumulative(batch)
    plain = torch.stack([b.mean(0) for b in batches]).mean(0)
    wrong = differs(cumulative.running_mean, plain, within=CLOSE)
    return wrong or "it keeps no average at all; momentum=None keeps the plain one"


# --- A9, A10, A11 ---


def without_the_batch(nn: Any, n: int, groups: int, seed: int) -> Contradiction:
    """A sample's result in a batch of n against its result alone; no buffers."""
    layer = nn.GroupNorm(groups, 2 * groups).double()
    x = numbers(seed, n, 2 * groups, 3)
    buffers = list(layer.buffers())
    return differs(layer(x)[:1], layer(x[:1]), within=CLOSE) or unless(
        not buffers, f"it has {len(buffers)} buffers"
    )


def one_group_is_layer_norm(nn: Any, affine: str, seed: int) -> Contradiction:
    """group_norm with one group against layer_norm over (C, H), with what parameters they have."""
    C, H = 2, 3
    x = numbers(seed, 2, C, H)
    grouped: dict[str, Tensor] = {}
    layered: dict[str, Tensor] = {}
    if affine != "off":
        per_element = integers(seed + 1, C, H) + 4
        if affine == "constant per channel":
            per_element = per_element[:, :1].expand(C, H)
        grouped, layered = {"weight": per_element[:, 0]}, {"weight": per_element}
    return differs(
        nn.group_norm(x, 1, **grouped), nn.layer_norm(x, (C, H), **layered), within=CLOSE
    )


def groups_of_one_are_instance_norm(nn: Any, channels: int, seed: int) -> Contradiction:
    """group_norm with as many groups as channels against instance_norm."""
    x = numbers(seed, 2, channels, 3, 2)
    return differs(nn.group_norm(x, channels), nn.instance_norm(x), within=CLOSE)


def samples_are_independent(nn: Any, n: int, seed: int) -> Contradiction:
    """Instance norm of a sample, with the others replaced."""
    x, other = numbers(seed, n, 2, 3, 2), numbers(seed + 1, n, 2, 3, 2)
    other[0] = x[0]
    layer = nn.InstanceNorm2d(2).double()
    return differs(layer(x)[0], layer(other)[0], within=CLOSE)


def instance_defaults(nn: Any) -> Contradiction:
    """The constructor's defaults."""
    expected = {"eps": 1e-5, "momentum": 0.1, "affine": False, "track_running_stats": False}
    parameters = inspect.signature(nn.InstanceNorm2d).parameters
    found = {name: parameters[name].default for name in expected}
    return unless(found == expected, f"the defaults are {found}")


def elementwise_affine_is_off(nn: Any) -> Contradiction:
    """The default of elementwise_affine, and whether a layer has a weight."""
    default = inspect.signature(nn.LayerNorm).parameters["elementwise_affine"].default
    count = sum(p.numel() for p in nn.LayerNorm(3).parameters())
    said = f"the default is {default}, and LayerNorm(3) has {count} parameters"
    return unless(default is False and count == 0, said)


def every_axis_but_the_batch(
    nn: Any, shape: tuple[int, ...], kept: int, seed: int
) -> Contradiction:
    """Layer norm over the last axes against the formula over all axes but the first."""
    x = numbers(seed, *shape)
    y = nn.layer_norm(x, shape[min(kept, len(shape) - 1) :])
    return differs(y, centred_and_scaled(x, tuple(range(1, len(shape)))), within=CLOSE)


def replaced_elsewhere(seed: int, steps: int) -> tuple[Tensor, Tensor]:
    """Two samples of features at each step, alike in the first step of the first sample only."""
    x, other = numbers(seed, 2, steps, 3), numbers(seed + 1, 2, steps, 3)
    other[0, 0] = x[0, 0]
    return x, other


def layer_norm_by_the_step(nn: Any, steps: int, seed: int) -> Contradiction:
    """Layer norm of one time step of one sample, with all other steps and samples replaced."""
    x, other = replaced_elsewhere(seed, steps)
    return differs(nn.layer_norm(x, (3,))[0, 0], nn.layer_norm(other, (3,))[0, 0], within=CLOSE)


def batch_norm_by_the_step(nn: Any, steps: int, seed: int) -> Contradiction:
    """The same with batch norm."""
    layer = nn.BatchNorm1d(3).double()
    one, two = (layer(t.transpose(1, 2))[0, :, 0] for t in replaced_elsewhere(seed, steps))
    return differs(one, two, within=CLOSE)


# --- D1 on batch norm ---


def momentum_as_in_sgd(nn: Any, momentum: float) -> Contradiction:
    """One step from zero by a batch of mean one: SGD's momentum weights the old value."""
    layer = nn.BatchNorm1d(1, momentum=momentum).double()
    layer(torch.tensor([[0.0], [2.0]], dtype=torch.float64))
    found, expected = layer.running_mean.item(), 1 - momentum
    said = f"from 0, a batch of mean 1 gives {found:g}; weighting the old would give {expected:g}"
    return unless(abs(found - expected) < CLOSE, said)


def var_is_standard_deviations(nn: Any, scale: int) -> Contradiction:
    """running_var of a batch whose unbiased variance is known."""
    layer = nn.BatchNorm1d(1, momentum=1.0).double()
    layer(torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64) * scale)
    found = layer.running_var.item()
    return unless(abs(found - scale) < CLOSE, f"it is {found:g}, the standard deviation {scale}")


CLAIMS = (
    Claim(
        row="A6",
        says="One formula, (x − μ)/√(σ² + ε)·γ + β, is batch, group, instance and layer norm; "
        "they differ in the axes that μ and σ² run over.",
        verdict="holds",
        property=one_formula,
        cases={"kind": KINDS, "size": SIZES, "seed": SEEDS},
    ),
    Claim(
        row="A6",
        says="Local response norm follows that formula as well.",
        verdict="refuted",
        property=local_response_too,
        cases={"size": st.integers(1, 3), "seed": SEEDS},
    ),
    Claim(
        row="A7",
        says="Batch norm of a fully connected layer normalises each neuron over the batch.",
        verdict="holds",
        property=per_neuron,
        cases={"batch": st.integers(2, 6), "features": st.integers(1, 5), "seed": SEEDS},
    ),
    Claim(
        row="A8",
        says="BatchNorm1d, 2d and 3d take eps=1e-5, momentum=0.1, affine=True, "
        "track_running_stats=True, and keep running_mean, running_var, num_batches_tracked.",
        verdict="holds",
        property=defaults,
        cases={"kind": st.sampled_from(["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"])},
    ),
    Claim(
        row="A8",
        says="Statistics of small batches fluctuate more: the variance of a batch's mean falls "
        "as 1/N.",
        verdict="holds",
        property=statistics_fluctuate_as_one_over_n,
        cases={
            "n": st.integers(2, 5),
            "population": st.lists(st.integers(-9, 9), min_size=2, max_size=3),
        },
    ),
    Claim(
        row="A8",
        says="The bias of a convolution directly before batch norm has no effect and a gradient "
        "of zero, so it may be dropped.",
        verdict="holds if",
        condition="the layer is training: in eval the running mean does not move with the bias",
        within=lambda training, **_: training,
        property=bias_before_batch_norm,
        cases={"channels": st.integers(1, 3), "training": st.booleans(), "seed": SEEDS},
    ),
    Claim(
        row="A8",
        says="To do without the moving average, set track_running_stats=False.",
        verdict="holds if",
        condition="no running statistics are wanted at all: momentum=None keeps the plain average",
        within=lambda wanted, **_: wanted == "no running statistics",
        property=untracked_is_without_moving_average,
        cases={
            "wanted": st.sampled_from(["no running statistics", "the cumulative average"]),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="A9",
        says="Group norm uses no batch statistics, has no buffers, and does not depend on the "
        "batch size.",
        verdict="holds",
        property=without_the_batch,
        cases={"n": st.integers(1, 4), "groups": st.integers(1, 3), "seed": SEEDS},
    ),
    Claim(
        row="A9",
        says="With one group, group norm equals layer norm over (C, *).",
        verdict="holds if",
        condition="affine is off or constant per channel: group norm has a weight per channel, "
        "layer norm one per element",
        within=lambda affine, **_: affine != "on",
        property=one_group_is_layer_norm,
        cases={
            "affine": st.sampled_from(["off", "constant per channel", "on"]),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="A9",
        says="With as many groups as channels, group norm equals instance norm.",
        verdict="holds",
        property=groups_of_one_are_instance_norm,
        cases={"channels": st.integers(1, 4), "seed": SEEDS},
    ),
    Claim(
        row="A10",
        says="In instance norm a sample's output does not depend on the other samples.",
        verdict="holds",
        property=samples_are_independent,
        cases={"n": st.integers(2, 4), "seed": SEEDS},
    ),
    Claim(
        row="A10",
        says="InstanceNorm takes eps=1e-5, momentum=0.1, affine=False, track_running_stats=False.",
        verdict="holds",
        property=instance_defaults,
    ),
    Claim(
        row="A11",
        says="LayerNorm's elementwise_affine is False by default.",
        verdict="refuted",
        property=elementwise_affine_is_off,
    ),
    Claim(
        row="A11",
        says="Layer norm normalises over every dimension but the batch.",
        verdict="holds if",
        condition="normalized_shape = shape[1:]",
        within=lambda kept, **_: kept == 1,
        property=every_axis_but_the_batch,
        cases={
            "shape": st.tuples(st.integers(2, 3), st.integers(2, 3), st.integers(2, 4)),
            "kept": st.integers(1, 2),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="A11b",
        says="Layer norm suits recurrent networks: the statistics of one time step do not depend "
        "on other steps or samples.",
        verdict="holds",
        property=layer_norm_by_the_step,
        cases={"steps": st.integers(1, 4), "seed": SEEDS},
    ),
    Claim(
        row="A11b",
        says="The same is true of batch norm.",
        verdict="refuted",
        property=batch_norm_by_the_step,
        cases={"steps": st.integers(1, 4), "seed": SEEDS},
    ),
    Claim(
        row="D1",
        says="Batch norm's momentum is that of SGD.",
        verdict="refuted",
        property=momentum_as_in_sgd,
        cases={"momentum": st.sampled_from([0.5, 0.25, 0.1])},
    ),
    Claim(
        row="D1",
        says="The running var is the vector of standard deviations.",
        verdict="refuted",
        property=var_is_standard_deviations,
        cases={"scale": st.integers(1, 4)},
    ),
)
