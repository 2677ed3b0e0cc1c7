"""Training a network step for step, and how far two runs of it lie apart."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

import reimpl
from parity_tests.networks.network import Network

Optimizer = Callable[[Any], torch.optim.Optimizer]
OPTIMIZERS: Mapping[str, Optimizer] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.003),
}
STEPS = 20


@dataclass
class Run:
    """What is left of a training: every step's loss, and the state after the last."""

    losses: list[float] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)
    buffers: frozenset[str] = frozenset()  # which of the state are


def train(
    network: Network,
    optimizer: Optimizer,
    operators: Any = None,
    *,
    nudged: bool = False,
    after_step: Callable[[], object] = lambda: None,
) -> Run:
    """Train in float64 from seed 0: on torch, or on the operators if there are any.

    ``nudged``: every number of every batch is moved to one of its neighbours, up or down.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = network.build().double()
    steps, run = optimizer(model.parameters()), Run()
    for _ in range(STEPS):
        batch = torch.randn(network.shape, dtype=torch.float64, generator=generator)
        sides = torch.randint(2, network.shape, generator=generator)
        if nudged:
            batch = torch.nextafter(batch, torch.where(sides == 1, math.inf, -math.inf).double())
        steps.zero_grad()
        on = contextlib.nullcontext() if operators is None else reimpl.everywhere(operators)
        with on:
            loss = network.loss(model(batch), batch)
            loss.backward()
        after_step()
        steps.step()
        run.losses.append(loss.item())
    run.state = state_of(model, network)
    run.buffers = frozenset(name for name, _ in model.named_buffers())
    return run


def state_of(model: nn.Module, network: Network) -> dict[str, Tensor]:
    """Parameters and buffers, but for those that only rounding moves."""
    return {
        name: value.clone()
        for name, value in model.state_dict().items()
        if name not in network.idle and value.is_floating_point()
    }


def distances(one: Run, other: Run) -> dict[str, float]:
    """How far two runs lie apart at most: in their losses, parameters and buffers."""
    apart = {"losses": max(abs(a - b) for a, b in zip(one.losses, other.losses, strict=True))}
    for name, value in one.state.items():
        kind = "buffers" if name in one.buffers else "parameters"
        far = float((value - other.state[name]).abs().max())
        apart[kind] = max(far, apart.get(kind, 0.0))
    return apart
