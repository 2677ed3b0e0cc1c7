"""Each fault of a blind spot shows in the situation that it describes, and not in an ordinary call.

They are called directly: nothing here searches. ``planted_situations.py`` has the situations.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import reimpl
from parity_tests.planted.blind_spots import BLIND_SPOTS, RIGHT
from parity_tests.planted.fault import Fault
from parity_tests.planted_situations import HARMLESS, ORDINARY, SITUATIONS, TRUTH, UNUSUAL
from parity_tests.seen import Look, alike, restored

each = pytest.mark.parametrize("fault", BLIND_SPOTS, ids=lambda fault: fault.name)


def test_there_is_a_situation_for_each() -> None:
    assert {fault.name for fault in BLIND_SPOTS} == set(SITUATIONS)
    assert {fault.op for fault in BLIND_SPOTS} <= set(ORDINARY)
    assert {fault.name for fault in RIGHT} == set(UNUSUAL)


def seen(see: Look, operator: Any) -> Any:
    """What is seen, with the settings of the process put back afterwards."""
    with restored(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return see(operator)


@each
def test_it_shows_there(fault: Fault) -> None:
    see, truth = SITUATIONS[fault.name], TRUTH.get(fault.name)
    right = seen(see, truth or getattr(reimpl, fault.op))
    assert not alike(seen(see, fault.broken), right, within=1e-5 if truth else 0)


@each
def test_it_does_not_show_in_an_ordinary_call(fault: Fault) -> None:
    see = HARMLESS.get(fault.name, ORDINARY[fault.op])
    wrong = seen(see, fault.broken)
    assert not str(wrong).startswith("raises")
    assert alike(wrong, seen(see, getattr(reimpl, fault.op)))


@pytest.mark.parametrize("control", RIGHT, ids=lambda fault: fault.name)
def test_a_right_one_is_right_where_it_is_unusual(control: Fault) -> None:
    see, truth = UNUSUAL[control.name], TRUTH.get(control.name)
    right = seen(see, truth or getattr(reimpl, control.op))
    assert alike(seen(see, control.broken), right, within=1e-5)
