"""Relations that mathematics promises of an operator, whatever it is compared with.

Each is a function of a trial that yields (what, one side, other side); the sides must be equal to
the bit. That is fair because the numbers are small integers and dyadic fractions, whose sums and
products are exact in double precision, or because a power of two scales every step of any
evaluation alike. A relation that says nothing of a call yields nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from parity_tests.definitions.array import per_axis
from parity_tests.experiments import outputs_of
from parity_tests.subjects import TORCH
from parity_tests.trial import Trial

Sides = Iterator[tuple[str, Tensor, Tensor]]
Relation = Callable[[Trial], Sides]


def output(trial: Trial, **changed: Tensor) -> Tensor:
    """The first output with some tensors, or plain arguments, replaced."""
    given = trial.tensors()
    tensors = given | {k: v for k, v in changed.items() if k in given}
    return next(iter(outputs_of(trial.op.run(trial.target, trial.call, tensors)).values()))


def mirrored(x: Tensor) -> Tensor:
    """The same numbers in the opposite order."""
    return x.flip(tuple(range(x.dim())))


def affine_in(name: str) -> Relation:
    """f(x + x') + f(0) = f(x) + f(x')."""

    def relation(trial: Trial) -> Sides:
        tensors = trial.tensors()
        if name in tensors:
            x = tensors[name]
            y = mirrored(x)
            left = output(trial, **{name: x + y}) + output(trial, **{name: torch.zeros_like(x)})
            right = output(trial, **{name: x}) + output(trial, **{name: y})
            yield f"affine in {name}", left, right

    return relation


def homogeneous(trial: Trial) -> Sides:
    """f(2x) = 2·f(x)."""
    x = trial.tensors()["input"]
    yield "homogeneous", output(trial, input=2 * x), 2 * output(trial, input=x)


def blind_to_order_of_samples(trial: Trial) -> Sides:
    """Samples do not see one another: reversing the batch reverses the output."""
    recipe = trial.call.recipes()["input"]
    if recipe.batched:
        x = trial.tensors()["input"]
        yield "samples reversed", output(trial, input=x.flip(0)), output(trial, input=x).flip(0)


def blind_to_other_samples(trial: Trial) -> Sides:
    """A sample's output is that of the sample alone."""
    recipe = trial.call.recipes()["input"]
    if recipe.batched and recipe.shape[0]:
        x = trial.tensors()["input"]
        yield "first sample alone", output(trial, input=x[:1]), output(trial, input=x)[:1]


def moves_with_its_input(trial: Trial) -> Sides:
    """Without padding, dropping a stride of the input drops an entry of the output."""
    call, x = trial.call.arguments, trial.tensors()["input"]
    rank = int(trial.op.name[-2])
    kernel = call.get("kernel_size", 1)
    stride = call.get("stride", trial.op.parameters.parameters["stride"].default)
    step = per_axis(kernel if stride is None else stride, rank)[-1]
    still = call.get("padding", 0) in (0, "valid", (0,) * rank, [0] * rank)
    still = still and not call.get("ceil_mode")
    y = output(trial, input=x)
    if still and y.shape[-1] > 1:
        yield "moved by a stride", output(trial, input=x[..., step:]), y[..., 1:]


def never_decreasing(trial: Trial) -> Sides:
    """x ≤ x' implies f(x) ≤ f(x'), element by element."""
    x = trial.tensors()["input"]
    y, larger = output(trial, input=x), output(trial, input=x + mirrored(x).abs())
    yield "not decreasing", torch.minimum(y, larger), y


def undone_by(inverse: str, **arguments: str) -> Relation:
    """The subject's other operator takes the output back to the input; torch's, if it has none."""

    def relation(trial: Trial) -> Sides:
        back = trial.subject.find(inverse) or TORCH.find(inverse)
        assert back is not None, f"torch has no {inverse}"
        x = trial.tensors()["input"]
        given = {theirs: trial.call.arguments[ours] for theirs, ours in arguments.items()}
        yield f"undone by {inverse}", back(output(trial, input=x), **given), x

    return relation


def adjoint_to(transpose: str) -> Relation:
    """⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩."""

    def relation(trial: Trial) -> Sides:
        a, tensors = trial.call.arguments, trial.tensors()
        back = trial.subject.find(transpose)
        if back is None or isinstance(a["padding"], str) or 0 in tensors["input"].shape:
            return
        x, w, rank = tensors["input"], tensors["weight"], tensors["weight"].dim() - 2
        plain = {k: v for k, v in tensors.items() if k != "bias"}
        y = trial.op.run(trial.target, without_bias(trial), plain)
        geometry: dict[str, Any] = {k: a[k] for k in ("stride", "padding", "dilation", "groups")}
        s, p, d = (per_axis(a[k], rank) for k in ("stride", "padding", "dilation"))
        # What the strides leave over: of several sizes with the same windows, this is x's.
        geometry["output_padding"] = [
            (x.shape[i - rank] + 2 * p[i] - d[i] * (w.shape[i - rank] - 1) - 1) % s[i]
            for i in range(rank)
        ]
        cotangent = mirrored(y) + 1
        yield "adjoint", (y * cotangent).sum(), (x * back(cotangent, w, **geometry)).sum()

    return relation


def without_bias(trial: Trial) -> Any:
    """The call without its bias."""
    arguments = {k: v for k, v in trial.call.arguments.items() if k != "bias"}
    return type(trial.call)(arguments)


def split_by_groups(trial: Trial) -> Sides:
    """A grouped operator is its groups side by side."""
    a, tensors = trial.call.arguments, trial.tensors()
    groups, x, w = a["groups"], tensors["input"], tensors["weight"]
    if groups == 1 or 0 in x.shape:
        return
    axis = 1 if x.dim() == w.dim() else 0
    parts = zip(x.chunk(groups, axis), w.chunk(groups), strict=True)
    options = {k: v for k, v in a.items() if k not in (*tensors, "groups")}
    split = [trial.target(input=xg, weight=wg, **options) for xg, wg in parts]
    bias = tensors.get("bias")
    joined = torch.cat(split, axis)
    if bias is not None:
        joined = joined + bias.reshape(-1, *(1,) * (w.dim() - 2))
    yield "groups side by side", output(trial), joined


def scale_free(eps: str = "eps") -> Relation:
    """Four times the data and sixteen times ε: the same output."""

    def relation(trial: Trial) -> Sides:
        given = trial.call.arguments
        evaluates = not (trial.call.training and given.get("training", True))
        evaluates = evaluates or not given.get("use_input_stats", True)
        if evaluates or trial.call.arguments.get(eps) is None:
            return  # running statistics are not scaled along
        x = trial.tensors()["input"]
        scaled = {**trial.call.arguments, eps: 16 * trial.call.arguments[eps]}
        call = type(trial.call)(scaled, trial.call.state, training=trial.call.training)
        tensors = trial.tensors() | {"input": 4 * x}
        got = next(iter(outputs_of(trial.op.run(trial.target, call, tensors)).values()))
        yield "scaled by four", got, output(trial, input=x)

    return relation
