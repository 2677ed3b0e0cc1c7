"""Drawing calls: regimes, named choices, tensors as recipes, and the covering set of choices.

A declaration's ``draw`` asks a :class:`Draw` for what it needs. Geometry is *constructed* valid:
draw what must fit so that it fits. Choices have names, which gives three things at once: the
coverage of parameter pairs, forced values for the covering set, and readable failures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, reduce
from itertools import combinations, product
from math import prod
from operator import or_
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from parity_tests.op import Call
from parity_tests.recipe import LAYOUTS, ODD, Recipe

if TYPE_CHECKING:
    from parity_tests.op import Op

T = TypeVar("T")
Levels = Mapping[str, Any]

SMALL = ("ordinary", "exact", "scaled", "special", "layout", "degenerate")
REGIMES = (*SMALL, "large")

# What fills the tensors of a call, by regime. All tensors of a call share the fill's kind, except
# in "scaled", where every tensor has its own.
_FILLS = {
    "ordinary": ("normal",),
    "exact": ("integers", "signs", "dyadic"),
    "scaled": ("offset", "huge", "tiny", "mixed"),
    "special": ("special", "odd_one", "gaps"),
    "layout": ("normal",),
    "degenerate": ("normal",),
    # Of integers every sum is exact: one addend that is lost among thousands shows.
    "large": ("integers", "integers", "integers", "normal"),
}

# Layouts of any tensor: only cotangents are one number everywhere, as sum() hands them back.
DRAWN = tuple(layout for layout in LAYOUTS if layout != "one_number")

# Sizes at which kernels block, unroll and switch algorithms, on both sides of powers of two. In the
# large regime one of them is long at a time, and everything else small. What is beyond a threshold
# shows at the largest; what is special about a power of two shows at that power alone.
LONG = {
    "rows of 129 to 1023": (129, 255, 257, 511, 513, 1000, 1009, 1023),
    "rows of 256": (256,),
    "rows of 512": (512,),
    "rows of 1024": (1024,),
    "rows of 1025 to 4096": (1025, 2047, 2048, 2049, 4095, 4096),
    "rows of 4097": (4097,),
    "rows of 65 to 1025 on a later axis": (65, 129, 256, 257, 513, 1025),
    "10 to 63 taps": (10, 15, 16, 17, 31, 32, 33, 63),
    "64 to 256 taps": (64, 65, 127, 128, 129, 255, 256),
    "257 taps and more": (257, 300),
    "11 to 300 taps on a later axis": (11, 17, 33, 65, 129, 257, 300),
    "channels of 68 to 256": (68, 127, 128, 129, 255, 256),
    "257 channels": (257,),
    "a batch of 7 to 64": (7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64),
    "a batch of 65": (65,),
    "groups beyond 64": (65, 96, 128, 129),
    "windows beyond 128": (129, 255, 256, 257),
    "amounts beyond 32": (33, 63, 64, 65, 129),
}

LONG_KINDS = ("rows", "taps", "channels", "batch", "groups", "windows", "amounts")

integers = cache(st.integers)  # Hypothesis keeps them too, but looks long for them


class Draw:
    """What a declaration draws its calls with, in one regime."""

    def __init__(
        self, draw: Callable[[st.SearchStrategy[Any]], Any], regime: str, forced: Levels
    ) -> None:
        self.regime = regime
        self.features: list[dict[str, Any]] = [{}]  # named choices: [0] of the call, then per axis
        self._draw = draw
        self._forced = forced
        # As in real calls, a level is mostly the same on every axis, or on one axis alone.
        self._on_all_axes = bool(forced) and draw(st.booleans())
        # The simplest call has all levels that are forced; of the others every second has only some
        # of them, so that a row stands for more than one combination.
        self._loose = bool(forced) and draw(st.booleans())
        self._seed = draw(st.integers(0, 2**16 - 1))
        self._long = ""
        if regime == "large":
            self._long = forced.get("long") or self.one_of(tuple(LONG))
        self._axes_before = int("later" in self._long)  # those that could be long and are not to be
        self._tensors = 0

    # --- choices ---

    def choice(self, name: str, values: Sequence[T]) -> T:
        """One of ``values``, simplest first; the covering set may force it."""
        value = self._one(name, values, forced=True)
        self.features[0][name] = value
        return value

    def per_axis(self, name: str, rank: int, values: Callable[[int], Sequence[T]]) -> tuple[T, ...]:
        """One value for each spatial axis; a forced one lands on axis 0, or on all of them.

        Every other time the axes have the same, as in most real calls.
        """
        while len(self.features) <= rank:
            self.features.append({})
        alike = rank > 1 and self.integer(0, 1) == 1
        chosen: list[T] = []
        for axis in range(rank):
            if alike and chosen and chosen[0] in values(axis):
                value = chosen[0]
            else:
                value = self._one(name, values(axis), forced=axis == 0 or self._on_all_axes)
            self.features[axis + 1][name] = value
            chosen.append(value)
        return tuple(chosen)

    def spelled(self, values: tuple[int, ...]) -> int | tuple[int, ...] | list[int]:
        """The ways torch lets one write a geometric argument: tuple, list, or one number."""
        spellings: list[Any] = [values, list(values)]
        if len(set(values)) == 1:
            spellings.append(values[0])
        return self.one_of(spellings)

    def one_of(self, values: Sequence[T]) -> T:
        """An unnamed choice, simplest first."""
        # Hypothesis would make a strategy for every list of values.
        return values[self.integer(0, len(values) - 1) if len(values) > 1 else 0]

    def integer(self, low: int, high: int) -> int:
        """An unnamed integer."""
        return self._draw(integers(low, high))

    def _one(self, name: str, values: Sequence[T], *, forced: bool) -> T:
        wanted = forced and name in self._forced and self._forced[name] in values
        if wanted and not (self._loose and self.integer(0, 1)):
            return self._forced[name]
        return self.one_of(values)

    # --- sizes ---

    @property
    def degenerate(self) -> bool:
        """Whether sizes zero and one, huge parameters and the like are what is wanted."""
        return self.regime == "degenerate"

    @property
    def large(self) -> bool:
        """Whether one size is to be long."""
        return self.regime == "large"

    def long(self, kind: str, size: T) -> T | int:
        """A long size in place of the drawn one, if it is that kind's turn in the large regime."""
        if kind not in self._long or "long" in self.features[0]:
            return size
        if self._axes_before:
            self._axes_before -= 1
            return size
        self.features[0]["long"] = self._long
        return self.one_of(LONG[self._long])

    def row(self, size: int) -> int:
        """The size of an axis that may be a long one."""
        return int(self.long("rows", size))

    def batch(self) -> int | None:
        """The batch size; None means an unbatched call. Samples of the call vary it."""
        size = self.choice("batch", (1, 2, 0, None) if self.degenerate else (2, None, 1, 3))
        return self.long("batch", size)

    def batch_size(self) -> int:
        """The batch size where every call has one."""
        size = self.choice("batch", (1, 2, 0) if self.degenerate else (2, 1, 3))
        return self.long("batch", size)

    def channels(self) -> int:
        """Channels of one group: few, rarely more than a vector register holds."""
        few = (1, 2, 3) if self.large else (1, 2, 3, 5, 17)
        size = self.one_of((1, 0, 2) if self.degenerate else few)
        return self.long("channels", size)

    def kernel(self, rank: int, sizes: Sequence[int]) -> tuple[int, ...]:
        """Kernel sizes, one for each axis; a long one on one axis alone."""
        kernel = self.per_axis("kernel", rank, lambda _: sizes)
        return tuple(int(self.long("taps", min(k, 2))) for k in kernel) if self.large else kernel

    def groups(self, name: str, values: Sequence[int]) -> int:
        """A named number of groups."""
        return int(self.long("groups", self.choice(name, values)))

    # --- tensors ---

    def tensor(
        self,
        *shape: int,
        fill: str | None = None,
        batched: bool = False,
        dtype: str | None = None,
        written: bool = False,
    ) -> Recipe:
        """A tensor of the regime's fill and layout, with a stream of numbers of its own."""
        self._tensors += 1
        if fill is None:
            fill = self.one_of(_FILLS[self.regime])
        layout = "contiguous"
        if self.regime in ("layout", "degenerate"):
            layout = self.one_of(DRAWN)
        seed = (self._seed << 8) + 2 * self._tensors  # the odd neighbour is for imaginary parts
        return Recipe(shape, fill, layout, seed, batched, dtype, written=written)

    def finite_but(self, call: Call, *names: str) -> Call:
        """The call with NaN and infinities in the named tensors alone."""

        def tamed(name: str, recipe: Recipe) -> Recipe:
            special = recipe.fill in ODD and name not in names
            return replace(recipe, fill="integers") if special else recipe

        return call.with_recipes(tamed)

    def cotangent(self) -> Recipe:
        """Fill and layout of the cotangents; their shapes are the outputs'."""
        # Never all ones: .sum() cannot see the gradients of softmax, norms or a flipped kernel.
        return self.tensor()

    def subset(self, names: Sequence[str]) -> tuple[str, ...]:
        """A non-empty subset of the differentiable inputs; the rest stay frozen."""
        chosen = tuple(n for n in names if self.integer(0, 3) > 0)
        return chosen or tuple(names[-1:])


def varied(call: Call, regime: str) -> Call:
    """Every other drawn call with another batch size and layout, as a hash of it decides.

    The batch size decides which of torch's back ends runs on CPU (N = 1 takes native im2col and
    N > 1 oneDNN, for one), and channels_last takes yet another.
    """
    if call.cotangent.seed // 2**8 % 2 == 0:
        return call

    def vary(name: str, recipe: Recipe) -> Recipe:
        shape, layout = recipe.shape, recipe.layout
        if recipe.batched and shape[0] and regime != "large":
            shape = (shape[0] % 3 + 1, *shape[1:])
        if not recipe.fixed and (regime == "layout" or recipe.layout == "contiguous"):
            hashed = (recipe.seed * 2654435761 + 40503 + len(name)) // 7
            # Where layouts are not what it is about the usual ones are mostly enough.
            usual = "channels_last" if len(shape) > 3 else "permuted"
            common = regime != "layout" and hashed // 64 % 2
            layout = usual if common else DRAWN[hashed % len(DRAWN)]
            if name == "cotangent" and hashed // 128 % 3 == 0:
                # As mean() over some axes hands theirs back, and sum() over all.
                layout = "expanded" if hashed // 384 % 2 else "one_number"
        return replace(recipe, shape=shape, layout=layout)

    return call.with_recipes(vary)


# --- The covering set -----------------------------------------------------------------------------

Pair = tuple[str, Any, str, Any]


def pairs_of(row: Levels) -> Iterator[Pair]:
    """Every pair of levels that a choice of levels contains."""
    for (a, x), (b, y) in combinations(row.items(), 2):
        yield a, x, b, y


@cache
def feasible_rows(op: Op) -> tuple[dict[str, Any], ...]:
    """Every choice of levels that some valid call contains."""
    rows = (dict(zip(op.levels, values, strict=True)) for values in product(*op.levels.values()))
    return tuple(row for row in rows if op.feasible(row))


@cache
def covering_sets(op: Op, count: int, seed: int) -> tuple[tuple[dict[str, Any], ...], ...]:
    """So many sets of few choices of levels: each contains every feasible pair.

    Greedy set cover; among choices that add as many pairs the one that adds most to the triples of
    all the sets so far, and then the first in an order of the seed's own. So every dtype meets
    every pair, the dtypes together most triples, and another seed meets others.
    """
    order = list(range(len(feasible_rows(op))))
    Random(f"{op.name} {seed}").shuffle(order)
    rows = [feasible_rows(op)[i] for i in order]
    pairs, triples = ([masks(op, strength)[i] for i in order] for strength in (2, 3))
    every_pair = reduce(or_, pairs, 0)
    triples_met, sets = 0, []
    for _ in range(count):
        missing, chosen = every_pair, []
        while missing:
            gains = [(mask & missing).bit_count() for mask in pairs]
            most = max(gains)
            ties = [i for i, gain in enumerate(gains) if gain == most]
            best = max(ties, key=lambda i: (triples[i] & ~triples_met).bit_count())
            missing &= ~pairs[best]
            triples_met |= triples[best]
            chosen.append(rows[best])
        sets.append(tuple(chosen))
    return tuple(sets)


@cache
def masks(op: Op, strength: int) -> tuple[int, ...]:
    """For every feasible row the combinations of so many of its levels, a bit for each."""
    bits: dict[Any, int] = {}
    return tuple(
        sum(1 << bits.setdefault(met, len(bits)) for met in combinations(row.items(), strength))
        for row in feasible_rows(op)
    )


def levels_missing(met: Sequence[Levels], rows: Sequence[Levels]) -> list[Levels]:
    """Few of the rows that together contain every level that those met do not."""
    missing = {item for row in rows for item in row.items()}
    missing -= {item for row in met for item in row.items()}
    chosen = []
    while missing:
        best = max(rows, key=lambda row: len(missing & row.items()))
        missing -= best.items()
        chosen.append(best)
    return chosen


@cache
def feasible_pairs(op: Op) -> frozenset[Pair]:
    """The pairs of levels that some valid call can contain."""
    return frozenset(pair for row in feasible_rows(op) for pair in pairs_of(row))


def met_pairs(op: Op, features: Sequence[Levels]) -> set[Pair]:
    """The pairs of levels that a drawn call contains, on any one axis."""
    met: set[Pair] = set()
    common = features[0]
    for axis in features[1:] or ({},):
        levels = {**common, **axis}
        met.update(pairs_of({n: levels[n] for n in op.levels if n in levels}))
    return met & feasible_pairs(op)


# What may happen to a module between two steps.
ACTIONS = (
    "train",
    "eval",
    "load_state_dict",
    "momentum=0.25",
    "momentum=None",
    "momentum=0",
    "momentum=1",
    "reset_running_stats",
    "track_running_stats=False",
    "track_running_stats=True",
)


def steps(d: Draw, op: Op, call: Call) -> tuple[Mapping[str, Any], ...]:
    """At least three calls on one state: new data, another batch size, another mode."""
    first = call.arguments["input"]
    alone = prod(first.shape[2:]) == 1  # then one sample has nothing to be normalised over
    batches = (2, 3, 0) if alone else (2, 1, 3, 0)
    # Without running statistics there is nothing to evaluate with, to reset or to begin tracking.
    kept = call.state if op.is_module else call.arguments
    tracking = kept.get("running_mean") is not None
    actions = ACTIONS if tracking else ACTIONS[: ACTIONS.index("reset_running_stats")]
    drawn: list[Mapping[str, Any]] = []
    for _ in range(d.integer(3, 5)):
        batch = d.choice("step batch", batches)
        step: dict[str, Any] = {"input": d.tensor(batch, *first.shape[1:])}
        if op.is_module:
            # Mostly it goes on training: averages of many batches show after many.
            step["action"] = d.choice("step action", actions if d.integer(0, 1) else actions[:1])
        else:
            mode = "training" if "training" in call.arguments else "use_input_stats"
            step[mode] = d.choice("step training", (True, False) if tracking else (True,))
            step["momentum"] = d.choice("step momentum", (0.1, 0.25, 0.0, 1.0))
        drawn.append(step)
    return tuple(drawn)


def calls(
    op: Op, regime: str, forced: Levels, *, with_steps: bool = False
) -> st.SearchStrategy[tuple[Call, list[dict[str, Any]]]]:
    """The strategy that draws an operator's valid calls, with the choices that led to each."""
    return _drawn(op, regime, forced, with_steps)


@st.composite  # once: Hypothesis reads the function's source and writes another to wrap it
def _drawn(
    draw: Any, op: Op, regime: str, forced: Levels, with_steps: bool
) -> tuple[Call, list[dict[str, Any]]]:
    d = Draw(draw, regime, forced)
    call = op.draw(d)
    if "long" in forced and "long" not in d.features[0] and not forced.get("or none"):
        reject()  # a call without the axis that was to be long: draw another
    if with_steps:
        call = replace(call, steps=steps(d, op, call))
    return call, d.features


def stream(*parts: object) -> int:
    """A seed from names and numbers, the same on every machine and in every process."""
    return int(
        np.random.SeedSequence(list("|".join(map(str, parts)).encode())).generate_state(1)[0]
    )
