"""The subjects that come with the suite: each is run, and what it says for itself is heard."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from parity_tests import Adapter, check_op
from parity_tests.subjects import load
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
        assert outcome.reason == "unsupported: your relu: only matrices"
        assert outcome.ledger.unsupported["your relu: only matrices"]
        assert outcome.ledger.comparisons


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
