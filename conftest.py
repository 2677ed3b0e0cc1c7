"""The suite's own plugin, also where the package is not installed."""

import os
from importlib.util import find_spec

# One thread per worker, before torch starts any: unpinned, two workers are seven times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["parity_tests.plugin"]

# Subjects that need a library which is not here have no doctests to collect either.
collect_ignore = [
    f"parity_tests/subjects/{library}_operators.py"
    for library in ("jax", "onnx", "scipy")
    if find_spec(library) is None
]
