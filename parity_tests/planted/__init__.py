"""Faults planted in reimpl to measure what the suite catches."""

from parity_tests.planted.blind import BLIND
from parity_tests.planted.controls import CONTROLS
from parity_tests.planted.fault import Fault
from parity_tests.planted.geometry import GEOMETRY
from parity_tests.planted.history import HISTORY

__all__ = ["BLIND", "CONTROLS", "EQUIVALENT", "FAULTS", "HISTORY", "Fault"]

FAULTS: tuple[Fault, ...] = (*GEOMETRY, *HISTORY, *BLIND)
# A fault that no check can see, and the proof.
EQUIVALENT: tuple[tuple[Fault, str], ...] = ()
