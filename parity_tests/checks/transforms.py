"""One claim: torch.func's transforms go through as they go through torch's own operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from parity_tests import experiments
from parity_tests.experiments import Cotangent, outputs_of
from parity_tests.op import Call, Op, Tensors
from parity_tests.recipe import Recipe
from parity_tests.verdict import Trial, judge

SIZE = 2  # of the mapped axis
Target = Callable[..., Any]


def transforms(trial: Trial) -> None:
    """vmap, grad, jacrev and jvp give what plain calls give; torch.compile in the deep profile."""
    mapped = with_mapped_axis(trial.call)
    judge(replace(trial, call=mapped), vmapped, looped)
    judge(trial, functional_gradients, experiments.gradients)
    judge(trial, reverse_jacobian, experiments.gradients)
    judge(trial, forward_derivative, double_transpose)
    if trial.deep:
        judge(trial, compiled, experiments.gradients)


def with_mapped_axis(call: Call) -> Call:
    """Some tensors with an axis in front to map over; the rest shared by all."""
    names = [name for name in call.recipes() if not name.startswith("step ")]
    chosen = {n for i, n in enumerate(names) if call.cotangent.seed >> (9 + i) & 1} or {names[0]}

    def widen(name: str, recipe: Recipe) -> Recipe:
        return replace(recipe, shape=(SIZE, *recipe.shape)) if name in chosen else recipe

    return replace(call.with_recipes(widen), wanted=tuple(sorted(chosen)))


def vmapped(op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent) -> Tensors:
    """The operator mapped over the axis in front of the tensors named by ``wanted``."""
    axes = {name: 0 if name in call.wanted else None for name in tensors}

    def one(given: Tensors) -> Tensors:
        return outputs_of(op.run(target, call, given))

    return torch.func.vmap(one, in_dims=(axes,))(tensors)  # type: ignore[no-any-return]


def looped(op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent) -> Tensors:
    """The same by one call after the other."""
    rows = []
    for i in range(SIZE):
        given = {name: t[i] if name in call.wanted else t for name, t in tensors.items()}
        rows.append(outputs_of(op.run(target, call, given)))
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def pulled_back(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Callable[[Tensors], Tensor]:
    """Re<cotangent, f>, as a function of the wanted inputs."""

    def inner(wanted: Tensors) -> Tensor:
        outputs = outputs_of(op.run(target, call, {**tensors, **wanted}))
        terms = [
            (cotangent(name, out).conj() * out).sum()
            for name, out in outputs.items()
            if out.is_floating_point() or out.is_complex()
        ]
        return torch.stack(terms).sum().real

    return inner


def functional_gradients(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """torch.func.grad of Re<cotangent, f>."""
    wanted = {name: tensors[name] for name in call.wanted}
    grads = torch.func.grad(pulled_back(op, target, call, tensors, cotangent))(wanted)
    return {f"gradient of {name}": g for name, g in grads.items()}


def reverse_jacobian(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """The cotangent applied to torch.func.jacrev's Jacobian."""
    wanted = {name: tensors[name] for name in call.wanted}

    def output(given: Tensors) -> Tensor:
        return op.run(target, call, {**tensors, **given})  # type: ignore[no-any-return]

    jacobian = torch.func.jacrev(output)(wanted)
    over = cotangent("output", output(wanted))
    return {
        f"gradient of {name}": torch.tensordot(over, rows.conj() if rows.is_complex() else rows, dims=over.dim())
        for name, rows in jacobian.items()
    }


def tangents(call: Call, tensors: Tensors, cotangent: Cotangent) -> Tensors:
    """A direction for each wanted input."""
    return {name: cotangent(f"tangent of {name}", tensors[name]) for name in call.wanted}


def forward_derivative(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """torch.func.jvp along random tangents."""
    wanted = {name: tensors[name] for name in call.wanted}

    def output(given: Tensors) -> Tensor:
        return op.run(target, call, {**tensors, **given})  # type: ignore[no-any-return]

    moved = tangents(call, tensors, cotangent)
    _, derivative = torch.func.jvp(output, (wanted,), (moved,))
    return {"derivative along the tangents": derivative}


def double_transpose(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """The same by reverse mode twice: the gradient is linear in the cotangent c, and
    d<gradient(c), tangent>/dc is the derivative along the tangent.
    """
    first, cotangents = experiments.differentiated(
        op, target, call, tensors, cotangent, create_graph=True
    )
    moved = tangents(call, tensors, cotangent)
    (derivative,) = torch.autograd.grad(
        [first[name] for name in call.wanted],
        list(cotangents.values()),
        [moved[name] for name in call.wanted],
        materialize_grads=True,
    )
    return {"derivative along the tangents": derivative.detach()}


def compiled(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """Traced whole by Dynamo and AOTAutograd, forward and first order."""
    torch.compiler.reset()
    # aot_eager traces both passes and runs the trace with torch's kernels: what inductor would
    # generate from the trace is not the operator's doing.
    whole = torch.compile(target, fullgraph=True, backend="aot_eager")
    return experiments.gradients(op, whole, call, tensors, cotangent)


