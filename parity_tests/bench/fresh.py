"""What it costs to begin, and what a second worker is worth: in interpreters of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context

import torch

IMPORT = "import reimpl"
# Reading the tests' files and doctests, pytest and Hypothesis themselves, but running nothing.
COLLECT = (
    "import contextlib, os, pytest\n"
    "with contextlib.redirect_stdout(open(os.devnull, 'w')):\n"
    "    pytest.main(['--collect-only', '-q', '--doctest-modules', "
    "'--pyargs', 'parity_tests', 'reimpl'])"
)


def beyond_torch(statement: str, times: int) -> list[float]:
    """Processor seconds of a statement after importing torch, in fresh interpreters.

    The first, which compiles what is not compiled yet, is not counted.
    """
    program = (
        f"import sys, time, torch\nstart = time.process_time()\n{statement}\n"
        "sys.stderr.write(str(time.process_time() - start))"
    )
    found = []
    with tempfile.TemporaryDirectory() as compiled:
        own = os.environ | {"PYTHONPYCACHEPREFIX": compiled}
        own.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(1 + times):
            done = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=own
            )
            found.append(float(done.stderr.split()[-1]))
    return found[1:]


def work(names: Sequence[str]) -> int:
    """The cells of some operators, as a worker of a run examines them; how many cases."""
    from parity_tests.bench.sweep import DTYPES, searches

    torch.set_num_threads(1)
    total = 0
    for name, dtype in product(names, DTYPES):
        for search in searches(name, dtype, seed=0):
            search.run()
            total += sum(search.ledger.cases.values())
    return total


def efficiency(names: Sequence[str]) -> float:
    """Seconds of one worker alone over those of two that do as much each; 1 would be ideal."""
    walls = []
    for workers in (1, 2):
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(work, [names[-2:-1]] * workers))  # imports, first calls
            start = time.perf_counter()
            list(pool.map(work, [names] * workers))
            walls.append(time.perf_counter() - start)
    return walls[0] / walls[1]


def load() -> float | None:
    """How many processes wanted a core in the last minute."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
