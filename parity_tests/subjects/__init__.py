"""The subject: whatever implementation is under test, found by torch's names."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from parity_tests.subjects import integrity
from parity_tests.subjects.adapter import Abilities, Adapter

ADAPTER = "parity_subject"  # a module's attribute that stands for the module


ABLE = Abilities()  # to do all that torch does


@dataclass(frozen=True)
class Subject:
    """Namespaces holding torch.nn.functional's names and, where they have them, torch.nn's."""

    name: str
    namespaces: tuple[Any, ...]
    abilities: Abilities = ABLE

    def find(self, name: str) -> Callable[..., Any] | None:
        """The callable of that name, or None where the subject has none."""
        return next(
            (found for space in self.namespaces if (found := getattr(space, name, None))), None
        )

    @property
    def is_torch(self) -> bool:
        """Torch itself: then its results are judged once, and its faults are the subject's."""
        return self is TORCH


TORCH = Subject("torch", (torch.nn.functional, torch.nn, torch.nn.init))


class UnknownSubject(ValueError):
    """The subject's module or attribute does not exist."""


def load(text: str) -> Subject:
    """``pkg.module`` or ``pkg.module:attribute``; ``torch`` is torch itself.

    Modules are looked for in the current folder, too, as ``python -m`` does.
    """
    if text == "torch":
        return TORCH
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    module_name, _, attribute = text.partition(":")
    space = imported(text, module_name)
    for part in attribute.split(".") if attribute else ():
        if not hasattr(space, part):
            raise UnknownSubject(f"unknown subject {text!r}: {space!r} has no attribute {part!r}")
        space = getattr(space, part)
    return subject_of(text, space)


def imported(text: str, module_name: str) -> Any:
    """The subject's module, which must not change torch."""
    integrity.originals()
    before = integrity.settings()
    try:
        space = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the subject's own code does
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UnknownSubject(f"unknown subject {text!r}: {what}") from error
    replaced = integrity.replaced()
    after = integrity.settings()
    if changed := [name for name in after if after[name] != before[name]] or replaced:
        raise UnknownSubject(
            f"subject {text!r} cannot be judged: importing it changes {', '.join(changed[:3])}, so "
            "that it would be compared with itself"
        )
    return space


def subject_of(name: str, space: Any) -> Subject:
    """The subject of a namespace, an adapter, or a module that holds one as ``parity_subject``."""
    adapter = getattr(space, ADAPTER, space)
    if isinstance(adapter, Adapter):
        return Subject(name, (adapter,), adapter.abilities)
    return Subject(name, (space,))
