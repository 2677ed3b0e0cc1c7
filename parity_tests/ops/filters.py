"""Filters of images and scale space, which torch has no names for: compositions of conv2d."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests import relations
from parity_tests.definitions import filters as definitions
from parity_tests.kinds import computed_with
from parity_tests.op import Bad, Call, Op
from parity_tests.ops.convolution import put, with_shape
from parity_tests.ops.dtypes import FLOATS
from parity_tests.recipe import Recipe
from parity_tests.running_error import one_operator
from parity_tests.strategies import Draw
from parity_tests.trial import onednn

MODES = ("replicate", "symmetric", "reflect", "circular")

# --- torch's compositions ---


def gamma(input: Tensor, gamma: float) -> Tensor:
    """torch.pow; in 16-bit types in float32, since it would round the exponent to 16 bits."""
    if not 0 < gamma < math.inf:
        raise ValueError(f"gamma is {gamma}")
    # As a number: torch takes a power by a tensor otherwise at minus infinity.
    return widened(input).pow(float(gamma)).to(input.dtype)


def sobel(input: Tensor, padding_mode: str = "replicate") -> Tensor:
    """Two kernels, two channels."""
    x = [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    y = [list(row) for row in zip(*x, strict=True)]
    return correlated(input, [y, x], padding_mode).to(input.dtype)


def sobel_magnitude(input: Tensor, padding_mode: str = "replicate") -> Tensor:
    """The root's infinite slope at zero masked."""
    square = sobel(widened(input), padding_mode).square().sum(-3)
    flat = square == 0
    return square.masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0).to(input.dtype)


def sobel_orientation(input: Tensor, padding_mode: str = "replicate") -> Tensor:
    """torch.atan2, but for a positive zero, and none at all where there is no direction."""
    dy, dx = (sobel(widened(input), padding_mode) + 0.0).unbind(-3)
    flat = (dy == 0) & (dx == 0)
    return torch.atan2(dy.masked_fill(flat, 0.0), dx.masked_fill(flat, 1.0)).to(input.dtype)


def laplacian(input: Tensor, padding_mode: str = "replicate") -> Tensor:
    """A column of three and a row of three: zeros in the corners would turn infinities to NaN."""
    second, x = [1.0, -2.0, 1.0], widened(input)
    down = correlated(x, [[[w] for w in second]], padding_mode)
    return (down + correlated(x, [[second]], padding_mode)).to(input.dtype)


def gaussian_blur(
    input: Tensor, sigma: float, truncate: float = 4.0, padding_mode: str = "replicate"
) -> Tensor:
    """The outer product of two Gaussians."""
    g = bell(sigma, truncate)
    return correlated(input, [outer(g, g)], padding_mode).to(input.dtype)


def laplacian_of_gaussian(
    input: Tensor, sigma: float, truncate: float = 4.0, padding_mode: str = "replicate"
) -> Tensor:
    """Two kernels of rank one, added."""
    g = bell(sigma, truncate)
    r = len(g) // 2
    bent = [(k * k / sigma**4 - 1 / sigma**2) * g[k + r] for k in range(-r, r + 1)]
    both = correlated(input, [outer(bent, g), outer(g, bent)], padding_mode)
    return both.sum(-3).to(input.dtype)


def difference_of_gaussians(
    input: Tensor,
    sigma: float,
    k: float = 2**0.5,
    truncate: float = 4.0,
    padding_mode: str = "replicate",
) -> Tensor:
    """A blur less a blur."""
    if not 0 < k < math.inf:
        raise ValueError(f"k is {k}")
    x = widened(input)
    wide = gaussian_blur(x, k * sigma, truncate, padding_mode)
    return (wide - gaussian_blur(x, sigma, truncate, padding_mode)).to(input.dtype)


def gaussian_pyramid(
    input: Tensor, levels: int, sigma: float = 1.0, padding_mode: str = "replicate"
) -> tuple[Tensor, ...]:
    """Blur, and every second pixel."""
    if levels < 1:
        raise RuntimeError(f"levels is {levels}")
    bell(sigma, 4.0)
    pyramid = [extended(input, (0, 0), padding_mode).contiguous()]

    @one_operator  # a level is made of the one before as that was returned
    def reduced(x: Tensor) -> Tensor:
        y = gaussian_blur(x, sigma, padding_mode=padding_mode)
        return y[..., ::2, ::2].contiguous()

    for _ in range(1, levels):
        pyramid.append(reduced(pyramid[-1]))
    return tuple(pyramid)


def bell(sigma: float, truncate: float) -> list[float]:
    """The sampled Gaussian."""
    if not (0 < sigma < math.inf and 0 < truncate < math.inf):
        raise ValueError(f"sigma is {sigma}, truncate is {truncate}")
    r = int(truncate * sigma + 0.5)
    g = [math.exp(-k * k / (2 * sigma**2)) for k in range(-r, r + 1)]
    return [weight / math.fsum(g) for weight in g]


def outer(a: Sequence[float], b: Sequence[float]) -> list[list[float]]:
    """a[k]·b[l]."""
    return [[u * v for v in b] for u in a]


def correlated(input: Tensor, kernels: list[list[list[float]]], padding_mode: str) -> Tensor:
    """conv2d of images without channels; one kernel, no axis for it. 16-bit types get wider."""
    radii = len(kernels[0]) // 2, len(kernels[0][0]) // 2
    x = extended(widened(input), radii, padding_mode)
    x = x.reshape(math.prod(input.shape[:-2]), 1, *x.shape[-2:])
    weight = torch.tensor(kernels, dtype=x.dtype, device=x.device).unsqueeze(1)
    channels = (len(kernels),) if len(kernels) > 1 else ()
    # Of many images NNPACK and oneDNN take Winograd's algorithm, whose zeros are none.
    with onednn(enabled=False), torch.backends.nnpack.flags(enabled=False):
        y = F.conv2d(x, weight)
    return y.reshape(*input.shape[:-2], *channels, *input.shape[-2:])


def widened(input: Tensor) -> Tensor:
    """16-bit types as float32."""
    return input.float() if input.dtype.itemsize == 2 else input


def extended(input: Tensor, radii: tuple[int, int], padding_mode: str) -> Tensor:
    """The image and so many pixels around it, by indexing."""
    if input.dim() < 2 or 0 in input.shape[-2:]:
        raise RuntimeError(f"an image of {tuple(input.shape)}")
    if padding_mode not in MODES:
        raise ValueError(f"padding_mode is {padding_mode!r}")
    rows, columns = (
        torch.tensor(
            [definitions.inside(i, L, padding_mode) for i in range(-r, L + r)], device=input.device
        )
        for r, L in zip(radii, input.shape[-2:], strict=True)
    )
    return input[..., rows.unsqueeze(1), columns]


# --- calls ---

SIGMAS = (0.5, 0.8, 1.25)

LEVELS: dict[str, dict[str, tuple[Any, ...]]] = {
    "gamma": {"gamma": (1.0, 2, 0.5, 2.2, 1 / 2.2)},
    "sobel": {},
    "sobel_magnitude": {},
    "sobel_orientation": {},
    "laplacian": {},
    "gaussian_blur": {"sigma": SIGMAS, "truncate": (4.0, 2, 0.5)},
    "laplacian_of_gaussian": {"sigma": SIGMAS, "truncate": (4.0, 2, 0.5)},
    "difference_of_gaussians": {"sigma": (0.5, 0.8), "k": (2**0.5, 1.1, 2), "truncate": (4.0, 2)},
    "gaussian_pyramid": {"levels": (2, 1, 3), "sigma": (1.0, 0.6)},
}


def draw_filter(
    d: Draw,
    *,
    options: Mapping[str, tuple[Any, ...]],
    fill: str | None = None,
    least: int = 1,
) -> Call:
    """An image, or some with up to two axes before them, as small as one pixel."""
    chosen = {name: d.choice(name, values) for name, values in options.items()}
    lead = d.choice("axes before", (1, 0, 2))
    batch = [d.batch() or 0 if d.degenerate else d.long("batch", d.integer(1, 3))] * (lead > 0)
    channels = [d.long("channels", d.integer(1, 2))] * (lead > 1)
    H, W = (d.row(d.integer(least, 2 if d.degenerate else 6)) for _ in "HW")
    x = d.tensor(*batch, *channels, H, W, batched=lead > 0, fill=fill)
    # At a border a pixel is met by weights of both signs: of an infinite cotangent times these the
    # sum is NaN, of the weights' sum times it not.
    return d.finite_but(Call({"input": x, **chosen}, {}, ("input",), d.cotangent()), "input")


def draw_finite(d: Draw, *, options: Mapping[str, tuple[Any, ...]]) -> Call:
    """Images of numbers: ∞·a + ∞·b is NaN where the sum ∞·(a + b) is not."""
    return d.finite_but(draw_filter(d, options=options))


def draw_angle(d: Draw, *, options: Mapping[str, tuple[Any, ...]]) -> Call:
    """Images whose derivatives are exact, since the angle jumps where they change their signs.

    Finite differences judge ordinary ones: larger than one pixel, and without mirrors, which have
    no derivative across the border.
    """
    if d.regime == "ordinary":
        smooth = tuple(mode for mode in MODES if mode != "reflect")
        return draw_filter(d, options={"padding_mode": smooth}, least=3)
    exact = d.regime in ("exact", "special")
    whole = "large_integers" if d.regime == "scaled" else "integers"
    return draw_filter(d, options=options, fill=None if exact else whole)


def draw_gamma(d: Draw) -> Call:
    """Mostly brightness; numbers below zero have few powers."""
    gamma = d.choice("gamma", LEVELS["gamma"]["gamma"])
    axes = range(d.choice("axes", (2, 3, 1)))
    shape = [d.row(d.integer(0 if d.degenerate else 1, 4)) for _ in axes]
    fill = "positive" if d.regime in ("ordinary", "layout", "degenerate") else None
    x = d.tensor(*shape, fill=fill, batched=True)
    return Call({"input": x, "gamma": gamma}, {}, ("input",), d.cotangent())


def one_axis(call: Call) -> Mapping[str, Any]:
    """A row is no image."""
    return {"input": with_shape(call.arguments["input"], 3)}


def no_pixels(call: Call) -> Mapping[str, Any]:
    """An image of no rows."""
    return {"input": with_shape(call.arguments["input"], 2, 0, 3)}


# The angle jumps where the derivatives change their signs: their own images have exact ones.
JUMPING = ("sobel_orientation",)
JUMPS = {
    ("input", what): "derivatives are not exact, and the angle jumps by their signs"
    for what in ("subnormal", "near the limit")
}

FAULTS = {
    "sigma": (Bad("sigma", "zero", put(sigma=0.0)), Bad("sigma", "text", put(sigma="1"))),
    "truncate": (Bad("truncate", "negative", put(truncate=-1.0)),),
    "k": (Bad("k", "zero", put(k=0)), Bad("k", "no number", put(k=None))),
    "levels": (Bad("levels", "zero", put(levels=0)), Bad("levels", "a float", put(levels=2.0))),
}

IMAGE_FAULTS = (
    Bad("input", "no tensor", put(input=None)),
    Bad("input", "one axis", one_axis),
    Bad("padding_mode", "of another library", put(padding_mode="nearest")),
)

LINEAR = (relations.affine_in("input"), relations.homogeneous, relations.blind_to_other_samples)
# Weights that are no dyadic fractions: how the sums round may depend on the size of the batch.
ROUNDED = (relations.homogeneous,)


def image_filter(
    reference: Callable[..., Any],
    signature: str,
    own: tuple[Any, ...],
    draw: Callable[..., Call] = draw_filter,
    **fields: Any,
) -> Op:
    """Declare a filter with a padding_mode, and relations of its own."""
    name = reference.__name__
    options = LEVELS[name] | {"padding_mode": MODES}
    return Op(
        name=name,
        signature=signature,
        definition=getattr(definitions, name),
        draw=partial(draw, options=options),
        differentiable=("input",),
        dtypes=FLOATS,
        levels=options,
        bad=(*IMAGE_FAULTS, *(bad for option in LEVELS[name] for bad in FAULTS[option])),
        relations=own,
        reference=reference,
        without=computed_with("sigma", "truncate", "k") | (JUMPS if name in JUMPING else {}),
        **fields,
    )


GAMMA = Op(
    name="gamma",
    signature="(input, gamma)",
    definition=definitions.gamma,
    draw=draw_gamma,
    differentiable=("input",),
    dtypes=FLOATS,
    levels=LEVELS["gamma"],
    bad=(
        Bad("input", "no tensor", put(input=None)),
        Bad("gamma", "zero", put(gamma=0.0)),
        Bad("gamma", "text", put(gamma="2")),
    ),
    pinned=(Call({"input": Recipe((3,), values=(0.0, 0.5, 1.0)), "gamma": 1.0}, {}, ("input",)),),
    reference=gamma,
)

MODE = "padding_mode='replicate')"

FILTERS = (
    GAMMA,
    image_filter(sobel, f"(input, {MODE}", LINEAR),
    image_filter(sobel_magnitude, f"(input, {MODE}", ROUNDED),
    image_filter(
        sobel_orientation,
        f"(input, {MODE}",
        (),
        draw=draw_angle,
        primitives=("atan2",),
    ),
    image_filter(laplacian, f"(input, {MODE}", LINEAR),
    image_filter(gaussian_blur, f"(input, sigma, truncate=4.0, {MODE}", ROUNDED),
    image_filter(
        laplacian_of_gaussian,
        f"(input, sigma, truncate=4.0, {MODE}",
        ROUNDED,
        draw=draw_finite,
    ),
    image_filter(
        difference_of_gaussians, f"(input, sigma, k={2**0.5!r}, truncate=4.0, {MODE}", ROUNDED
    ),
    image_filter(gaussian_pyramid, f"(input, levels, sigma=1.0, {MODE}", ROUNDED),
)
