"""What is different on CUDA, as far as it can be shown without a GPU."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests import expectations
from parity_tests.bench import measure
from parity_tests.bench.shapes import SHAPES
from parity_tests.checks import CHECKS
from parity_tests.ops import named
from parity_tests.plugin import DEFAULTS
from parity_tests.profiles import PROFILES
from parity_tests.recipe import Recipe
from parity_tests.report.evidence import NothingToKeep, keep, kept
from parity_tests.report.render import render
from parity_tests.reproduce import script
from parity_tests.run import Run
from parity_tests.search import Cell, Plan, Search, examine, rounds_of_calls
from parity_tests.subjects import load
from parity_tests.test_checks import outcome
from parity_tests.trial import Trial, on_cuda

OPTIONS = {name: default for name, (default, _) in DEFAULTS.items()}


def trials(check: str, device: str) -> list[Trial]:
    """Of conv2d; nothing of them is run."""
    op = named("conv2d")
    drawn = rounds_of_calls(op, "ordinary", examples=12, seed=1)
    seeds = ((call, replace(call.cotangent, seed=i)) for i, call in enumerate(drawn))
    calls = [replace(call, cotangent=cotangent) for call, cotangent in seeds]
    return [Trial(op, check, call, load("reimpl"), torch.float32, device) for call in calls]


def settings() -> tuple[bool, bool, bool]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.enabled, cudnn.allow_tf32, matmul.allow_tf32


def test_cudnn_is_off_in_some_trials_and_tf32_in_all_but_its_own() -> None:
    before, met = settings(), set()
    for check in ("forward", "tf32"):
        for trial in trials(check, "cuda"):
            with on_cuda(trial):
                met.add((check, *settings()))
            assert settings() == before
    assert met == {(c, on, c == "tf32", c == "tf32") for c in ("forward", "tf32") for on in (0, 1)}


def test_nothing_is_set_for_trials_on_the_cpu() -> None:
    before = settings()
    for trial in trials("forward", "cpu"):
        with on_cuda(trial):
            assert settings() == before


def test_scripts_set_what_the_trial_set_and_lie_on_its_device() -> None:
    for trial in trials("forward", "cuda"):
        text = script(trial)
        assert f"torch.backends.cudnn.enabled = {trial.cudnn}" in text
        assert "allow_tf32 = False" in text
        assert ".cuda()" in text
        compile(text, "script", "exec")
        there = script(replace(trial, device="cpu"))
        assert "cuda" not in there.replace("torch.backends.cuda", "")


def rounded(t: Tensor) -> Tensor:
    """To ten bits of the fraction, as tensor cores take their factors."""
    mantissa, exponent = torch.frexp(t.detach().double())
    nearest = torch.ldexp(torch.round(mantissa * 2**11) / 2**11, exponent).to(t.dtype)
    return t + (nearest - t).detach()


def conv2d_on_tensor_cores(input: Tensor, weight: Tensor, *rest: Any, **options: Any) -> Tensor:
    return F.conv2d(rounded(input), rounded(weight), *rest, **options)


def test_the_bound_of_tf32_admits_its_rounding_and_no_other() -> None:
    f32 = torch.float32
    assert outcome("conv2d", "tf32", conv2d_on_tensor_cores, f32).status in ("pass", "known")
    assert outcome("conv2d", "forward", conv2d_on_tensor_cores, f32).status == "fail"


def test_its_cells_are_one_group_and_tf32_is_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    run = Run.from_options({**OPTIONS, "device": "all", "op": "conv2d,relu"}, "main", "x")
    devices = {cell.check.name: set() for cell in run.cells}  # type: dict[str, set[str]]
    for cell in run.cells:
        devices[cell.check.name].add(cell.device)
    assert devices.pop("tf32") == {"cuda"}
    assert {frozenset(found) for found in devices.values()} == {frozenset({"cpu", "cuda"})}


def noted(calls: list[str], drawn: Any) -> None:
    calls.append(str(drawn[0]))


def test_both_devices_draw_the_same_calls() -> None:
    """Each within its bound of one truth, they are within the sum of both of each other."""
    (forward,) = (check for check in CHECKS if check.name == "forward")
    drawn: dict[str, list[str]] = {"cpu": [], "cuda": []}
    for device, calls in drawn.items():
        cell = Cell(named("conv2d"), forward, torch.float32, device)
        search = Search(cell, Plan(load("reimpl"), PROFILES["quick"], seed=3))
        for round in search.rounds():
            search.draw(round, partial(noted, calls))
    assert drawn["cpu"] == drawn["cuda"]
    assert len(drawn["cpu"]) > 10


def report(**changes: Any) -> dict[str, Any]:
    """A run that had a GPU."""
    from parity_tests import test_report

    cells = [test_report.cell(device="cpu"), test_report.cell(device="cuda", status="fail")]
    made = test_report.report(cells, **{"absent": [], "verdict": "FAIL", **changes})
    made["environment"] |= {"gpu": "NVIDIA H200", "cuda driver": "13.0"}
    return made


def test_evidence_is_kept_small_and_shown_with_its_age(tmp_path: Path) -> None:
    from parity_tests import test_report

    (file,) = keep(report(), tmp_path)
    assert file.name == "cuda-torch-2.13.0-reimpl.json"
    later = test_report.report([test_report.cell()], started="2026-01-12T03:04:05Z")
    later["evidence"] = kept(tmp_path, later)
    page = render(later)
    assert 'cuda: <a href="#evidence">not run here; evidence of 2026-01-02, 10 days before' in page
    assert "NVIDIA H200" in page
    assert "1 fail" in page
    assert later["verdict"] == "PASS"  # in which it has no part
    for other in ({"subject": "torch"}, {"devices": ["cpu", "cuda"]}):
        assert kept(tmp_path, later | other) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"verdict": "INCOMPLETE"}, "incomplete"), ({"devices": ["cpu"]}, "on the CPU alone")],
)
def test_what_is_no_evidence_is_not_kept(changes: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(NothingToKeep, match=why):
        keep(report(**changes), tmp_path)


@pytest.mark.parametrize("check", ["forward", "gradients", "purity", "errors", "meta", "tf32"])
def test_a_cell_runs_through_where_cuda_is_another_name_of_the_cpu(
    check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Recipe.tensor
    monkeypatch.setattr(Recipe, "tensor", lambda self, dtype, _device="cpu": made(self, dtype))
    (found,) = (c for c in CHECKS if c.name == check)
    dtype = torch.float32 if found.by_dtype else None
    plan = Plan(load("reimpl"), PROFILES["quick"], 0, expectations.load())
    judged = examine(Cell(named("conv2d"), found, dtype, "cuda"), plan)
    assert judged.status in ("pass", "known"), judged.reason
    assert judged.ledger.comparisons > 0


class Event:
    """CUDA's, by the processor's clock."""

    waited = 0

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        Event.waited += 1

    def elapsed_time(self, end: Event) -> float:
        return 1e3 * (end.at - self.at)


def test_the_bench_takes_its_times_from_device_events(monkeypatch: pytest.MonkeyPatch) -> None:
    (shape,) = (shape for shape in SHAPES if shape.name.startswith("softmax, attention"))
    plain = measure.inputs
    monkeypatch.setattr(measure, "inputs", lambda s, d, _, grad: plain(s, d, "cpu", grad=grad))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    peaks = itertools.cycle([600, 300])  # ours, torch's
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 100)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 100 + next(peaks))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    row = measure.entry(shape, torch.bfloat16, "forward+backward", "cuda")
    assert Event.waited >= 2 * measure.ROUNDS
    assert row["memory_ratio"] == 2.0
    assert row["ours_ms"] > 0
    assert 0.01 < row["ratio"] < 1000
