"""How a target spells its parameters: an ordinary implementation need not have torch's names.

``def relu(x)`` is given its input though it calls it x, and a group norm without ``bias`` is right
in every call without one. That the names are not torch's is told once, by the check ``contract``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any

BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Spelling:
    """What a target calls torch's parameters."""

    own: dict[str, str]  # torch's name to the target's, where it is another in the same place
    takes: frozenset[str] | None  # of torch's names; None where it takes any, or does not say
    first: tuple[str, ...] = ()  # the target's names that can only be given by place

    @property
    def is_torchs(self) -> bool:
        """Whether arguments can be given as they are."""
        return not self.own and not self.first

    def given(self, arguments: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Arguments by torch's names, as the target takes them: by place, and by name."""
        named = {self.own.get(name, name): value for name, value in arguments.items()}
        return [named.pop(name) for name in self.first if name in named], named


@lru_cache(maxsize=4096)
def spelling(target: Callable[..., Any], names: tuple[str, ...]) -> Spelling:
    """The target's spelling of torch's parameters, which are given in torch's order."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):  # torch's built-ins
        return Spelling({}, None)
    kinds = {name: parameter.kind for name, parameter in parameters.items()}
    places = [name for name, kind in kinds.items() if kind in BY_PLACE]
    own = {
        torchs: name
        for torchs, name in zip(names, places, strict=False)
        if torchs not in parameters and name not in names
    }
    first = tuple(name for name, kind in kinds.items() if kind is BY_PLACE[0])
    if inspect.Parameter.VAR_KEYWORD in kinds.values():
        return Spelling(own, None, first)
    return Spelling(own, frozenset((*parameters, *own)), first)


def spelled(target: Callable[..., Any], how: Spelling) -> Callable[..., Any]:
    """The target as one that takes torch's names."""
    if how.is_torchs:
        return target

    @wraps(target)
    def call(**arguments: Any) -> Any:
        first, named = how.given(arguments)
        return target(*first, **named)

    return call
