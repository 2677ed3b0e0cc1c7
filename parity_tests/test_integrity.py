"""A subject that changes torch is not compared with its own work."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parity_tests import subjects
from parity_tests.checks import CHECKS
from parity_tests.ops import named
from parity_tests.profiles import PROFILES
from parity_tests.search import Cell, Plan, examine
from parity_tests.subjects import Subject, UnknownSubject, integrity

CHANGES = {
    "torch.nn.functional.tanh": "import torch.nn.functional as F\nF.tanh = lambda input: input",
    "torch.nn.Linear.forward": "from torch import nn\nnn.Linear.forward = lambda self, x: x",
    "torch.Tensor.relu": "import torch\ntorch.Tensor.relu = lambda self: self",
    "the default dtype": "import torch\ntorch.set_default_dtype(torch.float64)",
    "the number of function modes": "import torch\ntorch.set_default_device('cpu')",
}


@pytest.mark.parametrize("changed", CHANGES)
def test_torch_is_left_alone_by_an_import(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"changes_{abs(hash(changed))}"
    (tmp_path / f"{name}.py").write_text(CHANGES[changed] + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    before = F.tanh, nn.Linear.forward
    try:
        with pytest.raises(UnknownSubject, match=f"importing it changes {changed}"):
            subjects.load(name)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert before == (F.tanh, nn.Linear.forward)


def test_a_call_that_replaces_torchs_function_fails() -> None:
    own = F.tanh

    def tanh(input: Tensor) -> Tensor:
        F.tanh = tanh
        return own(input)

    subject = Subject("replaces", (SimpleNamespace(tanh=tanh),))
    (check,) = [c for c in CHECKS if c.name == "forward"]
    plan = Plan(subject, PROFILES["quick"], seed=0)
    found = examine(Cell(named("tanh"), check, torch.float32, "cpu"), plan)
    assert found.status == "fail"
    assert "torch.nn.functional.tanh" in found.reason
    assert F.tanh is own


def test_an_ordinary_import_changes_nothing() -> None:
    assert subjects.load("reimpl").name == "reimpl"
    assert integrity.replaced() == []
