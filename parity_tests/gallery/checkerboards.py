"""How many kernel taps reach each output of a transposed convolution."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from parity_tests.gallery.figures import Figure, Panel, Section, source
from parity_tests.gallery.images import Images
from parity_tests.gallery.pictures import heat
from reimpl.analysis.overlap import interior_overlap, is_even, overlap


class Geometry(NamedTuple):
    kernel: int
    stride: int
    dilation: int = 1


GEOMETRIES = (
    Geometry(3, 2),
    Geometry(5, 2),
    Geometry(5, 3),
    Geometry(2, 3),
    Geometry(2, 2, 2),
    Geometry(4, 2),
    Geometry(2, 2),
    Geometry(6, 3),
    Geometry(3, 1),
    Geometry(2, 2, 3),
)


def taps(g: Geometry) -> Tensor:
    """At least 18×18 outputs."""
    size = 18 // g.stride
    return overlap((size, size), g.kernel, g.stride, dilation=g.dilation)


def section(_: Images) -> Section:
    return Section(
        "checkerboards",
        "Checkerboards",
        "A transposed convolution adds kernel × kernel taps for every input. Where unequal numbers "
        "of them meet, an even input gives an uneven output.",
        (
            Figure(
                "Overlap of taps",
                "Colours count the taps at each output, from violet (none) to yellow (most). In "
                "the upper row the stride does not divide the kernel, or has a divisor in common "
                "with the dilation: a pattern of the stride’s period, for dilation 2 with holes. "
                "In the lower row the overlap is even but for the border. The labels give the "
                "counts over one stride along an axis.",
                source(taps),
                tuple(_map(g) for g in GEOMETRIES),
                5,
            ),
        ),
    )


def _map(g: Geometry) -> Panel:
    counts = ", ".join(map(str, interior_overlap(g.kernel, g.stride, g.dilation)))
    dilated = f", dilation {g.dilation}" if g.dilation > 1 else ""
    label = f"kernel {g.kernel}, stride {g.stride}{dilated}: {counts}"
    evenly = "even" if is_even(g.kernel, g.stride, g.dilation) else "uneven"
    return Panel(label, heat(taps(g).float()), f"map of overlapping taps, {label}: {evenly}")
