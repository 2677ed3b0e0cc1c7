"""The suite's own plugin, also where the package is not installed."""

import os

# One thread per worker, before torch starts any: unpinned, two workers are seven times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["parity_tests.plugin"]
