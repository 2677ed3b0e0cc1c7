"""Integers near 2³¹ and 2⁶³ for every integer argument: reimpl neither hangs nor takes memory.

PyTorch's own tests ask that a size of 2⁶² raises. The check ``errors`` compares with torch; here
more calls are made of reimpl than it makes.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import reimpl
from parity_tests.checks import large
from parity_tests.checks.errors import compare_large
from parity_tests.op import Call, Op
from parity_tests.ops import OPS
from parity_tests.recipe import Recipe
from parity_tests.search import rounds_of_calls
from parity_tests.subjects import Subject
from parity_tests.trial import Departure, Trial

FUNCTIONS = [op for op in OPS if not op.is_module]


def outcome_of(op: Op, call: Call) -> large.Outcome:
    """What the call raises, or nothing; other exceptions than torch may raise end its process."""
    try:
        op.run(vars(reimpl)[op.name], call, call.tensors(torch.float32))
    except (RuntimeError, ValueError, TypeError, IndexError, OverflowError, MemoryError):
        pass
    except BaseException:
        os._exit(1)
    return []


@pytest.mark.skipif(torch.cuda.is_available(), reason="a process with CUDA cannot be forked")
@pytest.mark.parametrize("op", FUNCTIONS, ids=lambda op: op.name)
def test_large_numbers_neither_hang_nor_crash(op: Op) -> None:
    call = rounds_of_calls(op, "ordinary", examples=2, seed=0)[-1]
    calls = [made for k in range(3) for made, _ in large.enlarged(op, call, k)]
    # A pyramid is a list of as many levels as asked for: it ends when memory does.
    calls = [made for made in calls if made.arguments.get("levels") not in (2**31, 2**32 + 1)]
    found = large.apart(partial(outcome_of, op), calls, seconds=20)
    assert [f"{op.name}({c})" for c, said in zip(calls, found, strict=True) if said is None] == []


def hang() -> Any:
    while True:
        time.process_time()


def refuse() -> Any:
    raise RuntimeError("too large")


def convolving(react: Callable[[], Any]) -> Callable[..., Any]:
    """Convolution, with another reaction to large numbers."""

    def conv2d(*args: Any, **options: Any) -> Any:
        given = [
            n
            for v in (*args, *options.values())
            for n in (v if isinstance(v, tuple | list) else (v,))
        ]
        large = any(type(n) is int and abs(n) >= 2**31 for n in given)
        return react() if large else F.conv2d(*args, **options)

    return conv2d


@pytest.mark.skipif(torch.cuda.is_available(), reason="a process with CUDA cannot be forked")
@pytest.mark.parametrize(
    ("react", "number", "complaint"),
    [
        (lambda: torch.zeros(1), -(2**31), "accepted what torch rejects"),
        (refuse, 2**62, "rejected what torch accepts"),
        (hang, -(2**31), "takes more than 2 s"),
        (lambda: os._exit(3), -(2**31), "ends its process"),
    ],
)
def test_a_subject_is_asked_for_large_numbers(
    react: Any, number: int, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "SUBJECTS_SECONDS", 2)
    monkeypatch.setattr(large, "LARGE", (number,))
    monkeypatch.setattr(large, "WRAPPING", (number,))
    call = Call({"input": Recipe((1, 1, 4, 4)), "weight": Recipe((1, 1, 2, 2)), "stride": 1})
    (op,) = (op for op in OPS if op.name == "conv2d")
    subject = Subject("yours", (SimpleNamespace(conv2d=convolving(react)),))
    trial = Trial(op, "errors", call, subject, torch.float32, "cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in a run
        with pytest.raises(Departure, match=complaint):
            compare_large(trial)


@pytest.mark.parametrize("size", [2**55, 2**62, 2**63 - 1, 2**63])
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("op", "argument", "run"),
    [
        ("interpolate", "size", lambda x, n: reimpl.interpolate(x, n)),
        ("interpolate", "scale_factor", lambda x, n: reimpl.interpolate(x, scale_factor=n)),
        ("adaptive_avg_pool1d", "output_size", reimpl.adaptive_avg_pool1d),
        ("adaptive_max_pool1d", "output_size", reimpl.adaptive_max_pool1d),
    ],
)
def test_a_size_that_no_memory_holds_is_refused_by_name(
    op: str, argument: str, run: Any, device: str, size: int
) -> None:
    with pytest.raises(RuntimeError, match=f"^{op}: {argument} must .*, got"):
        run(torch.ones(1, 1, 4, device=device), size)
