"""Mistakes in calls that are right: what reimpl refuses stays refused, in its own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from parity_tests.planted.fault import Arguments, wrapped


def with_valid_arguments(op: str, change: Callable[[Arguments], None]) -> Callable[..., Any]:
    """reimpl's function but for what ``change`` does to the arguments of a valid call."""

    def body(run: Callable[..., Any], given: Arguments) -> Any:
        with torch.no_grad():
            run(**given)
        change(given)
        return run(**given)

    return wrapped(op, body)
