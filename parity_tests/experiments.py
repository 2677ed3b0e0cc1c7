"""What a check computes, with a name for every result.

Written once, and run for the subject, for torch, for the oracle and under the error analysis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from parity_tests.op import Call, Op, Tensors

Cotangent = Callable[[str, Tensor], Tensor]


Target = Callable[..., Any]

# Runs the target on the tensors and returns results by name.
Experiment = Callable[[Op, Target, Call, Tensors, Cotangent], Tensors]


def outputs_of(result: Any) -> Tensors:
    """An operator's outputs by name; most have one, max pooling with indices has two."""
    if isinstance(result, Tensor):
        return {"output": result}
    if not isinstance(result, tuple | list):
        raise TypeError(f"expected a tensor or a tuple of tensors, got {type(result).__name__}")
    return {f"output {i}": output for i, output in enumerate(result)}


def forward(op: Op, target: Target, call: Call, tensors: Tensors, _: Cotangent) -> Tensors:
    """The outputs."""
    return outputs_of(op.run(target, call, tensors))


class Differentiated(NamedTuple):
    """Outputs, and the gradients of the wanted inputs for some cotangents."""

    outputs: Tensors
    gradients: Tensors  # zeros where there is none
    cotangents: Tensors
    connected: dict[str, bool]  # whether the graph leads to the input: else ``.grad`` stays None


def gradients(
    op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent
) -> Tensors:
    """Outputs, and the gradients of the wanted inputs for a random cotangent, all else frozen."""
    found = differentiated(op, target, call, tensors, cotangent, create_graph=False)
    # On the CPU, whatever the default device is.
    flags = {n: torch.tensor(int(c), device="cpu") for n, c in found.connected.items()}
    return (
        found.outputs
        | {f"gradient of {name}": g for name, g in found.gradients.items()}
        | {f"whether {name} has a gradient": flag for name, flag in flags.items()}
    )


def second(op: Op, target: Target, call: Call, tensors: Tensors, cotangent: Cotangent) -> Tensors:
    """Outputs, gradients, and the gradients of these.

    The latter are with respect to the wanted inputs and the cotangents.
    """
    outputs, first, cotangents, _ = differentiated(
        op, target, call, tensors, cotangent, create_graph=True
    )
    over = [cotangent(f"of gradient of {name}", g) for name, g in first.items()]
    inputs = {name: tensors[name] for name in call.wanted} | cotangents
    # Where a gradient does not depend on an input, torch may say None or zeros: they mean the same.
    grads = torch.autograd.grad(
        list(first.values()), list(inputs.values()), over, materialize_grads=True
    )
    return (
        outputs
        | {f"gradient of {name}": g.detach() for name, g in first.items()}
        | {f"second gradient of {n}": g.detach() for n, g in zip(inputs, grads, strict=True)}
    )


def differentiated(
    op: Op,
    target: Target,
    call: Call,
    tensors: Tensors,
    cotangent: Cotangent,
    *,
    create_graph: bool,
) -> Differentiated:
    """Run the target and differentiate by the wanted inputs."""
    for name in call.wanted:
        tensors[name].requires_grad_()
    outputs = forward(op, target, call, tensors, cotangent)
    return pulled_back(outputs, call, tensors, cotangent, create_graph=create_graph)


def pulled_back(
    outputs: Tensors, call: Call, tensors: Tensors, cotangent: Cotangent, *, create_graph: bool
) -> Differentiated:
    """Differentiate outputs that are there already."""
    smooth = {name: out for name, out in outputs.items() if not is_integer(out)}
    cotangents = {f"cotangent of {name}": cotangent(name, out) for name, out in smooth.items()}
    if create_graph:
        for c in cotangents.values():
            c.requires_grad_()
    found = torch.autograd.grad(
        list(smooth.values()),
        [tensors[name] for name in call.wanted],
        list(cotangents.values()),
        create_graph=create_graph,
        allow_unused=True,
    )
    grads = {
        name: torch.zeros_like(tensors[name], requires_grad=create_graph) if g is None else g
        for name, g in zip(call.wanted, found, strict=True)
    }
    connected = {name: g is not None for name, g in zip(call.wanted, found, strict=True)}
    return Differentiated(outputs, grads, cotangents, connected)


def is_integer(t: Tensor) -> bool:
    """Neither floating-point nor complex: no derivative, and compared for equality."""
    return not (t.is_floating_point() or t.is_complex())


def buffers(op: Op, target: Target, call: Call, tensors: Tensors, _: Cotangent) -> Tensors:
    """Outputs and buffers after each of several steps on one state."""
    results: Tensors = {}
    function, arguments = op.instance(target, call, tensors)
    module = function if isinstance(function, nn.Module) else None
    first_state = {name: t.clone() for name, t in tensors.items() if name in call.state}
    for i, step in enumerate(call.steps, start=1):
        if module is None:
            arguments |= {k: v for k, v in step.items() if k in call.arguments}
        else:
            act(module, step["action"], first_state)
        arguments["input"] = tensors[f"step {i} input"]
        results[f"output of step {i}"] = function(**arguments)
        # Whoever holds a buffer sees it move: it is read where it was installed.
        kept = tensors if module is None else dict(module.named_buffers()) | tensors
        for name in op.buffers:
            if name in kept:
                results[f"{name} after step {i}"] = kept[name].detach().clone()
    return results


def act(module: nn.Module, action: str, first_state: Tensors) -> None:
    """What happens to a module before a step: see ``strategies.ACTIONS``."""
    name, _, value = action.partition("=")
    match name:
        case "train" | "eval" | "reset_running_stats":
            getattr(module, name)()
        case "load_state_dict":
            state = module.state_dict()  # with its version: without one it would be taken for old
            state.update(first_state)
            module.load_state_dict(state)
        case "momentum":
            module.momentum = None if value == "None" else float(value)  # type: ignore[assignment]
        case "track_running_stats":
            module.track_running_stats = value == "True"  # type: ignore[assignment]
