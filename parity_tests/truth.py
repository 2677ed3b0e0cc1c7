"""The truth of an experiment: the oracle's results, their bounds, and on demand the definition's.

The oracle is torch's operator in float64 on fresh contiguous copies with oneDNN off, so that faults
of layouts, dtypes and fast paths show against it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from parity_tests import experiments
from parity_tests.definitions import evaluate
from parity_tests.experiments import Experiment, is_integer
from parity_tests.op import Tensors
from parity_tests.running_error import Bounded, accept, bound, error_over_bound
from parity_tests.trial import InvalidCall, Trial, cotangent_of, seeded

AUDIT_EVERY = 8  # of the cases in double precision
# Accesses to input elements that a definition may make, being plain Python: about a tenth of a
# second. A minimal failure is arbitrated whatever it takes.
AFFORDABLE = 5_000


class Truth:
    """The oracle's results of an experiment, and on demand their bounds and definitions."""

    def __init__(self, trial: Trial, experiment: Experiment, *, definable: bool = True) -> None:
        self.trial = trial
        self.definable = definable  # definitions know nothing of mapped axes
        self.experiment = experiment
        self.cotangents: Tensors = {}
        self.stored_cotangents: Tensors = {}
        self.call = replace(trial.call, kinds={})  # the same numbers, plainly written
        self.stored = {n: stateless(t) for n, t in trial.call.tensors(trial.dtype).items()}
        self.inputs = {name: exactly(t) for name, t in self.stored.items()}
        try:
            with torch.backends.mkldnn.flags(enabled=False), seeded():
                results = experiment(
                    trial.op, trial.oracle, self.call, self._copies(), self._cotangent
                )
        except Exception as error:
            raise InvalidCall(f"{trial.op.name}({trial.call}): torch says {error}") from error
        self.values = {name: r.detach().contiguous() for name, r in results.items()}
        self._bounds: dict[str, Bounded] | None = None

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

        def stored(value: Tensor) -> Tensor:
            dtype = computed_in(trial.dtype)
            dtype = dtype.to_complex() if value.is_complex() else dtype
            return value.to(trial.device, None if is_integer(value) else dtype)

        return {name: stored(value) for name, value in self.values.items()}

    def bound(self, name: str) -> Bounded:
        """The result's value and error bound, from the error analysis of the whole experiment."""
        if self._bounds is None:
            self._bounds = self._analyse()
            ledger = self.trial.ledger
            ledger.bounded += 1
        return self._bounds[name]

    def _analyse(self) -> dict[str, Bounded]:
        trial, names = self.trial, [*self.inputs, *self.cotangents]
        stored = [*self.stored.values(), *self.stored_cotangents.values()]
        produced: list[str] = []

        def fn(*tensors: Tensor) -> list[Tensor]:
            given = dict(zip(names, tensors, strict=True))
            own = {name: given[name] for name in self.inputs}
            results = self.experiment(
                trial.op, trial.oracle, self.call, own, lambda name, _: given[name]
            )
            produced[:] = results
            return list(results.values())

        with seeded():
            bounds = bound(fn, stored, self.arithmetic, rounding=trial.rounding)
        paired = zip(produced, bounds, strict=True)
        return {name: with_class_of(self.values[name], b) for name, b in paired if b is not None}

    @property
    def arithmetic(self) -> torch.dtype:
        """What the results are computed in: an output in the dtype that the call asks for."""
        asked = self.call.arguments.get("dtype")
        if self.experiment is experiments.forward and isinstance(asked, torch.dtype):
            return asked
        return computed_in(self.trial.dtype)

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
        trial = self.trial
        if not self.definable:
            return None
        return evaluate.element(
            trial.op,
            trial.call,
            self.inputs,
            self.cotangents,
            name,
            index,
            math.inf if trial.thorough else AFFORDABLE,
        )

    def audit(self) -> None:
        """In double precision, now and then: is the oracle itself what the definition says?"""
        trial, ledger = self.trial, self.trial.ledger
        double = trial.dtype in (torch.float64, torch.complex128)
        if self._bounds is None or not double:
            return
        if not trial.thorough and not trial.one_in(AUDIT_EVERY):
            return  # (a transform's truth has been audited where the same was computed plainly)
        for name, value in self.values.items():
            if name not in self._bounds or not value.numel():
                continue
            place = torch.tensor(trial.call.cotangent.seed % value.numel())
            index = tuple(int(i) for i in torch.unravel_index(place, value.shape))
            if (defined := self.defined(name, index)) is None:
                continue
            truth = torch.tensor(defined, dtype=value.dtype)
            allowed = self._bounds[name]
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
