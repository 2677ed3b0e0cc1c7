"""What a section of the page is made of: figures, each with its panels and the code behind them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from parity_tests.gallery.pictures import Picture


class Panel(NamedTuple):
    """A picture and its label; ``overlay`` is SVG in the picture's pixels, drawn over it."""

    label: str
    picture: Picture
    alt: str
    overlay: str = ""


class Figure(NamedTuple):
    """Panels side by side; the caption says what one sees, the code how it was made."""

    title: str
    caption: str
    code: str
    panels: tuple[Panel, ...]
    columns: int | None = None  # without a number each panel has its picture's own size


class Section(NamedTuple):
    id: str
    title: str
    lead: str
    figures: tuple[Figure, ...]


def panels(
    shown: Mapping[str, Tensor], paint: Callable[[Tensor], Picture], of: str
) -> tuple[Panel, ...]:
    """One panel for each result; ``of`` says what they were computed from."""
    return tuple(Panel(label, paint(t), f"{of}: {label}") for label, t in shown.items())


def source(*functions: Callable[..., Any]) -> str:
    """The code of functions, each under the module it can be imported from."""
    return "\n\n".join(f"# {f.__module__}\n{inspect.getsource(f).rstrip()}" for f in functions)
