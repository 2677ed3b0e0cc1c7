"""The truth of an experiment: the oracle's results, their bounds, and on demand the definition's.

The oracle is torch's operator in float64 on fresh contiguous copies with oneDNN off, so that faults
of layouts, dtypes and fast paths show against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from parity_tests import experiments
from parity_tests.definitions import evaluate
from parity_tests.experiments import Experiment, is_integer
from parity_tests.op import Op, Tensors
from parity_tests.running_error import Bounded, accept, bound, error_over_bound, one_operator
from parity_tests.trial import InvalidCall, Trial, cotangent_of, onednn, seeded

AUDIT_EVERY = 8  # of the cases in double precision
# Of the cases in bytes, and so many elements of a result: torch's own kernel for bytes is the
# oracle there, and nothing else tells an error that all its channels share.
AUDIT_BYTES_EVERY, BYTES, MANY = 2, 3, 64
ROUNDED = 1.5  # units: one rounding for each of two axes, weights of fixed point among them
# Accesses to input elements that a definition may make, being plain Python: about a tenth of a
# second. A minimal failure may take forty times as long: its long sizes may not shrink.
AFFORDABLE, THOROUGH = 5_000, 200_000


def truth_of(trial: Trial, experiment: Experiment) -> Truth:
    """The truth of an experiment, which a check may ask for more than once."""
    key = experiment, torch.get_default_dtype()  # of which results of integers are
    if key not in trial.truths:
        # Definitions know nothing of mapped axes.
        trial.truths[key] = Truth(trial, experiment, definable=trial.place is None)
    found: Truth = trial.truths[key]
    return found


class Truth:
    """The oracle's results of an experiment, and on demand their bounds and definitions."""

    def __init__(self, trial: Trial, experiment: Experiment, *, definable: bool = True) -> None:
        self.trial = trial
        self.definable = definable
        self.experiment = experiment
        self.cotangents: Tensors = {}
        self.stored_cotangents: Tensors = {}
        self.call = replace(trial.call, kinds={})  # the same numbers, plainly written
        self.stored = {n: stateless(t) for n, t in trial.call.tensors(trial.dtype).items()}
        self.inputs = {name: exactly(t) for name, t in self.stored.items()}
        try:
            with onednn(enabled=False), seeded():
                results = experiment(
                    trial.op, trial.oracle, self.call, self._copies(), self._cotangent
                )
        except Exception as error:
            raise InvalidCall(f"{trial.op.name}({trial.call}): torch says {error}") from error
        self.values = {name: r.detach().contiguous() for name, r in results.items()}
        self._bounds: dict[str, Bounded] | None = None
        self._unlimited: dict[str, Bounded] | None = None
        self.theirs: Tensors | None = None  # torch's own results, once they are there
        self._defined: dict[tuple[str, tuple[int, ...]], Any] = {}
        self._passed: dict[tuple[str, str], Tensor] = {}

    def _copies(self) -> Tensors:
        return {name: t.clone() for name, t in self.inputs.items()}

    def _cotangent(self, name: str, output: Tensor) -> Tensor:
        made = cotangent_of(self.trial.call, name, output, self.trial.dtype, "cpu")
        self.stored_cotangents[name] = stateless(made)
        self.cotangents[name] = exactly(made)
        return self.cotangents[name].clone()

    def position(self, name: str) -> int:
        """The result's place among all, as a script lists them."""
        return list(self.values).index(name)

    def as_stored(self) -> Tensors:
        """The results in the dtype and on the device under test."""
        trial = self.trial

        def stored(name: str, value: Tensor) -> Tensor:
            # A buffer keeps its dtype, and a gradient has that of its tensor.
            held = self.stored.get(name.removeprefix("gradient of ").partition(" after step ")[0])
            dtype = computed_in(trial.dtype if held is None else held.dtype)
            dtype = dtype.to_complex() if value.is_complex() else dtype
            return value.to(trial.device, None if is_integer(value) else dtype)

        return {name: stored(name, value) for name, value in self.values.items()}

    def bound(self, name: str) -> Bounded:
        """The result's value and error bound, from the error analysis of the whole experiment."""
        if self._bounds is None:
            pairs = self._analyse().items()
            self._bounds = {n: with_class_of(self.values[n], b) for n, b in pairs}
            ledger = self.trial.ledger
            ledger.bounded += 1
        return self._bounds[name]

    def unlimited(self, name: str) -> Bounded:
        """The same for an evaluation whose numbers have any range, so that none overflows."""
        if self._unlimited is None:
            self._unlimited = self._analyse(unlimited=True)
        return self._unlimited[name]

    def _analyse(self, *, unlimited: bool = False) -> dict[str, Bounded]:
        trial, names = self.trial, [*self.inputs, *self.cotangents]
        stored = [*self.stored.values(), *self.stored_cotangents.values()]
        produced: list[str] = []
        oracle = as_one_operator(trial.op, trial.oracle)

        def fn(*tensors: Tensor) -> list[Tensor]:
            given = dict(zip(names, tensors, strict=True))
            own = {name: given[name] for name in self.inputs}
            results = self.experiment(trial.op, oracle, self.call, own, lambda name, _: given[name])
            produced[:] = results
            return list(results.values())

        with seeded():
            bounds = bound(
                fn, stored, self.arithmetic, rounding=trial.rounding, unlimited=unlimited
            )
        paired = zip(produced, bounds, strict=True)
        return {name: b for name, b in paired if b is not None}

    @property
    def arithmetic(self) -> torch.dtype:
        """What the results are computed in: an output in the dtype that the call asks for."""
        asked, own = self.call.arguments.get("dtype"), computed_in(self.trial.dtype)
        if not isinstance(asked, torch.dtype):
            return own
        if self.experiment is experiments.forward:
            return asked
        return max(own, asked, key=lambda dtype: torch.finfo(dtype).eps)  # gradients pass both

    def pass_(self, party: str, name: str, result: Tensor) -> None:
        """Remember a result that lies within its bound."""
        self._passed[party, name] = result.clone()  # a later call may write to its memory

    def passed(self, party: str, name: str, result: Tensor) -> bool:
        """Whether the party's result is bit for bit one that passed, as it was in another mode."""
        before = self._passed.get((party, name))
        return before is not None and torch.equal(result, before)

    def settles_cheaply(self, name: str, result: Tensor) -> bool:
        """Whether the result is within one rounding of the truth, so that no bound is needed.

        One rounding is no licence where the operator is exact: that shows where the bound is
        computed all the same (``measured``), for a fixed share of the samples.
        """
        value = self.values[name]
        if self.trial.measured or result.is_complex():
            return False
        rounded = value.to(result.dtype)
        if result.element_size() == 2:  # one unit off is what a second rounding looks like
            return torch.equal(result, rounded)
        low = torch.nextafter(rounded, torch.full_like(rounded, -math.inf))
        high = torch.nextafter(rounded, torch.full_like(rounded, math.inf))
        return bool(((result >= low) & (result <= high)).all())

    def defined(self, name: str, index: tuple[int, ...]) -> Any:
        """The element by the literal definition; None where it has nothing to say."""
        if not self.definable:
            return None
        if (name, index) not in self._defined:  # the subject and torch ask about the same ones
            self._defined[name, index] = self._evaluated(name, index)
        return self._defined[name, index]

    def _evaluated(self, name: str, index: tuple[int, ...]) -> Any:
        trial = self.trial
        return evaluate.element(
            trial.op,
            trial.call,
            self.inputs,
            self.cotangents,
            name,
            index,
            THOROUGH if trial.thorough else AFFORDABLE,
        )

    def audit(self) -> None:
        """Now and then, in double precision and in bytes: is the oracle what the definition says?

        (Of a transform it has been asked where the same was computed plainly.)
        """
        trial = self.trial
        whole = trial.dtype == torch.uint8
        if not trial.thorough and not trial.one_in(
            AUDIT_BYTES_EVERY if whole else AUDIT_EVERY, "audit"
        ):
            return
        if whole:
            self._audit_bytes()
        elif self._bounds is not None and trial.dtype in (torch.float64, torch.complex128):
            self._audit_doubles(self._bounds)

    def _audit_doubles(self, bounds: dict[str, Bounded]) -> None:
        """One element of each result, within its bound."""
        trial, ledger = self.trial, self.trial.ledger
        for name, value in self.values.items():
            if name not in bounds or not value.numel():
                continue
            place = torch.tensor(trial.call.cotangent.seed % value.numel())
            index = tuple(int(i) for i in torch.unravel_index(place, value.shape))
            if (defined := self.defined(name, index)) is None:
                continue
            truth = torch.tensor(defined, dtype=value.dtype)
            allowed = bounds[name]
            ledger.audited += 1
            # The oracle's number settles cheaply, the analysis's own judges the rest.
            whole = is_integer(value)  # an index, say: equal or wrong
            for number in (value[index],) if whole else (value[index], allowed.value[index]):
                if accept(number, truth, allowed.error[index]):
                    ratio = (
                        error_over_bound(number, truth, allowed.error[index]) if not whole else 0
                    )
                    ledger.worst_audit = max(ledger.worst_audit, float(ratio))
                    continue
                trial.blame(
                    "torch",
                    f"the float64 oracle: {name}{list(index)} is {number.item()}, "
                    f"by the definition {defined}",
                    kind="oracle",
                    result=name,
                    index=index,
                    position=self.position(name),
                    definition=truth.item(),
                )

    def _audit_bytes(self) -> None:
        """A byte is the definition's number, saturated and rounded.

        Torch's kernels for bytes weigh in fixed point, and round after each axis.
        """
        trial = self.trial
        most = MANY if trial.thorough else BYTES
        for name, value in self.values.items():
            for place in range(min(most, value.numel()) if value.dtype == torch.uint8 else 0):
                number = (trial.call.cotangent.seed + place * 7919) % value.numel()
                index = tuple(
                    int(i) for i in torch.unravel_index(torch.tensor(number), value.shape)
                )
                defined = self.defined(name, index)
                if defined is None or not math.isfinite(defined):
                    continue  # a maximum over padding alone, say: bytes have no minus infinity
                trial.ledger.audited += 1
                off = abs(value[index].item() - min(255.0, max(0.0, defined)))
                if off > (0 if isinstance(defined, int) else ROUNDED):
                    trial.blame(
                        "torch",
                        f"the kernel for bytes: {name}{list(index)} is {value[index].item()}, "
                        f"by the definition {defined:.6g}",
                        kind="oracle",
                        result=name,
                        index=index,
                        position=self.position(name),
                        definition=defined,
                    )
                    return


def as_one_operator(op: Op, oracle: Callable[..., Any]) -> Callable[..., Any]:
    """The oracle, each call of which is one operator to the error analysis.

    A module is built first and called later: the call is what counts. Of a module made of modules
    every part is an operator.
    """
    if not op.is_module:
        return one_operator(oracle)

    def build(*args: Any, **kwargs: Any) -> nn.Module:
        module: nn.Module = oracle(*args, **kwargs)
        for part in module.modules():
            part.forward = one_operator(part.forward)
        return module

    return build


def with_class_of(value: Tensor, b: Bounded) -> Bounded:
    """The bound, with NaN and infinities where the kernel has them, not where the analysis has.

    A decomposition may take differences of infinities, or multiply them with the zeros of a matrix,
    where the kernel does not. Where only the analysis met them it says nothing about the error.
    """
    odd = ~(b.value.isfinite() & value.isfinite())
    if value.shape != b.value.shape or not odd.any():
        return b
    error = torch.where(odd & value.isfinite(), math.inf, b.error)
    return Bounded(torch.where(odd, value, b.value), error, b.terms)


def computed_in(dtype: torch.dtype) -> torch.dtype:
    """The dtype itself, but for integers whose results are none: torch's default."""
    floating = dtype.is_floating_point or dtype.is_complex
    return dtype if floating else torch.get_default_dtype()


def stateless(t: Tensor) -> Tensor:
    """The tensor without graph, and with its numbers as they are read; see ``recipe.STATES``."""
    return t.detach().resolve_conj().resolve_neg()


def exactly(t: Tensor) -> Tensor:
    """A contiguous copy with the same numbers, in double precision where they are not integers."""
    wide = torch.complex128 if t.is_complex() else torch.float64
    t = stateless(t)
    same = t if is_integer(t) else t.to(wide)
    return same.clone(memory_format=torch.contiguous_format)  # fresh strides along single entries
