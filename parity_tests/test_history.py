"""The historical faults say where they come from."""

from __future__ import annotations

import re

import pytest

from parity_tests.planted.fault import Fault
from parity_tests.planted.history import HISTORY

FROM = r"(PyTorch|TensorFlow|tinygrad|[\w.-]+/[\w.-]+) #\d+: \w"


@pytest.mark.parametrize("fault", HISTORY, ids=lambda fault: fault.name)
def test_a_source_is_a_repository_a_number_and_what_it_did(fault: Fault) -> None:
    assert fault.kind == "history"
    assert re.match(FROM, fault.source)
