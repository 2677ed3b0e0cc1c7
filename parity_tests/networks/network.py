"""A network: how it is built, what it is fed, what it is trained to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network of the notes at a size that trains in a second."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]  # of a batch
    loss: Callable[[Any, Tensor], Tensor]  # of the output and the batch
    # Parameters whose exact gradient is zero, as a bias before a batch norm: rounding alone moves
    # them, and Adam by as much as any other.
    idle: tuple[str, ...] = ()


def block(*layers: nn.Module) -> nn.Sequential:
    """Layers one after another."""
    return nn.Sequential(*layers)
