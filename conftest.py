"""The suite's own plugin, also where the package is not installed."""

import os

# One thread per worker, before torch starts any: unpinned, two workers are seven times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["parity_tests.plugin"]

# Subjects that need a library of their own: they have no doctests, and the libraries are slow to
# import, where they are installed at all.
collect_ignore_glob = ["parity_tests/subjects/*_operators.py"]
