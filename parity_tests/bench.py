"""Speed beside torch.nn: ratios of times, interleaved in one run, one thread, medians.

Absolute times depend on what else the machine does; a ratio within one round does not, or far
less. Every round draws fresh data and runs each side once, in turns who goes first.

    python -m parity_tests.bench        prints the table, writes reports/bench.json
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import reimpl

ROUNDS = 9
LEAST_SECONDS = 0.002  # a measurement repeats its call until it takes at least this long


@dataclass(frozen=True)
class Case:
    """A named shape: the operator, its tensors' shapes, its other arguments."""

    name: str
    op: str
    shapes: tuple[tuple[int, ...], ...]
    options: dict[str, Any]


CASES = (
    Case("conv2d 3x3, 56², 64", "conv2d", ((4, 64, 56, 56), (64, 64, 3, 3)), {"padding": 1}),
    Case("conv2d 1x1, 7²", "conv2d", ((4, 512, 7, 7), (2048, 512, 1, 1)), {}),
    Case("conv2d tiny", "conv2d", ((2, 4, 8, 8), (4, 4, 3, 3)), {"padding": 1}),
    Case("conv1d, 4096", "conv1d", ((4, 64, 4096), (64, 64, 9)), {"padding": 4}),
    Case("conv3d, 32³", "conv3d", ((1, 16, 32, 32, 32), (32, 16, 3, 3, 3)), {"padding": 1}),
    Case(
        "conv_transpose2d 4x4 s2",
        "conv_transpose2d",
        ((8, 512, 8, 8), (512, 256, 4, 4)),
        {"stride": 2, "padding": 1},
    ),
    Case(
        "conv_transpose2d tiny",
        "conv_transpose2d",
        ((2, 4, 8, 8), (4, 4, 3, 3)),
        {"stride": 2, "padding": 1},
    ),
    Case("batch_norm, 56²", "batch_norm", ((8, 64, 56, 56),), {"training": True}),
    Case("batch_norm tiny", "batch_norm", ((2, 4, 8, 8),), {"training": True}),
)


def tensors(case: Case, dtype: torch.dtype, *, grad: bool) -> list[Any]:
    """Fresh data for one round."""
    made: list[Any] = [torch.randn(shape, dtype=dtype) for shape in case.shapes]
    for t in made:
        t.requires_grad_(grad)
    return [*made, None, None] if case.op == "batch_norm" else made


def forward(function: Callable[..., Tensor], case: Case, inputs: list[Any]) -> None:
    """The call alone."""
    with torch.no_grad():
        function(*inputs, **case.options)


def both(function: Callable[..., Tensor], case: Case, inputs: list[Any]) -> None:
    """Forward, and backward to every input."""
    y = function(*inputs, **case.options)
    torch.autograd.grad(y, [t for t in inputs if t is not None], torch.ones_like(y))


def seconds(run: Callable[[], None]) -> float:
    """Process time of one call, from as many as take long enough to be measured."""
    run()
    count, spent = 0, 0.0
    start = time.process_time()
    while spent < LEAST_SECONDS:
        run()
        count += 1
        spent = time.process_time() - start
    return spent / count


def ratio(case: Case, dtype: torch.dtype, work: Callable[..., None]) -> float:
    """The median of ours over torch's."""
    sides = {"ours": getattr(reimpl, case.op), "torch": getattr(F, case.op)}
    ratios = []
    for number in range(ROUNDS):
        inputs = tensors(case, dtype, grad=work is both)
        order = sorted(sides, reverse=bool(number % 2))
        took = {who: seconds(partial(work, sides[who], case, inputs)) for who in order}
        ratios.append(took["ours"] / took["torch"])
    return statistics.median(ratios)


def entries() -> Iterator[dict[str, Any]]:
    """One row per case, dtype and pass."""
    for case in CASES:
        for dtype in (torch.float32, torch.float64):
            for work in (forward, both):
                yield {
                    "case": case.name,
                    "op": case.op,
                    "dtype": str(dtype).removeprefix("torch."),
                    "pass": "forward" if work is forward else "forward+backward",
                    "ratio": round(ratio(case, dtype, work), 3),
                }


def main() -> None:
    """Print as it goes, and store."""
    torch.set_num_threads(1)
    rows = []
    for row in entries():
        rows.append(row)
        sys.stdout.write(
            f"{row['case']:<26}{row['dtype']:<9}{row['pass']:<18}{row['ratio']:8.2f}\n"
        )
        sys.stdout.flush()
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(f"{row['dtype']} {row['pass']}", []).append(row["ratio"])
    means = {k: round(math.exp(statistics.fmean(map(math.log, v))), 3) for k, v in groups.items()}
    for group, mean in means.items():
        sys.stdout.write(f"geometric mean, {group}: {mean:.2f}\n")
    folder = Path("reports")
    folder.mkdir(exist_ok=True)
    data = {"torch": torch.__version__, "entries": rows, "geomean": means}
    (folder / "bench.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"ours/torch, below 1 is faster; stored in {folder / 'bench.json'}\n")


if __name__ == "__main__":
    main()
