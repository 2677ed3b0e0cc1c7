"""torch.compile: torch's own operators, compiled by Inductor, shape by shape.

Every new shape is compiled, which takes seconds: ask for few operators, checks and dtypes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from parity_tests.subjects.adapter import Abilities, Adapter


class Namespace:
    """torch.nn.functional, compiled."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found = getattr(torch.nn.functional, name)
        if not callable(found) or name.startswith("_"):
            raise AttributeError(name)

        @wraps(found)
        def compiled(*args: Any, **options: Any) -> Any:
            torch.compiler.reset()  # else the ninth shape falls back to no compilation at all
            return torch.compile(found, dynamic=False)(*args, **options)

        return compiled


functional = Adapter(Namespace(), abilities=Abilities(conventions=False))
