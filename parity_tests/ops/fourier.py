"""torch.fft's transforms, and filters of images in the frequency domain, which torch has not.

All numbers are finite: products of complex infinities have no agreed class.
"""

from __future__ import annotations

from collections.abc import Callable
from math import hypot
from typing import Any

import torch
from torch import Tensor

from parity_tests import relations
from parity_tests.definitions.fourier import (
    along_one,
    along_several,
    gaussian,
    ideal,
    pass_filter,
)
from parity_tests.kinds import computed_with
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import put, with_shape
from parity_tests.ops.dtypes import COMPLEX
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

WIDE = (torch.float64, torch.float32)
NORMS = (None, "backward", "ortho", "forward")

# --- transforms ---

# A prime above 32 is where algorithms other than Cooley and Tukey's come in.
LENGTHS = {
    "power of two": (2, 4, 8, 16, 32, 64, 1),
    "odd prime": (3, 5, 7, 11, 13),
    "composite": (6, 9, 12, 15, 24, 45, 60),
    "large prime": (37, 41, 53, 61),
    "twice a prime": (34, 46, 62),
}
TAKEN = ("all", "fewer", "more")  # of the axis's entries


def draw_length(d: Draw, kinds: tuple[str, ...], taken: str) -> tuple[int, int]:
    """The length of a transform, and of the axis it takes its entries from."""
    values = (1, 2) if d.degenerate else LENGTHS[d.choice("length", kinds)]
    n = d.row(values[d.integer(0, len(values) - 1)])
    return n, {"all": n, "fewer": n + d.integer(1, 3), "more": max(1, n - d.integer(1, 5))}[taken]


def draw_input(d: Draw, sizes: tuple[int, ...]) -> Recipe:
    """Never empty, which torch's backend refuses."""
    return d.tensor(*(max(1, n) for n in sizes))


def draw_one(d: Draw) -> Call:
    """A valid call of fft or ifft."""
    taken = d.choice("taken", TAKEN)
    n, size = draw_length(d, tuple(LENGTHS), taken)
    others = tuple(d.integer(1, 3) for _ in range(d.choice("other axes", (1, 0, 2, 3))))
    place = d.integer(0, len(others))
    dim = place - d.choice("dim counted", ("from the end", "from the front")).endswith("end") * (
        len(others) + 1
    )
    given = None if taken == "all" and d.integer(0, 1) else n
    x = draw_input(d, (*others[:place], size, *others[place:]))
    arguments = {"input": x, "n": given, "dim": dim, "norm": d.choice("norm", NORMS)}
    return d.finite_but(Call(arguments, {}, ("input",), d.cotangent()))


def draw_several(d: Draw) -> Call:
    """A valid call of fftn or ifftn: s, dim, both or neither."""
    given = d.choice("given", ("neither", "s", "dim", "both"))
    taken = d.choice("taken", TAKEN if given in ("s", "both") else ("all",))
    axes = d.choice("transformed axes", (2, 1, 3))
    small = ("odd prime", "composite", "power of two")
    kinds = tuple(LENGTHS) if axes == 1 else small
    pairs = [draw_length(d, kinds, taken) for _ in range(axes)]
    pairs = pairs[:1] + [(min(n, 5), min(size, 5)) for n, size in pairs[1:]]
    others = 0 if given == "neither" else d.choice("other axes", (1, 0, 2))
    order = list(range(others + axes))
    if given in ("dim", "both"):
        turn = d.integer(0, len(order) - 1)
        order = order[turn:] + order[:turn]  # the transformed axes are the last of these
    sizes = [d.integer(1, 2) for _ in order]
    for axis, (_, size) in zip(order[others:], pairs, strict=True):
        sizes[axis] = size
    arguments = {
        "input": draw_input(d, tuple(sizes)),
        "s": tuple(n for n, _ in pairs) if given in ("s", "both") else None,
        "dim": tuple(order[others:]) if given in ("dim", "both") else None,
        "norm": d.choice("norm", NORMS),
    }
    return d.finite_but(Call(arguments, {}, ("input",), d.cotangent()))


FAULTS = (
    Bad("norm", "of another library", put(norm="unitary")),
    Bad("norm", "a number", put(norm=1)),
    Bad("dim", "too large", put(dim=9)),
    Bad("dim", "a float", put(dim=1.0)),
    Bad("input", "no tensor", put(input=None)),
)
ONE_FAULTS = (
    *FAULTS,
    Bad("n", "zero", put(n=0)),
    Bad("n", "negative", put(n=-1)),
    Bad("n", "a float", put(n=2.0)),
    Bad("n", "a flag", put(n=True)),
    Bad("dim", "none", put(dim=None)),
    Bad("input", "no axes", lambda c: {"input": with_shape(c.arguments["input"])}),
)
SEVERAL_FAULTS = (
    *FAULTS,
    Bad("s", "zero", put(s=(0,), dim=(0,))),
    Bad("s", "below minus one", put(s=(-2,), dim=(0,))),
    Bad("s", "more than axes", put(s=(2,) * 9, dim=None)),
    Bad("s", "not as many as dim", put(s=(2, 2), dim=(0,))),
    Bad("s", "floats", put(s=(2.0,), dim=None)),
    Bad("dim", "twice the same", put(s=None, dim=(0, 0))),
)

ONE_LEVELS = {
    "length": tuple(LENGTHS),
    "taken": TAKEN,
    "norm": NORMS,
    "other axes": (0, 1, 2, 3),
    "dim counted": ("from the end", "from the front"),
}
SEVERAL_LEVELS = {
    "given": ("neither", "s", "dim", "both"),
    "taken": TAKEN,
    "norm": NORMS,
    "transformed axes": (1, 2, 3),
}


def lengths_need_s(levels: Any) -> bool:
    """Without ``s`` all entries are taken."""
    return levels["taken"] == "all" or levels["given"] in ("s", "both")


def transform(name: str, reference: Callable[..., Tensor]) -> Op:
    """Declare a transform."""
    several, inverse = name.endswith("n"), name.startswith("i")
    definition = (along_several if several else along_one)(inverse=inverse)
    arguments = "s=None, dim=None" if several else "n=None, dim=-1"
    more = {"feasible": lengths_need_s} if several else {}

    def wide(input: Tensor, *rest: Any, **options: Any) -> Tensor:
        """Of integers, which torch transforms in its default dtype."""
        return reference(input.double(), *rest, **options)

    return Op(
        name=name,
        signature=f"(input, {arguments}, norm=None)",
        definition=definition,
        draw=draw_several if several else draw_one,
        differentiable=("input",),
        dtypes=(*WIDE, *COMPLEX, torch.int64, torch.uint8),
        levels=SEVERAL_LEVELS if several else ONE_LEVELS,
        bad=SEVERAL_FAULTS if several else ONE_FAULTS,
        primitives=("cos", "sin", "complex"),
        relations=(relations.homogeneous,),
        # Along one axis real numbers lie as they are given, in strides of zero too.
        pinned=(Call({"input": Recipe((2, 3, 5), layout="expanded")}, {}, ("input",)),),
        reference=reference,
        oracle=lambda dtype: reference if dtype.is_floating_point or dtype.is_complex else wide,
        **more,  # type: ignore[arg-type]
    )


# --- filters ---

CUTOFFS = (0.25, 0.1, 0.37, 0.5, 0.8, 30.0)


def frequency(H: int, W: int) -> Tensor:
    """|f| in cycles per sample."""
    return torch.tensor(
        [
            [hypot(k / H - (2 * k >= H), l / W - (2 * l >= W)) for l in range(W)]  # as fftfreq's
            for k in range(H)
        ],
        dtype=torch.float64,
        device="cpu",
    )


def masked(input: Tensor, cutoff: float, mask: Callable[[Tensor, float], Tensor]) -> Tensor:
    """F⁻¹(m·F x)."""
    if not isinstance(cutoff, (int, float)):
        raise TypeError(f"the cutoff must be a number, got {cutoff!r}")
    if not cutoff > 0:
        raise RuntimeError(f"the cutoff must be positive, got {cutoff}")
    if input.dim() < 2:
        raise RuntimeError(f"an image has two axes, got {input.shape}")
    m = mask(frequency(*input.shape[-2:]), cutoff).to(input.device, input.dtype)
    return torch.fft.ifftn(m * torch.fft.fftn(input, dim=(-2, -1)), dim=(-2, -1)).real


def ideal_low_pass(input: Tensor, cutoff: float) -> Tensor:
    """1 up to the cutoff."""
    return masked(input, cutoff, lambda f, c: (f <= c).double())


def ideal_high_pass(input: Tensor, cutoff: float) -> Tensor:
    """1 above the cutoff."""
    return masked(input, cutoff, lambda f, c: (f > c).double())


def gaussian_low_pass(input: Tensor, cutoff: float) -> Tensor:
    """A bell."""
    return masked(input, cutoff, lambda f, c: torch.exp(-f * f / (2 * c * c)))


def gaussian_high_pass(input: Tensor, cutoff: float) -> Tensor:
    """What the bell leaves."""
    return masked(input, cutoff, lambda f, c: -torch.expm1(-f * f / (2 * c * c)))


def draw_image(d: Draw) -> Call:
    """A valid call of a filter."""
    H, W = (d.row(d.integer(1, 2 if d.degenerate else 8)) for _ in range(2))
    lead = tuple(d.integer(1, 2) for _ in range(d.choice("axes before", (1, 0, 2))))
    arguments = {"input": d.tensor(*lead, H, W), "cutoff": d.choice("cutoff", CUTOFFS)}
    return d.finite_but(Call(arguments, {}, ("input",), d.cotangent()))


FILTER_FAULTS = (
    Bad("cutoff", "zero", put(cutoff=0.0)),
    Bad("cutoff", "negative", put(cutoff=-0.25)),
    Bad("cutoff", "none", put(cutoff=None)),
    Bad("input", "one axis", lambda c: {"input": with_shape(c.arguments["input"], 4)}),
    Bad("input", "no tensor", put(input=None)),
)


def filter_of(reference: Callable[..., Tensor], definition: Callable[..., Any]) -> Op:
    """Declare a filter."""
    return Op(
        name=reference.__name__,
        without=computed_with("cutoff"),
        signature="(input, cutoff)",
        definition=definition,
        draw=draw_image,
        differentiable=("input",),
        dtypes=WIDE,
        levels={"cutoff": CUTOFFS, "axes before": (0, 1, 2)},
        bad=FILTER_FAULTS,
        primitives=("cos", "sin", "complex", "hypot"),
        relations=(relations.homogeneous,),
        reference=reference,
    )


TRANSFORMS = (
    transform("fft", torch.fft.fft),
    transform("ifft", torch.fft.ifft),
    transform("fftn", torch.fft.fftn),
    transform("ifftn", torch.fft.ifftn),
    filter_of(ideal_low_pass, pass_filter(ideal)),
    filter_of(ideal_high_pass, pass_filter(ideal, high=True)),
    filter_of(gaussian_low_pass, pass_filter(gaussian)),
    filter_of(gaussian_high_pass, pass_filter(gaussian, high=True)),
)
