"""``python -m parity_tests``: the command line."""

import sys

from parity_tests.cli import main

sys.exit(main())
