"""A failing case as a small file: easy to read, to edit, and to replay."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity_tests import subjects
from parity_tests.checks import CHECKS
from parity_tests.files import put
from parity_tests.ops import OPS
from parity_tests.reproduce import trial_of
from parity_tests.trial import Trial, named

# The seed that a case was found under is for people: it is replayed without it.
KEYS = ("op", "check", "subject", "dtype", "device", "regime", "call", "seed")
FOLDER = "cases"  # beside the report
LINE = 90  # characters: what fits in one line is written in one line


class BadCase(ValueError):
    """What was given is no case; the message is one line."""


def keep(case: Mapping[str, Any], file: Path) -> str:
    """Write the case; returns the command that replays the file."""
    put(file, pretty(case) + "\n")
    return f"python -m parity_tests replay {shlex.quote(shown(file))}"


def shown(file: Path) -> str:
    """The file's path: a relative one where the current folder holds it."""
    here = Path.cwd()
    return os.path.relpath(file, here) if file.is_relative_to(here) else str(file)


def discard(folder: Path, cell: str) -> None:
    """Remove what an earlier run left for a cell, so that only its present failure has a file."""
    for file in (folder / f"{cell}.json", *folder.glob(f"{cell}-torch-*.json")):
        file.unlink(missing_ok=True)


def pretty(value: Any, indent: int = 0) -> str:
    """JSON in which short values stay on one line: a tensor's shape is one line, not ten."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + len(flat) <= LINE or not isinstance(value, Mapping | list) or not value:
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, Mapping):
        parts = [f"{json.dumps(k)}: {pretty(v, indent + 2)}" for k, v in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [pretty(v, indent + 2) for v in value]
        opening, closing = "[", "]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{' ' * indent}{closing}"


def read(given: str, subject: str | None = None) -> Trial:
    """The trial of a case's file, or of its JSON; ``subject`` takes the place of the case's own.

    Raises:
        BadCase: no such file, no JSON, or JSON that is no case.
    """
    case = checked(parsed(given))
    try:
        trial = trial_of(case if subject is None else {**case, "subject": subject})
        trial.tensors()
    except subjects.UnknownSubject as error:
        raise BadCase(str(error)) from error
    except Exception as error:  # whatever the names and numbers of an edited call lead to
        raise BadCase(f"its call cannot be made: {named(error)}") from error
    return trial


def parsed(given: str) -> Any:
    """The JSON itself, or that of the file named."""
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise BadCase(f"{given[:80]}: {error}") from error


def checked(case: Any) -> Mapping[str, Any]:
    """The case, if it has all that a case must have and nothing else."""
    if not isinstance(case, dict):
        raise BadCase(f"a case is an object with {', '.join(KEYS)}")
    missing = [key for key in ("op", "check", "dtype", "device", "call") if key not in case]
    if missing:
        raise BadCase(f"it has no {missing[0]!r}")
    unknown = [key for key in case if key not in KEYS]
    if unknown:
        raise BadCase(f"unknown {unknown[0]!r}; known: {', '.join(KEYS)}")
    for key, known in (("op", [op.name for op in OPS]), ("check", [c.name for c in CHECKS])):
        if case[key] not in known:
            raise BadCase(f"unknown {key} {case[key]!r}")
    return case
