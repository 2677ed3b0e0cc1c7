"""The subject: whatever implementation is under test, found by torch's names."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Container, Iterator
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


def unjudged(subject: Subject, judged: Container[str]) -> list[str]:
    """The subject's functions and classes that the suite has no declaration of, by name.

    They have one of torch's names, or are the module's own. Torch's own, imported, are left out.
    """
    return sorted(
        {
            name
            for space in subject.namespaces
            for name, found in public(getattr(space, "namespace", space))
            if not subject.is_torch and name not in judged and not torchs_own(name, found)
        }
    )


def public(space: Any) -> Iterator[tuple[str, Any]]:
    """The callables that a namespace makes or names as torch does, looked up without running it."""
    for name in dir(space):
        found = inspect.getattr_static(space, name, None)
        own = getattr(found, "__module__", None) == getattr(space, "__name__", "")
        if not name.startswith("_") and callable(found) and (own or named_by_torch(name)):
            yield name, found


def named_by_torch(name: str) -> bool:
    """Whether it is the name of something of torch's to be called."""
    found = TORCH.find(name)
    return callable(found) and str(getattr(found, "__module__", "")).startswith("torch")


def torchs_own(name: str, found: Any) -> bool:
    """Whether it is torch's itself, under its own name."""
    return any(vars(space).get(name) is found for space in (*TORCH.namespaces, torch))


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
    before, here = integrity.settings(), os.getcwd()
    try:
        space = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the subject's own code does
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UnknownSubject(f"unknown subject {text!r}: {what}") from error
    finally:
        os.chdir(here)  # the report is looked for where it was asked for
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
