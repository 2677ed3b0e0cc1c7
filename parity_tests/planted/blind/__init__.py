"""Faults by two authors who have not read the strategies."""

from parity_tests.planted.blind.convolving import CONVOLVING
from parity_tests.planted.blind.elementwise import ELEMENTWISE
from parity_tests.planted.blind.normalizing import NORMALIZING
from parity_tests.planted.blind.pooling import POOLING
from parity_tests.planted.blind.rearranging import REARRANGING
from parity_tests.planted.blind.resampling import RESAMPLING
from parity_tests.planted.fault import Fault

BLIND: tuple[Fault, ...] = (
    *CONVOLVING,
    *ELEMENTWISE,
    *NORMALIZING,
    *POOLING,
    *REARRANGING,
    *RESAMPLING,
)
