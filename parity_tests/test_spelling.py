"""Implementations whose parameters have names of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parity_tests.direct import check_op
from parity_tests.ops import named
from parity_tests.spelling import spelling

DOUBLES: dict[str, Any] = {"dtypes": ["float64"], "profile": "quick"}
CHECKS = ("forward",)
ROOT = Path(__file__).parents[1]


def linear(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    y = x @ w.mT if w.dim() > 1 else x @ w
    return y if b is None else y + b


def tanh(x: Tensor, /) -> Tensor:
    return torch.tanh(x)


def group_norm(
    x: Tensor, groups: int, gamma: Any = None, beta: Any = None, epsilon: float = 1e-5
) -> Tensor:
    return F.group_norm(x, groups, gamma, beta, epsilon)


class Linear(nn.Linear):
    """A layer whose forward and constructor call things by other names."""

    def __init__(
        self, inputs: int, outputs: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(inputs, outputs, bias, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return linear(x, self.weight, self.bias)


@pytest.mark.parametrize("own", [linear, tanh, group_norm, Linear], ids=lambda own: own.__name__)
def test_other_names_are_given_by_place(own: Any) -> None:
    judged = check_op(own.__name__, own, checks=CHECKS, **DOUBLES)
    assert judged.passed, judged.failures
    assert sum(outcome.ledger.comparisons for _, outcome in judged.rows) > 30


def test_that_the_names_are_others_is_told_once() -> None:
    judged = check_op("linear", linear, checks=("forward", "gradients", "contract"), **DOUBLES)
    failing = [cell.check.name for cell, outcome in judged.rows if outcome.status == "fail"]
    assert failing == ["contract"]


SHIFTED = """
import torch

def linear(x, /, w, b=None):
    return torch.nn.functional.linear(x, w, b) + 1
"""


def test_a_script_gives_them_so_too(tmp_path: Path) -> None:
    (tmp_path / "shifted_kernels.py").write_text(SHIFTED)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}

    def python(*arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.stdout + ran.stderr

    judged = ("check", "shifted_kernels", "--ops", "linear", "--checks", "forward")
    told = python("-m", "parity_tests", *judged, "--profile", "quick", "--dtypes", "float64")
    report = json.loads((tmp_path / "parity-report" / "report.json").read_text())
    assert "off by" in told
    (cell,) = report["cells"]
    shown = python("-c", cell["reproduction"]["script"])
    assert "def renamed(**given):" in cell["reproduction"]["script"]
    assert "difference" in shown
    assert "Error" not in shown


def in_order(input: Tensor, weight: Tensor, bias: Any = None) -> None: ...
def other_input(x: Tensor, weight: Tensor, bias: Any = None) -> None: ...
def by_name(weight: Tensor, input: Tensor) -> None: ...
def anything(*args: Any, **options: Any) -> None: ...


def test_torchs_own_names_stay() -> None:
    names = tuple(named("linear").parameters.parameters)
    assert spelling(in_order, names).is_torchs
    assert spelling(other_input, names).own == {"input": "x"}
    assert spelling(by_name, names).is_torchs
    assert spelling(anything, names).is_torchs
