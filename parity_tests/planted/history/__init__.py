"""Faults that PyTorch and its peers once had, re-enacted."""

from parity_tests.planted.fault import Fault

HISTORY: tuple[Fault, ...] = ()
