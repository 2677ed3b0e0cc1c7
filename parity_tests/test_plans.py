"""The plans of an operator agree to the bit, and convolution's pass the checks by themselves."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import reimpl
from parity_tests import expectations, subjects
from parity_tests.checks import CHECKS
from parity_tests.op import Op
from parity_tests.ops import OPS
from parity_tests.profiles import PROFILES
from parity_tests.search import Cell, Plan, examine
from reimpl import (
    avg_pool,
    blocks,
    columns,
    maxima,
    padding,
    resampling,
    slabs,
    taps,
    trilinear,
)
from reimpl.standardize import standardize
from reimpl.windows import Windows, spanned

CONVOLUTIONS = [
    op for op in OPS if op.name in {"conv1d", "conv2d", "conv_transpose2d", "conv_transpose3d"}
]


@st.composite
def geometries(draw: st.DrawFn) -> Windows:
    """Windows over one to three axes, with padding and overhang of all sorts."""
    rank = draw(st.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank)))

    K, s, d, p, M, extra = each(1, 4), each(1, 4), each(1, 3), each(0, 4), each(1, 5), each(0, 5)
    axes = zip(M, K, s, d, p, extra, strict=True)
    size = tuple(max(1, spanned(m, k, ss, dd) - 2 * pp + e) for m, k, ss, dd, pp, e in axes)
    return Windows(size, M, K, s, p, d)


@pytest.mark.parametrize("product", ["correlate", "spread", "relate"])
@pytest.mark.parametrize("plan", [slabs, blocks, taps], ids=lambda plan: plan.__name__)
@given(
    windows=geometries(),
    channels=st.tuples(*[st.integers(1, 3)] * 3),
    N=st.integers(0, 3),
    dtype=st.sampled_from([torch.float64, torch.complex128, torch.int64]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=200, deadline=None, database=None, derandomize=True)
def test_plans_agree_to_the_bit_on_exact_numbers(
    product: str,
    plan: ModuleType,
    windows: Windows,
    channels: tuple[int, int, int],
    N: int,
    dtype: torch.dtype,
    seed: int,
) -> None:
    random = torch.Generator().manual_seed(seed)
    G, O, C = channels if plan is not taps else (channels[0], 1, 1)

    def integers(*shape: int) -> Tensor:
        t = torch.randint(-3, 4, shape, generator=random).to(dtype)
        return (t * (1 + 2j)).conj() if dtype.is_complex else t

    x, y = integers(N, G, C, *windows.size), integers(N, G, O, *windows.positions)
    w = integers(G, O, C, *windows.kernel)
    given = {"correlate": (x, w), "spread": (y, w), "relate": (x, y)}[product]
    wanted = getattr(columns, product)(*given, windows)
    got = getattr(plan, product)(*given, windows)
    assert torch.equal(got, wanted)
    assert got.is_contiguous()
    assert got.abs().sum() > 0 or wanted.abs().sum() == 0


def test_a_group_of_one_channel_keeps_infinities_where_they_are() -> None:
    """The plan for many taps multiplies by more zeros; it is for finite numbers alone."""
    x, w = torch.randn(1, 40, 1, 9000), torch.randn(40, 1, 1, 31)
    x[0, 3, 0, 4000] = torch.inf
    windows = Windows((9000,), (8970,), (31,), (1,), (0,), (1,))
    assert trilinear._plan(x, w, w.shape, windows) is taps
    assert trilinear._plan(x[:, 4:], w[4:], w[4:].shape, windows) is blocks
    y = trilinear.correlate(x, w, windows)
    assert (~y.isfinite()).nonzero()[:, 3].tolist() == list(range(3970, 4001))


@st.composite
def looks(draw: st.DrawFn) -> list[maxima.Regular | maxima.Adaptive]:
    """Windows of pools over one to three axes."""
    found: list[maxima.Regular | maxima.Adaptive] = []
    for _ in range(draw(st.integers(1, 3))):
        l, m, k, s, d = (draw(st.integers(1, n)) for n in (7, 4, 4, 3, 3))
        p = draw(st.integers(0, k // 2))
        overhang = k > 1 and p == 0
        size = max(1, spanned(m, k, s, d) - 2 * p - overhang)
        adaptive = draw(st.booleans())
        found.append(maxima.Adaptive(l, m) if adaptive else maxima.Regular(size, m, k, s, p, d))
    return found


@given(looks=looks(), seed=st.integers(0, 1000))
@settings(max_examples=300, deadline=None, database=None, derandomize=True)
def test_maxima_at_once_and_by_axis_are_the_same(
    looks: list[maxima.Regular | maxima.Adaptive], seed: int
) -> None:
    """With ties, NaN and infinities."""
    random = torch.Generator().manual_seed(seed)
    numbers = torch.tensor([0.0, 1, 1, 2, -torch.inf, -torch.inf, torch.nan, torch.inf])
    shape = (3, 2, *[look.l for look in looks])
    x = numbers[torch.randint(0, 8 - seed % 3, shape, generator=random)]
    at_once, by_axis = maxima._codes_at_once(x, looks), maxima._codes_by_axis(x, looks)
    assert torch.equal(at_once, by_axis.long())
    values = maxima._values(x, looks)
    assert torch.equal(values.nan_to_num(nan=9), maxima._values_by_axis(x, looks).nan_to_num(nan=9))
    chosen = maxima.chosen(x, maxima.places(x, looks), looks)
    assert torch.equal(values.nan_to_num(nan=9), chosen.nan_to_num(nan=9))


def both_ways(
    function: Callable[[Tensor], Tensor], x: Tensor, monkeypatch: pytest.MonkeyPatch, *other: Any
) -> None:
    """Value and gradient by one plan, and by the one that the patch leads to, on exact numbers."""

    def results() -> list[Tensor]:
        own = x.clone().requires_grad_()
        y = function(own)
        cotangent = torch.arange(y.numel(), dtype=y.dtype).remainder(7).view(y.shape) - 3
        return [y, *torch.autograd.grad(y, own, cotangent)]

    plain = results()
    monkeypatch.setattr(*other)
    assert all(map(torch.equal, plain, results()))


def integers(*shape: int) -> Tensor:
    return torch.randint(-4, 5, shape, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_average_pools_at_once_and_tap_by_tap(
    stride: int, padding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pool(x: Tensor) -> Tensor:
        return reimpl.avg_pool2d(x, (2, 4), stride, (padding, 2 * padding), ceil_mode=True)

    both_ways(pool, integers(2, 3, 5, 9), monkeypatch, avg_pool, "_SMALL", 0)


@pytest.mark.parametrize("scale", [(2.0, 4.0), (0.5, 2.0), (1.0, 0.25)])
def test_the_whole_matrix_and_its_entries(
    scale: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def double(x: Tensor) -> Tensor:
        return reimpl.interpolate(x, scale_factor=scale, mode="bilinear")

    nobody = resampling, "all_finite", lambda *_: False
    both_ways(double, integers(2, 3, 4, 8), monkeypatch, *nobody)


@pytest.mark.parametrize("mode", padding.MODES[1:])
def test_padding_by_copies_and_by_selection(mode: str) -> None:
    def by_selection(x: Tensor, amounts: padding.Amounts, mode: str) -> Tensor:
        for axis, (lo, hi) in enumerate(amounts, start=-len(amounts)):
            x = padding._select(x, axis, lo, hi, mode)
        return x

    def pad(x: Tensor) -> Tensor:
        return padding.pad_by_selection("pad", x, ((2, 0), (1, 3)), mode)

    x = integers(2, 3, 4, 5)
    assert torch.equal(pad(x), by_selection(x, ((2, 0), (1, 3)), mode))
    back = padding._folded_back(pad(x), ((2, 0), (1, 3)), mode)
    own = x.clone().requires_grad_()
    selected = by_selection(own, ((2, 0), (1, 3)), mode)
    assert torch.equal(back, torch.autograd.grad(selected, own, selected.detach())[0])


@pytest.mark.parametrize("check", ["forward", "gradients", "second", "independence", "transforms"])
@pytest.mark.parametrize("op", CONVOLUTIONS, ids=lambda op: op.name)
def test_the_frugal_plans_pass_by_themselves(
    op: Op, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are for tensors larger than the search draws."""
    monkeypatch.setattr(trilinear, "LARGE", 0)
    plan = Plan(subjects.load("reimpl"), PROFILES["quick"], 0, expectations.load())
    (claim,) = [c for c in CHECKS if c.name == check]
    dtype = torch.float64 if torch.float64 in claim.dtypes(op) else None
    outcome = examine(Cell(op, claim, dtype, "cpu"), plan)
    assert outcome.status in ("pass", "known"), outcome.reason
    assert outcome.ledger.comparisons


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(
    ("shape", "axes", "parameters"),
    [
        ((4, 8), (1,), (1, 8)),
        ((1, 8), (1,), (1, 8)),
        ((2, 3, 4), (0, 2), (1, 3, 1)),
        ((3, 2, 4), (2,), (1, 2, 1)),
        ((3, 2, 4, 2), (2, 3), (1, 2, 4, 1)),
    ],
    ids=["layer", "layer of one", "batch", "instance", "group"],
)
@given(
    given_a=st.booleans(),
    given_b=st.booleans(),
    dtype=st.sampled_from([torch.float64, torch.complex128]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=20, deadline=None, database=None, derandomize=True)
def test_derivatives_of_standardization_agree_to_the_bit_on_exact_numbers(
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    parameters: tuple[int, ...],
    centred: bool,
    given_a: bool,
    given_b: bool,
    dtype: torch.dtype,
    seed: int,
) -> None:
    """In place, and by the plain formulas where the derivative is itself to be differentiated."""
    random = torch.Generator().manual_seed(seed)

    def integers(shape: tuple[int, ...]) -> Tensor:
        t = torch.randint(-3, 4, shape, generator=random).to(dtype)
        return t * (1 + 2j) if dtype.is_complex else t

    # As many ones as minus ones: mean 0, variance 1 and, with eps 3, r = 1/2.
    flat = torch.ones(shape, dtype=dtype).movedim(axes, tuple(range(-len(axes), 0)))
    flat = flat.flatten(-len(axes)).contiguous()
    flat[..., ::2] = -1
    order = torch.randperm(flat.shape[-1], generator=random)
    rest = [shape[d] for d in range(len(shape)) if d not in axes]
    x = flat[..., order].reshape(*rest, *[shape[d] for d in axes])
    x = x.movedim(tuple(range(-len(axes), 0)), axes).requires_grad_()
    a = integers(parameters).requires_grad_() if given_a else None
    b = integers(parameters).requires_grad_() if given_b else None
    leaves = [t for t in (x, a, b) if t is not None]
    y = standardize(x, axes, 3.0, a, b, centred=centred).z
    gy = integers(shape)
    plain = torch.autograd.grad(y, leaves, gy, create_graph=True)
    in_place = torch.autograd.grad(y, leaves, gy)
    assert all(torch.equal(p, q) for p, q in zip(plain, in_place, strict=True))
    assert any(p.abs().sum() > 0 for p in plain) or not gy.any() or (a is not None and not a.all())


LARGE_CALLS = (
    ("conv2d", (2, 16, 40, 40), (16, 16, 3, 3), {"padding": 1}),
    ("conv2d", (2, 64, 40, 40), (64, 1, 3, 3), {"groups": 64, "padding": 1}),
    ("conv2d", (1, 64, 40, 40), (64, 1, 11, 11), {"groups": 64, "padding": 5}),
    ("conv_transpose2d", (2, 16, 40, 40), (16, 16, 3, 3), {"stride": 2}),
)


@pytest.mark.parametrize(("name", "input", "weight", "geometry"), LARGE_CALLS)
def test_batched_gradients_of_large_convolutions(
    name: str, input: Any, weight: Any, geometry: Any
) -> None:
    """Several cotangents at once, where one cotangent goes to a frugal plan."""
    random = torch.Generator().manual_seed(4)
    x = torch.randn(input, generator=random, dtype=torch.float64).requires_grad_()
    w = torch.randn(weight, generator=random, dtype=torch.float64).requires_grad_()
    y = getattr(reimpl, name)(x, w, **geometry)
    c = torch.randn(2, *y.shape, generator=random, dtype=torch.float64)
    together = torch.autograd.grad(y, [x, w], c, is_grads_batched=True, retain_graph=True)
    for i in range(2):
        alone = torch.autograd.grad(y, [x, w], c[i], retain_graph=True)
        for several, one in zip(together, alone, strict=True):
            assert torch.allclose(several[i], one)
