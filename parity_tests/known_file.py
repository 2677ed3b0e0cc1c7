"""A file of a subject's known departures is checked before it excuses anything.

What is misspelt in it would excuse nothing, or more than is meant, and say so only by what fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from parity_tests.checks import CHECKS
from parity_tests.condition import BadCondition
from parity_tests.expectations import BadExpectations, Expectation, load, named_by
from parity_tests.op import Call
from parity_tests.ops import OPS

KINDS: dict[str, Any] = {"str": str, "float": (int, float), "bool": bool, "tuple[str, ...]": tuple}
NEEDED = ("op", "check", "dtype", "device", "call")
DTYPES = {str(dtype).removeprefix("torch.") for op in OPS for dtype in op.dtypes}


def of_subject(file: Path, subject: str) -> tuple[Expectation, ...]:
    """The entries of a subject's own file; raises BadExpectations, or OSError."""
    entries = load(file, subject)
    for number, entry in enumerate(entries, start=1):
        for problem in (*of_types(entry), *of_names(entry)):
            raise BadExpectations(f"{file.name}: entry {number}: {problem}")
        for problem in of_case(entry):
            raise BadExpectations(f"{file.name}: entry {number}: its pinned case {problem}")
    return entries


def of_types(entry: Expectation) -> Iterator[str]:
    """Values that are not of the kind their names ask for."""
    for field in fields(entry):
        kind, value = KINDS[str(field.type)], getattr(entry, field.name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            yield f"{field.name} must be a {field.type}, got {value!r}"


def of_names(entry: Expectation) -> Iterator[str]:
    """Names that nothing has: they would match in silence, or never."""
    yield from unknown("op", entry.op, [op.name for op in OPS])
    yield from unknown("check", entry.check, [check.name for check in CHECKS])
    yield from (f"unknown dtype {name!r}" for name in entry.dtypes if name not in DTYPES)
    yield from unknown("device", entry.device, ["cpu", "cuda"])
    try:
        SpecifierSet(entry.versions)
    except InvalidSpecifier as error:
        yield f"versions: {error}"


def unknown(what: str, patterns: str, names: Iterable[str]) -> Iterator[str]:
    """The patterns that no name fits."""
    names = list(names)
    for pattern in patterns.split("|"):
        if not any(named_by(pattern, name) for name in names):
            yield f"no {what} is named {pattern!r}"


def of_case(entry: Expectation) -> Iterator[str]:
    """What is wrong with the pinned case: it must be one, and lie where the entry excuses."""
    try:
        case = entry.case
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        yield f"cannot be read: {error}"
        return
    if not isinstance(case, Mapping) or not set(NEEDED) <= case.keys():
        yield f"must have {', '.join(NEEDED)}"
        return
    dtype: Any = getattr(torch, str(case["dtype"]), None)
    if not isinstance(case["call"], Call) or not isinstance(dtype, torch.dtype):
        yield "has no call, or an unknown dtype"
        return
    place = case["op"], case["check"], dtype, case["device"], case["call"]
    try:
        covered = not entry.applies_here() or entry.covers(*place)
    except BadCondition as error:
        yield f"cannot be asked about `when`: {error}"
        return
    if not covered:
        yield "lies outside of what the entry excuses: see its op, check, dtypes, device and when"
