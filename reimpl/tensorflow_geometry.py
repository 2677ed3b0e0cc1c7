r"""Where TensorFlow's convolutions look, in torch's terms.

TensorFlow pads by a name (SAME, VALID) or by amounts that may differ in front and behind. With
eff = d(K−1) + 1:

    SAME      M = ⌈L / s⌉, total padding max(0, s(M−1) + eff − L), the odd one behind
    VALID     M = ⌈(L − eff + 1) / s⌉, no padding
    explicit  M = ⌊(L + lo + hi − eff) / s⌋ + 1

torch pads alike on both sides. What is left on one side is padded before a convolution, and cropped
after a transposed one, where output_padding says how many entries no window reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from reimpl import arguments
from reimpl.arguments import Ints
from reimpl.windows import fitting, spanned

PerAxis = int | Sequence[int] | None
Padding = str | Sequence[Sequence[int]]


class Geometry(NamedTuple):
    """One axis in torch's terms: its windows, and what to add to (or crop from) the grid."""

    positions: int
    padding: int  # torch's, on both sides
    output_padding: int  # entries behind the last window
    front: int  # what more there is on one side
    behind: int


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """The zeros in front and behind that SAME means: as few as give ⌈L / s⌉ positions.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2

    >>> same_padding(5, kernel=3, stride=2), same_padding(6, kernel=3, stride=2)
    ((1, 1), (0, 1))
    """
    total = max(0, spanned(-(-size // stride), kernel, stride, dilation) - size)
    return total // 2, total - total // 2


def to_torch(
    size: int, kernel: int, stride: int, dilation: int, padding: str | tuple[int, int]
) -> Geometry:
    """What torch is to be told about one axis: a convolution's input, a transpose's output.

    ``padding`` is 'SAME', 'VALID', or a pair of amounts. TensorFlow allows a kernel that does not
    fit by less than two strides, since it divides towards zero: then there are no positions, and
    the grid is extended to let torch compute one that is thrown away.

    Raises:
        ValueError: a kernel that spans two strides or more beyond the padded grid.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn/conv2d_transpose

    >>> to_torch(6, kernel=3, stride=2, dilation=1, padding="SAME")
    Geometry(positions=3, padding=0, output_padding=0, front=0, behind=1)
    >>> to_torch(8, kernel=3, stride=2, dilation=1, padding="VALID")
    Geometry(positions=3, padding=0, output_padding=1, front=0, behind=0)
    """
    if isinstance(padding, str):
        same = padding == "SAME"
        lo, hi = same_padding(size, kernel, stride, dilation) if same else (0, 0)
    else:
        lo, hi = padding
    room = size + lo + hi - spanned(1, kernel, stride, dilation)
    if room <= -2 * stride:
        raise ValueError(
            f"filters must span less than two strides beyond the padded grid, got {kernel} taps "
            f"with dilation {dilation} and stride {stride} for {size} entries with padding "
            f"{(lo, hi)}"
        )
    positions = max(0, fitting(size + lo + hi, kernel, stride, dilation))
    # torch takes no empty grid, so there nothing is left to it.
    p = min(lo, hi) if size else 0
    rest = size + lo + hi - spanned(max(positions, 1), kernel, stride, dilation)
    return Geometry(positions, p, max(rest, 0), lo - p, hi - p + max(-rest, 0))


def strides_and_dilations(
    op: str, strides: PerAxis, dilations: PerAxis, data_format: str
) -> tuple[Ints, Ints]:
    """Both as one positive integer for each of the two axes."""
    s = _over_two_axes(op, "strides", strides, data_format)
    return s, _over_two_axes(op, "dilations", dilations, data_format)


def _over_two_axes(op: str, name: str, value: PerAxis, data_format: str) -> Ints:
    """``2``, ``[2]`` and ``[2, 2]`` are alike; of four entries, batch and channels have 1."""
    entries = arguments.one_or_more(op, name, 1 if value is None else value)
    if len(entries) not in (1, 2, 4) or min(entries) < 1:
        raise ValueError(f"{op}: {name} must be 1, 2 or 4 positive integers, got {value}")
    if len(entries) < 4:
        return entries * (3 - len(entries))
    space, others = spatial(entries, data_format)
    if others != (1, 1):
        raise ValueError(f"{op}: {name} must be 1 along batch and channels, got {value}")
    return space


def spatial(entries: Sequence[Any], data_format: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The entries of the two spatial axes, and those of batch and channels."""
    first, second, third, fourth = entries
    if data_format == "NHWC":
        return (second, third), (first, fourth)
    return (third, fourth), (first, second)


def geometries(
    op: str, size: Ints, kernel: Ints, s: Ints, d: Ints, padding: Padding, data_format: str
) -> list[Geometry]:
    """The geometry of both axes of a grid of ``size``, :func:`to_torch`."""
    amounts = _amounts(op, padding, data_format)
    geometry = zip(size, kernel, s, d, amounts, strict=True)
    try:
        return [to_torch(*axis) for axis in geometry]
    except ValueError as error:
        raise ValueError(f"{op}: {error}") from None


def _amounts(op: str, padding: Padding, data_format: str) -> tuple[Any, ...]:
    if isinstance(padding, str):
        if padding not in ("SAME", "VALID"):
            raise ValueError(f"{op}: padding must be 'SAME', 'VALID' or amounts, got {padding!r}")
        return (padding, padding)
    if not isinstance(padding, (list, tuple)):
        raise TypeError(f"{op}: padding must be a string or a list of pairs, got {padding!r}")
    if len(padding) != 4 or any(not isinstance(a, (list, tuple)) or len(a) != 2 for a in padding):
        raise ValueError(f"{op}: padding must be four pairs of amounts, got {padding}")
    pairs = [tuple(arguments.integer(op, "padding", n) for n in pair) for pair in padding]
    space, others = spatial(pairs, data_format)
    if others != ((0, 0), (0, 0)) or min(map(min, space)) < 0:
        raise ValueError(
            f"{op}: padding must not be negative, and zero along batch and channels, got {padding}"
        )
    return space
