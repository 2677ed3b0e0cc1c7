"""Faults by someone who has not read the strategies."""

from parity_tests.planted.fault import Fault

BLIND: tuple[Fault, ...] = ()
