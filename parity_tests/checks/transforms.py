"""One claim: torch.func's transforms go through as they go through torch's own operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import prod

import torch
from torch import Tensor
from torch.autograd import forward_ad

from parity_tests import experiments
from parity_tests.expectations import excuse
from parity_tests.experiments import Cotangent, Target, is_integer, outputs_of
from parity_tests.op import Call, Op, Tensors
from parity_tests.recipe import Recipe
from parity_tests.trial import Trial
from parity_tests.verdict import judge

SIZE = 2  # of the mapped axis
CHUNK = 64  # rows of a Jacobian at a time: all at once may take more memory than there is


def transforms(trial: Trial) -> None:
    """vmap, grad, jacrev, jvp, jvp of vmap and batched gradients give what plain calls give; in the
    deep profile torch.compile does."""
    for call in with_mapped_axis(trial.call):
        mapped = replace(trial, call=call, place=trial.call)
        judge(mapped, vmapped, looped)
        along = [name for name in call.wanted if name in trial.call.wanted]
        # Where torch is known to be wrong only definitions tell, which know no mapped axes.
        if along and excuse(mapped) is None:
            judge(mapped, partial(mapped_derivative, along), partial(looped_derivative, along))
    if not trial.call.wanted:
        return
    judge(trial, functional_gradients, experiments.gradients)
    judge(replace(trial, place=trial.call), batched_gradients, looped_gradients)
    # A Jacobian has a row for every output: a huge stride makes a small input's huge.
    if trial.regime != "degenerate" and elements(trial.call) <= 1000:
        judge(trial, reverse_jacobian, experiments.gradients)
    recorded = trial.call.share(2, "recorded tangents")
    judge(trial, (forward_derivative, recorded_derivative)[recorded], double_transpose)
    if trial.deep and trial.one_in(32, "compiled"):  # half a second each
        judge(trial, compiled, experiments.gradients)


def elements(call: Call) -> int:
    """Elements to differentiate by."""
    return sum(prod(recipe.shape) for n, recipe in call.recipes().items() if n in call.wanted)


def with_mapped_axis(call: Call) -> Iterator[Call]:
    """Some tensors with an axis in front to map over, then the others."""
    names = [name for name in call.recipes() if not name.startswith("step ")]
    some = {n for i, n in enumerate(names) if call.cotangent.seed >> (9 + i) & 1} or {names[0]}
    for chosen in (some, set(names) - some):
        if chosen:
            widened = call.with_recipes(partial(widen, chosen))
            yield replace(widened, wanted=tuple(sorted(chosen)))


def widen(chosen: set[str], name: str, recipe: Recipe) -> Recipe:
    """The tensor with an axis in front, if it is one of those chosen."""
    return replace(recipe, shape=(SIZE, *recipe.shape)) if name in chosen else recipe


def vmapped(op: Op, target: Target, call: Call, tensors: Tensors, _: Cotangent) -> Tensors:
    """The operator mapped over the axis in front of the tensors named by ``wanted``."""
    axes = {name: 0 if name in call.wanted else None for name in tensors}

    def one(given: Tensors) -> Tensors:
        return outputs_of(op.run(target, call, given))

    return torch.func.vmap(one, in_dims=(axes,))(tensors)


def looped(op: Op, target: Target, call: Call, tensors: Tensors, _: Cotangent) -> Tensors:
    """The same by one call after the other."""
    rows = range(SIZE)
    return stacked([outputs_of(op.run(target, call, row_of(call, tensors, i))) for i in rows])


def row_of(call: Call, tensors: Tensors, i: int) -> Tensors:
    """One row of the tensors with a mapped axis, and the others."""
    return {name: t[i] if name in call.wanted else t for name, t in tensors.items()}


def stacked(rows: list[Tensors]) -> Tensors:
    """The results of all rows, the mapped axis in front."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def smooth_outputs(op: Op, target: Target, call: Call, tensors: Tensors) -> Callable[..., Tensors]:
    """The differentiable outputs, as a function of the wanted inputs."""

    def outputs(wanted: Tensors) -> Tensors:
        found = outputs_of(op.run(target, call, {**tensors, **wanted}))
        return {name: out for name, out in found.items() if not is_integer(out)}

    return outputs


def chosen(call: Call, tensors: Tensors) -> Tensors:
    """The wanted inputs."""
    return {name: tensors[name] for name in call.wanted}


def functional_gradients(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """torch.func.grad of Re<cotangent, f>."""
    outputs = smooth_outputs(op, target, call, tensors)

    def inner_product(wanted: Tensors) -> Tensor:
        terms = [(cotangent(n, out).conj() * out).sum() for n, out in outputs(wanted).items()]
        return torch.stack(terms).sum().real

    grads = torch.func.grad(inner_product)(chosen(call, tensors))
    return {f"gradient of {name}": g for name, g in grads.items()}


def batched_gradients(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """Gradients for several cotangents at once: ``is_grads_batched``, a vmap of the backward."""
    outputs, wanted = recorded(op, target, call, tensors)
    grads = torch.autograd.grad(
        list(outputs.values()),
        wanted,
        [mapped_cotangent(cotangent, *item) for item in outputs.items()],
        is_grads_batched=True,
        materialize_grads=True,
    )
    return {f"gradient of {n}": g for n, g in zip(call.wanted, grads, strict=True)}


def looped_gradients(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """The same for one cotangent after the other."""
    outputs, wanted = recorded(op, target, call, tensors)
    over = [mapped_cotangent(cotangent, *item) for item in outputs.items()]
    rows = [
        torch.autograd.grad(
            list(outputs.values()),
            wanted,
            [c[i] for c in over],
            retain_graph=True,
            materialize_grads=True,
        )
        for i in range(SIZE)
    ]
    pairs = zip(call.wanted, zip(*rows, strict=True), strict=True)
    return {f"gradient of {name}": torch.stack(list(each)) for name, each in pairs}


def recorded(op: Op, target: Target, call: Call, tensors: Tensors) -> tuple[Tensors, list[Tensor]]:
    """The differentiable outputs with their graph, and the wanted inputs."""
    wanted = [tensors[name].requires_grad_() for name in call.wanted]
    return smooth_outputs(op, target, call, tensors)({}), wanted


def mapped_cotangent(cotangent: Cotangent, name: str, output: Tensor) -> Tensor:
    """Cotangents of an output, as many as the mapped axis is long."""
    return cotangent(name, output.detach().expand(SIZE, *output.shape))


def reverse_jacobian(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """The cotangents applied to torch.func.jacrev's Jacobians.

    Of the real and the imaginary parts of complex outputs: a real input has gradients of each.
    """
    outputs, wanted = smooth_outputs(op, target, call, tensors), chosen(call, tensors)

    def parts(given: Tensors) -> Tensors:
        return {name: reals(out) for name, out in outputs(given).items()}

    jacobians = torch.func.jacrev(parts, chunk_size=CHUNK)(wanted)
    over = {name: reals(cotangent(name, out)) for name, out in outputs(wanted).items()}
    return {
        f"gradient of {name}": torch.stack(
            [
                torch.tensordot(c.to(t.dtype), jacobians[out][name], dims=c.dim())
                for out, c in over.items()
            ]
        ).sum(0)
        for name, t in wanted.items()
    }


def reals(t: Tensor) -> Tensor:
    """Complex numbers as pairs of real ones."""
    return torch.view_as_real(t.resolve_conj()) if t.is_complex() else t


def forward_derivative(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """torch.func.jvp along random tangents."""
    return pushed_forward(
        smooth_outputs(op, target, call, tensors), chosen(call, tensors), cotangent
    )


def recorded_derivative(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """The same by dual numbers whose graph is recorded as well, as forward over reverse has it."""
    wanted = {name: tensors[name].requires_grad_() for name in call.wanted}
    with forward_ad.dual_level():
        duals = {
            n: forward_ad.make_dual(t, cotangent(f"tangent of {n}", t)) for n, t in wanted.items()
        }
        found = smooth_outputs(op, target, call, tensors)(duals)
        parts = {name: forward_ad.unpack_dual(out) for name, out in found.items()}
    return {
        f"derivative of {name}": (torch.zeros_like(y) if t is None else t).detach()
        for name, (y, t) in parts.items()
    }


def pushed_forward(
    outputs: Callable[..., Tensors], wanted: Tensors, cotangent: Cotangent
) -> Tensors:
    """The outputs' derivatives along random tangents of the wanted tensors."""
    tangents = {name: cotangent(f"tangent of {name}", t) for name, t in wanted.items()}
    derivatives = torch.func.jvp(outputs, (wanted,), (tangents,))[1]
    return {f"derivative of {name}": d for name, d in derivatives.items()}


def double_transpose(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """The same by reverse mode twice.

    The gradient is linear in the cotangent c, and d<gradient(c), tangent>/dc is the derivative of
    the output along the tangent.
    """
    _, first, cotangents, _ = experiments.differentiated(
        op, target, call, tensors, cotangent, create_graph=True
    )
    derivatives = torch.autograd.grad(
        list(first.values()),
        list(cotangents.values()),
        [cotangent(f"tangent of {name}", tensors[name]) for name in first],
        materialize_grads=True,
    )
    names = [name.replace("cotangent of", "derivative of") for name in cotangents]
    return dict(zip(names, (d.detach() for d in derivatives), strict=True))


def mapped_derivative(
    along: list[str], op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """torch.func.jvp of the mapped operator, along tangents of some of the mapped tensors."""

    def outputs(moved: Tensors) -> Tensors:
        found = vmapped(op, target, call, {**tensors, **moved}, cotangent)
        return {name: out for name, out in found.items() if not is_integer(out)}

    return pushed_forward(outputs, {name: tensors[name] for name in along}, cotangent)


def looped_derivative(
    along: list[str], op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """The same of one call after the other."""
    plain = replace(call, wanted=tuple(along))

    def row(i: int) -> Tensors:
        def part(name: str, t: Tensor) -> Tensor:
            return cotangent(name, t.expand(SIZE, *t.shape))[i]

        return double_transpose(op, target, plain, row_of(call, tensors, i), part)

    return stacked([row(i) for i in range(SIZE)])


def compiled(op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent) -> Tensors:
    """Traced whole by Dynamo and AOTAutograd, forward and first order."""
    torch.compiler.reset()
    for name in call.wanted:
        tensors[name].requires_grad_()
    function, arguments = op.instance(target, call, tensors)
    # aot_eager traces both passes and runs the trace with torch's kernels: what inductor would
    # generate from the trace is not the operator's doing.
    whole = torch.compile(function, fullgraph=True, backend="aot_eager")
    outputs = outputs_of(whole(**arguments))
    found = experiments.pulled_back(outputs, call, tensors, cotangent, create_graph=False)
    return {f"gradient of {name}": g for name, g in found.gradients.items()}
