"""Other ways to check an operator: seconds for each case of each, outputs and gradients compared.

OpInfo                 PyTorch's own samples of calls, subject and torch, assert_close
one example per draw   as array-api-tests does it: Hypothesis draws a call, which is checked on
                       one sample, by assert_close
gradcheck              finite differences, in its default mode and in its fast one
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.autograd import gradcheck

from parity_tests import experiments
from parity_tests.checks.values import check_numerically
from parity_tests.op import Call, Op
from parity_tests.score.others import agree, attempt, results
from parity_tests.search import draw_each, rounds_of_calls
from parity_tests.strategies import calls
from parity_tests.subjects import Subject
from parity_tests.trial import Departure, Trial, cotangent_of, torchs

SAMPLES = 20  # of each of OpInfo's variants of an operator
EXAMPLES = 20
CHECKED = 1  # calls put to finite differences in a round

Peer = Callable[[Op, torch.dtype, Subject, int], float | None]


def opinfo(op: Op, dtype: torch.dtype, subject: Subject, _: int) -> float | None:
    """Making the samples included, as in PyTorch's own tests; raises ImportError without them."""
    from torch.testing._internal.common_methods_invocations import op_db

    mine, count, start = subject.find(op.name), 0, time.process_time()
    assert mine is not None
    for entry in op_db:
        if entry.name not in (op.name, f"nn.functional.{op.name}"):
            continue
        for sample in islice(entry.sample_inputs("cpu", dtype, requires_grad=True), SAMPLES):
            arguments = (sample.input, *sample.args), sample.kwargs
            # What torch alone takes (batches of nothing) costs the same, and is judged elsewhere.
            agree(results(entry.op, *arguments), attempt(results, mine, *arguments))
            count += 1
    return (time.process_time() - start) / count if count else None


def one_example_per_draw(op: Op, dtype: torch.dtype, subject: Subject, seed: int) -> float:
    """Every case pays for a draw of its own."""
    mine = subject.find(op.name)

    def check(drawn: tuple[Call, Any]) -> None:
        call = drawn[0]
        # Its time is wanted and not its word, which torch's own faults confuse.
        agree(both(op, torchs(op), call, dtype), both(op, mine, call, dtype))

    start = time.process_time()
    draw_each(calls(op, "ordinary", {}), check, EXAMPLES, (op.name, "peer", seed))
    return (time.process_time() - start) / EXAMPLES


def both(op: Op, target: Any, call: Call, dtype: torch.dtype) -> list[Tensor]:
    """Outputs, and gradients of what is wanted."""

    def cotangent(name: str, output: Tensor) -> Tensor:
        return cotangent_of(call, name, output, dtype, "cpu")

    found = experiments.differentiated(
        op, target, call, call.tensors(dtype), cotangent, create_graph=False
    )
    return [*found.outputs.values(), *found.gradients.values()]


def gradcheck_fast(op: Op, dtype: torch.dtype, subject: Subject, seed: int) -> float | None:
    """By random projections."""
    return differences(op, dtype, subject, seed, gradcheck)


def gradcheck_default(op: Op, dtype: torch.dtype, subject: Subject, seed: int) -> float | None:
    """Every entry of every Jacobian."""

    def slow(function: Any, inputs: Any, **_: Any) -> bool:
        return gradcheck(function, inputs)

    return differences(op, dtype, subject, seed, slow)


def differences(
    op: Op, dtype: torch.dtype, subject: Subject, seed: int, judge: object
) -> float | None:
    """In float64 alone; in another precision they say nothing."""
    if dtype != torch.float64:
        return None
    # Hypothesis's first example is the simplest there is, and no measure of the others.
    drawn = rounds_of_calls(op, "ordinary", examples=1 + CHECKED, seed=seed)[1:]
    start = time.process_time()
    for call in drawn:
        with suppress(Departure):  # a kink within the step costs the same
            check_numerically(Trial(op, "gradients", call, subject, dtype, "cpu"), judge)
    return (time.process_time() - start) / len(drawn)


PEERS: dict[str, Peer] = {
    "PyTorch's OpInfo": opinfo,
    "one example per draw": one_example_per_draw,
    "gradcheck, fast": gradcheck_fast,
    "gradcheck, default": gradcheck_default,
}
