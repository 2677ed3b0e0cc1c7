"""What can be seen of one call: results, gradients, inputs afterwards, settings of the process."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

Look = Callable[[Any], Any]  # from an operator to what is seen of it
Mode = Callable[[], AbstractContextManager[Any]]


def look(
    *args: Any,
    mode: Mode = nullcontext,
    wanted: tuple[int, ...] = (),
    cotangent: Callable[[Tensor], Tensor] = torch.ones_like,
    create_graph: bool = False,
    **options: Any,
) -> Look:
    """See one call of a function; `wanted` are the places of the arguments that get a gradient."""

    def see(operator: Any) -> Any:
        given = tree_map(copied, args)
        for place in wanted:
            given[place].requires_grad_()
        torch.manual_seed(0)
        with mode():
            try:
                result = operator(*given, **tree_map(copied, options))
            except Exception as error:
                return f"raises {type(error).__name__}"
            seen = [settings(), described(result), shared(result, given)]
            grads = gradients(result, [given[i] for i in wanted], cotangent, create_graph)
        return [*seen, grads, tree_map(described, given), torch.get_rng_state().tolist()]

    return see


def layer(
    *made: Any,
    input: Any,
    mode: Mode = nullcontext,
    training: bool = True,
    dtype: torch.dtype | None = None,
    wanted: bool = False,
    prepared: Callable[[Any], object] = lambda _: None,
    **options: Any,
) -> Look:
    """See one call of a module; `wanted`: with the gradients of input and parameters."""

    def see(operator: Any) -> Any:
        with mode():
            torch.manual_seed(0)
            module = operator(*made, **options).train(training).to(dtype)
            prepared(module)
            x = copied(input).requires_grad_(wanted)
            try:
                result = module(x)
            except Exception as error:
                return f"raises {type(error).__name__}"
            sources = [x, *module.parameters()] if wanted else []
            grads = gradients(result, sources, torch.ones_like, create_graph=False)
            return [described(result), grads, described(list(module.state_dict().values()))]

    return see


def copied(value: Any) -> Any:
    """A copy with the same strides; a tensor that is a view, a leaf or lazy stays what it is."""
    plain = type(value) is Tensor and value.is_leaf and not value._is_view()
    return value.clone() if plain and not value.is_inference() and not value.is_conj() else value


def gradients(
    result: Any, sources: list[Tensor], cotangent: Callable[[Tensor], Tensor], create_graph: bool
) -> Any:
    """Gradients of all results that have one, and the cotangents afterwards."""
    smooth = [t for t in tree_flatten(result)[0] if isinstance(t, Tensor) and t.requires_grad]
    if not sources or not smooth:
        return "no graph" if sources else None
    over = [cotangent(t.detach()) for t in smooth]
    found = torch.autograd.grad(smooth, sources, over, create_graph=create_graph, allow_unused=True)
    return [described(list(found)), described(over)]


def described(value: Any) -> Any:
    """Numbers, dtype, shape and strides of every tensor."""

    def of(t: Any) -> Any:
        if not isinstance(t, Tensor):
            return str(t)
        numbers = None if t.is_meta else t.detach().resolve_conj().resolve_neg().clone()
        return [numbers, str(t.dtype), str(tuple(t.shape)), str(t.stride()), str(t.device)]

    return tree_map(of, value)


def shared(result: Any, given: Any) -> list[bool]:
    """Whether each result shares memory with an argument."""
    pointers = {t.data_ptr() for t in tree_flatten(given)[0] if isinstance(t, Tensor)} - {0}
    return [t.data_ptr() in pointers for t in tree_flatten(result)[0] if isinstance(t, Tensor)]


def settings() -> str:
    """The settings of the process that a call must leave alone."""
    return str(
        (
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_autocast_enabled("cpu"),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            torch.backends.mkldnn.enabled,
            torch.is_anomaly_enabled(),
        )
    )


@contextmanager
def restored() -> Iterator[None]:
    """Put the settings of the process back."""
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    precision = torch.get_float32_matmul_precision()
    try:
        yield
    finally:
        torch.set_grad_enabled(True)
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_autocast_enabled("cpu", False)
        torch.use_deterministic_algorithms(False)
        torch.set_float32_matmul_precision(precision)
        torch.backends.mkldnn.set_flags(True)
        torch.autograd.set_detect_anomaly(False)


def alike(a: Any, b: Any, within: float = 0.0) -> bool:
    """Whether both were seen alike, numbers within a relative difference."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        wide = torch.complex128 if a.is_complex() else torch.float64
        if within and a.dtype != torch.int64:
            a, b = a.to(wide), b.to(wide)
            return torch.allclose(a, b, rtol=within, atol=within, equal_nan=True)
        return bool(torch.all((a == b) | (a.isnan() & b.isnan())))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(alike(x, y, within) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=within) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)
