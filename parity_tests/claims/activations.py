"""Claims about activations and normalize: rows D3 to D6."""

from __future__ import annotations

import inspect
from math import inf
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from parity_tests.claims.claim import Claim, Contradiction
from parity_tests.claims.data import CLOSE, SEEDS, differs, integers, numbers, refusal, unless

SHAPES = st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple)


def vector(*values: float) -> Tensor:
    """Values in double precision."""
    return torch.tensor(values, dtype=torch.float64)


# --- D3 ---


def normalize_defaults(nn: Any) -> Contradiction:
    """The function's defaults."""
    expected = {"p": 2.0, "dim": 1, "eps": 1e-12, "out": None}
    parameters = inspect.signature(nn.normalize).parameters
    found = {name: parameters[name].default for name in expected}
    return unless(found == expected, f"the defaults are {found}")


def divided_by_the_norm(
    nn: Any, p: float, eps: float, shape: tuple[int, ...], seed: int
) -> Contradiction:
    """normalize against v / max(‖v‖ₚ, ε); the last sample is zero."""
    v = numbers(seed, *shape)
    v[-1] = 0
    size = v.abs().amax(1, True) if p == inf else (v.abs() ** p).sum(1, True) ** (1 / p)
    return differs(nn.normalize(v, p, eps=eps), v / size.clamp(min=eps), within=CLOSE)


def with_out(nn: Any, differentiated: bool, seed: int) -> Contradiction:
    """Whether normalize with out is refused where a gradient is wanted; else what is in out."""
    v, out = numbers(seed, 2, 3), torch.empty(2, 3, dtype=torch.float64)
    expected = nn.normalize(v)
    refused = refusal(lambda: nn.normalize(v.requires_grad_(differentiated), out=out))
    if differentiated or refused:
        return unless(differentiated and refused is not None, refused or "a gradient is promised")
    return differs(out, expected)


def input_of_any_shape(nn: Any, shape: tuple[int, ...], seed: int) -> Contradiction:
    """Whether normalize takes the input, and returns its shape."""
    v = integers(seed, *shape)
    refused = refusal(lambda: nn.normalize(v))
    return refused or unless(nn.normalize(v).shape == v.shape, "the shape is another")


def divided_by_the_sum(nn: Any, p: int, values: list[int]) -> Contradiction:
    """normalize against each value divided by the sum of all."""
    v = vector(*values)[None]
    return differs(nn.normalize(v, p), v / v.sum(), within=CLOSE)


# --- D4 ---


def softplus_in_two_pieces(
    nn: Any, x: float, beta: float | None, threshold: float | None
) -> Contradiction:
    """softplus against log(1 + exp(βx))/β, and against x, to the last bit, if βx > threshold."""
    given = {} if beta is None else {"beta": beta}
    given |= {} if threshold is None else {"threshold": threshold}
    b, t = given.get("beta", 1.0), given.get("threshold", 20.0)
    found, v = nn.softplus(vector(x), **given), vector(x)
    if b * x > t:
        return differs(found, v)
    return differs(found, torch.log(1 + torch.exp(b * v)) / b, within=CLOSE)


# --- D5 ---


def cast_first(nn: Any, name: str, of: torch.dtype, to: torch.dtype, seed: int) -> Contradiction:
    """The function with dtype against the function of the input cast, to the last bit."""
    function, x = getattr(nn, name), (100 * numbers(seed, 2, 4)).to(of)
    found, expected = function(x, dim=1, dtype=to), function(x.to(to), dim=1)
    if found.dtype != to:
        return f"the result is {found.dtype}"
    return differs(found.double(), expected.double())


def sums_to_one(nn: Any, name: str, shape: tuple[int, ...], dim: int, seed: int) -> Contradiction:
    """The sums over dim, and whether any entry is negative."""
    y = getattr(nn, name)(100 * numbers(seed, *shape), dim=dim)
    total = y.sum(dim)
    negative = unless(bool((y >= 0).all()), "there is a negative entry")
    return negative or differs(total, torch.ones_like(total), within=CLOSE)


def unmoved_by_a_constant(nn: Any, name: str, constant: int, seed: int) -> Contradiction:
    """softmax with and without a constant added to integers, which is exact."""
    x, function = integers(seed, 2, 4), getattr(nn, name)
    return differs(function(x + constant, dim=1), function(x, dim=1))


def beside_softmax(nn: Any, name: str, shape: tuple[int, ...], seed: int) -> Contradiction:
    """log_softmax against the logarithm of softmax, softmin against softmax of −x."""
    x = numbers(seed, *shape)
    found = getattr(nn, name)(x, dim=1)
    by_softmax = {
        "log_softmax": lambda: nn.softmax(x, dim=1).log(),
        "softmin": lambda: nn.softmax(-x, dim=1),
    }
    return differs(found, by_softmax[name](), within=CLOSE)


# --- D6 ---


def relu_is_the_positive_part(nn: Any, x: float) -> Contradiction:
    """ReLU against max(0, x)."""
    return differs(nn.ReLU()(vector(x)), vector(max(0.0, x)))


def changed_in_place(nn: Any, name: str, seed: int) -> Contradiction:
    """A layer with inplace=True: whether it returns its input, holding the result."""
    x, layer = numbers(seed, 2, 3), getattr(nn, name)
    expected = layer()(x.clone())
    y = layer(inplace=True)(x)
    return unless(y is x, "it returns another tensor") or differs(x, expected)


def elu_formula(nn: Any, alpha: float, x: float) -> Contradiction:
    """ELU against max(0, x) + min(0, α(eˣ − 1))."""
    v = vector(x)
    formula = v.clamp(min=0) + (alpha * torch.expm1(v)).clamp(max=0)
    return differs(nn.ELU(alpha)(v), formula, within=CLOSE)


FINITE = st.sampled_from([-1.0, 0.0, 1.0]) | st.floats(-30, 30)
DTYPES = st.sampled_from([torch.float64, torch.float32, torch.bfloat16])

CLAIMS = (
    Claim(
        row="D3",
        says="normalize takes p=2, dim=1, eps=1e-12, out=None.",
        verdict="holds",
        property=normalize_defaults,
    ),
    Claim(
        row="D3",
        says="normalize is v / max(‖v‖ₚ, ε), for p in (0, ∞].",
        verdict="holds",
        property=divided_by_the_norm,
        cases={
            "p": st.sampled_from([2, 1, inf, 0.5, 3]),
            "eps": st.sampled_from([1e-12, 0.5, 4.0]),
            "shape": SHAPES,
            "seed": SEEDS,
        },
    ),
    Claim(
        row="D3",
        says="With out it is not differentiable.",
        verdict="holds",
        property=with_out,
        cases={"differentiated": st.booleans(), "seed": SEEDS},
    ),
    Claim(
        row="D3",
        says="The input may have any shape.",
        verdict="holds if",
        condition="it has two axes or more, as dim=1 needs",
        within=lambda shape, **_: len(shape) >= 2,
        property=input_of_any_shape,
        cases={"shape": st.lists(st.integers(1, 4), max_size=4).map(tuple), "seed": SEEDS},
    ),
    Claim(
        row="D3",
        says="Each value is divided by the sum of all.",
        verdict="holds if",
        condition="p = 1 and no value is negative",
        within=lambda p, values: p == 1 and min(values) >= 0,
        property=divided_by_the_sum,
        cases={
            "p": st.integers(1, 3),
            "values": st.lists(st.integers(-2, 9), max_size=3).map(lambda others: [2, *others]),
        },
    ),
    Claim(
        row="D4",
        says="softplus with beta=1, threshold=20 is log(1 + exp(βx))/β, and x itself once "
        "βx > threshold.",
        verdict="holds",
        property=softplus_in_two_pieces,
        cases={
            "x": FINITE | st.sampled_from([20.0, 20.5]),
            "beta": st.sampled_from([None, 2.0, 0.5, -1.0]),
            "threshold": st.sampled_from([None, 1.0, 0.0]),
        },
    ),
    Claim(
        row="D5",
        says="With dtype the input is cast first.",
        verdict="holds",
        property=cast_first,
        cases={
            "name": st.sampled_from(["softmax", "log_softmax", "softmin"]),
            "of": st.sampled_from([torch.int64, torch.float32, torch.float64]),
            "to": DTYPES,
            "seed": SEEDS,
        },
    ),
    Claim(
        row="D5",
        says="softmax is not negative and sums to one over dim, and so does softmin.",
        verdict="holds",
        property=sums_to_one,
        cases={
            "name": st.sampled_from(["softmax", "softmin"]),
            "shape": SHAPES,
            "dim": st.sampled_from([0, 1, -1]),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="D5",
        says="A constant added to all values changes nothing.",
        verdict="holds",
        property=unmoved_by_a_constant,
        cases={
            "name": st.sampled_from(["softmax", "log_softmax", "softmin"]),
            "constant": st.integers(-1000, 1000),
            "seed": SEEDS,
        },
    ),
    Claim(
        row="D5",
        says="log_softmax is its logarithm, softmin is softmax of −x.",
        verdict="holds",
        property=beside_softmax,
        cases={
            "name": st.sampled_from(["log_softmax", "softmin"]),
            "shape": SHAPES,
            "seed": SEEDS,
        },
    ),
    Claim(
        row="D6",
        says="ReLU is max(0, x).",
        verdict="holds",
        property=relu_is_the_positive_part,
        cases={"x": FINITE},
    ),
    Claim(
        row="D6",
        says="With inplace=True ReLU and ELU overwrite their input.",
        verdict="holds",
        property=changed_in_place,
        cases={"name": st.sampled_from(["ReLU", "ELU"]), "seed": SEEDS},
    ),
    Claim(
        row="D6",
        says="ELU is max(0, x) + min(0, α(eˣ − 1)).",
        verdict="holds if",
        condition="α ≥ 0: else the second term is positive for negative x, and is cut off",
        within=lambda alpha, **_: alpha >= 0,
        property=elu_formula,
        cases={"alpha": st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, -2.0]), "x": FINITE},
    ),
)
