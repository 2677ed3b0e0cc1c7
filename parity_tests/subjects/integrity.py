"""Torch must stay as it was before a subject was imported.

The suite compares with torch's functions. A subject that replaces one of them, or leaves a mode
switched on for the whole process, would be compared with itself.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import nn

# What the suite, or torch's own Python code below it, looks up by name.
SPACES: dict[str, Any] = {
    "torch": torch,
    "torch.Tensor": torch.Tensor,
    "torch.nn.functional": nn.functional,
    "torch.nn.init": nn.init,
    "torch.special": torch.special,
    "torch.fft": torch.fft,
    "torch.linalg": torch.linalg,
    "torch.autograd": torch.autograd,
    "torch.func": torch.func,
    "torch._C._nn": torch._C._nn,
    **{
        f"torch.nn.{name}": found
        for name, found in vars(nn).items()
        if inspect.isclass(found) and issubclass(found, nn.Module)
    },
}


def callables(space: Any) -> Iterator[tuple[str, Any]]:
    """The functions, methods and classes of a namespace, by name."""
    return ((name, found) for name, found in list(vars(space).items()) if callable(found))


@cache
def originals() -> dict[str, dict[str, Any]]:
    """Torch's own callables by namespace and name, as they are when this is first called."""
    return {path: dict(callables(space)) for path, space in SPACES.items()}


# For the whole process: a subject that sets one of them sets it for the judge as well.
SETTINGS: dict[str, Callable[[], Any]] = {
    "the default dtype": torch.get_default_dtype,
    "the default device": torch.get_default_device,
    "grad mode": torch.is_grad_enabled,
    "inference mode": torch.is_inference_mode_enabled,
    "the number of function modes": torch._C._len_torch_function_stack,
    "the number of dispatch modes": torch._C._len_torch_dispatch_stack,
}


def settings() -> dict[str, Any]:
    """The settings that a subject must leave alone while it is imported."""
    return {name: read() for name, read in SETTINGS.items()}


TORCH = os.path.dirname(torch.__file__)
COMPILER = (os.path.join(TORCH, "_dynamo"), os.path.join(TORCH, "_compile"))


def wrapped_by_compiler(now: Any) -> bool:
    """Whether it is a wrapper of Dynamo's, which puts some around torch's own functions."""
    code = getattr(now, "__code__", None)
    return code is not None and code.co_filename.startswith(COMPILER)


def replaced() -> list[str]:
    """The callables of torch that are not its own any more; its own are put back.

    In a class a new one counts as well: it hides what the class inherits.
    """
    found = []
    for path, own in originals().items():
        space = SPACES[path]
        now = vars(space)
        for name in [name for name, function in own.items() if now.get(name) is not function]:
            if not wrapped_by_compiler(now.get(name)):
                found.append(f"{path}.{name}")
                setattr(space, name, own[name])
        new = now.keys() - own.keys() if inspect.isclass(space) else ()
        for name in sorted(name for name in new if callable(now[name])):
            found.append(f"{path}.{name}")
            delattr(space, name)
    return found
