"""Where the time of a case goes, by a clock at the boundaries of the suite's stages.

The few functions that begin a stage are wrapped while this measures, and left alone otherwise. The
time of a stage is its own: what a stage within it takes is that one's.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from parity_tests import search, verdict
from parity_tests.checks import values
from parity_tests.recipe import Recipe
from parity_tests.truth import Truth

BOOKKEEPING = "bookkeeping"

# Who calls the function, its name there, and the stage that it begins.
BOUNDARIES: tuple[tuple[Any, str, str], ...] = (
    (search, "draw_each", "drawing"),
    (search.Search, "check_call", BOOKKEEPING),
    (Recipe, "tensor", "data"),
    (verdict, "poison", "data"),
    (verdict, "run_subject", "subject"),
    (verdict, "run_torch", "torch"),
    (Truth, "__init__", "torch"),  # the oracle's results
    (Truth, "_analyse", "bound"),
    (verdict, "compare", "compare"),
    (Truth, "defined", "other judges"),  # the literal definition
    (values, "check_numerically", "other judges"),  # finite differences
)
STAGES = (BOOKKEEPING, *dict.fromkeys(s for *_, s in BOUNDARIES if s != BOOKKEEPING))


class Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.now = [BOOKKEEPING]
        self.since = time.perf_counter()

    def lap(self) -> None:
        """What has passed belongs to the stage that is on."""
        until = time.perf_counter()
        self.seconds[self.now[-1]] += until - self.since
        self.since = until

    def within(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted for the stage."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.lap()
            self.now.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self.lap()
                self.now.pop()

        return timed


@contextmanager
def clocked() -> Iterator[Clock]:
    """The stages' times while this lasts."""
    clock = Clock()
    with ExitStack() as wrapped:
        for owner, name, stage in BOUNDARIES:
            timed = clock.within(stage, getattr(owner, name))
            wrapped.enter_context(patch.object(owner, name, timed))
        yield clock
    clock.lap()
