"""Faults that PyTorch and its peers once had, re-enacted in reimpl.

Each has the number of the issue, or of the pull request that mended it. Where the original needed
a device, a size or a library that a test on a CPU does not meet, ``says`` names the nearest place
where it does.
"""

from parity_tests.planted.fault import Fault
from parity_tests.planted.history.activations import ACTIVATIONS
from parity_tests.planted.history.conv_transpose import CONV_TRANSPOSE
from parity_tests.planted.history.convolution import CONVOLUTION
from parity_tests.planted.history.linear import LINEAR

HISTORY: tuple[Fault, ...] = (*CONVOLUTION, *CONV_TRANSPOSE, *LINEAR, *ACTIVATIONS)
