"""From an operator and a check to a finished cell: search, shrink, simplify, report.

Hypothesis draws calls and shrinks failures; what a case costs is the error bound, not its drawing,
so every case has a call of its own. A cell is one operator × check × dtype × device.
"""

from __future__ import annotations

import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from parity_tests import classes
from parity_tests.checks import Check
from parity_tests.expectations import Expectation, excuse, named_by
from parity_tests.input_class import HALF, Class, Name
from parity_tests.ledger import Ledger
from parity_tests.op import Call, Op
from parity_tests.profiles import Profile
from parity_tests.recipe import FILLS, Recipe
from parity_tests.strategies import (
    Levels,
    Pair,
    calls,
    covering_sets,
    levels_missing,
    met_pairs,
    stream,
    varied,
)
from parity_tests.subjects import Subject, integrity
from parity_tests.tensor_classes import unrecorded
from parity_tests.trial import (
    Departure,
    InvalidCall,
    TorchCrashes,
    Trial,
    Unsupported,
    named,
    undisturbed,
)

Drawn = tuple[Call, list[dict[str, Any]]]  # a call, and the choices that led to it

# Where the dtype is not the point it alternates between these.
DRAWN_DTYPES = (torch.float32, torch.float64)

# Examples of a row of the covering set beside the simplest, and one more for so many rows: an
# operator of many levels has more than pairs of them to combine.
A_ROW, ROWS = 2, 16

# The error bound costs more than all the rest: of the results that are within one rounding of the
# truth it is computed for one in so many.
MEASURED = 3

QUIET = settings(
    deadline=None,
    database=None,
    derandomize=False,
    print_blob=False,
    report_multiple_bugs=False,
    verbosity=Verbosity.quiet,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Cell:
    """What one row of the report is about."""

    op: Op
    check: Check
    dtype: torch.dtype | None
    device: str

    @property
    def id(self) -> str:
        dtype = "" if self.dtype is None else f"-{str(self.dtype).removeprefix('torch.')}"
        return f"{self.op.name}-{self.check.name}{dtype}-{self.device}"


@dataclass(frozen=True)
class Plan:
    """Everything a cell's outcome depends on besides the cell itself."""

    subject: Subject
    profile: Profile
    seed: int
    expectations: tuple[Expectation, ...] = ()
    shrink: bool = True  # or be content with the first failure as it was drawn
    announce: Callable[[Trial], None] | None = None  # told of every trial before it runs


@dataclass
class Failure:
    """A minimal failing trial, and what is wrong with it."""

    trial: Trial
    departure: Departure


@dataclass
class Outcome:
    """A cell's status in the report's words, with what led to it."""

    status: str
    reason: str
    ledger: Ledger
    failure: Failure | None = None
    seconds: float = 0.0
    seed: int = 0  # the run seed that it was found under


@dataclass(frozen=True)
class Round:
    """One search by Hypothesis: where, which levels are forced, and how many examples it gets."""

    regime: str
    number: int
    forced: Levels
    examples: int
    simplest: bool  # whether Hypothesis's first example, the simplest there is, is one of them


@dataclass
class Search:
    """The search of one cell, and what it has found so far."""

    cell: Cell
    plan: Plan
    ledger: Ledger = field(default_factory=Ledger)
    stopped: Exception | None = None  # why it is of no use to go on
    refused: Failure | None = None  # the first call that the subject refused
    turns: classes.Turns = field(init=False)
    expectations: tuple[Expectation, ...] = field(init=False)  # those of the operator
    # This round's calls as they were changed, and for which input classes; those of a failing one.
    twisted: dict[str, tuple[Call, tuple[Class, ...]]] = field(default_factory=dict)
    failing: tuple[Class, ...] | None = None

    def __post_init__(self) -> None:
        cells = len(self.cell.check.dtypes(self.cell.op))
        later = 0.5 * (self.cell.check.name == "gradients")
        self.turns = classes.Turns((self.dtype_number + later) / cells)
        name = self.cell.op.name
        self.expectations = tuple(e for e in self.plan.expectations if named_by(e.op, name))

    def run(self) -> Failure | None:
        """Pinned calls first, then rounds in every regime, until something departs.

        A search shrinks its failure, so one that it finds is better than a pinned one.
        """
        stale = self.stale_excuse()
        if stale:
            return stale
        pinned = self.pinned_failure()
        if pinned and not self.plan.shrink:
            return pinned
        for round in self.rounds():
            failure = None if self.stopped else self.hunt(round)
            if failure or self.stopped:
                return failure or pinned
        return pinned or self.partial()

    def partial(self) -> Failure | None:
        """A refused call, where the subject takes others and does not say that it refuses some.

        Which call comes first must not matter: so this is asked when all have been tried.
        """
        incomplete = not self.plan.subject.abilities.complete
        return None if incomplete or not self.ledger.comparisons else self.refused

    def stale_excuse(self) -> Failure | None:
        """An excuse of the subject's own in this cell whose pinned case passes."""
        cell, plan = self.cell, self.plan
        own = [e for e in self.expectations if e.subject == plan.subject.name]
        for entry in own if not plan.subject.is_torch else ():
            case = entry.case
            dtype = getattr(torch, case["dtype"])
            here = (case["op"], case["check"]) == (cell.op.name, cell.check.name)
            if entry.crashes or not entry.strict or not here or cell.dtype not in (None, dtype):
                continue
            trial = self.trial(case["call"], case.get("regime", "ordinary"), dtype)
            if rerun(cell.check, replace(trial, expectations=()), thorough=False) is None:
                message = f"the expectation {entry.reason!r} is stale: its pinned case passes"
                return Failure(trial, Departure(message, kind="stale"))
        return None

    def pinned_failure(self) -> Failure | None:
        """The first of the operator's pinned calls that departs."""
        dtype = self.dtype(0)
        check = self.cell.check
        # Pinned calls have no steps, and ordinary numbers.
        runs = not check.steps and "ordinary" in check.regimes
        for call in self.cell.op.pinned if runs else ():
            trial = self.trial(call, "pinned", dtype)
            try:
                run_check(self.cell.check, trial)
            except Departure as departure:
                return Failure(departure.trial, departure)
            except (Unsupported, InvalidCall) as error:
                if not self.passed_over(error, trial):
                    self.stopped = error
        return None

    def passed_over(self, refusal: Exception, trial: Trial) -> bool:
        """Whether the subject has the operator and refuses this call; it is counted."""
        missing = self.plan.subject.find(self.cell.op.name) is None
        if missing or isinstance(refusal, InvalidCall):
            return False
        self.ledger.unsupported[str(refusal)] += 1
        if self.refused is None:
            self.refused = Failure(trial, refuses(refusal))
        return True

    def dtype(self, number: int) -> torch.dtype:
        """The cell's, or where that is not the point one or the other of those drawn."""
        drawn = self.plan.subject.abilities.drawn(DRAWN_DTYPES)
        # Thue and Morse's sequence: levels that alternate from row to row meet both dtypes.
        return self.cell.dtype or drawn[number.bit_count() % len(drawn)]

    def rounds(self) -> Iterator[Round]:
        """Each regime in turn, several times; the rows to cover are dealt out to them."""
        check, profile = self.cell.check, self.plan.profile
        # Products of complex infinities have no agreed class: (inf + 0i)·(1 + 0i) may be NaN.
        compared = not (self.cell.dtype and self.cell.dtype.is_complex)
        regimes = [r for r in check.regimes if r != "special" or compared]
        rows = self.rows_to_cover()
        # Degenerate sizes may refuse a level, so rows are covered in the other regimes. There every
        # other round has one besides, as far as it goes: in between sizes are as odd as they like.
        besides = tuple(rows[1::2])
        takers = [regime for regime in regimes if regime not in ("degenerate", "large")]
        count = profile.rounds
        if profile.covers:
            count = max(count, -(-len(rows) // len(takers)))
        # The budget of a regime is spread over its rounds, and less of it goes to dear checks, and
        # to modules, which have a function too.
        share = check.share * (2 if self.cell.op.is_module else 1)
        examples = -(-profile.rounds * profile.examples // (count * share))
        if profile.covers:
            examples = max(examples, -(-(A_ROW + len(rows) // ROWS) // share))
        number, met = 0, {regime: set[tuple[str, Any]]() for regime in takers}
        for turn in range(count):
            for regime in regimes:
                if regime == "large":
                    if turn < profile.rounds:
                        yield from self.long_rounds(number)
                else:
                    if regime == "degenerate":
                        forced = besides[turn // 2] if turn % 2 and turn // 2 < len(besides) else {}
                    else:
                        forced = dealt(rows, met[regime]) if rows else {}
                    # Which odd number meets which place is a lottery of its own.
                    more = 2 if regime == "special" and profile.covers else 1
                    yield Round(regime, number, forced, more * examples + 1, simplest=True)
                number += 1

    def long_rounds(self, number: int) -> Iterator[Round]:
        """Calls with one long size; the cells of a check share the sizes out among them.

        Those in 16 bits, where small errors do not show, have a third of them besides.
        """
        op, check, dtype = self.cell.op, self.cell.check, self.cell.dtype
        sizes = list(classes.long_sizes(op))
        Random(stream(op.name, check.name, self.plan.seed)).shuffle(sizes)
        if dtype in HALF:
            sizes = sizes[: -(-len(sizes) // 3)]
        alike = [d for d in check.dtypes(op) if (d in HALF) == (dtype in HALF)]
        for name in sizes[alike.index(dtype) :: len(alike)]:
            yield Round("large", number, {"long": name}, 1, simplest=False)

    def rows_to_cover(self) -> list[Levels]:
        """Choices of levels that this cell must meet.

        Every level is met in every cell. Every pair of levels is met by the module's contract, by
        forward and buffers in every dtype, by gradients in the first, the widest, and again in all
        the others together.
        """
        op, check = self.cell.op, self.cell.check
        number, dtypes = self.dtype_number, len(check.dtypes(op))
        sets = dtypes if check.name in ("forward", "buffers") else 1
        rows = covering_sets(op, sets, stream(check.name, self.plan.seed))
        chosen: list[Levels]
        if check.name in ("forward", "buffers", "contract"):
            chosen = list(rows[number])
        elif check.name == "gradients":
            chosen = list(rows[0][number - 1 :: dtypes - 1] if number else rows[0])
        else:
            chosen = []
        chosen += levels_missing(chosen, rows[0])
        # Another dtype meets a level in another regime.
        turn = number % max(1, len(chosen))
        return chosen[turn:] + chosen[:turn]

    @property
    def dtype_number(self) -> int:
        """The place of the cell's dtype among its check's."""
        return self.cell.check.dtypes(self.cell.op).index(self.cell.dtype)

    def hunt(self, round: Round) -> Failure | None:
        """One round: a Hypothesis search with some levels forced."""
        cell = self.cell
        dtype = self.dtype(round.number)
        found: list[Failure] = []
        self.twisted, self.failing = {}, None

        def holds(drawn: Drawn) -> None:
            if self.stopped:
                return
            call, features = drawn
            changed = self.changed(call, round, dtype)
            try:
                compared = self.check_call(changed, round.regime, dtype)
            except Departure as departure:
                found.append(Failure(departure.trial, departure))
                self.failing = self.classes_given(changed)
                raise
            except (Unsupported, InvalidCall) as error:
                self.stopped, compared = error, False
            if compared:
                self.ledger.meet(met_pairs(cell.op, features))
                self.ledger.meet_long(features)

        try:
            self.draw(round, holds, with_steps=cell.check.steps)
        except Departure:
            return self.confirmed(found[-1])
        except Flaky:
            return self.not_reproducible(found)
        return None

    def draw(self, round: Round, use: Callable[[Drawn], None], *, with_steps: bool = False) -> None:
        """The round's calls; the dtypes of a check draw calls of their own."""
        cell, plan = self.cell, self.plan
        draw_each(
            calls(cell.op, round.regime, round.forced, with_steps=with_steps),
            use,
            round.examples,
            (cell.op.name, cell.check.name, cell.dtype, round.regime, round.number, plan.seed),
            shrink=plan.shrink,
            simplest=round.simplest,
        )

    def not_reproducible(self, found: list[Failure]) -> Failure:
        """The same call, right once and wrong once."""
        if not found:
            raise AssertionError("the suite draws other data when it repeats a case")
        found[0].departure.message += " (but not on every call: the subject keeps state)"
        return found[0]

    def confirmed(self, failure: Failure) -> Failure | None:
        """The minimal failure, simplified, after arbitration at any price."""
        if rerun(self.cell.check, failure.trial, thorough=False) is None:
            return self.not_reproducible([failure])
        again = rerun(self.cell.check, failure.trial)
        if again is None:  # the oracle was off, as only the definition could tell
            trial, departure = failure.trial, failure.departure
            if (known := excuse(trial)) is not None:
                self.ledger.excuse(trial, known.reason)
            else:
                self.ledger.torch_fault(trial, departure.message, departure.details)
            return None
        return simplified(self.cell.check, again) if self.plan.shrink else again

    def pairs_drawn(self) -> set[Pair]:
        """The pairs of levels that this search's calls contain, found by drawing alone."""
        met: set[Pair] = set()
        for round in self.rounds():
            self.draw(round, lambda drawn: met.update(met_pairs(self.cell.op, drawn[1])))
        return met

    def changed(self, call: Call, round: Round, dtype: torch.dtype) -> Call:
        """A drawn call with another batch size and layout, and made to meet a few input classes.

        One in four is left without. The same call is always changed alike, and while a failure is
        shrunk the smaller ones are changed as the failing one was: Hypothesis asks for both.
        """
        op, check = self.cell.op, self.cell.check.name
        call = evaluated(op, varied(call, round.regime))
        if check not in classes.COUNTING or (call.cotangent.seed >> 8) % 4 == 1:
            return call
        name = repr((call, round.number))
        if name not in self.twisted:
            if excuse(self.trial(call, round.regime, dtype), crash=True):
                self.twisted[name] = call, ()
            elif self.failing is not None:
                self.twisted[name] = classes.again(op, call, self.failing, dtype), self.failing
            else:
                self.twisted[name] = self.turns.twisted(op, call, round.regime, dtype, check)
        return self.twisted[name][0]

    def classes_given(self, changed: Call) -> tuple[Class, ...]:
        """The input classes that a call of this round was made to meet."""
        return next((given for call, given in self.twisted.values() if call is changed), ())

    def classes_drawn(self, wanted: set[Name]) -> Iterator[set[Name]]:
        """The input classes that the search's calls meet, found by drawing, while any is wanted."""
        op, check = self.cell.op, self.cell.check.name
        for round in self.rounds():
            drawn: list[Drawn] = []
            dtype = self.dtype(round.number)
            if wanted & classes.within_reach(op, round.regime, dtype, check):
                self.draw(round, drawn.append)
            for call, features in drawn:
                met = classes.met(op, self.changed(call, round, dtype))
                yield met | {("sizes", features[0][name]) for name in features[0] if name == "long"}

    def check_call(self, call: Call, regime: str, dtype: torch.dtype) -> bool:
        """One drawn call; whether it was compared as it was drawn: else it covers no levels.

        It counts as a case if anything of it was compared.
        """
        if self.cell.op.written(call) and not self.plan.subject.abilities.in_place:
            return False
        trial = self.trial(call, regime, dtype)
        trial.measured = regime == "exact" or trial.one_in(MEASURED, "measured")
        cases, comparisons = Counter(self.ledger.cases), self.ledger.comparisons
        start = time.perf_counter()
        try:
            run_check(self.cell.check, trial)
            self.ledger.note_time(trial, time.perf_counter() - start)
        except Unsupported as refusal:
            self.ledger.cases = cases
            if not self.passed_over(refusal, trial):
                raise
            # Refusing some calls is a failure; only refusing every call is "unsupported".
            if self.ledger.comparisons and self.plan.subject.abilities.complete:
                departure = refuses(refusal)
                departure.trial = trial
                raise departure from refusal
            return False
        if self.ledger.comparisons == comparisons:
            self.ledger.cases = cases
            return False
        self.ledger.meet_classes(classes.met(self.cell.op, trial.call))
        return trial.call.arguments == call.arguments

    def trial(self, call: Call, regime: str, dtype: torch.dtype) -> Trial:
        """A trial of this cell."""
        cell, plan = self.cell, self.plan
        if not plan.subject.abilities.derivatives:
            call = unrecorded(replace(call, wanted=()))
        if not plan.subject.abilities.conventions:
            call = replace(call, kinds={})  # how torch takes numbers is one of them
        target = plan.subject.find(cell.op.name)
        if target is not None and not plan.subject.is_torch:
            call = cell.op.within(target, call)
        return Trial(
            op=cell.op,
            check=cell.check.name,
            call=call,
            subject=plan.subject,
            dtype=dtype,
            device=cell.device,
            regime=regime,
            ledger=self.ledger,
            expectations=self.expectations,
            deep=plan.profile.deep,
            announce=plan.announce,
        )


def refuses(refusal: Exception) -> Departure:
    """A call refused by a subject that takes others."""
    return Departure(f"takes other calls, but not this one: {refusal}", kind="partial")


def evaluated(op: Op, call: Call) -> Call:
    """Every third call of a module in evaluation, where its declaration does not choose the mode.

    Most modules are the same function in either mode, and must be.
    """
    chooses = not op.is_module or op.buffers
    return call if chooses or call.share(3, "evaluation") else replace(call, training=False)


def dealt(rows: list[Levels], met: set[tuple[str, Any]]) -> Levels:
    """Take the row that adds most levels to those that its regime has met."""
    row = max(rows, key=lambda row: len(row.items() - met))
    rows.remove(row)
    met |= row.items()
    return row


def rounds_of_calls(op: Op, regime: str, *, examples: int, seed: int) -> list[Call]:
    """Some of an operator's calls, drawn but not run."""
    drawn: list[Call] = []
    draw_each(
        calls(op, regime, {}), lambda d: drawn.append(d[0]), examples, (op.name, regime, seed)
    )
    return drawn


def drawn_with(op: Op, regime: str, forced: Levels) -> bool:
    """Whether one of a few calls drawn with these levels has the long size among them."""
    met: list[bool] = []
    drawn = calls(op, regime, {**forced, "or none": True})
    name = (op.name, regime, forced["long"])
    draw_each(drawn, lambda d: met.append("long" in d[1][0]), 4, name)
    return any(met)


def draw_each(
    strategy: SearchStrategy[Drawn],
    use: Callable[[Drawn], None],
    examples: int,
    name: object,
    *,
    shrink: bool = True,
    simplest: bool = True,
) -> None:
    """Hypothesis's search with the suite's settings, seeded by a name.

    Its first example is always the simplest there is, wanted or not.
    """
    met = 0

    def each(drawn: Drawn) -> None:
        nonlocal met
        met += 1
        if simplest or met > 1:
            use(drawn)

    phases = QUIET.phases if shrink else (Phase.generate,)
    search = settings(QUIET, max_examples=examples + (not simplest), phases=phases)
    examples_of = given(strategy)(each)
    # No database is kept, so nobody needs the key that Hypothesis would make of the source above.
    examples_of._hypothesis_internal_database_key = None  # type: ignore[attr-defined]
    seed(stream(name))(search(examples_of))()


def run_whole(check: Check, trial: Trial) -> None:
    """The check, in which a subject may raise what would end this process."""
    try:
        check.run(trial)
    except (SystemExit, GeneratorExit) as error:
        trial.depart(f"raised {named(error)}", kind="exception")


def run_check(check: Check, trial: Trial) -> None:
    """The check; a departure remembers the trial it was found in."""
    if (crash := excuse(trial, trial.subject.name, crash=True)) is not None:
        trial.ledger.excuse(trial, crash.reason)
        return
    if trial.announce is not None:
        trial.announce(trial)
    try:
        with undisturbed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's and the subject's are not under test
            run_whole(check, trial)
    except Departure as departure:
        known = excuse(trial, trial.subject.name, details=departure.details)
        if known is None:
            departure.trial = trial
            raise
        trial.ledger.excuse(trial, known.reason)
    except TorchCrashes:
        trial.ledger.torch_cannot += 1


def simplified(check: Check, failure: Failure) -> Failure:
    """The same failure on simpler data: plain numbers, contiguous tensors, then zeros, ones, …"""
    for name in failure.trial.call.kinds:
        others = {k: v for k, v in failure.trial.call.kinds.items() if k != name}
        plain = replace(failure.trial, call=replace(failure.trial.call, kinds=others))
        failure = the_same(failure, rerun(check, plain)) or failure
    for name in (*failure.trial.call.recipes(), "cotangent"):
        for simpler in simpler_recipes(recipe_named(failure.trial.call, name)):
            call = with_recipe(failure.trial.call, name, simpler)
            again = the_same(failure, rerun(check, replace(failure.trial, call=call)))
            if again is not None:
                failure = again
                break
    return failure


def the_same(failure: Failure, again: Failure | None) -> Failure | None:
    """The second failure, if it is one of the same kind."""
    kinds = {f.departure.details.get("kind") for f in (failure, again) if f}
    return again if len(kinds) == 1 else None


def with_recipe(call: Call, name: str, recipe: Recipe) -> Call:
    """The call with one of its tensors replaced."""
    return call.with_recipes(lambda n, old: recipe if n == name else old)


def recipe_named(call: Call, name: str) -> Recipe:
    """One of the call's tensors, or its cotangent."""
    return call.cotangent if name == "cotangent" else call.recipes()[name]


def simpler_recipes(recipe: Recipe) -> Iterator[Recipe]:
    """What to try instead, simplest first."""
    if recipe.same_as is not None:
        yield replace(recipe, same_as=None)
        return
    if recipe.values is not None:
        return
    if recipe.state is not None:
        yield replace(recipe, state=None)
    fills = list(FILLS)
    for fill in fills[: fills.index(recipe.fill)]:
        yield replace(recipe, fill=fill, layout="contiguous")
    for fill in fills[: fills.index(recipe.fill)]:
        yield replace(recipe, fill=fill)
    if recipe.layout != "contiguous":
        yield replace(recipe, layout="contiguous")


def rerun(check: Check, trial: Trial, *, thorough: bool = True) -> Failure | None:
    """Check a trial by itself, outside any search; if thorough arbitration may take seconds."""
    trial = replace(trial, ledger=Ledger(), thorough=thorough)
    try:
        run_check(check, trial)
    except Departure as departure:
        return Failure(trial, departure)
    except Unsupported as refusal:
        return Failure(trial, refuses(refusal))
    except InvalidCall:
        pass
    return None


def examine(cell: Cell, plan: Plan, ledger: Ledger | None = None) -> Outcome:
    """Search one cell and give it its status.

    ``ledger`` holds what the same cell's search under other seeds has found.
    """
    start = time.perf_counter()
    search = Search(cell, plan, Ledger() if ledger is None else ledger)
    try:
        failure = search.run()
        outcome = Outcome(*status(search, failure), search.ledger, failure)
        if changed := integrity.replaced():
            reason = f"while it is called it replaces {', '.join(changed[:3])}"
            outcome = Outcome("fail", reason, search.ledger, failure)
    except Exception:  # nobody is judged by a fault of the suite, and nobody should miss it
        outcome = Outcome("not run", f"the suite raised\n{traceback.format_exc()}", search.ledger)
    outcome.seconds = time.perf_counter() - start
    outcome.seed = plan.seed
    return outcome


def status(search: Search, failure: Failure | None) -> tuple[str, str]:
    """The report's word for what happened, and why."""
    ledger = search.ledger
    if isinstance(search.stopped, InvalidCall):
        return "fail", f"the declaration drew a call that torch rejects: {search.stopped}"
    if failure is not None:
        return "fail", failure.departure.message
    if search.stopped is not None:
        return "unsupported", str(search.stopped)
    return of_ledger(ledger)


def of_ledger(ledger: Ledger) -> tuple[str, str]:
    """The word for a search that found no failure, and why."""
    refused = ", ".join(ledger.unsupported)
    if not ledger.comparisons:
        return ("unsupported", refused) if refused else ("not run", "nothing was compared")
    if refused:
        return "in part", f"refuses {ledger.unsupported.total():,} calls: {refused}"
    if ledger.fault_count:
        return "torch fault", ledger.faults[0].message
    if ledger.known:
        return "known", ledger.known.most_common(1)[0][0]
    return "pass", ""
