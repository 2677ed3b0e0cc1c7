"""The bench measures what it says: the shapes are valid, times and memory those of the calls."""

from __future__ import annotations

import time
from dataclasses import replace
from math import prod

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from parity_tests.bench import __main__ as bench
from parity_tests.bench import fresh, growth, measure, peers, stages, sweep
from parity_tests.bench.shapes import REAL, SHAPES, TINY, Shape
from parity_tests.trial import Trial


def small(shape: Shape) -> Shape:
    """The same call of two samples at most."""
    first, *rest = shape.tensors["input"]
    return replace(shape, tensors={**shape.tensors, "input": (min(first, 2), *rest)})


def test_names_are_unique_and_sizes_are_told_apart() -> None:
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)
    assert not any(shape.tiny for shape in REAL)
    assert all(shape.tiny for shape in TINY)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_both_sides_compute_the_same_of_every_shape(shape: Shape) -> None:
    tensors = measure.inputs(small(shape), torch.float64, "cpu", grad=False)
    ours, torchs = measure.calls(shape, tensors)
    for mine, theirs in zip(measure.all_of(ours()), measure.all_of(torchs()), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_product_has_as_many_operations_as_the_convolution() -> None:
    (shape,) = [s for s in REAL if s.name.startswith("ResNet-50 stem")]
    counted = FlopCounterMode(display=False)
    run = measure.sides(shape, torch.float32, "forward", "cpu")
    counts = []
    for side in ("torch", "product"):
        with counted:
            run[side]()
        counts.append(counted.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_time_is_measured_per_call() -> None:
    def busy() -> None:
        end = time.process_time() + 0.001
        while time.process_time() < end:
            pass

    assert 0.001 <= measure.seconds(busy) < 0.003


def test_memory_counts_what_lives_at_once() -> None:
    def run() -> torch.Tensor:
        a = torch.empty(1000, 1000)
        b = a + 1
        del a
        return b * 2

    assert 0 <= measure.cpu_peak(run) - 2 * 4 * 10**6 < 100  # the numbers 1 and 2 are tensors too


def test_an_entry_says_which_goals_it_misses() -> None:
    row = {"ratio": 3.0, "memory_ratio": 2.5, "gemm_ratio": None, "tiny": False}
    assert bench.misses(row, "cpu") == [
        "3.0 times torch's time",
        "2.5 times its memory",
    ]
    assert bench.misses(row | {"memory_ratio": None, "tiny": True}, "cpu") == []
    assert bench.misses(row | {"memory_ratio": 1, "gemm_ratio": 1.2}, "cpu") == []


def test_a_slowdown_is_told_only_beyond_the_spread_of_both_runs() -> None:
    was = {"name": "a", "dtype": "float32", "pass": "forward", "ratio": 1.0, "spread": [0.9, 1.1]}
    assert not bench.slower([was | {"ratio": 1.2, "spread": [1.1, 1.3]}], [was])
    assert bench.slower([was | {"ratio": 1.5, "spread": [1.4, 1.6]}], [was]) == [
        "slower than before: a, float32 forward: 1.0 → 1.5"
    ]


def test_means_are_geometric() -> None:
    kind = {"dtype": "float32", "pass": "forward"}
    rows = [
        kind | {"tiny": tiny, "ratio": r} for tiny, r in ((False, 0.5), (False, 2.0), (True, 3))
    ]
    assert bench.means(rows) == {"float32 forward": 1.0, "float32 forward, tiny": 3.0}


def test_growth_has_primes() -> None:
    assert all(all(n % d for d in range(2, int(n**0.5) + 1)) for n in growth.LENGTHS["prime"])
    assert all(prod([2] * (n.bit_length() - 1)) == n for n in growth.LENGTHS["power of two"])


@pytest.mark.filterwarnings("ignore")  # torch's own, of its first call without oneDNN
@pytest.mark.parametrize("which", [0, 1], ids=sweep.PASSES)
def test_the_floor_runs_the_very_cases_of_the_suite(which: int) -> None:
    search = sweep.searches("softmax", torch.float64, seed=3)[which]
    ran: list[Trial] = []
    search.plan = replace(search.plan, announce=ran.append)
    assert search.run() is None
    again = sweep.searches("softmax", torch.float64, seed=3)[which]
    assert [trial.call for trial in sweep.cases(again)] == [trial.call for trial in ran]
    assert all(map(sweep.torch_twice, ran))


def test_stages_take_their_own_time_and_all_of_it() -> None:
    def busy(seconds: float) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    clock = stages.Clock()
    inner = clock.within("bound", busy)

    def outer() -> None:
        busy(0.01)
        inner(0.02)

    clock.within("compare", outer)()
    clock.lap()
    assert 0.01 <= clock.seconds["compare"] < 0.02 <= clock.seconds["bound"] < 0.03


def test_every_stage_is_met_and_the_boundaries_are_restored() -> None:
    before = [getattr(owner, name) for owner, name, _ in stages.BOUNDARIES]
    with stages.clocked() as clock:
        for search in sweep.searches("softmax", torch.float64, seed=0):
            assert search.run() is None
    assert set(clock.seconds) == set(stages.STAGES)
    assert [getattr(owner, name) for owner, name, _ in stages.BOUNDARIES] == before


def test_who_cannot_be_measured_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> float:
        raise ImportError("no expecttest")

    monkeypatch.setattr(sweep, "PEERS", {"OpInfo": missing})
    monkeypatch.setattr(sweep, "suite", lambda *_: 0.002)
    monkeypatch.setattr(sweep, "floor", lambda *_: 0.001)
    rows = {row["name"]: row for row in sweep.speeds(["softmax"], torch.float64)}
    assert rows["OpInfo"]["value"] is None
    assert rows["OpInfo"]["note"] == "not measured: no expecttest"
    assert (rows["suite"]["value"], rows["suite"]["ratio"]) == (500.0, 2.0)
    assert sweep.met(rows["suite"])
    assert not sweep.met(rows["suite"] | {"ratio": 2.6})


@pytest.mark.parametrize("who", peers.PEERS)
def test_the_others_check_something(who: str) -> None:
    if who == "PyTorch's OpInfo":
        pytest.importorskip("expecttest")
    (search, _) = sweep.searches("softmax", torch.float64, seed=0)
    seconds = peers.PEERS[who](search.cell.op, torch.float64, search.plan.subject, 0)
    assert seconds is not None
    assert seconds > 0


def test_what_follows_the_import_of_torch_is_timed_alone() -> None:
    (taken,) = fresh.beyond_torch("end = start + 0.05\nwhile time.process_time() < end: pass", 1)
    assert 0.05 <= taken < 0.1
