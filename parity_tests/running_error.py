"""How much error any sound evaluation of an operator may make on given inputs.

**The idea.** A result computed in floating point is allowed to differ from the exact one, but not
by an arbitrary tolerance: rounding errors obey arithmetic. The float64 operator is run once more on
numbers that carry a bound on their own error, a *running error analysis* (Wilkinson; Higham,
"Accuracy and Stability of Numerical Algorithms", §3.3). The analysis sits below autograd, where
every operator, its gradient and its second gradient are the same hundred ATen primitives, so it
contains no formula for any layer. With u the unit roundoff of the declared arithmetic, value v and
error e, so that |fl(v) − v| ≤ e for every sound evaluation:

* **moving** elements (views, padding, gathering) moves their errors;
* **pointwise** primitives f: e = max |f(corners of v±e) − f(v)| + ρ·u·|f(v)|, with ρ = 1 for what
  IEEE 754 rounds correctly, 4 for elementary functions;
* **sums of products** L, linear in each operand: e = L(|a|+eₐ, |b|+e_b) − L(|a|, |b|)
  + (c(n)+1)·u·L(|a|+eₐ, |b|+e_b), where n = L(1, 1) counts the addends, in any order of summation;
* **Fourier transforms** of n numbers are charged η·log₂n roundings of ‖x‖₂ for each output, as fast
  algorithms make them (`rounding_rules.fourier_roundings`), and the operands' errors added up;
* **interpolation** is a sum with weights that are functions of rounded coordinates (`resampling`);
* **steps** (floor, comparisons) add nothing, but when the error straddles a step both sides are
  evaluated and the bound covers both;
* everything else is decomposed by torch's own table until one of these applies, or `NoRule` is
  raised: the analysis never guesses.

c(n) = min(n−1, 32·√n): n−1 is the theorem, √n the growth of random errors (Higham and Mary, "A new
approach to probabilistic rounding error analysis", 2019). Errors of equal addends are not random,
hence the factor: adding n copies of 0.1 in sequence in float32 is off by 1629 u at n = 10⁴, where
8·√n would allow 800 and 32·√n allows 3200. At n = 10⁶ even that fails, so tests keep n below 10⁵.

The bound belongs to a sound algorithm, not to the subject's code: variance is charged as two-pass,
softmax as shifted by its maximum, whatever the subject does. It is first order in u, and
`SAFETY` = 8 times it is accepted; the largest need of any correct evaluation measured was 4.9,
ordinary reorderings stay below 1.

**Exactness.** While all values are multiples of 2⁻ᵇ and every sum of moduli stays within the
significand, with four bits to spare, no order of evaluation rounds at all. Small integers and
dyadic fractions are followed that way, and a proven result has error 0: equality is demanded.

**Dtypes.** 16-bit types compute in float32. They round to storage `"once"` per operator, or after
every primitive (`"composed"`), or after every single addition (`"every"`). The rounding of the
result itself is not in the error: `accept` allows for it. In float64 the value is a rounded result
too, so the bound covers the candidate and, by its factor, the oracle. Complex errors bound the
modulus of the difference; a complex product of n terms counts 2n real ones.

**One rounding per operator.** An operator is what `one_operator` wraps, whatever torch composes it
of; outside of it every ATen operator that `fn` calls is one. What is rounded to storage then is

* what the operator returns. Its backward may use it: sigmoid, tanh and softmax save their outputs;
* what is written into the caller's tensors, such as running statistics;
* the outputs and gradients that pass between an operator's stages, where these are operators
  themselves: a module made of modules, a pyramid made of levels;
* in a second differentiation every ATen operator that autograd calls, and every sum it makes of
  contributions. There a first gradient is an intermediate, which autograd keeps in storage, and a
  backward is itself made of parts, whose gradients autograd keeps in storage too.

Nothing else inside an operator or its first backward is rounded. A rounding to storage is half a
unit at most, whatever the algorithm. So of the `SAFETY` bounds that are accepted it takes two, and
not eight: one, and as much again since the analysis is first order.

**Outside the numbers.** Where the compute range may overflow, nothing can be said: the error is
inf (`unbounded` asks other judges then). A value that is NaN or infinite because an input is has
error 0: the same class is demanded (inf for complex numbers, whose products of infinities have no
agreed class).
"""

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch._dispatch.python import enable_python_dispatcher
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _get_current_dispatch_mode,
)

from parity_tests import rounding_rules as rules

SAFETY = 8.0
"""How many bounds a candidate may be off; the module's docstring gives the reason."""

Rounding = Literal["once", "composed", "every", "tf32"]
Outputs = Sequence[Tensor | None]

aten = torch.ops.aten
_F64 = torch.float64
_TRACKED = (torch.float64, torch.complex128)


class NoRule(NotImplementedError):
    """An operator met on the way has no rounding rule, so no bound can be given."""


@dataclass(frozen=True)
class Bounded:
    """The float64 (complex128) value of an output and the error any sound evaluation may make.

    `terms` is the largest number of addends in any sum that led to it.
    """

    value: Tensor
    error: Tensor
    terms: int

    @functools.cached_property
    def unbounded(self) -> bool:
        """Whether nothing can be said about some element."""
        return bool(self.error.isinf().any())


def bound(
    fn: Callable[..., Outputs],
    inputs: Sequence[Any],
    dtype: torch.dtype,
    *,
    rounding: Rounding = "once",
    unlimited: bool = False,
) -> list[Bounded | None]:
    """Bound the error of each output of `fn(*inputs)` when evaluated in `dtype`.

    `fn` may differentiate, call modules and write into its inputs, which are contiguous copies.
    Outputs that are None stay None; integers carry no error. Raises `NoRule` rather than guess.
    An unlimited exponent range shows what an evaluation that does not overflow may make.
    """
    arithmetic = Arithmetic(dtype, rounding, unlimited=unlimited)
    with _disable_current_modes():
        try:
            return _both_sides(fn, inputs, arithmetic, depth=0)
        except NoRule:
            # Some fused backward kernels have neither rule nor decomposition, but their forwards
            # do: decompose above autograd, and take the parts for one kernel.
            with enable_python_dispatcher():
                return _both_sides(fn, inputs, arithmetic, depth=1)


def one_operator(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one operator: only its results are rounded to storage.

    Outside an analysis it is the function itself.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        trace = _get_current_dispatch_mode()
        if not isinstance(trace, _Trace):
            return function(*args, **kwargs)
        return trace.operator(function, args, kwargs)

    return run


def accept(candidate: Tensor, value: Tensor, error: Tensor, factor: float = SAFETY) -> Tensor:
    """Where RN(value − factor·error) ≤ candidate ≤ RN(value + factor·error).

    Rounding is monotone, so this is what one final rounding allows: right at binade edges, in the
    subnormals and at overflow, and equality with RN(value) where the error is 0. NaN equals NaN,
    +0 equals −0, an infinite error accepts anything. Complex numbers are judged by their parts.
    """
    if candidate.is_complex():
        return accept(_reals(candidate), _reals(value), error.unsqueeze(-1), factor).all(-1)
    slack = factor * error
    low, high = (value - slack).to(candidate.dtype), (value + slack).to(candidate.dtype)
    inside = (low <= candidate) & (candidate <= high)
    if inside.all():
        return inside
    return inside | (candidate.isnan() & value.isnan()) | error.isinf()


def error_over_bound(candidate: Tensor, value: Tensor, error: Tensor) -> Tensor:
    """(|candidate − value| − ½ulp)⁺ / error.

    It is 0 where the candidate equals RN(value), and inf where it differs but may not. The half
    ulp is the reach of the candidate's own rounding; in complex numbers, moduli are meant.
    """
    c, dtype = candidate.to(value.dtype), candidate.dtype
    same = (candidate == value.to(dtype)) | (candidate.isnan() & value.isnan())
    if same.all():
        return torch.zeros_like(error)
    if dtype.is_complex:
        reach = torch.linalg.vector_norm(_half_ulp(_reals(c), _reals(value), dtype), dim=-1)
    else:
        # RN becomes infinite half an ulp beyond the largest number: measure from there.
        info, overflown = torch.finfo(dtype), c.isinf() & value.isfinite()
        c = c.clamp(info.min, info.max)
        half = _half_ulp(c, value, dtype)
        widest = torch.finfo(_F64)
        c = torch.where(overflown, (c + c.sign() * half).clamp(widest.min, widest.max), c)
        reach = half.masked_fill(overflown, 0.0)
    excess = ((c - value).abs() - reach).clamp_min(0) / error
    return excess.nan_to_num(nan=math.inf, posinf=math.inf).masked_fill(same | error.isinf(), 0.0)


def _half_ulp(c: Tensor, y: Tensor, dtype: torch.dtype) -> Tensor:
    """Half the distance from c to its neighbour towards y, which halves below a power of two."""
    info = torch.finfo(dtype)
    mantissa, exponent = torch.frexp(c)
    half = torch.ldexp(c.sign().abs() * (info.eps / 4), exponent)
    half = torch.where((mantissa.abs() == 0.5) & (y.abs() < c.abs()), half / 2, half)
    return half.clamp_min(info.tiny * info.eps / 2)


def _reals(x: Tensor) -> Tensor:
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


class Arithmetic:
    """What the dtype under test costs: unit roundoffs, range and significand."""

    def __init__(self, dtype: torch.dtype, rounding: Rounding, *, unlimited: bool = False) -> None:
        self.storage = dtype.to_real()
        wide = torch.float32 if self.storage.itemsize == 2 else self.storage
        self.narrow, self.rounding = self.storage != wide, rounding
        self.compute = self.storage if rounding == "every" else wide
        eps = torch.finfo(self.compute).eps
        # Differences of float64 values cannot resolve errors of 2⁻⁵³. Being first order in u, the
        # analysis is run with a coarser u and its errors scaled back.
        self.scale = min(1.0, eps / 2.0**-39)
        self.unit = eps / 2 / self.scale
        # Sums of moduli below this multiple of the last fractional bit are exact in any order, and
        # with four bits to spare also for algorithms that transform their operands.
        self.exact = 2.0**-3 / eps
        # One rounding is half a unit at most, whatever the algorithm: it needs no room for other
        # algorithms, as `SAFETY` gives it, but for twice as much, the analysis being first order.
        self.share = 2.0 / SAFETY if rounding == "once" else 1.0
        info = torch.finfo(wide if rounding == "once" else self.storage)
        self.largest = math.inf if unlimited else info.max
        self.largest_stored = math.inf if unlimited else torch.finfo(self.storage).max
        # TF32 keeps ten bits of the fraction of a product's factors, and adds up in float32.
        self.factor = 2.0**-11 / self.scale if rounding == "tf32" else 0.0
        # Numbers underflow gradually. In float64, where the bound is computed itself, it cannot be
        # as small as the least of them: there all below the smallest normal number may be lost.
        self.smallest = info.tiny * (info.eps / 2 if info.bits < 64 else 1) / self.scale

    def local(self, magnitude: Tensor, roundings: float | Tensor) -> Tensor:
        """The error of that many roundings of numbers of the given magnitude; 0 is not rounded."""
        if isinstance(roundings, Tensor):
            return self.local(magnitude, 1.0) * roundings
        each = magnitude * (self.unit * roundings)
        return torch.add(each, magnitude.sign(), alpha=self.smallest * roundings)

    def growth(self, n: Any, most: int) -> Any:
        """c(n), in units of u·Σ|addends|; no n is larger than ``most``."""
        if isinstance(n, int):
            return min(max(n - 1, 0), 32 * math.sqrt(n))
        theorem = (n - 1).clamp_min(0)
        return theorem if most <= 1024 else torch.minimum(theorem, 32 * n.sqrt())

    def stored(self, value: Tensor, error: Tensor) -> Tensor:
        """The error after rounding to storage."""
        info, reach = torch.finfo(self.storage), value.abs() + error
        rounded = error + self.share * info.eps / 2 * (reach + info.tiny * reach.sign())
        return torch.where(reach <= self.largest_stored, rounded, math.inf)


def _holds(dtype: torch.dtype, value: Tensor) -> bool:
    x = _reals(value)
    return dtype == _F64 or bool((x.to(dtype).to(_F64) == x).all())


def _fraction(value: Tensor) -> int | None:
    """The number b ≤ 7 of bits such that 2ᵇ·value consists of small integers, if there is one."""

    def integers(x: Tensor) -> bool:
        return bool(((x == x.round()) & (x.abs() < 2.0**19)).all())

    x = _reals(value)
    few = x.flatten()[:1]  # mostly enough to see that there is none
    bits = (0, 1, 2, 3, 4, 5, 6, 7) if integers(few * 2.0**7) and integers(x * 2.0**7) else ()
    return next((b for b in bits if integers(x * 2.0**b)), None)


@functools.lru_cache(1024)
def _scalar(x: float, dtype: torch.dtype) -> tuple[bool, int | None]:
    """Whether the dtype holds x, and the number of its fractional bits."""
    if not math.isfinite(x):
        return True, None
    return _holds(dtype, torch.tensor(x, dtype=_F64)), x.as_integer_ratio()[1].bit_length() - 1


@dataclass
class Memory:
    """How elements are kept: shared by a tensor and all its views and aliases.

    Autograd saves an alias of an operator's output before the operator has returned it; what is
    decided about the output later must hold for the alias, too.
    """

    owed: bool  # a rounding to storage is due at the next use
    given: bool = False  # the caller's own tensor: what is written into it is rounded to storage


class Tracked(Tensor):
    """A float64 or complex128 tensor with its error; a `_Trace` does all arithmetic on it.

    `error` is None while nothing was rounded, `fraction` the number of fractional bits while every
    step was proven exact, `writes` how often it was written to (torch counts no versions below
    autograd).
    """

    value: Tensor
    error: Tensor | None
    fraction: int | None
    terms: int
    memory: Memory
    writes: int
    view_of: tuple["Tracked", Callable[[Tensor], Tensor]] | None

    @staticmethod
    def __new__(
        cls,
        value: Tensor,
        error: Tensor | None = None,
        fraction: int | None = None,
        terms: int = 0,
        *,
        memory: Memory | None = None,
        requires_grad: bool = False,
    ) -> "Tracked":
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            value.size(),
            strides=value.stride(),
            storage_offset=value.storage_offset(),
            dtype=value.dtype,
            requires_grad=requires_grad,
        )
        self.value, self.error, self.fraction, self.terms = value, error, fraction, terms
        self.memory, self.writes, self.view_of = memory or Memory(owed=False), 0, None
        return self

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise NoRule(f"{func} on a tracked tensor outside its analysis")

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Tracked({self.value}, error={self.error})"

    def laid_out_error(self) -> Tensor:
        """The error in the memory layout of the value, shared with what this is a view of."""
        value, error = self.value, self.error
        if error is None and self.view_of is not None:
            base, view = self.view_of
            self.error = error = view(base.laid_out_error())
        layout = value.size(), value.stride(), value.storage_offset()
        if error is None or (error.size(), error.stride(), error.storage_offset()) != layout:
            memory = torch.zeros(value.untyped_storage().nbytes() // value.itemsize, dtype=_F64)
            self.error = memory.as_strided(*layout)
            if error is not None:
                self.error.copy_(error)
        assert self.error is not None
        return self.error


class _Trace(TorchDispatchMode):
    """Intercepts every ATen primitive and applies the rule it obeys."""

    def __init__(self, arithmetic: Arithmetic, side: int, depth: int) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.side = side  # which value of a straddled step to take: its own (0), below, above
        self.depth = depth  # of decomposition; at 0 stand the operators that `fn` called
        self.straddled = False
        self.dyadic = False  # whether exactness is worth following
        self.finite = True  # whether all inputs are
        self.differentiations: list[int] = []  # autograd's numbers of them, in their order

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # the wrapper that tells Dynamo to look away costs as much as many a primitive

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (_rule(func) if _tracks(args) else _Trace.constant)(self, func, args, kwargs or {})

    def entered(self, x: Any) -> Any:
        """A contiguous copy of an input, which storage holds exactly."""
        if not isinstance(x, Tensor):
            return x
        value = x.detach().resolve_conj().clone(memory_format=torch.contiguous_format)
        if not (x.is_floating_point() or x.is_complex()):
            return value
        value = value.to(torch.complex128 if x.is_complex() else _F64)
        fraction = _fraction(value)
        self.dyadic |= fraction is not None
        self.finite = self.finite and (fraction is not None or bool(value.isfinite().all()))
        given = Memory(owed=False, given=self.arithmetic.narrow)
        return Tracked(value, fraction=fraction, memory=given, requires_grad=x.requires_grad)

    @property
    def owes(self) -> bool:
        """Whether the result of a primitive at the present depth is rounded to storage."""
        arithmetic = self.arithmetic
        if not arithmetic.narrow or arithmetic.rounding != "once":
            return arithmetic.narrow
        return self.depth == 0 and self.differentiating() != 1

    def differentiating(self) -> int:
        """Which differentiation is running: 0 is none, 1 the first that `fn` asked for."""
        task = torch._C._current_graph_task_id()
        if task >= 0 and task not in self.differentiations:
            self.differentiations.append(task)
        return 1 + self.differentiations.index(task) if task >= 0 else 0

    def operator(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call one operator: what it returns is rounded to storage, and none of its parts is.

        Where it is a stage of another, so are the gradients that leave and enter it.
        """
        if not self.arithmetic.narrow:
            return function(*args, **kwargs)
        if self.depth:
            args, kwargs = _each(_edge, args), {k: _edge(x) for k, x in kwargs.items()}
        self.depth += 1
        try:
            outs = function(*args, **kwargs)
        finally:
            self.depth -= 1
        for x in _listed(outs):
            _stored(x)
            if self.depth and isinstance(x, Tracked) and x.requires_grad:
                x.register_hook(_stored)
        return outs

    def operand(self, x: Any) -> tuple[Any, Any, int | None]:
        """Value, error (None: never rounded) and fractional bits of an operand about to be used."""
        arithmetic = self.arithmetic
        if isinstance(x, Tracked):
            if not x.memory.owed or x.error is None:
                return x.value, x.error, x.fraction
            held = x.fraction is not None and _holds(arithmetic.storage, x.value)
            return x.value, arithmetic.stored(x.value, x.error), x.fraction if held else None
        if isinstance(x, float):
            held, fraction = _scalar(x, arithmetic.compute)
            return x, None if held else arithmetic.unit * abs(x), fraction
        return x, None, None if isinstance(x, Tensor) and x.is_floating_point() else 0

    def fraction(self, x: Any) -> int | None:
        """The fractional bits of an operand that is only moved."""
        return x.fraction if isinstance(x, Tracked) else self.operand(x)[2]

    def result(
        self, value: Tensor, error: Any, magnitude: Tensor, fraction: int | None, terms: int
    ) -> Tracked:
        """Wrap a result whose evaluation passed through numbers of the given magnitude."""
        arithmetic = self.arithmetic
        if error is not None and value.numel():
            reach = magnitude + error
            if not float(reach.amax()) <= arithmetic.largest:  # or NaN
                error = torch.where(reach <= arithmetic.largest, error, math.inf)
            if not self.finite:  # an infinity that was put in has not overflown
                error = error.masked_fill(value.isinf(), 0.0)
        if fraction is not None and value.numel():
            exact = float(magnitude.amax()) <= arithmetic.exact * 2.0**-fraction
            fraction = fraction if exact else None
        return Tracked(value, error, fraction, terms, memory=Memory(self.owes))

    def constant(self, func: Any, args: Any, kwargs: Any) -> Any:
        """No operand's value matters: round the result if the dtype cannot hold it."""
        value = func(*_values(args), **kwargs)
        if not _floats(value):
            return value
        if "empty" in _name(func) or value._is_zerotensor():
            value = torch.zeros(value.shape, dtype=value.dtype)  # what memory held is no operand
        held = _holds(self.arithmetic.compute, value)
        error = None if held else self.arithmetic.unit * value.abs()
        return Tracked(value, error, _fraction(value) if self.dyadic else None)

    def converted(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Decompositions convert to the dtype that a tensor has already: then it is the tensor."""
        x, dtype, *rest = args
        if isinstance(x, Tracked) and dtype == x.dtype and not any(rest) and not kwargs:
            return x
        return self.decomposed(func, args, kwargs)

    def structural(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Move the errors as the values."""
        tracked = [x for x in _flat(args) if isinstance(x, Tracked)]
        rounded = any(x.error is not None for x in tracked)
        values = func(*_values(args), **kwargs)
        move = rules.MOVED_ERROR.get(_name(func), func)
        errors = move(*_errors(args), **kwargs) if rounded else None
        fraction = _if_known(max, map(self.fraction, _flat(args)))
        terms = max(x.terms for x in tracked)
        owed = any(x.memory.owed for x in tracked)

        def wrap(value: Tensor, pick: Callable[[Any], Any]) -> Tracked:
            error = None if errors is None else pick(errors)
            return Tracked(value.resolve_conj(), error, fraction, terms, memory=Memory(owed))

        return _wrapped(wrap, values)

    def viewed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """View the error like the value; a view's memory is that of its base."""
        base, *rest = args
        move = rules.MOVED_ERROR.get(_name(func), func)
        values = func(base.value, *rest, **kwargs)
        errors = None if base.error is None else move(base.laid_out_error(), *rest, **kwargs)

        def wrap(value: Tensor, pick: Callable[[Any], Any]) -> Tracked:
            error = None if errors is None else pick(errors)
            out = Tracked(
                value.resolve_conj(), error, base.fraction, base.terms, memory=base.memory
            )
            out.view_of = base, lambda e: pick(move(e, *rest, **kwargs))
            return out

        return _wrapped(wrap, values)

    def pointwise(self, func: Any, args: Any, kwargs: Any) -> Tracked:
        """Evaluate the corners of the operands' error box; add the rounding of the result."""
        name, roundings = _name(func), rules.ROUNDINGS[_name(func)]
        values, errors, fractions = zip(*map(self.operand, args), strict=True)
        if not roundings and not name.endswith("_backward"):
            # A scalar bound or filling is itself the result, whose rounding `accept` allows for.
            errors = tuple(
                e if isinstance(x, Tracked) else None for x, e in zip(args, errors, strict=True)
            )
        out = func(*values, **kwargs)
        if out.is_complex():
            roundings *= math.sqrt(
                5
            )  # |fl(ab) − ab| ≤ √5 u |ab| (Brent, Percival, Zimmermann 2007)
            if name in rules.SLOPES:
                neighbour = self.arithmetic.local(values[0].abs(), roundings)
                errors = (neighbour if errors[0] is None else errors[0] + neighbour,)
        modulus = not out.is_complex() and _is_complex(values[0])
        if modulus:
            roundings = 4.0  # √(a² + b²), by whatever steps
        magnitude, error = _magnitude(name, out, values[0]), None
        propagated = _propagation(func, is_complex=out.is_complex())
        if any(e is not None for e in errors):
            error = propagated(values, [0.0 if e is None else e for e in errors], out, **kwargs)
        if roundings:
            local = self.arithmetic.local(magnitude, roundings)
            error = local if error is None else error + local
        fraction = None
        if self.dyadic and None not in fractions and not modulus:
            fraction = rules.fraction_of_result(name, values, fractions)
        return self.result(out, error, magnitude, fraction, _terms(args))

    def step(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Nothing is rounded, but an error may straddle the step: then both sides are wanted."""
        if _name(func) == "sgn" and _is_complex(args[0].value):
            return self.within(_direction, args, kwargs)
        values, errors, fractions = zip(*map(self.operand, args), strict=True)
        out = func(*values, **kwargs)
        inexact = [e for e in errors if e is not None]
        if inexact:
            reach = 2 * self.arithmetic.scale * sum(inexact)
            below = func(values[0] - reach, *values[1:], **kwargs)
            above = func(values[0] + reach, *values[1:], **kwargs)
            self.straddled |= bool(((below != out) | (above != out)).any())
            out = (out, above, below)[self.side]
        if not _floats(out):
            return out
        return Tracked(out, fraction=None if None in fractions else 0, terms=_terms(args))

    def factors(self, operands: Sequence[Any]) -> list[tuple[Any, Any, int | None]]:
        """Values, errors and fractional bits of what is multiplied, as the processor takes it."""
        found = [self.operand(x) for x in operands]
        share = self.arithmetic.factor
        if not share or len(found) < 2:
            return found
        return [(v, (0 if e is None else e) + share * v.abs(), None) for v, e, _ in found]

    def linear(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Evaluate on moduli for the error, on ones for the number of addends."""
        arithmetic, name = self.arithmetic, _name(func)
        factors = [i for i, x in enumerate(args) if _floats(x)]
        values, errors, fractions = zip(*self.factors([args[i] for i in factors]), strict=True)

        def on(operands: Sequence[Tensor]) -> list[Any]:
            swapped = list(args)
            for i, x in zip(factors, operands, strict=True):
                swapped[i] = x
            return list(_listed(func(*swapped, **kwargs)))

        rounded = any(e is not None for e in errors)
        moduli = [v.abs() for v in values]
        sums = reaches = _moduli(on(moduli))
        if rounded:
            pairs = zip(moduli, errors, strict=True)
            reaches = _moduli(on([m if e is None else m + e for m, e in pairs]))
        results = on(values)
        known = rules.number_of_addends(name, moduli, results[0])
        counts = [known] if known else _moduli(on([torch.ones_like(m) for m in moduli]))
        divisor, bits = rules.averaging_window(name, args)
        fraction = _if_known(sum, (bits, *fractions))
        per_addend, scale = rules.PER_ADDEND[name], 1.0
        if any(v.is_complex() for v in values):  # each part adds twice as many real products
            divisor, scale = 2 * divisor, math.sqrt(2)

        def wrap(value: Any, total: Tensor, reach: Tensor, count: Any) -> Any:
            if value is None:
                return None
            n = divisor * count
            most = n if isinstance(n, int) else int(n.amax()) if n.numel() else 0
            error = reach - total if rounded else None
            if most > 1 or per_addend:
                local = arithmetic.local(reach, scale * (arithmetic.growth(n, most) + per_addend))
                error = local if error is None else error + local
            return self.result(value, error, reach, fraction, max(_terms(args), most))

        outs = list(map(wrap, results, sums, reaches, counts))
        return outs[0] if len(outs) == 1 else outs

    def fourier(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Operands' errors may all agree, and add up; roundings spread over the outputs."""
        arithmetic, name = self.arithmetic, _name(func)
        value, error, fraction = self.operand(args[0])
        out = func(value, *args[1:], **kwargs)
        reach = value.abs() if error is None else value.abs() + error
        n, total, size = rules.fourier_magnitudes(name, args, reach)
        passed = None if error is None else rules.fourier_magnitudes(name, args, error)[1]
        if n > 1:
            fraction = None
            size = torch.maximum(size, out.abs())
            local = arithmetic.local(size, rules.fourier_roundings(n))
            if args[2]:  # scaled by a number that is itself rounded
                local = local + arithmetic.local(out.abs(), 2.0)
            passed = local if passed is None else passed + local
        spread = None if passed is None else passed.expand(out.shape).clone()
        return self.result(out, spread, total.expand(out.shape), fraction, max(_terms(args), n))

    def product_plus(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What is added to a matrix product is one more addend, first or last."""
        if any(factor != 1 for factor in kwargs.values()):
            return self.decomposed(func, args, kwargs)
        return self.linear(func, args, kwargs)

    def antialiased(self, func: Any, args: Any, _kwargs: Any) -> Any:
        """Resample by two matrices of computed weights: rows @ x @ columnsᵀ."""
        backward = _name(func).endswith("_backward")
        kernel = getattr(aten, _name(func).removesuffix("_backward")).default
        sizes, options = (args[2][2:], args[3:]) if backward else (args[0].shape[2:], args[2:])
        align, *scales = [*options, None, None][:3]
        matrices = []
        for n, m, scale in zip(sizes, args[1], scales, strict=True):
            weights, error = rules.axis_weights(kernel, n, m, align, scale, self.arithmetic.unit)
            if backward:
                weights, error = weights.mT, error.mT
            matrices.append(Tracked(weights, error))
        return self.within(lambda x, p, q: p @ x @ q.mT, (args[0], *matrices), {})

    def interpolated(self, func: Any, args: Any, kwargs: Any) -> Any:
        """A sum with computed weights, which rounds as any other."""
        if func._overloadname != "default":
            return self.decomposed(func, args, kwargs)
        arithmetic, name = self.arithmetic, _name(func)
        value, error, fraction = self.operand(args[0])
        by = rules.resampling(name, args, arithmetic.unit)
        weights = [a.weight for a in by.axes]
        out = by.weighted(value, weights)
        total = by.weighted(value.abs(), [w.abs() for w in weights])
        reach = by.weighted(
            value.abs() if error is None else value.abs() + error, [a.moduli for a in by.axes]
        )
        counts = by.addends()
        most = [int(n.amax()) for n in counts]
        roundings = sum(
            arithmetic.growth(n, k) + a.rounds
            for n, k, a in zip(counts, most, by.axes, strict=True)
        )
        passed = None if error is None else reach - total
        if bool((roundings != 0).any()):
            passed = reach - total + by.moved(value) + arithmetic.local(reach, roundings)
        fraction = _if_known(sum, (fraction, *(a.bits for a in by.axes)))
        return self.result(out, passed, reach, fraction, max(_terms(args), math.prod(most)))

    def exact(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Anything is fine that only looks at exact numbers, and computes no others."""
        _, errors, fractions = zip(*map(self.operand, _flat(args)), strict=True)
        outs = func(*_values(args), **kwargs)
        computes = _name(func) not in rules.CHOICE and any(map(_floats, _listed(outs)))
        if computes or any(e is not None for e in errors):
            raise NoRule(f"no rounding rule for {func}{'' if computes else ' of inexact numbers'}")
        fraction = _if_known(max, fractions)
        wrapped = [Tracked(y, fraction=fraction) if _floats(y) else y for y in _listed(outs)]
        return wrapped[0] if isinstance(outs, Tensor) else wrapped

    def cast(self, func: Any, args: Any, kwargs: Any) -> Any:
        """To an integer it is a step; to another width of floats it is not ours to judge."""
        dtype = kwargs.get("dtype") or (args[1] if len(args) > 1 else args[0].dtype)
        if dtype in _TRACKED:
            return self.structural(func, args, kwargs)
        if dtype.is_floating_point or dtype.is_complex:
            raise NoRule(f"{func} to {dtype}")
        return self.step(func, args, kwargs)

    def in_place(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Compute out of place, then write value and error through to what this is a view of."""
        target, rest = args[0], args[1:]
        functional = rules.OUT_OF_PLACE.get(func)
        if functional is None:
            functional = getattr(getattr(aten, _name(func)[:-1]), func._overloadname)
        if not isinstance(target, Tracked):
            raise NoRule(f"{func} writes into an untracked tensor")
        if torch.Tag.inplace_view in func.tags:  # unsqueeze_ and its like change the shape alone
            target.error = functional(target.laid_out_error(), *rest, **kwargs)
            target.value = functional(target.value, *rest, **kwargs)
            with no_dispatch():
                func(*args, **kwargs)
            return target
        new = self.__torch_dispatch__(functional, (), args, kwargs)
        target.value.copy_(new.value)
        if target.error is not None or new.error is not None:
            target.laid_out_error().copy_(_errors([new])[0])
        target.fraction, target.terms = new.fraction, new.terms
        memory, part = target.memory, target.view_of is not None
        memory.owed = memory.given or new.memory.owed or (part and memory.owed)
        target.writes += 1
        base = target
        while base.view_of is not None:
            base = base.view_of[0]
            base.fraction = _if_known(max, (base.fraction, new.fraction))
            base.terms = max(base.terms, new.terms)
            base.writes += 1
        return target

    def decomposed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Apply the rules to the parts."""
        if _name(func) == "linalg_vector_norm" and not args[0].numel():
            return Tracked(func(*_values(args), **kwargs))  # which its parts refuse to look at
        table = rules.DECOMPOSITIONS if func in rules.DECOMPOSITIONS else decomposition_table
        return self.within(table.get(func, func.decompose), args, kwargs)

    def within(self, parts: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run the parts of an operator, and round their results to storage as the operator's.

        Results are also what they wrote into the arguments, such as running statistics.
        """
        before = [(x, x.writes) for x in _flat(args) if isinstance(x, Tracked)]
        self.depth += 1
        try:
            with self:
                outs = parts(*args, **kwargs)
        finally:
            self.depth -= 1
        own = {id(x.memory) for x, writes in before if x.writes == writes}  # of mere operands
        for x in (*_listed(outs), *(x for x, _ in before)):
            if isinstance(x, Tracked) and id(x.memory) not in own:
                x.memory.owed |= self.owes
        return outs


_RULES: tuple[tuple[Any, Callable[..., Any]], ...] = (
    (rules.PRODUCT_PLUS, _Trace.product_plus),
    (rules.STRUCTURAL, _Trace.structural),
    (rules.CONSTANT, _Trace.constant),
    (rules.STEP, _Trace.step),
    (rules.PER_ADDEND, _Trace.linear),
    (rules.CHOICE, _Trace.exact),
    (rules.ROUNDINGS, _Trace.pointwise),
    (rules.CAST, _Trace.cast),
    (rules.ANTIALIASED, _Trace.antialiased),
    (rules.INTERPOLATED, _Trace.interpolated),
    (rules.FOURIER, _Trace.fourier),
)


@functools.cache
def _rule(func: Any) -> Callable[..., Any]:
    name = _name(func)
    if func._schema.is_mutable and name.endswith("_"):
        return _Trace.in_place
    for names, rule in _RULES:
        if name in names:
            return _Trace.viewed if rule is _Trace.structural and func.is_view else rule
    if func is aten.to.dtype:
        return _Trace.converted
    if func in rules.DECOMPOSITIONS or func._can_decompose():
        return _Trace.decomposed
    if func.is_view:
        return _Trace.viewed
    return _Trace.decomposed if func in decomposition_table else _Trace.exact


def _stored(x: Tensor | None) -> None:
    """Round to storage, at the next use; autograd may hand over no gradient at all."""
    if isinstance(x, Tracked):
        x.memory.owed = True


def _edge(x: Any) -> Any:
    """An operand whose gradient is stored before others are added to it."""
    if not isinstance(x, Tracked) or not x.requires_grad:
        return x
    alias = x.view_as(x)
    alias.register_hook(_stored)
    return alias


def _moduli(sums: Sequence[Any]) -> list[Any]:
    """Without the sign of a negative divisor, which average pools take."""
    return [None if y is None else y.abs() for y in sums]


def _is_complex(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_complex()


def _direction(z: Tensor) -> Tensor:
    """z/|z|, which is no step in the complex plane."""
    size = z.abs()
    return z / size.masked_fill(z == 0, 1.0)


def _corners(func: Any, values: Any, errors: Any, out: Tensor, **kwargs: Any) -> Tensor:
    """The largest |f(values ± errors) − f(values)|, NaN where f is undefined at a corner."""
    inexact = [i for i, e in enumerate(errors) if isinstance(e, Tensor) or e]
    worst = torch.zeros_like(out)
    for signs in itertools.product((-1.0, 1.0), repeat=len(inexact)):
        corner = list(values)
        for i, sign in zip(inexact, signs, strict=True):
            moved = corner[i] + sign * errors[i]
            if _name(func) in rules.NONNEGATIVE and isinstance(moved, Tensor):
                moved = torch.where(values[i] >= 0, moved.clamp_min(0), moved)
            corner[i] = moved
        worst = torch.maximum(worst, (func(*corner, **kwargs) - out).abs())
    return worst


def _propagation(func: Any, *, is_complex: bool) -> Callable[..., Any]:
    """How a pointwise primitive passes its operands' errors on: the corners, or a formula."""
    name = _name(func)
    if not is_complex:
        return rules.PROPAGATED.get(name, functools.partial(_corners, func))
    if name in rules.SLOPES:
        return lambda _, errors, out: rules.SLOPES[name](out).abs() * errors[0]
    if name not in rules.PROPAGATED_COMPLEX:
        raise NoRule(f"{func} of complex numbers")
    return rules.PROPAGATED_COMPLEX[name]


def _both_sides(
    fn: Callable[..., Outputs], inputs: Sequence[Any], arithmetic: Arithmetic, depth: int
) -> list[Bounded | None]:
    """Trace once; where an error straddles a step, also below and above, and cover all three."""

    def traced(side: int) -> tuple[list[Bounded | None], bool]:
        trace = _Trace(arithmetic, side, depth)
        entered = [trace.entered(x) for x in inputs]
        with trace:
            outputs = fn(*entered)
        return [_bounded(y, arithmetic.scale, trace.finite) for y in outputs], trace.straddled

    first, straddled = traced(0)
    if not straddled:
        return first
    return [_covering(*outputs) for outputs in zip(first, traced(-1)[0], traced(1)[0], strict=True)]


def _bounded(y: Tensor | None, scale: float, finite_inputs: bool) -> Bounded | None:
    if y is None:
        return None
    if not isinstance(y, Tracked):
        return Bounded(y.detach().to(_F64), torch.zeros(y.shape, dtype=_F64), 0)
    if y.error is None or y.fraction is not None:
        return Bounded(y.value, torch.zeros(y.shape, dtype=_F64), y.terms)
    error = (y.error * scale).nan_to_num(nan=math.inf, posinf=math.inf)
    classless = math.inf if finite_inputs or y.is_complex() else 0.0
    return Bounded(y.value, torch.where(y.value.isfinite(), error, classless), y.terms)


def _covering(first: Bounded | None, *others: Bounded | None) -> Bounded | None:
    if first is None:
        return None
    error = first.error
    for other in filter(None, others):
        same = (other.value == first.value) | (other.value.isnan() & first.value.isnan())
        jump = (other.value - first.value).abs().masked_fill(same, 0.0)
        error = torch.maximum(error, other.error + jump)
    return Bounded(first.value, error.nan_to_num(nan=math.inf, posinf=math.inf), first.terms)


@functools.cache
def _name(func: Any) -> str:
    return func._schema.name.partition("::")[2]


def _floats(x: Any) -> bool:
    return isinstance(x, Tensor) and x.dtype in _TRACKED


def _tracks(args: Any) -> bool:
    """Whether an operand is tracked, or one in a list of them."""
    return any(
        isinstance(x, Tracked) or (isinstance(x, (list, tuple)) and _tracks(x)) for x in args
    )


def _wrapped(wrap: Callable[[Tensor, Callable[[Any], Any]], Tracked], values: Any) -> Any:
    """One result or each of several, with what picks its part of several."""
    if isinstance(values, Tensor):
        return wrap(values, lambda e: e)
    return [wrap(value, operator.itemgetter(i)) for i, value in enumerate(values)]


def _flat(args: Any) -> list[Any]:
    return [y for x in args for y in _listed(x)]


def _listed(x: Any) -> Sequence[Any]:
    return x if isinstance(x, (list, tuple)) else (x,)


def _each(change: Callable[[Any], Any], args: Any) -> list[Any]:
    return [list(map(change, x)) if isinstance(x, (list, tuple)) else change(x) for x in args]


def _values(args: Any) -> list[Any]:
    return _each(lambda x: x.value if isinstance(x, Tracked) else x, args)


def _errors(args: Any) -> list[Any]:
    def error(x: Any) -> Any:
        if isinstance(x, Tracked) and x.error is not None:
            return x.error
        return torch.zeros(x.shape, dtype=_F64) if _floats(x) else x

    return _each(error, args)


def _magnitude(name: str, out: Tensor, x: Any) -> Tensor:
    """The modulus of a result; not zero where double precision itself has underflown."""
    if name not in rules.POSITIVE:
        return out.abs()
    return out.abs().masked_fill((out == 0) & x.isfinite(), torch.finfo(_F64).tiny)


def _terms(args: Any) -> int:
    return max(x.terms for x in args if isinstance(x, Tracked))


def _if_known(combine: Callable[[Any], int], fractions: Iterable[int | None]) -> int | None:
    bits = list(fractions)
    return None if None in bits else combine(bits)
