"""How the time of the Fourier transform grows with its length, and its ratio to torch.fft.

Time over n·log₂n is nearly constant where a transform takes O(n log n) steps: for powers of two and
for primes alike, once n is large enough to outweigh what a call costs by itself.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

import reimpl
from parity_tests.bench.measure import seconds

ROUNDS = 5
LENGTHS = {
    "power of two": (64, 1024, 16384, 262144),
    "prime": (61, 1009, 16381, 262139),
    "composite": (60, 1000, 15015, 255255),
}


def timed(transform: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Seconds of one call."""

    def run() -> None:
        transform(x)

    return seconds(run)


def entries() -> Iterator[dict[str, str | int | float]]:
    """One row per length."""
    for kind, lengths in LENGTHS.items():
        for n in lengths:
            x = torch.randn(n, dtype=torch.complex64)
            took, ratios = [], []
            for _ in range(ROUNDS):
                ours, torchs = timed(reimpl.fft, x), timed(torch.fft.fft, x)
                took.append(ours)
                ratios.append(ours / torchs)
            time = statistics.median(took)
            yield {
                "kind": kind,
                "n": n,
                "milliseconds": round(1e3 * time, 3),
                "nanoseconds per n·log₂n": round(1e9 * time / (n * math.log2(n)), 2),
                "ratio": round(statistics.median(ratios), 1),
            }


def table() -> list[dict[str, str | int | float]]:
    """Printed as it is measured."""
    sys.stdout.write(f"\n{'fft':14}{'n':>8}{'ms':>10}{'ns/(n·log₂n)':>14}{'ours/torch':>12}\n")
    rows = []
    for row in entries():
        rows.append(row)
        kind, n, ms, rate, ratio = row.values()
        sys.stdout.write(f"{kind:14}{n:8}{ms:10.3f}{rate:14.2f}{ratio:12.1f}\n")
        sys.stdout.flush()
    return rows
