"""The page's pictures, computed here so that the template only prints them.

Small multiples: every panel of a kind has the same axes, drawn once as an SVG symbol, and holds
just two short paths.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LIMIT = 8.0  # accepted up to this many bounds: running_error.SAFETY
WIDTH, HEIGHT = 168, 92
LEFT, RIGHT, TOP, BOTTOM = 28, 164, 8, 74  # the plotting area, in the panel's units
FLOOR = 1e-3  # smaller ratios are drawn at the bottom
CEILING = 1e4  # and larger ones at the top
STEPS = 5  # at most, that a buffer is followed for
EXACT = -100  # the ledger's bin for an error of zero
BINS = range(-12, 5)  # of log2(error/bound); what lies outside is drawn in the outermost


@dataclass(frozen=True)
class Tick:
    """A line across the plotting area, and its label."""

    at: float
    label: str
    limit: bool = False


@dataclass(frozen=True)
class Axes:
    """The frame of one kind of panel: what its axes span, and their ticks."""

    across: tuple[Tick, ...]
    up: tuple[Tick, ...] = ()
    longest: int = 1  # log2 of the longest reduction
    highest: float = 2 * LIMIT


@dataclass(frozen=True)
class Panel:
    """One dtype of one operator: its paths and the same facts in words."""

    name: str
    title: str
    lengths: str
    line: str
    counts: str
    bars: str


def length_axes(tables: Iterable[Mapping[int, float]]) -> Axes:
    """Axes that hold every panel of error by reduction length."""
    longest, highest = 4, 2 * LIMIT
    for table in tables:
        for length, worst in table.items():
            longest = max(longest, length.bit_length() - 1)
            highest = max(highest, min(worst, CEILING))
    step = -(-longest // 4)
    across = (Tick(_x(k, longest), short(1 << k)) for k in range(0, longest + 1, step))
    decades = ((v, f"{v:g}".removeprefix("0")) for v in (0.01, 0.1))
    up = [Tick(_y(v, highest), text) for v, text in decades]
    up += [Tick(_y(1, highest), "1"), Tick(_y(LIMIT, highest), "8", limit=True)]
    if highest >= 100:
        up.append(Tick(_y(highest, highest), f"{highest:.0e}".replace("e+0", "e")))
    return Axes(tuple(across), tuple(up), longest, highest)


def step_axes(like: Axes) -> Axes:
    """Axes of every panel of buffers after steps, as high as those of reduction lengths."""
    across = tuple(Tick(_step(step), str(step)) for step in range(1, STEPS + 1))
    return Axes(across, like.up, highest=like.highest)


def stepwise(worst: Mapping[int, float], axes: Axes) -> str:
    """The worst ratio after each step, as a path."""
    points = (f"{_step(n):.0f} {_y(worst[n], axes.highest):.0f}" for n in sorted(worst))
    return "M" + "L".join(points)


def _step(n: int) -> float:
    return LEFT + 8 + (RIGHT - LEFT - 16) * (min(n, STEPS) - 1) / (STEPS - 1)


def histogram_axes() -> Axes:
    """Axes of every histogram: an own place for exact results, then powers of two."""
    ticks = [Tick(_bar(EXACT) + _BAR / 2, "0")]
    ticks += [Tick(_bar(b), text) for b, text in ((-8, "2⁻⁸"), (-4, "2⁻⁴"), (0, "1"))]
    return Axes((*ticks, Tick(_bar(3), "8", limit=True)))


def panel(name: str, worst: Mapping[int, float], counts: Mapping[int, int], axes: Axes) -> Panel:
    """The two drawings of a dtype: worst ratio by reduction length, and how ratios are spread."""
    points = [
        f"{_x(n.bit_length() - 1, axes.longest):.0f} {_y(worst[n], axes.highest):.0f}"
        for n in sorted(worst)
    ]
    largest = max(worst.values(), default=0.0)
    return Panel(
        name=name,
        title=f"{name} · worst {two_digits(largest)} · n {short(sum(counts.values()))}",
        lengths=", ".join(f"{n}: {two_digits(worst[n])}" for n in sorted(worst)),
        line="M" + "L".join(points),
        counts=_spread(counts),
        bars=_bars(counts),
    )


def shown_number(text: str) -> float:
    """What :func:`two_digits` showed; nothing is 0."""
    return math.inf if text == "∞" else float(text or 0)


def two_digits(value: float) -> str:
    """Two significant digits, short: 0.22, 1.4, 130, 3e-05 as 3e-5, infinity as ∞."""
    if math.isnan(value):
        return "NaN"
    if value > 1e300:  # what is left of "infinitely many bounds" after nan_to_num
        return "∞"
    if 10 <= value < 9999.5:
        return f"{float(f'{value:.2g}'):.0f}"
    return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def _x(power: float, longest: int) -> float:
    return LEFT + 4 + (RIGHT - LEFT - 8) * power / longest


def _y(value: float, highest: float) -> float:
    low, high = math.log(FLOOR), math.log(highest)
    clipped = min(max(value, FLOOR), highest)
    return TOP + (BOTTOM - TOP) * (high - math.log(clipped)) / (high - low)


_BAR = (RIGHT - LEFT) / (len(BINS) + 2)  # the exact ones' bar and a gap come first


def _bar(bin_: int) -> float:
    """The left edge of a bin's bar."""
    if bin_ == EXACT:
        return float(LEFT)
    return LEFT + _BAR * (2 + min(max(bin_, BINS[0]), BINS[-1]) - BINS[0])


def _bars(counts: Mapping[int, int]) -> str:
    """All bars as one path of broad strokes; the highest fills the panel."""
    heights: Counter[float] = Counter()
    for bin_, count in counts.items():
        heights[_bar(bin_) + _BAR / 2] += count
    most = max(heights.values(), default=1)
    tops = ((x, BOTTOM - max(1.0, (BOTTOM - TOP) * n / most)) for x, n in sorted(heights.items()))
    return "".join(f"M{x:.1f} {BOTTOM}V{y:.0f}" for x, y in tops)


def _spread(counts: Mapping[int, int]) -> str:
    """A histogram in words."""
    exact = f"{counts[EXACT]} exact; " if EXACT in counts else ""
    rest = sorted(bin_ for bin_ in counts if bin_ != EXACT)
    return exact + ", ".join(f"2^{bin_}: {counts[bin_]}" for bin_ in rest)


def short(n: int) -> str:
    """A whole number in at most four characters: 512, 4k, 1M."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if n >= size:
            return f"{n // size}{unit}"
    return str(n)
