"""Integers near 2³¹ and 2⁶³ for every integer argument: reimpl neither hangs nor takes memory.

PyTorch's own tests ask that a size of 2⁶² raises. Every call runs in a process of its own, which
ends where it takes too long, or more memory than is its share.
"""

from __future__ import annotations

import os
import resource
import signal
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

import reimpl
from parity_tests.op import Call, Op
from parity_tests.ops import OPS
from parity_tests.search import rounds_of_calls

LARGE = (2**31, 2**55, 2**62, 2**63 - 1, 2**63, -(2**63))
SECONDS = 20  # of processor time: honest calls take thousandths
MEMORY = 6 << 30
FUNCTIONS = [op for op in OPS if not op.is_module]


def enlarged(call: Call) -> Iterator[Call]:
    """The call with one of its integers made large, each in turn."""
    for i, (name, value) in enumerate(call.arguments.items()):
        for number in (LARGE[(i + k) % len(LARGE)] for k in range(3)):
            made: Any = None
            if type(value) is int:
                made = number
            elif isinstance(value, tuple | list) and value and type(value[-1]) is int:
                made = type(value)([*value[:-1], number])
            if made is not None:
                yield replace(call, arguments={**call.arguments, name: made}, wanted=())


def ended_well(op: Op, call: Call) -> bool:
    """Whether the call returns, or raises what torch may raise for a number, in its own process."""
    child = os.fork()
    if not child:
        limited()
        try:
            op.run(vars(reimpl)[op.name], call, call.tensors(torch.float32))
        except (RuntimeError, ValueError, TypeError, IndexError, OverflowError):
            pass
        except BaseException:
            os._exit(1)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def limited() -> None:
    """This process, a child, may take so much time and memory."""
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a process with CUDA cannot be forked")
@pytest.mark.parametrize("op", FUNCTIONS, ids=lambda op: op.name)
def test_large_numbers_neither_hang_nor_crash(op: Op) -> None:
    call = rounds_of_calls(op, "ordinary", examples=2, seed=0)[-1]
    for large in enlarged(call):
        assert ended_well(op, large), f"{op.name}({large})"


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
