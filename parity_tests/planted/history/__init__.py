"""Faults that PyTorch and its peers once had, re-enacted in reimpl.

Each has the number of the issue, or of the pull request that mended it. Where the original needed
a device, a size or a library that a test on a CPU does not meet, ``says`` names the nearest place
where it does.
"""

from parity_tests.planted.fault import Fault
from parity_tests.planted.history.activations import ACTIVATIONS
from parity_tests.planted.history.adaptive_pooling import ADAPTIVE_POOLING
from parity_tests.planted.history.average_pooling import AVERAGE_POOLING
from parity_tests.planted.history.batch_norm import BATCH_NORM
from parity_tests.planted.history.conv_transpose import CONV_TRANSPOSE
from parity_tests.planted.history.convolution import CONVOLUTION
from parity_tests.planted.history.linear import LINEAR
from parity_tests.planted.history.logistic import LOGISTIC
from parity_tests.planted.history.max_pooling import MAX_POOLING
from parity_tests.planted.history.norms import NORMS
from parity_tests.planted.history.padding import PADDING
from parity_tests.planted.history.rearrangements import REARRANGEMENTS
from parity_tests.planted.history.resampling import RESAMPLING
from parity_tests.planted.history.softmax import SOFTMAX

HISTORY: tuple[Fault, ...] = (
    *CONVOLUTION,
    *CONV_TRANSPOSE,
    *LINEAR,
    *MAX_POOLING,
    *AVERAGE_POOLING,
    *ADAPTIVE_POOLING,
    *BATCH_NORM,
    *NORMS,
    *ACTIVATIONS,
    *LOGISTIC,
    *SOFTMAX,
    *RESAMPLING,
    *PADDING,
    *REARRANGEMENTS,
)
