"""Files that are written whole or not at all, in text that can always be encoded."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def put(file: Path, content: str | bytes) -> None:
    """Write the file in one step: a reader sees the old one or the new one.

    A subject's message may hold half of a surrogate pair, which UTF-8 has not: it is escaped.
    """
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def of_json(file: Path) -> dict[str, Any] | None:
    """A file beside the report, made by another command: None, and a line, where it is no JSON."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
        error: Exception | str = "no object"
    except (OSError, ValueError) as problem:
        error = problem
    left_out(file, error)
    return None


def left_out(what: object, why: object) -> None:
    """Say that something is not on the page, and go on: it must not cost the report."""
    sys.stderr.write(f"left out of the page: {what}: {why}\n")
