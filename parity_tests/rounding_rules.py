"""Which ATen operator obeys which rounding rule: the tables behind `parity_tests.running_error`.

A name stands for all its overloads. An operator in no table, with no decomposition in torch and
not a view has no rule, and the analysis says so instead of guessing.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._decomp import decomposition_table

from parity_tests.resampling import Resampling, axis

aten = torch.ops.aten
Errors = Sequence[Any]
"""One per operand: a tensor, a float for a scalar, 0 where nothing was rounded."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Elements are moved, copied or dropped, and their errors likewise. Views belong here too.
STRUCTURAL = _names("""
    clone copy lift_fresh cat stack repeat flip roll contiguous resolve_conj resolve_neg amax amin
    _conj_physical conj_physical view_as_complex complex _unsafe_view _reshape_alias
    constant_pad_nd where gather index _unsafe_index index_select slice_scatter select_scatter
    slice_backward select_backward
    im2col unfold_copy pixel_shuffle pixel_unshuffle channel_shuffle max_unpool2d max_unpool3d
    reflection_pad1d reflection_pad2d reflection_pad3d
    replication_pad1d replication_pad2d replication_pad3d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d""")

# Where the errors are not moved by the very same operator.
MOVED_ERROR: dict[str, Callable[..., Any]] = {
    "constant_pad_nd": lambda e, pad, *_: aten.constant_pad_nd(e, pad, 0.0),
    "amin": aten.amax,
    "view_as_real": lambda e: e.unsqueeze(-1).expand(*e.shape, 2),
    "view_as_complex": lambda e: torch.hypot(*e.unbind(-1)),
    "complex": torch.hypot,
    "_conj": torch.clone,
    "_conj_physical": torch.clone,
    "conj_physical": torch.clone,
    "_to_copy": lambda e, **_: e.clone(),
}

CAST = _names("_to_copy convert_element_type")

# The result depends on shapes alone.
CONSTANT = _names("""
    zeros_like ones_like empty_like full_like new_zeros new_ones new_full new_empty
    new_empty_strided zero fill _efficientzerotensor""")

# Piecewise constant: exact, unless an error straddles a step.
STEP = _names("""
    floor ceil round trunc sign sgn heaviside floor_divide eq ne lt le gt ge
    logical_and logical_or logical_not isnan isinf isfinite""")

# Chooses by comparing: sound while no operand carries an error that could flip the choice.
CHOICE = _names("""
    max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d
    fractional_max_pool2d fractional_max_pool3d max min sort topk""")

AVERAGE = _names("""
    avg_pool2d avg_pool2d_backward avg_pool3d avg_pool3d_backward
    _adaptive_avg_pool2d _adaptive_avg_pool2d_backward
    _adaptive_avg_pool3d _adaptive_avg_pool3d_backward""")

ANTIALIASED = _names("""
    _upsample_bilinear2d_aa _upsample_bilinear2d_aa_backward
    _upsample_bicubic2d_aa _upsample_bicubic2d_aa_backward
    _upsample_lanczos2d_aa _upsample_lanczos2d_aa_backward""")

INTERPOLATED = _names("""
    upsample_linear1d upsample_linear1d_backward upsample_bilinear2d upsample_bilinear2d_backward
    upsample_trilinear3d upsample_trilinear3d_backward
    upsample_bicubic2d upsample_bicubic2d_backward""")

FOURIER = _names("_fft_c2c _fft_r2c _fft_c2r")

PRODUCT_PLUS = _names("addmm baddbmm")

# Sums, linear in each operand, whose addends take this many roundings each: none for an element
# itself, one for a product of two or a weight.
PER_ADDEND = (
    dict.fromkeys(
        _names("""
    sum cumsum col2im index_put _unsafe_index_put index_add scatter_add
    max_pool2d_with_indices_backward max_pool3d_with_indices_backward
    adaptive_max_pool2d_backward adaptive_max_pool3d_backward
    fractional_max_pool2d_backward fractional_max_pool3d_backward
    upsample_nearest1d_backward upsample_nearest2d_backward upsample_nearest3d_backward
    _upsample_nearest_exact1d_backward _upsample_nearest_exact2d_backward
    _upsample_nearest_exact3d_backward
    reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward
    replication_pad1d_backward replication_pad2d_backward replication_pad3d_backward"""),
        0.0,
    )
    | dict.fromkeys(AVERAGE | PRODUCT_PLUS, 1.0)
    | dict.fromkeys(_names("mm bmm convolution convolution_backward"), 1.0)
    | {"_trilinear": 2.0}
)

# Pointwise primitives, with the roundings of one evaluation in units of u·|result|. None where the
# result is an operand up to sign; one for what IEEE 754 rounds correctly; four for elementary
# functions, of which libraries promise 1 to 4 (CUDA C++ Programming Guide, single precision;
# SLEEF, 1.0 and 3.5). All else is decomposed: a formula such as x·(1 + erf x) cancels.
ROUNDINGS = (
    dict.fromkeys(
        _names("""
    neg abs relu clamp clamp_min clamp_max maximum minimum fmax fmin masked_fill hardtanh
    hardtanh_backward threshold_backward softshrink_backward hardshrink_backward"""),
        0.0,
    )
    | dict.fromkeys(_names("add sub mul div sqrt reciprocal square"), 1.0)
    | dict.fromkeys(
        _names("""
    exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh
    sigmoid erf erfc pow rsqrt"""),
        4.0,
    )
)

# Never zero, except at an infinity.
POSITIVE = _names("exp exp2 sigmoid")

# A nonnegative operand of these comes from squares or moduli, which no rounding makes negative.
NONNEGATIVE = _names("sqrt rsqrt log log2 log10 pow reciprocal")


def _sum_error(_v: Sequence[Any], e: Errors, _out: Tensor, alpha: float = 1) -> Any:
    if _is_zero(e[1]):
        return e[0]
    return e[0] + (e[1] if alpha == 1 else abs(alpha) * e[1])


def _product_error(v: Sequence[Any], e: Errors, _out: Tensor) -> Any:
    if _is_zero(e[1]):
        return e[0] * _size(v[1])
    if _is_zero(e[0]):
        return _size(v[0]) * e[1]
    return e[0] * _size(v[1]) + (_size(v[0]) + e[0]) * e[1]


def _is_zero(e: Any) -> bool:
    return isinstance(e, float) and e == 0


def _size(x: Any) -> Any:
    return x if isinstance(x, Tensor) and x.dtype == torch.bool else abs(x)


def _quotient_error(v: Sequence[Any], e: Errors, out: Tensor) -> Any:
    if _is_zero(e[1]):
        return e[0] / abs(v[1])
    return (e[0] + out.abs() * e[1]) / torch.as_tensor(abs(v[1]) - e[1]).clamp_min(0)


def _power_error(v: Sequence[Any], e: Errors, out: Tensor) -> Any:
    """|zᵖ| times the binomial series of (1+t)ᵖ − 1 with all its terms positive, |t| ≤ e/|z|."""
    p = v[1] if len(v) > 1 else -0.5  # rsqrt
    size = v[0].abs()
    if p >= 1 and p == int(p):
        return (size + e[0]) ** p - size**p
    return out.abs() * ((1 - e[0] / size).clamp_min(0) ** -abs(p) - 1)


# The error box's corners in closed form, for the commonest primitives; also right for moduli.
PROPAGATED: dict[str, Callable[..., Any]] = {
    "add": _sum_error,
    "sub": _sum_error,
    "mul": _product_error,
    "div": _quotient_error,
    "neg": lambda _v, e, _out: e[0],
    "abs": lambda _v, e, _out: e[0],
}

# Likewise for complex numbers alone, whose error is a disc.
PROPAGATED_COMPLEX: dict[str, Callable[..., Any]] = PROPAGATED | {
    "pow": _power_error,
    "rsqrt": _power_error,
    "masked_fill": lambda v, e, _out: torch.where(v[1], 0.0, e[0]),
}

# The derivative of an elementary function of complex numbers, in terms of its value. What libraries
# compute of these is close to the function at a neighbour of the operand: near a pole, or far out
# on the imaginary axis, that may be far from the function itself.
SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": lambda y: y,
    "sigmoid": lambda y: y * (1 - y),
    "tanh": lambda y: 1 - y * y,
}

# In-place overloads that are not named like their counterparts.
OUT_OF_PLACE = {
    aten.pow_.Scalar: aten.pow.Tensor_Scalar,
    aten.pow_.Tensor: aten.pow.Tensor_Tensor,
}


def fraction_of_result(name: str, values: Sequence[Any], fractions: Sequence[int]) -> int | None:
    """How many fractional bits the result of a pointwise primitive has, if that is certain."""
    if name in ("add", "sub") or not ROUNDINGS[name]:
        return max(fractions)
    if name == "mul":
        return sum(fractions)
    if name == "div":
        mantissa, exponent = torch.frexp(torch.as_tensor(values[1], dtype=torch.float64).abs())
        if exponent.numel() and bool((mantissa == 0.5).all()):
            return fractions[0] + max(0, int(exponent.max()) - 1)
    return None


def number_of_addends(name: str, factors: Sequence[Tensor], out: Tensor) -> int | None:
    """Of each result of a sum, where it is the same for all and can be told from the shapes."""
    if name == "sum":
        return factors[0].numel() // out.numel() if out.numel() else None
    if name in ("mm", "bmm"):
        return factors[0].shape[-1]
    return None


def averaging_window(name: str, args: Sequence[Any]) -> tuple[int, int | None]:
    """The largest divisor of an averaging pool or its backward; 1 for other sums.

    Also its logarithm if all divisors are that same power of two: dividing adds as many bits.
    """
    if name not in AVERAGE:
        return 1, 0
    backward = name.endswith("_backward")
    if "adaptive" in name:
        fine, coarse = (args[1].shape, args[0].shape) if backward else (args[0].shape, args[1])
        dims = 3 if "3d" in name else 2
        pairs = zip(fine[-dims:], coarse[-dims:], strict=True)
        return math.prod(math.ceil(n / max(1, m)) + 1 for n, m in pairs), None
    geometry = [*args[2 if backward else 1 :], *[None] * 6]
    window, _, padding, ceil_mode, include_pad, divisor = geometry[:6]
    unpadded = include_pad in (None, True) or not any(padding or ())
    uniform = divisor is not None or (unpadded and not ceil_mode)
    largest = abs(divisor or math.prod(window))
    power_of_two = largest & (largest - 1) == 0
    return largest, largest.bit_length() - 1 if uniform and power_of_two else None


def fourier_magnitudes(name: str, args: Sequence[Any], x: Tensor) -> tuple[int, Tensor, Tensor]:
    """The number of addends n of a Fourier transform, Σ|x| and ‖x‖₂ over its axes, scaled as it is.

    Half a spectrum, as a transform to real numbers takes it, stands for all of it.
    """
    dim, normalization, last = args[1:4]
    half = name == "_fft_c2r"
    n = math.prod(x.shape[d] for d in dim)
    n = n // x.shape[dim[-1]] * last if half else n
    scale = (1.0, n**-0.5, 1 / n)[normalization]
    total, size = x.sum(dim, keepdim=True), torch.linalg.vector_norm(x, dim=dim, keepdim=True)
    return n, total * (scale * (2 if half else 1)), size * (scale * math.sqrt(2 if half else 1))


def fourier_roundings(n: int) -> float:
    """η·log₂n: the error of a fast Fourier transform of length n, in units of u·‖x‖₂ per output.

    **Cooley–Tukey.** (Higham, "Accuracy and Stability of Numerical Algorithms", §24.1.) A step of
    radix 2 takes (a, b) to a ± ωb. With |ω̂ − ω| ≤ 4u (elementary functions), a complex product
    good to √5·u (Brent, Percival and Zimmermann 2007) and the sum to u, a step that multiplies
    2-norms by √2 errs by at most η = 1 + √5 + 4 times u in the 2-norm, relative to its result. The
    log₂n steps are unitary but for their scale, so errors are carried on without growth:

        ‖ŷ − y‖₂ ≤ η·log₂n·u·‖y‖₂ = η·log₂n·u·√n·‖x‖₂

    to first order. Steps of other small radices cost no more per factor of two: their sums are
    longer, but random errors grow as the root of the length.

    **One output.** The errors of all steps are spread by the rest of the transform over the n
    outputs, whose root mean square error is thus η·log₂n·u·‖x‖₂. That is the bound; `SAFETY` = 8
    times it is accepted, which contains the theorem outright for n ≤ 64 = 8²: there one output may
    have all of the error. Data without spread (a constant, a pure tone) keep their errors where the
    output is, |y[k]| ≤ √n·‖x‖₂, whence the larger of ‖x‖₂ and |y[k]| is what counts.

    **Bluestein.** Three transforms of length N < 4n, one of them of a chirp whose spectrum is flat
    but for a factor √2 in the mean square: √2·3·η·log₂(4n) altogether, which for n ≥ 7 is less than
    six to seven times η·log₂n, within `SAFETY` again. What is measured is far less, since errors
    are random: for n up to 4001, 0.25 of the bound at most, and 0.8 for constants and pure tones.

    Of length 1 there is nothing to round; all else rounds, even of integers: what a sound algorithm
    for length 2 or 4 leaves exact, a sound one by chirp does not.
    """
    return (1 + math.sqrt(5) + 4) * math.log2(n) if n else 0.0


def axis_weights(
    forward: Any, n: int, m: int, align: bool, scale: float | None, unit: float
) -> tuple[Tensor, Tensor]:
    """The m×n matrix by which an antialiased kernel resamples one axis, and its error.

    A weight is a function of a source coordinate, which is off by some u·n; its support may be
    one pixel wider for that. (Of width 2, since torch 2.13 is wrong at width 1.)
    """
    basis = torch.eye(n, dtype=torch.float64).view(n, 1, n, 1).repeat(1, 1, 1, 2)
    weights = forward(basis, [m, 2], align, scale, None)[:, 0, :, 0].T.contiguous()
    support = F.max_pool1d((weights != 0).double(), 3, 1, 1)
    return weights, support * (4 * unit * n * max(1.0, m / max(1, n)))


def resampling(name: str, args: Sequence[Any], unit: float) -> Resampling:
    """The weights by which each axis is interpolated, forward or backward."""
    backward = name.endswith("_backward")
    sizes, options = (args[2][2:], args[3:]) if backward else (args[0].shape[2:], args[2:])
    align, *scales = [*options, None, None, None]
    kind = "cubic" if "bicubic" in name else "linear"
    pairs = zip(sizes, args[1], scales, strict=False)
    return Resampling([axis(kind, n, m, align, scale, unit) for n, m, scale in pairs], backward)


def _total(x: Tensor, dim: Any, keepdim: bool) -> tuple[Tensor, float]:
    """Σx over the given axes (all, if none are), and the number of addends."""
    total = torch.sum(x, list(range(x.dim())) if dim in (None, []) else dim, keepdim)
    return total, x.numel() / max(1, total.numel())


def mean(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Tensor:
    """Σx / n."""
    total, n = _total(x, dim, keepdim)
    return total / n


def two_pass_variance(
    x: Tensor, dim: Any = None, correction: Any = 1, keepdim: bool = False, **_: Any
) -> tuple[Tensor, Tensor]:
    """Σ(x−µ)² / (n−correction) and µ, the mean being known before the deviations are squared.

    The one-pass form E[x²]−µ² is out of contract: its error grows with µ²/σ² (Chan, Golub and
    LeVeque, "Algorithms for computing the sample variance", 1983).
    """
    mu = mean(x, dim, True)
    deviation = x - mu
    squares, n = _total(deviation * deviation, dim, keepdim)
    variance = squares / max(0.0, n - (1 if correction is None else correction))
    return variance, mu if keepdim else mu.reshape(squares.shape)


def group_norm_backward(gy: Tensor, x: Tensor, *rest: Any) -> Any:
    """Torch's decomposition; of an empty input, by whose size it divides, they are zero."""
    if x.numel():
        return decomposition_table[aten.native_group_norm_backward.default](gy, x, *rest)
    channels, wanted = rest[4], rest[-1]
    shapes = (x.shape, (channels,), (channels,))
    return [gy.new_zeros(s) if need else None for s, need in zip(shapes, wanted, strict=True)]


# Ours, ahead of torch's own decompositions: those end in primitives that hide the algorithm.
DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    aten.mean.default: mean,
    aten.mean.dim: mean,
    aten.var.correction: lambda *args, **options: two_pass_variance(*args, **options)[0],
    aten.var_mean.correction: two_pass_variance,
    aten.var_mean.dim: two_pass_variance,
    aten.native_group_norm_backward.default: group_norm_backward,
    torch.ops.prims.var.default: lambda *args, **options: two_pass_variance(*args, **options)[0],
}
