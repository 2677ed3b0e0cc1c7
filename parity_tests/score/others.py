"""Other ways to test an operator, asked about the same faults.

    opinfo     PyTorch's own samples of calls (OpInfo, ModuleInfo), in each dtype, contiguous and
               not, forward and backward, compared with torch by assert_close's defaults; and its
               samples of errors
    gradcheck  torch.autograd.gradcheck on one ordinary call in float64
    fixed      one ordinary call in float32 under five seeds, forward, within 1e-2 of torch's: the
               usual protocol for generated kernels

A method that has nothing for an operator says None. What it says of the right operator as well is
no finding: a sample that reimpl fails is left out.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.utils._pytree import tree_map

import reimpl
from parity_tests.experiments import is_integer, outputs_of
from parity_tests.op import Call, Op
from parity_tests.ops import named
from parity_tests.planted.fault import Fault
from parity_tests.search import rounds_of_calls
from parity_tests.trial import torchs

Target = Callable[..., Any]
Judge = Callable[[Target], bool]  # whether a target passes


def ask(fault: Fault, method: str) -> bool | None:
    """Whether the method catches the fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return METHODS[method](fault)


def caught(fault: Fault, judges: Iterable[Judge]) -> bool | None:
    """Whether some judge that the right operator passes refuses the fault; None without any."""
    right, answer = getattr(reimpl, fault.op), None
    for passes in judges:
        if passes(right):
            answer = False
            if not passes(fault.broken):
                return True
    return answer


def by_samples(fault: Fault) -> bool | None:
    """PyTorch's own samples."""
    judge = by_modules if named(fault.op).is_module else by_functions
    torch.manual_seed(0)
    return caught(fault, judge(fault.op))


def by_functions(name: str) -> Iterator[Judge]:
    """One judge for every sample of the operator's OpInfo."""
    from torch.testing._internal.common_methods_invocations import op_db

    op = named(name)
    spellings = (f"nn.functional.{name}", f"fft.{name}", name)
    found = next((s for s in spellings if any(entry.name == s for entry in op_db)), None)
    for entry in op_db:
        if entry.name != found or entry.op not in (torchs(op), getattr(torch, name, None)):
            continue
        for dtype in (d for d in op.dtypes if d in entry.supported_dtypes("cpu")):
            grad = entry.supports_autograd and dtype.is_floating_point
            for sample in entry.sample_inputs("cpu", dtype, requires_grad=grad):
                for each in (sample, sample.noncontiguous()):
                    yield same_as_torch(entry.op, (each.input, *each.args), each.kwargs)
        for error in entry.error_inputs("cpu") if entry.error_inputs_func is not None else ():
            bad = error.sample_input
            yield raises(error.error_type, (bad.input, *bad.args), bad.kwargs)


def by_modules(name: str) -> Iterator[Judge]:
    """One judge for every sample of the module's ModuleInfo."""
    from torch.testing._internal.common_modules import module_db

    for entry in module_db:
        if entry.module_cls is not torchs(named(name)):
            continue
        for dtype in (d for d in named(name).dtypes if d in entry.dtypes):
            for training in (True, False):
                grad = dtype.is_floating_point
                for sample in entry.module_inputs_func(entry, "cpu", dtype, grad, training):
                    if sample.forward_input is not None:
                        yield same_module(torchs(named(name)), sample, dtype, training)


def same_as_torch(target: Target, args: Any, kwargs: Any) -> Judge:
    """Outputs and gradients of a function."""

    def passes(judged: Target) -> bool:
        return agree(results(target, args, kwargs), attempt(results, judged, args, kwargs))

    return passes


def same_module(target: Target, sample: Any, dtype: torch.dtype, training: bool) -> Judge:
    """Outputs, gradients and state of a module, given torch's state."""
    built = sample.constructor_input
    args, kwargs = sample.forward_input.args, sample.forward_input.kwargs

    def module(make: Target) -> nn.Module:
        return make(*built.args, **built.kwargs).to(dtype).train(training)

    def of(make: Target, state: Any) -> list[Tensor]:
        own = module(make)
        own.load_state_dict(state)
        return [*results(own, args, kwargs), *own.state_dict().values()]

    def passes(judged: Target) -> bool:
        state = copy.deepcopy(module(target).state_dict())
        return agree(of(target, state), attempt(of, judged, state))

    return passes


def raises(error: Any, args: Any, kwargs: Any) -> Judge:
    """A call that must raise."""

    def passes(judged: Target) -> bool:
        try:
            judged(*own(args), **own(kwargs))
        except error:
            return True
        except Exception:
            return False
        return False

    return passes


def results(target: Target, args: Any, kwargs: Any) -> list[Tensor]:
    """Outputs, and gradients for random cotangents."""
    args, kwargs = own(args), own(kwargs)
    outputs = list(outputs_of(target(*args, **kwargs)).values())
    smooth = [out for out in outputs if out.requires_grad]
    inputs = [t for t in (*args, *kwargs.values()) if isinstance(t, Tensor) and t.requires_grad]
    if isinstance(target, nn.Module):
        inputs += target.parameters()
    if not smooth or not inputs:
        return outputs
    random = torch.Generator().manual_seed(1)
    over = [torch.randn(out.shape, generator=random).to(out.dtype) for out in smooth]
    grads = torch.autograd.grad(smooth, inputs, over, allow_unused=True, materialize_grads=True)
    return [*outputs, *grads]


def own(arguments: Any) -> Any:
    """Copies, that keep strides and whether a gradient is wanted."""

    def fresh(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value.detach().clone().requires_grad_(value.requires_grad)

    return tree_map(fresh, arguments)


def attempt(function: Callable[..., list[Tensor]], *given: Any) -> list[Tensor] | None:
    """What comes of it, or None where it raises."""
    try:
        return function(*given)
    except Exception:
        return None


def agree(theirs: list[Tensor], mine: list[Tensor] | None) -> bool:
    """Equal by assert_close's defaults, NaN to NaN."""
    if mine is None or len(mine) != len(theirs):
        return False
    try:
        torch.testing.assert_close(mine, theirs, equal_nan=True)
    except AssertionError:
        return False
    return True


def ordinary_call(op: Op) -> Call:
    """The one with most numbers of a few that the suite would draw: no corner."""
    drawn = rounds_of_calls(op, "ordinary", examples=8, seed=0)
    return max(drawn, key=lambda call: sum(prod(r.shape) for r in call.recipes().values()))


def by_gradcheck(fault: Fault) -> bool | None:
    """Finite differences."""
    op = named(fault.op)
    call = ordinary_call(op)

    def passes(judged: Target) -> bool:
        tensors = call.tensors(torch.float64)
        wanted = [tensors[name].requires_grad_() for name in call.wanted]

        def function(*inputs: Tensor) -> tuple[Tensor, ...]:
            given = {n: t.clone() for n, t in tensors.items()}
            given |= dict(zip(call.wanted, inputs, strict=True))
            outputs = outputs_of(op.run(judged, call, given)).values()
            return tuple(out for out in outputs if not is_integer(out))

        try:
            return gradcheck(function, wanted)
        except Exception:
            return False

    return caught(fault, [passes] if call.wanted else [])


def by_fixed_tolerance(fault: Fault) -> bool | None:
    """Five seeds, one shape."""
    op = named(fault.op)
    call = ordinary_call(op)

    def outputs(target: Target, seed: int) -> list[Tensor]:
        drawn = call.with_recipes(lambda _, r: replace(r, seed=r.seed + (seed << 48)))
        torch.manual_seed(seed)
        return [*outputs_of(op.run(target, drawn, drawn.tensors(torch.float32))).values()]

    def passes(judged: Target) -> bool:
        return all(
            close(outputs(torchs(op), seed), attempt(outputs, judged, seed)) for seed in range(5)
        )

    return caught(fault, [passes])


def close(theirs: list[Tensor], mine: list[Tensor] | None) -> bool:
    """Equal within a hundredth, NaN to NaN."""
    return mine is not None and all(
        a.shape == b.shape and torch.allclose(a, b, 1e-2, 1e-2, equal_nan=True)
        for a, b in zip(mine, theirs, strict=True)
    )


METHODS = {"opinfo": by_samples, "gradcheck": by_gradcheck, "fixed": by_fixed_tolerance}
