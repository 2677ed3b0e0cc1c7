"""Torch's faults as text for its issue tracker, each with a script that was run to show it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from parity_tests import expectations
from parity_tests.expectations import Expectation
from parity_tests.files import put
from parity_tests.reproduce import replay, script, trial_of
from parity_tests.trial import Departure

SHOWN = ("forward", "gradients", "second", "buffers")  # checks whose cases make a script
LONGEST = 40  # lines of output


def write(report: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """One Markdown file for each known fault that a run met; yields what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    met = {fault["reason"]: fault for fault in report["known"]}
    entries = {e.reason: e for e in expectations.load() if e.reason in met}
    for number, entry in enumerate(entries.values(), start=1):
        name = f"{number:02}-{re.sub('[^a-z0-9_]+', '-', entry.op.split('|')[0].lower())}.md"
        code = reproduced(entry)
        written = text(entry, met[entry.reason], report, code, output_of(code))
        put(folder / name, written)
        yield f"{name}{'' if code else ' (no script)'}: {entry.reason}"


def reproduced(entry: Expectation) -> str:
    """The script of the entry's pinned case; none where the fault is no result of a call."""
    if entry.crashes or entry.case["check"] not in SHOWN:
        return ""
    trial = trial_of({**entry.case, "subject": "torch"})
    try:
        replay(trial)
    except Departure as departure:
        return script(trial, departure.details)
    return ""  # memory or the processor decide, and did otherwise


def output_of(code: str) -> str:
    """What the script prints in an interpreter of its own, without this project."""
    if not code:
        return ""
    process = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
    )
    lines = (process.stdout + process.stderr).splitlines()
    middle = ["…"] if len(lines) > LONGEST else []
    return "\n".join(
        [*lines[: LONGEST // 2], *middle, *lines[-LONGEST // 2 :]] if middle else lines
    )


def text(
    entry: Expectation, met: Mapping[str, Any], report: Mapping[str, Any], code: str, output: str
) -> str:
    """What a maintainer of torch wants to know."""
    first, versions, environment = met["first"], report["versions"], report["environment"]
    dtypes = ", ".join(entry.dtypes) or "all"
    parts = [
        f"# {entry.op.replace('|', ', ')}: {entry.reason}",
        f"**What**: {entry.reason[0].upper()}{entry.reason[1:]}.",
        f"**Where**: {entry.check.replace('|', ', ')}; dtypes: {dtypes}; device: "
        f"{entry.device or 'any'}" + (f"; calls with `{entry.when}`." if entry.when else "."),
        f"**Found** by a property test in {first['op']}, {first['check']}"
        + (f", {first['dtype']}" if first["dtype"] else "")
        + f", after {first['cases']} cases of seed {report['seed']} in the {first['regime']} "
        f"regime; {met['cases']} cases in all.",
    ]
    if entry.link:
        parts.append(f"**Related**: {entry.link}")
    if code:
        parts += ["**Reproduction**", f"```python\n{code}```", f"**Output**\n\n```\n{output}\n```"]
    else:
        parts.append(f"**Case**, as the suite replays it: `{met['command']}`")
    parts.append(
        f"**Versions**: torch {versions['torch']}, Python {versions['python']}, "
        f"{environment['platform']}, {environment['processor']}, {environment['cpu_capability']}"
    )
    return "\n\n".join(parts) + "\n"
