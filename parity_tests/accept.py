"""The failures of a run as entries of an expectations file, without their reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from parity_tests.files import put

HEAD = """\
# Known departures. Every entry needs a reason before it excuses anything; `when` narrows it to a
# region (a condition on the call's arguments). An entry whose pinned case passes is an error.
"""


def accept(report: Mapping[str, Any], file: Path) -> int:
    """Append an entry for every failing cell that has a case; returns how many."""
    found = list(entries(report))
    text = file.read_text(encoding="utf-8") if file.exists() else HEAD
    put(file, text + "".join(found))
    return len(found)


def entries(report: Mapping[str, Any]) -> Iterator[str]:
    """The failing cells in TOML, with what was wrong as a comment."""
    for cell in report["cells"]:
        shown = cell["reproduction"]
        if cell["status"] != "fail" or shown is None or shown["details"].get("kind") == "stale":
            continue
        lines = ["", "[[known]]", *(f"# {plain(line)}" for line in cell["reason"].splitlines())]
        lines += [f'op = "{cell["op"]}"', f'check = "{cell["check"]}"']
        lines += [f'dtypes = ["{cell["dtype"]}"]'] if cell["dtype"] else []
        lines += [f'device = "{cell["device"]}"', 'when = "True"', *manner(shown["details"])]
        lines += ['reason = ""']
        case = json.dumps(shown["case"], separators=(",", ":")).replace("'", "\\u0027")
        lines += [f"pinned = '''{plain(case)}'''", ""]
        yield "\n".join(lines)


def plain(text: str) -> str:
    """The text without the control characters and surrogates that TOML has not, escaped."""
    kept = (
        c if c.isprintable() or c == "\t" else c.encode("unicode-escape").decode() for c in text
    )
    return "".join(kept)


def manner(details: Mapping[str, Any]) -> list[str]:
    """How it fails: the kind of departure, and the result that is off."""
    if details.get("kind") == "crash":
        return ["crashes = true"]
    return [
        f"{key} = {json.dumps(plain(details[key]))}" for key in ("kind", "result") if key in details
    ]
