"""The tables, printed as they are measured and stored.

    python -m parity_tests.bench [--device cuda] [--only PATTERN | --sweep] [--output reports]

The machine should be quiet: times are the processor's, but caches and memory are shared.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from parity_tests.bench import growth, sweep
from parity_tests.bench.measure import PASSES, entry
from parity_tests.bench.shapes import SHAPES, Shape
from parity_tests.bench.sweep import say
from parity_tests.report.merge import environment, versions

SCHEMA = 1
DTYPES = {"cpu": (torch.float32, torch.float64), "cuda": (torch.float32, torch.bfloat16)}
Entry = dict[str, Any]

# What the reimplementation aims at: ours over torch's, for memory too.
SLOWEST = {"cpu": 2.5, "cuda": 6.0}
SLOWEST_TINY = {"cpu": 4.0, "cuda": 6.0}
MEMORY = 2.0
PRODUCT = 1.25  # a convolution is as fast as it can be at so much of a matrix product's time
NOISE = 1.1  # a ratio is slower than it was if it is by so much outside the quartiles of both


def main() -> int:
    """Measure, print, store, compare with what was stored before."""
    chosen = options()
    device = chosen.device
    torch.set_num_threads(1)
    shapes = [s for s in SHAPES if re.search(chosen.only, s.name) and not chosen.sweep]
    begun = time.time()
    with torch.random.fork_rng(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        torch.manual_seed(0)
        entries = list(measured(shapes, device))
    found = {
        "schema": SCHEMA,
        "device": device,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun)),
        "versions": versions(),
        "environment": environment(),
        "entries": entries,
        "geomean": means(entries),
    }
    if device == "cpu" and not chosen.only:
        found["growth"] = [] if chosen.sweep else growth.table()
        found["sweep"] = sweep.table()
    found["seconds"] = round(time.time() - begun, 1)
    name = "bench.json" if device == "cpu" else f"bench-{device}.json"
    for line in summary(found, baseline(chosen.output / "evidence" / name)):
        say(line)
    chosen.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    (chosen.output / name).write_text(text, encoding="utf-8")
    say(f"stored in {chosen.output / name}, {found['seconds']:.0f} s")
    return 0


def options() -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(prog="python -m parity_tests.bench", description=__doc__)
    parser.add_argument("--device", choices=sorted(DTYPES), default="cpu")
    parser.add_argument("--only", default="", help="a pattern that names of shapes contain")
    parser.add_argument("--sweep", action="store_true", help="the sweep alone")
    parser.add_argument("--output", type=Path, default=Path("reports"), help="folder")
    chosen = parser.parse_args()
    if chosen.device == "cuda" and not torch.cuda.is_available():
        parser.error("device 'cuda' was asked for, but torch sees none here")
    return chosen


def measured(shapes: Iterable[Shape], device: str) -> Iterable[Entry]:
    """One row per shape, dtype and pass, printed as it comes."""
    columns = f"{'ours ms':>10}{'torch ms':>10}{'ratio':>7}{'memory':>8}{'product':>8}"
    say(f"{'':<42}{'':<9}{'':<17}{columns}")
    for shape in shapes:
        for dtype in DTYPES[device]:
            for pass_ in PASSES:
                row = entry(shape, dtype, pass_, device)
                row["note"] = shape.note if misses(row, device) else None
                more = "".join(
                    f"{'' if row[name] is None else format(row[name], '.2f'):>8}"
                    for name in ("memory_ratio", "gemm_ratio")
                )
                times = f"{row['ours_ms']:10.3f}{row['torch_ms']:10.3f}{row['ratio']:7.2f}"
                say(f"{row['name']:<42}{row['dtype']:<9}{pass_:<17}{times}{more}")
                yield row


def misses(row: Mapping[str, Any], device: str) -> list[str]:
    """What of the goals an entry misses."""
    found = []
    slowest = (SLOWEST_TINY if row["tiny"] else SLOWEST)[device]
    if row["ratio"] > slowest and (row["gemm_ratio"] or math.inf) > PRODUCT:
        found.append(f"{row['ratio']} times torch's time")
    if (row["memory_ratio"] or 0) > MEMORY:
        found.append(f"{row['memory_ratio']} times its memory")
    return found


def means(entries: Iterable[Entry]) -> dict[str, float]:
    """Geometric means of ours/torch, per dtype and pass, of layers and of tiny calls apart."""
    groups: dict[str, list[float]] = {}
    for row in entries:
        size = ", tiny" if row["tiny"] else ""
        groups.setdefault(f"{row['dtype']} {row['pass']}{size}", []).append(row["ratio"])
    return {k: round(math.exp(statistics.fmean(map(math.log, v))), 3) for k, v in groups.items()}


def baseline(file: Path) -> dict[str, Any] | None:
    """What was measured before and kept, if anything was."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def slower(entries: Sequence[Entry], before: Sequence[Entry]) -> list[str]:
    """Entries whose ratio grew by more than the spread of either run and a tenth."""
    was = {(e["name"], e["dtype"], e["pass"]): e for e in before}
    lines = []
    for now in entries:
        then = was.get((now["name"], now["dtype"], now["pass"]))
        if then is not None and now["spread"][0] > NOISE * then["spread"][1]:
            what = f"{now['name']}, {now['dtype']} {now['pass']}"
            lines.append(f"slower than before: {what}: {then['ratio']} → {now['ratio']}")
    return lines


def summary(found: Mapping[str, Any], before: Mapping[str, Any] | None) -> Iterable[str]:
    """What the table amounts to."""
    for row in found["entries"]:
        for what in misses(row, found["device"]):
            why = row["note"] or "no reason known"
            yield f"misses: {row['name']}, {row['dtype']} {row['pass']}: {what} ({why})"
    for group, mean in found["geomean"].items():
        yield f"geometric mean of ours/torch, {group}: {mean:.2f}"
    if before is not None:
        yield f"compared with {before['started']}, {before['environment']['processor']}"
        now, then = (
            [*of["entries"], *(row for row in of.get("sweep", ()) if row["ratio"] is not None)]
            for of in (found, before)
        )
        yield from slower(now, then) or ["nothing is slower than before"]


if __name__ == "__main__":
    sys.exit(main())
