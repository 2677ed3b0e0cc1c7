"""The error bounds are narrow, and the bench that measures them finds what is too wide."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from parity_tests.bench import power
from parity_tests.bench.limits import DEFINITE, LIMIT, REASONS, limit, sensitivities, widest
from parity_tests.bench.power import smallest_caught, truths
from parity_tests.checks import CHECKS, Check
from parity_tests.expectations import named_by
from parity_tests.op import Op
from parity_tests.ops import OPS, named
from parity_tests.running_error import Bounded

F64 = torch.float64

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's are not under test

CHOSEN = tuple(check for check in CHECKS if check.name in DEFINITE)
# One of a kind: a module is its function, and three axes are two.
CHEAP = tuple(op for op in OPS if not op.is_module and not op.name.endswith(("3d", "_", "fftn")))
CALLS = 3


@pytest.mark.parametrize("check", CHOSEN, ids=lambda check: check.name)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_where_nothing_cancels_a_16_bit_bound_is_a_few_units_wide(
    check: Check, dtype: torch.dtype
) -> None:
    wide, judged = {}, 0
    for op in CHEAP:
        for true in truths(op, check, dtype, CALLS) if dtype in check.dtypes(op) else ():
            units = widest(true)
            judged += units is not None
            if units is not None and units > limit(op.name, check.name, dtype):
                wide[op.name] = units
    assert judged > 100
    assert not wide


@pytest.mark.parametrize("check", CHOSEN, ids=lambda check: check.name)
def test_a_small_factor_is_caught_in_float32(check: Check) -> None:
    wide = {}
    for op in CHEAP:
        if torch.float32 in check.dtypes(op):
            row = power.measured(op, check, torch.float32)
            if row is not None and float(row["median"]) > limit(op.name, check.name, torch.float32):
                wide[op.name] = row["median"]
    assert not wide


def test_every_reason_is_about_an_operator_and_a_sentence() -> None:
    for reason in REASONS:
        assert any(named_by(reason.ops, op.name) for op in OPS)
        assert len(reason.why.split()) > 5
        assert reason.units > LIMIT


def test_bisection_finds_the_width_of_a_bound() -> None:
    allowed = Bounded(torch.ones(3, dtype=F64), torch.full((3,), 1e-4, dtype=F64), 1)
    units = smallest_caught(allowed, torch.float32)
    assert units * torch.finfo(torch.float32).eps == pytest.approx(8e-4, rel=0.03)
    exact = Bounded(torch.ones(3, dtype=F64), torch.zeros(3, dtype=F64), 1)
    assert smallest_caught(exact, torch.bfloat16) < 1
    anything = Bounded(torch.ones(3, dtype=F64), torch.full((3,), math.inf, dtype=F64), 1)
    assert smallest_caught(anything, torch.float32) == math.inf


def test_the_widest_well_conditioned_element_counts() -> None:
    """A bound a hundred times as wide shows, but not in an element that cancels."""
    (true, *_) = truths(named("rms_norm"), CHOSEN[0], torch.bfloat16, 2)
    before = widest(true)
    assert before is not None
    assert before < LIMIT
    allowed = true.bound("output")
    assert true._bounds is not None
    true._bounds["output"] = Bounded(allowed.value, 1e6 * allowed.error, allowed.terms)
    assert widest(true) == pytest.approx(1e6 * before)


def difference(op: Op) -> float:
    """How sensitive its output is to its inputs, relatively, in the median of its elements."""
    (true, *_) = truths(op, CHOSEN[0], F64, 1)
    return float((sensitivities(true)["output"] / true.values["output"].abs()).median())


def test_sensitivities_are_relative_to_the_inputs() -> None:
    assert difference(named("relu")) == pytest.approx(1, rel=0.01)
    assert difference(named("pixel_shuffle")) == pytest.approx(1, rel=0.01)


def test_the_bench_leaves_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["power", "--ops", "relu,rms_norm", "--output", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    assert power.main() == 0
    assert (tmp_path / "power.json").exists()
