"""Faults planted in reimpl to measure what the suite catches."""

from parity_tests.planted.fault import Fault

FAULTS: tuple[Fault, ...] = ()
# A fault that no check can see, and the proof.
EQUIVALENT: tuple[tuple[Fault, str], ...] = ()
