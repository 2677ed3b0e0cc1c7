"""How much error, and whose fault.

For every element the allowed error is the running error bound of that very input. The subject and
torch are judged separately against it: torch's own error never widens it. The truth is torch's
operator in float64 on fresh contiguous copies with oneDNN off, so that faults of layouts, dtypes
and fast paths show against it; above it stands the literal definition, which arbitrates every
disagreement and audits a sample of every run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from parity_tests import experiments, regions
from parity_tests.definitions import evaluate
from parity_tests.expectations import Expectation, excuse
from parity_tests.experiments import Experiment, is_integer
from parity_tests.ledger import Ledger
from parity_tests.op import Call, Op, Tensors
from parity_tests.recipe import Recipe
from parity_tests.running_error import Bounded, accept, bound, error_over_bound
from parity_tests.strategies import stream
from parity_tests.subjects import TORCH, Subject

T = TypeVar("T")

AUDIT_EVERY = 8  # of the cases in double precision
# Accesses to input elements that a definition may make, being plain Python: about a tenth of a
# second. A minimal failure is arbitrated whatever it takes.
AFFORDABLE = 5_000
ARBITRATED = 8  # elements, worst first: the oracle may be off at one and the party at another


class Departure(AssertionError):
    """The subject does not do what torch does. ``details`` go into the report as they are."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.trial: Trial  # set where the check ran


class Unsupported(Exception):
    """The subject says NotImplementedError, or has no such operator."""


class TorchCrashes(Exception):
    """Torch would take the process along: there is nothing to compare with."""


class NoKernel(Exception):
    """Torch has no kernel for this call in this dtype."""


class InvalidCall(Exception):
    """A declaration drew a call that torch rejects in float64: the declaration is wrong."""


@dataclass
class Trial:
    """One call, on one dtype and device, of one subject: what a check is given."""

    op: Op
    check: str
    call: Call
    subject: Subject
    dtype: torch.dtype
    device: str
    regime: str = "ordinary"
    ledger: Ledger = field(default_factory=Ledger)
    expectations: tuple[Expectation, ...] = ()
    measured: bool = True  # compute the bound even where the result is close enough without it
    deep: bool = False
    place: Call | None = None  # in whose region it lies, where it is not ``call`` itself
    thorough: bool = False  # arbitrate and audit whatever it takes

    @property
    def target(self) -> Callable[..., Any]:
        """The subject's callable."""
        if self.subject.is_torch:
            return self.torch
        found = self.subject.find(self.op.name)
        if found is None:
            raise Unsupported(f"{self.subject.name} has no {self.op.name}")
        return found

    @property
    def torch(self) -> Callable[..., Any]:
        """Torch's callable, or its composition of the same meaning."""
        found = self.op.reference or TORCH.find(self.op.name)
        assert found is not None, f"torch has no {self.op.name}"
        return found

    @property
    def oracle(self) -> Callable[..., Any]:
        """What tells the truth, in float64 on the CPU with oneDNN off: torch's callable mostly."""
        return self.op.oracle(self.dtype) if self.op.oracle else self.torch

    @property
    def reference(self) -> Callable[..., Any]:
        """Torch's callable, for the trial's own dtype and device; raises where it would crash."""
        crash = excuse(self, crash=True)
        if crash is not None:
            raise TorchCrashes(crash.reason)
        return self.torch

    def tensors(self) -> Tensors:
        """Fresh tensors of the call."""
        return self.call.tensors(self.dtype, self.device)

    def one_in(self, n: int) -> bool:
        """True for one in n trials, always the same ones: for judges too dear for all."""
        return self.call.one_in(n)

    @property
    def onednn(self) -> bool:
        """Whether torch may use oneDNN: in a fixed share of the trials its own kernels are met."""
        return not regions.without_onednn(self.call)

    def cotangent(self, name: str, output: Tensor) -> Tensor:
        """The cotangent of an output: the recipe's numbers in the output's shape."""
        return cotangent_of(self.call, name, output, self.dtype, self.device)

    def blame(self, party: str, message: str, **details: Any) -> None:
        """Someone is wrong. Torch may be excused; the subject never is by torch's excuses.

        Where torch is only the reference its fault is kept, and the search goes on.
        """
        if party != "torch":
            raise Departure(message, **details)
        excused = excuse(self)
        if excused is not None:
            self.ledger.excuse(self, excused.reason)
        elif self.subject.is_torch:
            raise Departure(message, **details)
        else:
            self.ledger.torch_fault(self, message, details)

    @contextmanager
    def subject_at_work(self) -> Iterator[None]:
        """What is raised in here is the subject's doing; elsewhere it would be the suite's."""
        try:
            yield
        except (Departure, Unsupported):
            raise
        except NotImplementedError as error:
            raise Unsupported(f"{self.subject.name}: {error}") from error
        except Exception as error:
            raise Departure(f"raised {named(error)}", kind="exception") from error

    def depart(self, message: str, **details: Any) -> None:
        """The subject is wrong."""
        self.blame("torch" if self.subject.is_torch else self.subject.name, message, **details)


def cotangent_recipe(call: Call, name: str, shape: tuple[int, ...]) -> Recipe:
    """The cotangent of an output: the call's kind of numbers in the output's shape."""
    like = call.cotangent
    return Recipe(shape, like.fill, like.layout, (like.seed << 16) + stream(name) % 2**16)


def cotangent_of(call: Call, name: str, output: Tensor, dtype: torch.dtype, device: str) -> Tensor:
    """Its tensor."""
    return cotangent_recipe(call, name, tuple(output.shape)).tensor(dtype, device)


@contextmanager
def at_work(trial: Trial) -> Iterator[None]:
    """What the subject and torch alike run in."""
    with torch.backends.mkldnn.flags(enabled=trial.onednn), seeded():
        yield


@contextmanager
def seeded(seed: int = 20) -> Iterator[None]:
    """The same state of torch's random generator for everyone, and afterwards the old one."""
    before = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.random.set_rng_state(before)


def poison(tensors: Tensors) -> None:
    """Fill and free blocks of the sizes that outputs and gradients are likely to be given next.

    Who leaves a part of its result unwritten then shows NaN instead of a plausible old number.
    """
    for t in tensors.values():
        value = 77 if is_integer(t) else math.nan
        blocks = [t.new_full((t.numel(),), value) for _ in range(4)]
        del blocks


def judge(trial: Trial, experiment: Experiment, plain: Experiment | None = None) -> None:
    """Run the experiment everywhere, compare every result, and name who is off.

    ``plain`` computes the same by other means, where the experiment itself is under test (a
    transform): then it makes the truth, and where torch cannot run the experiment nobody need.
    """
    # The subject goes first, on copies of its own: no expected answer exists yet to be found.
    try:
        got: Tensors | Departure | Unsupported = run_subject(trial, experiment)
    except Unsupported as refusal:
        got = refusal
    refused = isinstance(got, Unsupported)
    # Where torch would take the process along it is not run: the subject is judged all the same.
    crashes = excuse(trial, crash=True) is not None
    may_fail = refused or plain is not None
    try:
        theirs = None if crashes else run_torch(trial, experiment, may_fail=may_fail)
    except NoKernel:
        theirs, may_fail = None, True
    if theirs is None and may_fail:  # what torch does not support nobody need
        trial.ledger.torch_cannot += 1
        return
    if isinstance(got, Unsupported):
        raise got
    try:
        true = Truth(trial, plain or experiment, definable=trial.place is None)
    except InvalidCall as error:
        if experiment is experiments.forward:
            raise
        # Torch takes the call but cannot differentiate it, even in float64.
        trial.blame("torch", str(error), kind="exception")
        return
    trial.ledger.start_case(trial)
    compare(trial, true, got, theirs)
    true.audit()


def compare(trial: Trial, true: Truth, got: Tensors | Departure, theirs: Tensors | None) -> None:
    """The subject and torch, each against the truth; shapes and layouts against each other."""
    if isinstance(got, Departure):
        trial.depart(got.message, **got.details)
        return
    if theirs is None:
        compare_metadata(got, true.as_stored(), strides=False)
    else:
        compare_metadata(got, theirs, strides=trial.check == "forward")
        compare_values(trial, true, "torch", theirs)
    if not trial.subject.is_torch:
        compare_values(trial, true, trial.subject.name, got)


def run_subject(trial: Trial, experiment: Experiment) -> Tensors | Departure:
    """The subject's results, or its departure where it raises."""
    try:
        with trial.subject_at_work(), at_work(trial):
            poison(tensors := trial.tensors())
            return experiment(trial.op, trial.target, trial.call, tensors, trial.cotangent)
    except Departure as departure:
        return departure


def run_torch(trial: Trial, experiment: Experiment, *, may_fail: bool) -> Tensors | None:
    """Torch's results in the dtype under test, or None where it raises (its own fault, then)."""
    try:
        with at_work(trial):
            poison(tensors := trial.tensors())
            return experiment(trial.op, trial.reference, trial.call, tensors, trial.cotangent)
    except Exception as error:
        if isinstance(error, NotImplementedError) or "not implemented for" in str(error):
            raise NoKernel from error
        if not may_fail and not trial.subject.is_torch:
            trial.blame("torch", f"torch raised {named(error)}", kind="exception")
        return None


def of_torch(trial: Trial, run: Callable[[Callable[..., Any]], T]) -> T | None:
    """What torch's callable gives, or None where it raises: that is torch's fault, then."""
    try:
        return run(trial.reference)
    except TorchCrashes:
        raise
    except Exception as error:
        trial.blame("torch", f"torch raised {named(error)}", kind="exception")
        return None


def named(error: Exception) -> str:
    """The exception's type and the first line of its message."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"


def compare_metadata(got: Tensors, theirs: Tensors, *, strides: bool) -> None:
    """Names, shapes, dtypes, devices; strides, if asked for, where torch's output is dense.

    Gradients may lie as they like: autograd promises no layout for them.
    """
    if got.keys() != theirs.keys():
        raise Departure(f"results are {list(got)}, torch's {list(theirs)}", kind="outputs")
    for name, ours in got.items():
        torchs = theirs[name]
        for what in ("shape", "dtype", "device"):
            mine, wanted = getattr(ours, what), getattr(torchs, what)
            if mine != wanted:
                message = f"{what} of {name}: got {shown(mine)}, torch {shown(wanted)}"
                raise Departure(message, kind=what, result=name)
        if strides and strides_differ(ours, torchs):
            message = f"strides of {name}: got {ours.stride()}, torch {torchs.stride()}"
            raise Departure(message, kind="strides", result=name)


def shown(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, torch.Size) else str(value)


def strides_differ(ours: Tensor, torchs: Tensor) -> bool:
    """Whether axes of more than one element lie differently, in non-overlapping dense tensors."""
    if not torchs.numel() or not torch.ops.aten.is_non_overlapping_and_dense.default(torchs):
        return False
    pairs = zip(ours.shape, ours.stride(), torchs.stride(), strict=True)
    return any(size > 1 and a != b for size, a, b in pairs)


def compare_values(trial: Trial, true: Truth, party: str, results: Tensors) -> None:
    """Every element within the bound of the truth."""
    for name, result in results.items():
        result = result.detach().to("cpu").resolve_conj().resolve_neg()
        value = true.values.get(name)
        if value is None or result.shape != value.shape:
            trial.blame(party, f"{name} has another shape than in float64", kind="shape")
        elif is_integer(result):
            trial.ledger.comparisons += 1
            compare_integers(trial, true, party, name, result)
        elif true.settles_cheaply(name, result):
            trial.ledger.comparisons += 1
        else:
            compare_with_bound(trial, true, party, name, result)


def compare_integers(trial: Trial, true: Truth, party: str, name: str, result: Tensor) -> None:
    """Integers are equal or wrong."""
    value = true.values[name]
    if not torch.equal(result, value):
        index = tuple((result != value).nonzero()[0].tolist())
        trial.blame(
            party,
            f"{name}{list(index)} is {result[index].item()}, should be {value[index].item()}",
            kind="value",
            result=name,
        )


def compare_with_bound(trial: Trial, true: Truth, party: str, name: str, result: Tensor) -> None:
    """Floating-point numbers lie within the bound of the truth."""
    allowed = true.bound(name)
    if result.numel() and bool(allowed.error.isinf().all()):
        trial.ledger.unbounded += 1  # it may be anything: that is no comparison
        return
    trial.ledger.comparisons += 1
    good = accept(result, allowed.value, allowed.error)
    if not good.all():
        arbitrate(trial, true, party, name, result, good)
    elif result.numel():
        ratio = error_over_bound(result, allowed.value, allowed.error)
        worst = torch.nan_to_num(ratio, nan=0.0, posinf=0.0).max()
        trial.ledger.note_error(party, float(worst), allowed.terms)


def arbitrate(
    trial: Trial, true: Truth, party: str, name: str, result: Tensor, good: Tensor
) -> None:
    """An element is outside its bound: ask the definition who is wrong, the party or the oracle."""
    allowed = true.bound(name)
    ratio = error_over_bound(result, allowed.value, allowed.error)
    ratio = torch.where(good, -1.0, torch.nan_to_num(ratio, nan=math.inf))
    wrong = int((~good).sum())
    worst_first = ratio.flatten().argsort(descending=True)[: min(wrong, ARBITRATED)]
    for place in worst_first:
        index = tuple(int(i) for i in torch.unravel_index(place, ratio.shape))
        defined = true.defined(name, index)
        trial.ledger.arbitrated += defined is not None
        message, details = described(party, name, index, result, allowed, defined)
        message += f" ({wrong} of {good.numel()} elements)"
        if defined is None or not sides_with(defined, result[index], allowed, index):
            trial.blame(party, message, **details)
            return
    trial.blame("torch", f"the float64 oracle is off: {message}", **details)


def sides_with(defined: Any, value: Tensor, allowed: Bounded, index: tuple[int, ...]) -> bool:
    """Whether an element is what the definition says, within the bound."""
    exact = torch.tensor(defined, dtype=allowed.value.dtype)
    return bool(accept(value, exact, allowed.error[index]))


def described(
    party: str, name: str, index: tuple[int, ...], result: Tensor, allowed: Bounded, defined: Any
) -> tuple[str, dict[str, Any]]:
    """What is wrong with an element, in a sentence and as data."""
    error = float(allowed.error[index])
    over = float(error_over_bound(result[index], allowed.value[index], allowed.error[index]))
    got, expected = scalar(result[index]), scalar(allowed.value[index])
    details = {
        "kind": "value",
        "who": party,
        "result": name,
        "index": index,
        "got": got,
        "expected": expected,
        "definition": None if defined is None else scalar(defined),
        "bound": error,
        "over": over if error else None,  # None: nothing but equality will do
    }
    far = f"off by {over:.3g} times the error bound {error:.3g}" if error else "exactly"
    return f"{name}{list(index)} is {got}, should be {expected}, {far}", details


def scalar(value: Any) -> Any:
    """A number for JSON: complex ones as text."""
    number = value.item() if isinstance(value, Tensor) else value
    return str(number) if isinstance(number, complex) else number


class Truth:
    """The oracle's results of an experiment, and on demand their bounds and definitions."""

    def __init__(self, trial: Trial, experiment: Experiment, *, definable: bool = True) -> None:
        self.trial = trial
        self.definable = definable  # definitions know nothing of mapped axes
        self.experiment = experiment
        self.cotangents: Tensors = {}
        self.stored_cotangents: Tensors = {}
        self.stored = trial.call.tensors(trial.dtype)
        self.inputs = {name: exactly(t) for name, t in self.stored.items()}
        try:
            with torch.backends.mkldnn.flags(enabled=False), seeded():
                results = experiment(
                    trial.op, trial.oracle, trial.call, self._copies(), self._cotangent
                )
        except Exception as error:
            raise InvalidCall(f"{trial.op.name}({trial.call}): torch says {error}") from error
        self.values = {name: r.detach().contiguous() for name, r in results.items()}
        self._bounds: dict[str, Bounded] | None = None

    def _copies(self) -> Tensors:
        return {name: t.clone() for name, t in self.inputs.items()}

    def _cotangent(self, name: str, output: Tensor) -> Tensor:
        made = cotangent_of(self.trial.call, name, output, self.trial.dtype, "cpu")
        self.stored_cotangents[name] = made
        self.cotangents[name] = exactly(made)
        return self.cotangents[name].clone()

    def as_stored(self) -> Tensors:
        """The results in the dtype and on the device under test."""
        trial = self.trial
        return {
            name: value.to(trial.device, None if is_integer(value) else trial.dtype)
            for name, value in self.values.items()
        }

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
                trial.op, trial.oracle, trial.call, own, lambda name, _: given[name]
            )
            produced[:] = results
            return list(results.values())

        with seeded():
            bounds = bound(fn, stored, trial.dtype)
        paired = zip(produced, bounds, strict=True)
        return {name: with_class_of(self.values[name], b) for name, b in paired if b is not None}

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


def exactly(t: Tensor) -> Tensor:
    """A contiguous copy with the same numbers, in double precision where they are not integers."""
    wide = torch.complex128 if t.is_complex() else torch.float64
    return (t if is_integer(t) else t.to(wide)).contiguous().clone()
