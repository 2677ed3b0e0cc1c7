"""interpolate, and Upsample with its two descendants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parity_tests import relations
from parity_tests.definitions.interpolation import each, interpolation
from parity_tests.kinds import computed_with
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import put, with_shape
from parity_tests.ops.dtypes import FLOATS
from parity_tests.recipe import Recipe
from parity_tests.strategies import Draw

Ints = tuple[int, ...]

RANKS = {"linear": (1,), "bilinear": (2,), "bicubic": (2,), "lanczos": (2,), "trilinear": (3,)}
ANY_RANK = (2, 1, 3)
SELECTING = ("nearest", "nearest-exact")
UNALIGNED = (*SELECTING, "area", "lanczos")
FILTERING = ("bilinear", "bicubic", "lanczos")
OLD_SIZES = ("any", "one")
SIZES = ("any", "one", "the same", "double", "a half", "a third")
GIVEN = ("size", "scale_factor", "scale_factor, by axis")
SCALES = ("whole", "fraction", "ratio", "near")
MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact")


# --- the truth about selection ---


def narrow(input: Tensor, size: Any, scale_factor: Any) -> bool:
    """Whether an image is to become one column."""
    if size is not None:
        return each(size, 2)[1] == 1
    return int(input.shape[-1] * each(scale_factor, 2)[1]) == 1


def selecting(dtype: torch.dtype) -> Callable[..., Tensor]:
    """Torch's interpolation, with the elements that torch selects in ``dtype``.

    Near ties are decided by the rounding of coordinates, which differs by dtype. Which elements
    those are shows on a ramp; that they are copied is left to float64. In linear modes an axis that
    keeps its size stays as it is, whatever the scale; torch's decompositions, from which the error
    bound comes, do not know that, so here it has the scale 1.
    """

    def told(
        input: Tensor,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        **rest: Any,
    ) -> Tensor:
        if mode.endswith("linear") and scale_factor is not None:
            factors = each(scale_factor, input.dim() - 2)
            sizes = zip(input.shape[2:], factors, strict=True)
            scale_factor = [1.0 if int(n * s) == n else s for n, s in sizes]
        if input.dtype == torch.uint8 and mode in FILTERING:
            # Torch has a kernel of its own for few channels, without the faults of the others.
            parts = input.split(2, 1)
            return torch.cat([F.interpolate(x, size, scale_factor, mode, **rest) for x in parts], 1)
        if rest.get("antialias") and narrow(input, size, scale_factor):
            # Torch filters a single column wrongly, and a single row rightly.
            size = None if size is None else each(size, 2)[::-1]
            scale_factor = None if scale_factor is None else each(scale_factor, 2)[::-1]
            return F.interpolate(input.mT, size, scale_factor, mode, **rest).mT
        if mode not in SELECTING:
            return F.interpolate(input, size, scale_factor, mode, **rest)
        L, y = input.shape[2:], input
        for axis, n in enumerate(L, start=2):
            along = (*(1,) * (axis - 2), n, *(1,) * (len(L) + 1 - axis))

            def chosen(numbers: Tensor, axis: int = axis, along: Any = along) -> Tensor:
                ramp = numbers.to(dtype).view(1, 1, *along).expand(1, 1, *L)
                line = F.interpolate(ramp, size, scale_factor, mode, **rest).movedim(axis, 0)
                return line.flatten(1)[:, 0].long()

            # In two digits, which bytes and bfloat16 can hold.
            places = torch.arange(n)
            high = 128 * chosen(places // 128) if n > 128 else 0
            y = y.index_select(axis, chosen(places % 128) + high)
        return y

    return told


class Told(nn.Module):
    """A module of torch's that asks :func:`selecting`."""

    def __init__(self, module: nn.Upsample, dtype: torch.dtype) -> None:
        super().__init__()
        self.module, self.dtype = module, dtype

    def forward(self, input: Tensor) -> Tensor:
        """As Upsample's."""
        m = self.module
        return selecting(self.dtype)(
            input,
            m.size,
            m.scale_factor,
            m.mode,
            align_corners=m.align_corners,
            recompute_scale_factor=m.recompute_scale_factor,
        )


def telling(name: str) -> Callable[[torch.dtype], Callable[..., nn.Module]]:
    """The oracle of a module."""
    return lambda dtype: lambda **arguments: Told(getattr(nn, name)(**arguments), dtype)


# --- calls ---


def draw_sizes(d: Draw, rank: int) -> Ints:
    """Sizes to about 120 for one axis, few on the others; one is a size of its own."""
    kinds = d.per_axis("old size", rank, lambda _: ("any", "any", "any", "one"))
    sizes = (1 if kind == "one" else draw_size(d, rank, a) for a, kind in enumerate(kinds))
    return tuple(d.row(size) for size in sizes)


def draw_size(d: Draw, rank: int, axis: int) -> int:
    """The size of an axis."""
    if d.degenerate:
        return d.integer(1, 2)
    if d.large:
        return d.integer(1, 2)
    most = {1: 120, 2: 12, 3: 5}[rank]
    if rank == 2 and axis == 1 and d.integer(0, 3) == 3:
        most = 120  # beyond 128 in all torch changes its kernel
    return d.integer(1, most)


def draw_scale(d: Draw, n: int) -> float:
    """A factor that leaves at least one element: round ones, ratios, and a bit more than those."""
    kind = d.choice("scale", SCALES)
    if kind == "whole":
        return (2.0, 1.0, 3.0)[d.integer(0, 2)]
    if kind == "fraction":
        return (1.5, 0.5, 1 / 3)[d.integer(0, 2 if n > 3 else n > 1)]
    m = d.integer(1, largest(n))
    more = 0 if kind == "ratio" else d.integer(1, 63) / 64
    factor = (m + more) / n
    return factor if int(n * factor) >= 1 else 1.0  # 49·(1/49) is less than 1


def draw_new(d: Draw, n: int, size: str) -> tuple[int, int]:
    """A size, and a new one: any, or one that formulas and kernels have a case of their own for."""
    if size == "any":
        return n, d.integer(1, largest(n))
    if size in ("a half", "a third"):
        parts = 2 if size == "a half" else 3
        return parts * max(1, n // parts), max(1, n // parts)
    n = min(n, 60) if size == "double" and not d.large else n
    return n, {"one": 1, "the same": n, "double": 2 * n}[size]


def largest(n: int) -> int:
    """The largest size to go to."""
    return max(2, min(120, 2 * n + 3))


def draw_target(d: Draw, L: Ints, *, layer: bool) -> tuple[Ints, dict[str, Any]]:
    """Sizes that suit the level of the new ones, and those, or factors."""
    given = d.choice("given as", GIVEN)
    by_size = given == "size"
    sizes = d.per_axis("new size", len(L), lambda _: SIZES if by_size else SIZES[:1])
    if by_size:
        d.choice("scale", SCALES[:1])
        L, new = zip(*(draw_new(d, *each) for each in zip(L, sizes, strict=True)), strict=True)
        return L, {"size": one_or_all(d, new)}
    if given == "scale_factor":
        return L, {"scale_factor": draw_scale(d, min(L))}
    factors = tuple(draw_scale(d, n) for n in L)
    # Torch's modules take no list of factors.
    return L, {"scale_factor": factors if layer else one_or_all(d, factors)}


def one_or_all(d: Draw, values: tuple[Any, ...]) -> Any:
    """The ways torch lets one write it: here no tuple of one stands for all."""
    spellings = [values, list(values), *((values[0],) if len(set(values)) == 1 else ())]
    return spellings[d.integer(0, len(spellings) - 1)]


def draw_interpolate(d: Draw, *, modes: tuple[str, ...], layer: bool = False) -> Call:
    """A valid call of the function, or of Upsample with its constructor's arguments."""
    mode = d.choice("mode", modes)
    rank = d.choice("spatial axes", RANKS.get(mode, ANY_RANK))
    L, target = draw_target(d, draw_sizes(d, rank), layer=layer)
    x = d.tensor(d.batch_size(), max(1, d.channels()), *L, batched=True)
    arguments: dict[str, Any] = {"input": x, **target, "mode": mode}
    arguments["align_corners"] = d.choice(
        "align_corners", (None,) if mode in UNALIGNED else (None, False, True)
    )
    if "scale_factor" in target:
        arguments["recompute_scale_factor"] = d.choice("recompute", (None, False, True))
    if not layer:
        filters = (True,) if mode == "lanczos" else (False, True)
        arguments["antialias"] = d.choice("antialias", filters if mode in FILTERING else (False,))
    call = Call(arguments, {}, ("input",), d.cotangent())
    return call if mode in (*SELECTING, "area") else finite_cotangent(d, call)


def finite_cotangent(d: Draw, call: Call) -> Call:
    """The call with NaN and infinities in the input alone.

    0·∞ is NaN, but an element at the edge has the weights of several taps, and whether it gets
    their products one by one or the product of their sum is each kernel's own business.
    """
    return d.finite_but(call, "input")


def draw_descendant(d: Draw) -> Call:
    """UpsamplingNearest2d and UpsamplingBilinear2d have a mode each."""
    L, target = draw_target(d, draw_sizes(d, 2), layer=True)
    x = d.tensor(d.choice("batch", (2, 1, 3)), max(1, d.channels()), *L, batched=True)
    call = Call({"input": x, **target}, {}, ("input",), d.cotangent())
    return finite_cotangent(d, call)


# --- bad calls ---

PLAIN = {
    "size": None,
    "scale_factor": None,
    "mode": "nearest",
    "align_corners": None,
    "recompute_scale_factor": None,
    "antialias": False,
}


def plain_but(**arguments: Any) -> Callable[[Call], Mapping[str, Any]]:
    """The edit to a plain call of the nearest mode, but for these arguments."""
    return put(**PLAIN | arguments)


def plain_layer_but(**arguments: Any) -> Callable[[Call], Mapping[str, Any]]:
    """Likewise for Upsample."""
    kept = {name: value for name, value in PLAIN.items() if name != "antialias"}
    return put(**kept | arguments)


def square(**arguments: Any) -> Callable[[Call], Mapping[str, Any]]:
    """Likewise for an input with two spatial axes."""
    return lambda call: (
        PLAIN | {"input": with_shape(call.arguments["input"], 2, 3, 4, 4)} | arguments
    )


def flat(call: Call) -> Mapping[str, Any]:
    """An input without spatial axes."""
    flat = {"input": with_shape(call.arguments["input"], 2, 3), "size": 3, "scale_factor": None}
    return flat | {k: None for k in call.arguments if k == "recompute_scale_factor"}


def hollow(call: Call) -> Mapping[str, Any]:
    """An input with an empty axis."""
    x = call.arguments["input"]
    return {"input": with_shape(x, *x.shape[:-1], 0)}


def another_rank(call: Call) -> Mapping[str, Any]:
    """The mode for another rank."""
    x = call.arguments["input"]
    mode = "linear" if len(x.shape) != 3 else "bilinear"
    return {"mode": mode, "align_corners": None}


FUNCTION_FAULTS = (
    Bad("size", "together with a scale_factor", plain_but(size=4, scale_factor=2.0)),
    Bad("size", "neither it nor a scale_factor", plain_but()),
    Bad("size", "zero", plain_but(size=0)),
    Bad("size", "negative", plain_but(size=-3)),
    Bad("size", "a float", plain_but(size=(2.5,))),
    Bad("size", "too many", plain_but(size=(2, 2, 2, 2))),
    Bad("scale_factor", "too many", plain_but(scale_factor=(2.0, 2.0, 2.0, 2.0))),
    Bad("scale_factor", "leaves nothing", plain_but(scale_factor=1e-3)),
    Bad("scale_factor", "text", plain_but(scale_factor="2")),
    Bad("recompute_scale_factor", "with a size", plain_but(size=3, recompute_scale_factor=True)),
    Bad("mode", "unknown", plain_but(size=3, mode="cubic")),
    Bad("mode", "for another rank", another_rank),
    Bad("mode", "lanczos without antialias", square(size=3, mode="lanczos")),
    Bad("align_corners", "with nearest", plain_but(size=3, align_corners=False)),
    Bad(
        "align_corners",
        "with lanczos",
        square(size=3, mode="lanczos", align_corners=True, antialias=True),
    ),
    Bad("antialias", "with nearest", plain_but(size=3, antialias=True)),
    Bad("input", "without spatial axes", flat),
    Bad("input", "an empty axis", hollow),
    Bad("input", "no tensor", put(input=None)),
)

LAYER_FAULTS = (
    Bad("size", "together with a scale_factor", plain_layer_but(size=4, scale_factor=2.0)),
    Bad("size", "neither it nor a scale_factor", plain_layer_but()),
    Bad("size", "zero", plain_layer_but(size=0)),
    Bad("scale_factor", "a list", plain_layer_but(scale_factor=[2.0])),
    Bad("scale_factor", "leaves nothing", plain_layer_but(scale_factor=1e-3)),
    Bad("mode", "unknown", plain_layer_but(size=3, mode="cubic")),
    Bad("mode", "for another rank", another_rank),
    Bad("align_corners", "with nearest", plain_layer_but(size=3, align_corners=True)),
    Bad("antialias", "no argument of Upsample", put(antialias=True)),
    Bad("input", "without spatial axes", flat),
)

DESCENDANT_FAULTS = (
    Bad("size", "together with a scale_factor", put(size=4, scale_factor=2.0)),
    Bad("size", "zero", put(size=0, scale_factor=None)),
    Bad("mode", "no argument", put(mode="nearest")),
    Bad("input", "without spatial axes", flat),
)


# --- declarations ---


def goes_together(levels: Mapping[str, Any]) -> bool:
    """Modes that select know no corners, few modes filter, and factors are not sizes."""
    mode = levels["mode"]
    by_size = levels["given as"] == "size"
    if levels["scale"] != SCALES[0] if by_size else levels["new size"] != SIZES[0]:
        return False
    if levels["spatial axes"] not in RANKS.get(mode, ANY_RANK):
        return False
    if levels["align_corners"] is not None and mode in UNALIGNED:
        return False
    if mode == "lanczos":
        return levels.get("antialias", True)
    return mode in FILTERING or not levels.get("antialias", False)


def pinned(**arguments: Any) -> Call:
    """A call on numbers of its own."""
    return Call({"input": Recipe(arguments.pop("shape"), seed=1), **arguments}, {}, ("input",))


FUNCTION_PINNED = (
    # The size is rounded down in double precision: 88·(120/88) is 119.
    pinned(shape=(1, 1, 88), scale_factor=120 / 88, mode="linear"),
    # Sizes at which a step in single precision selects another element than one in double.
    pinned(shape=(1, 1, 2), size=82),
    pinned(shape=(1, 1, 2, 28), size=(2, 46)),
    # A size at which rounding (o + ½)·s − ½ selects another than rounding (o + ½)·s.
    pinned(shape=(1, 1, 2), size=41, mode="nearest-exact"),
    # Two kernels: up to 128 output positions on both axes, and beyond.
    pinned(shape=(1, 1, 2, 60), scale_factor=2.01),
    pinned(shape=(1, 1, 2, 60), size=(8, 121), mode="nearest-exact"),
    # The same size at another scale: an identity for linear modes, not for cubic ones.
    pinned(shape=(1, 1, 5, 6), scale_factor=1.1, mode="bilinear"),
    pinned(shape=(1, 1, 5, 6), scale_factor=1.1, mode="bicubic"),
    pinned(shape=(1, 1, 5, 6), size=1, mode="bilinear", align_corners=True),
)

LEVELS = {
    "mode": MODES,
    "spatial axes": ANY_RANK,
    "old size": OLD_SIZES,
    "given as": GIVEN,
    "new size": SIZES,
    "scale": SCALES,
    "align_corners": (None, False, True),
}

LINEAR = (relations.homogeneous, relations.blind_to_order_of_samples)

INTERPOLATIONS = (
    Op(
        name="interpolate",
        without=computed_with("scale_factor"),
        signature=(
            "(input, size=None, scale_factor=None, mode='nearest', align_corners=None, "
            "recompute_scale_factor=None, antialias=False)"
        ),
        definition=interpolation,
        draw=partial(draw_interpolate, modes=(*MODES, "lanczos")),
        differentiable=("input",),
        dtypes=(*FLOATS, torch.uint8),
        levels=LEVELS | {"mode": (*MODES, "lanczos"), "antialias": (False, True)},
        feasible=goes_together,
        bad=FUNCTION_FAULTS,
        relations=LINEAR,
        pinned=FUNCTION_PINNED,
        primitives=("sin", "floor_divide"),
        oracle=selecting,
    ),
    Op(
        name="Upsample",
        without=computed_with("scale_factor"),
        signature=(
            "(size=None, scale_factor=None, mode='nearest', align_corners=None, "
            "recompute_scale_factor=None)"
        ),
        definition=interpolation,
        draw=partial(draw_interpolate, modes=MODES, layer=True),
        differentiable=("input",),
        dtypes=(*FLOATS, torch.uint8),
        levels=LEVELS,
        feasible=goes_together,
        bad=LAYER_FAULTS,
        relations=LINEAR,
        primitives=("floor_divide",),
        oracle=telling("Upsample"),
    ),
    Op(
        name="UpsamplingNearest2d",
        without=computed_with("scale_factor"),
        signature="(size=None, scale_factor=None)",
        definition=partial(interpolation, mode="nearest"),
        draw=draw_descendant,
        differentiable=("input",),
        dtypes=(*FLOATS, torch.uint8),
        levels={"old size": OLD_SIZES, "given as": GIVEN},
        bad=DESCENDANT_FAULTS,
        oracle=telling("UpsamplingNearest2d"),
    ),
    Op(
        name="UpsamplingBilinear2d",
        without=computed_with("scale_factor"),
        signature="(size=None, scale_factor=None)",
        definition=partial(interpolation, mode="bilinear", align_corners=True),
        draw=draw_descendant,
        differentiable=("input",),
        dtypes=(*FLOATS, torch.uint8),
        levels={"old size": OLD_SIZES, "given as": GIVEN},
        bad=DESCENDANT_FAULTS,
        oracle=telling("UpsamplingBilinear2d"),
    ),
)
