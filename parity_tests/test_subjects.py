"""The subjects that come with the suite: each is run, and what it says for itself is heard."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from parity_tests import Adapter, check_op
from parity_tests.ops import OPS
from parity_tests.subjects import TORCH, Subject, load, unjudged
from parity_tests.subjects.adapter import Abilities

HERE = "parity_tests.subjects"
SHIPPED = {
    "onnx_operators:reference": ("onnx",),
    "onnx_operators:runtime": ("onnx", "onnxruntime"),
    "scipy_operators": ("scipy",),
    "scipy_operators:direct": ("scipy",),
    "jax_operators": ("jax",),
    "decompositions:functional": (),
    "decompositions:references": (),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_subject_is_found_and_judged(name: str) -> None:
    """What it gets right passes, and something was compared."""
    for library in SHIPPED[name]:
        pytest.importorskip(library, reason=f"{library} is not installed")
    (space,) = load(f"{HERE}.{name}").namespaces
    right = "conv3d" if name == "scipy_operators:direct" else "tanh"
    if name == "decompositions:references":
        right = "layer_norm"
    judged = check_op(
        right,
        getattr(space.namespace, right),
        adapter=lambda alone: replace(space, namespace=alone),
        checks=["forward"],
        dtypes=["float64"],
        profile="quick",
    )
    assert judged.passed, judged


def test_the_pullback_of_jax_gives_autograd_its_gradients() -> None:
    """Torch's, of real numbers and of complex ones, whose convention is the other."""
    pytest.importorskip("jax", reason="JAX is not installed")
    (space,) = load(f"{HERE}.jax_operators").namespaces
    for dtype in (torch.float64, torch.complex128):
        x = torch.randn(5, dtype=dtype, requires_grad=True)
        cotangent = torch.randn(5, dtype=dtype)
        (got,) = torch.autograd.grad(space.tanh(x), x, cotangent)
        (torchs,) = torch.autograd.grad(torch.tanh(x), x, cotangent)
        torch.testing.assert_close(got, torchs)


def test_backward_formulas_are_decomposed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong formula of the table is what autograd gets."""
    module: Any = importlib.import_module(f"{HERE}.decompositions")
    kernel = torch.ops.aten.elu_backward.default
    right = module.DECOMPOSITIONS[kernel]
    wrong = {**module.DECOMPOSITIONS, kernel: lambda *args: 2 * right(*args)}
    monkeypatch.setattr(module, "DECOMPOSITIONS", wrong)
    x = torch.ones(3, requires_grad=True)
    module.functional.elu(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2, 2]


def relu_of_matrices(input: Tensor, inplace: bool = False) -> Tensor:
    """Half done."""
    if input.ndim != 2:
        raise NotImplementedError("only matrices")
    return torch.relu_(input) if inplace else torch.relu(input)


@pytest.mark.parametrize("complete", [True, False])
def test_who_does_not_claim_every_call_may_pass_some_over(complete: bool) -> None:
    """They are counted and said; who claims all of them fails."""
    judged = check_op(
        "relu",
        relu_of_matrices,
        adapter=lambda alone: Adapter(
            alone, abilities=Abilities(complete=complete, conventions=False)
        ),
        checks=["forward"],
        dtypes=["float64"],
    )
    assert judged.passed is not complete
    ((_, outcome),) = judged.rows
    if not complete:
        assert outcome.status == "in part"
        refused = outcome.ledger.unsupported["your relu: only matrices"]
        assert outcome.reason == f"refuses {refused} calls: your relu: only matrices"
        assert outcome.ledger.comparisons


def refusing(refused: Callable[[Tensor], bool]) -> Any:
    """A relu that refuses some inputs."""

    def relu(input: Tensor, inplace: bool = False) -> Tensor:
        if refused(input):
            raise NotImplementedError("not these")
        return torch.relu_(input) if inplace else torch.relu(input)

    return relu


@pytest.mark.parametrize("refused", [lambda x: x.numel() < 4, lambda x: x.numel() >= 4])
def test_which_call_is_refused_first_does_not_matter(refused: Any) -> None:
    """The first drawn call is the smallest; to refuse it alone is no way out."""
    judged = check_op("relu", refusing(refused), checks=["forward"], dtypes=["float64"])
    ((_, outcome),) = judged.rows
    assert outcome.status == "fail"
    assert "takes other calls, but not this one" in outcome.reason
    assert outcome.failure is not None


def test_refused_calls_are_no_cases() -> None:
    """Neither they nor their parameters' values count as tried."""
    incomplete = Abilities(complete=False, conventions=False)
    counts = []
    for refused in (lambda x: x.numel() != 1, lambda _: False):
        judged = check_op(
            "relu",
            refusing(refused),
            adapter=lambda alone: Adapter(alone, abilities=incomplete),
            checks=["forward"],
            dtypes=["float64"],
        )
        counts.append(judged.rows[0][1].ledger)
    some, every = counts
    assert 0 < some.cases.total() < every.cases.total() / 2
    assert some.classes.total() < every.classes.total()
    assert every.cases.total() - some.cases.total() >= some.unsupported.total() > 0


UNKNOWN = """
import math
from math import sqrt
import torch
from torch import Tensor
from torch.nn.functional import relu, softsign

def gelu(input): return input * 7
def fused_thing(input): return input
def _helper(): pass
silu = lambda input: input
"""


def test_what_the_suite_does_not_know_is_named() -> None:
    """A module is not right because one of its functions is."""
    space = ModuleType("space")
    exec(UNKNOWN, vars(space))
    judged = {op.name for op in OPS}
    assert unjudged(Subject("space", (space,)), judged) == ["fused_thing", "gelu", "silu"]
    assert unjudged(Subject("space", (Adapter(space),)), judged) == ["fused_thing", "gelu", "silu"]
    assert unjudged(TORCH, judged) == []


def test_who_passes_everything_over_is_unsupported() -> None:
    """It is not a pass."""

    def nothing(input: Tensor, inplace: bool = False) -> Tensor:
        raise NotImplementedError("nothing at all")

    judged = check_op(
        "relu",
        nothing,
        adapter=lambda alone: Adapter(alone, abilities=Abilities(complete=False)),
        checks=["forward"],
        dtypes=["float64"],
    )
    assert not judged.passed
    assert {outcome.status for _, outcome in judged.rows} == {"unsupported"}
