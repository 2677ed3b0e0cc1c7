"""One element of an experiment's result, from the literal definition in high precision.

Derivatives come from dual numbers: the definition is evaluated at inputs that carry a direction,
so no backward formula, ours or torch's, is involved.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mpmath
from torch import Tensor

from parity_tests.definitions.array import Array, Index
from parity_tests.definitions.dual import Dual, slope, times

if TYPE_CHECKING:
    from parity_tests.op import Call, Op

DIGITS = 60  # products of float64's extremes still add up exactly enough
Arrays = dict[str, Array]


def element(
    op: Op,
    call: Call,
    inputs: Mapping[str, Tensor],
    cotangents: Mapping[str, Tensor],
    name: str,
    index: Index,
    affordable: float = math.inf,
) -> Any:
    """The element as a float, complex or integer.

    None where the definition says nothing: a step of a module, a division by zero, or when it
    would look at more input elements than are affordable.
    """
    with mpmath.workdps(DIGITS):
        purse = Purse(affordable)
        exact = {n: purse.charging(numbers(t)) for n, t in inputs.items()}
        over = {n: numbers(t) for n, t in cotangents.items()}
        evaluation = Evaluation(op, call, exact, over)
        try:
            found = evaluation.result(name, index)
        except (ZeroDivisionError, TooDear):
            return None
    return None if found is None else plain(found)


class TooDear(Exception):
    """The definition would take longer than anyone wants to wait."""


@dataclass
class Purse:
    """Pays for looking at input elements."""

    left: float

    def charging(self, array: Array) -> Array:
        """The array, whose elements now cost one each time they are looked at."""

        def element(*index: int) -> Any:
            self.left -= 1
            if self.left < 0:
                raise TooDear
            return array[index]

        return Array(array.shape, element, keep=False)


def numbers(t: Tensor) -> Array:
    """The tensor's elements as exact high-precision numbers, or as integers."""
    exact = mpmath.mpc if t.is_complex() else mpmath.mpf if t.is_floating_point() else int
    values = t.numpy()  # whose elements are at hand far sooner; of large ones few are looked at
    return Array(tuple(t.shape), lambda *i: exact(values.item(*i)))


def plain(number: Any) -> Any:
    """Rounded to float or complex; integers wrap as int64 does."""
    if isinstance(number, mpmath.mpc):
        return complex(number)
    if isinstance(number, int):
        return (number + 2**63) % 2**64 - 2**63
    return float(number)


class Evaluation:
    """The definition of one call, ready to be evaluated along directions."""

    def __init__(self, op: Op, call: Call, inputs: Arrays, cotangents: Arrays) -> None:
        self.op, self.call, self.inputs, self.cotangents = op, call, inputs, cotangents
        self._accepted = inspect.signature(op.definition).parameters

    def result(self, name: str, index: Index) -> Any:
        """The element ``index`` of the result ``name`` (named as ``experiments`` does)."""
        if name.startswith("second gradient of "):
            return self._second(name.removeprefix("second gradient of "), index)
        if name.startswith("gradient of "):
            return self._gradient(name.removeprefix("gradient of "), index)
        if name.startswith("derivative of "):
            return self._derivative(name.removeprefix("derivative of "), index)
        if name.startswith("whether "):
            return None  # a definition knows no graph
        if " step " in name:
            return self._after_step(name, index)
        return self.outputs(self.inputs)[name][index]

    def outputs(self, inputs: Arrays, **changed: Any) -> Arrays:
        """The definition's outputs, and its buffers afterwards, by name."""
        # A constructor's flag that says whether there is a bias is not the bias.
        flags = set(self.op.differentiable) - inputs.keys()
        plain = {k: v for k, v in self.call.arguments.items() if k not in flags or v is None}
        given: dict[str, Any] = {**plain, **inputs, **changed}
        if self.op.is_module:
            given["training"] = self.call.training
        given = {k.replace(".", "_"): v for k, v in given.items()}  # the state of a module's part
        result = self.op.definition(**{k: v for k, v in given.items() if k in self._accepted})
        results = result if isinstance(result, tuple) else (result,)
        outputs = results[: len(results) - len(self.op.buffers)]
        named = {"output": outputs[0]} if len(outputs) == 1 else {}
        named |= {f"output {i}": output for i, output in enumerate(outputs)}
        return named | dict(zip(self.op.buffers, results[len(outputs) :], strict=True))

    def _gradient(self, name: str, index: Index) -> Any:
        """d<cotangent, f>/dx[index]: the slope of f along x's unit vector."""

        def along(direction: Any) -> Any:
            bumped = bump(self.inputs[name], index, lambda v: Dual(v, direction))
            return self._inner_product({**self.inputs, name: bumped}, slope)

        return both_parts(self.inputs[name][index], along)

    def _moving(self, direction: str) -> Arrays:
        """The wanted inputs, each moving along a direction of its own."""
        return {
            n: Array(
                self.inputs[n].shape,
                lambda *i, n=n: Dual(self.inputs[n][i], self.cotangents[f"{direction} {n}"][i]),
                keep=False,
            )
            for n in self.call.wanted
        }

    def _derivative(self, output: str, index: Index) -> Any:
        """The slope of an output element along the tangents."""
        return slope(self.outputs({**self.inputs, **self._moving("tangent of")})[output][index])

    def _second(self, name: str, index: Index) -> Any:
        """d/dz[index] of the slope of <cotangent, f> along the second cotangents."""
        moving = self._moving("of gradient of")
        if name.startswith("cotangent of "):
            output = name.removeprefix("cotangent of ")
            return slope(self.outputs({**self.inputs, **moving})[output][index])

        def along(direction: Any) -> Any:
            bumped = bump(
                moving[name], index, lambda v: Dual(Dual(v.value, direction), Dual(v.slope, 0))
            )
            inputs = {**self.inputs, **moving, name: bumped}
            return self._inner_product(inputs, lambda z: slope(slope(z)))

        return both_parts(self.inputs[name][index], along)

    def _inner_product(self, inputs: Arrays, part: Callable[[Any], Any]) -> Any:
        """Re Σ conj(cotangent) · part(output), over all outputs."""
        outputs = self.outputs(inputs)
        return sum(
            mpmath.re(times(part(outputs[name][i]), mpmath.conj(cotangent[i])))
            for name, cotangent in self.cotangents.items()
            if name in outputs
            for i in cotangent.indices()
        )

    def _after_step(self, name: str, index: Index) -> Any:
        """Functions only: what a step does to a module is no part of a definition."""
        if self.op.is_module:
            return None
        what, _, which = (
            name.partition(" of step ") if " of step " in name else name.partition(" after step ")
        )
        state = dict(self.inputs)
        for i, step in enumerate(self.call.steps[: int(which)], start=1):
            options = {k: v for k, v in step.items() if k in self.call.arguments}
            state["input"] = self.inputs[f"step {i} input"]
            outputs = self.outputs(state, **options | {"input": state["input"]})
            state |= {b: outputs[b] for b in self.op.buffers if outputs[b] is not None}
        return outputs[what][index]


def bump(array: Array, index: Index, change: Callable[[Any], Any]) -> Array:
    """The array with one element changed."""
    return Array(array.shape, lambda *i: change(array[i]) if i == index else array[i], keep=False)


def both_parts(at: Any, along: Callable[[Any], Any]) -> Any:
    """A gradient by torch's convention: ∂/∂Re + i·∂/∂Im, and just the former for a real input."""
    if isinstance(at, mpmath.mpc):
        return mpmath.mpc(along(mpmath.mpc(1)), along(mpmath.mpc(0, 1)))
    return along(mpmath.mpf(1))
