"""Conditions on calls, by name: what the expectations file may say of a region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from parity_tests.definitions.array import per_axis
from parity_tests.definitions.convolution import zero_padding
from parity_tests.op import Call

__all__ = [
    "empty_output",
    "empty_with_parameters",
    "evaluates",
    "laid_out_oddly",
    "not_finite",
    "outreaches_the_grid",
    "overhangs",
    "padded_by_its_size",
    "permuted_positions",
    "zero_dilation",
]


def not_finite(call: Call) -> bool:
    """NaN or infinities among the numbers, cotangent included."""
    return any(r.fill == "special" for r in (*call.recipes().values(), call.cotangent))


def laid_out_oddly(call: Call) -> bool:
    """Some tensor, the cotangent included, is not contiguous."""
    return any(r.layout != "contiguous" for r in (*call.recipes().values(), call.cotangent))


def empty_with_parameters(call: Call) -> bool:
    """No samples or no channels, in some step at least, with a weight, a bias or estimates."""
    tensors = call.recipes()
    empty = any(0 in r.shape[:2] for name, r in tensors.items() if name.endswith("input"))
    return empty and any(n in tensors for n in ("weight", "bias", "running_mean"))


def permuted_positions(call: Call) -> bool:
    """Five axes or more, and the later ones not in their order in memory."""
    shape, layout = call.arguments["input"].shape, call.arguments["input"].layout
    return len(shape) > 4 and layout == "permuted"


def evaluates(call: Call) -> bool:
    """A normalisation uses its running statistics, in some step at least."""
    flags = [call.training]
    for given in (call.arguments, *call.steps):
        flags += [given.get(name, True) for name in ("training", "use_input_stats")]
        flags.append(given.get("action") != "eval")
    return not all(flags)


@dataclass(frozen=True)
class Axis:
    """The windows of a convolution along one axis, or of the one that a call transposes."""

    size: int  # of the grid that the windows look at
    windows: int
    kernel: int
    stride: int
    dilation: int
    padding: int  # in front


def axes(call: Call) -> Iterator[Axis]:
    """The geometry of a convolution of either kind, axis by axis."""
    a = call.arguments
    kernel = call.recipes()["weight"].shape[2:]
    rank = len(kernel)
    s, d = (per_axis(a.get(name, 1), rank) for name in ("stride", "dilation"))
    before, total = zero_padding(a.get("padding", 0), list(kernel), d)
    extra = per_axis(a.get("output_padding", 0), rank)
    for i, size in enumerate(a["input"].shape[-rank:]):
        span = d[i] * (kernel[i] - 1) + 1
        if "output_padding" in a:  # the input holds the windows, the output is the grid
            windows = size
            size = (windows - 1) * s[i] + span - total[i] + extra[i]
        else:
            windows = (size + total[i] - span) // s[i] + 1
        yield Axis(size, windows, kernel[i], s[i], d[i], before[i])


def outreaches_the_grid(call: Call) -> bool:
    """On the last axis a window, or a tap of the first window, starts beyond the grid's end."""
    last = list(axes(call))[-1]
    # A transposed convolution with a large output_padding has fewer windows than its output holds.
    fit = (last.size + 2 * last.padding - last.dilation * (last.kernel - 1) - 1) // last.stride + 1
    window = last.stride * (max(last.windows, fit) - 1) - last.padding
    tap = last.dilation * (last.kernel - 1) - last.padding
    # A second derivative swaps stride and dilation: then padding as wide as the grid will do.
    return max(window, tap, last.padding) >= last.size


def padded_by_its_size(call: Call) -> bool:
    """On some axis the padding is as wide as the grid, or wider."""
    return any(axis.padding >= axis.size for axis in axes(call))


def empty_output(call: Call) -> bool:
    """A transposed convolution whose padding leaves nothing of its output on some axis."""
    return any(axis.size <= 0 for axis in axes(call))


def overhangs(call: Call) -> bool:
    """A transposed convolution whose output_padding is on some axis no smaller than the stride."""
    rank = len(call.recipes()["weight"].shape) - 2
    extra, stride = (
        per_axis(call.arguments.get(name, default), rank)
        for name, default in (("output_padding", 0), ("stride", 1))
    )
    return any(e >= s for e, s in zip(extra, stride, strict=True))


def zero_dilation(call: Call) -> bool:
    """A dilation of zero, which the formula would allow and torch's documentation does not."""
    return 0 in per_axis(call.arguments.get("dilation", 1), 1)
