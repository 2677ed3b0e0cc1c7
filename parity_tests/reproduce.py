"""A failure outside the suite: one command that replays it, and a script that needs no suite.

Neither depends on Hypothesis: the case is the call itself, as JSON.
"""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from parity_tests import recipe as recipes
from parity_tests import subjects
from parity_tests.checks import CHECKS
from parity_tests.expectations import Expectation
from parity_tests.op import Call, from_json, to_json
from parity_tests.ops import named
from parity_tests.recipe import LAYOUTS, Recipe
from parity_tests.search import run_check
from parity_tests.verdict import Trial

LITERAL = 64  # elements: more are made by NumPy in the script, as they were in the suite


def case_of(trial: Trial) -> dict[str, Any]:
    """Everything that makes the trial this one, as JSON types."""
    return {
        "op": trial.op.name,
        "check": trial.check,
        "subject": trial.subject.name,
        "dtype": str(trial.dtype).removeprefix("torch."),
        "device": trial.device,
        "regime": trial.regime,
        "call": to_json(trial.call),
    }


def trial_of(case: Mapping[str, Any], expectations: tuple[Expectation, ...] = ()) -> Trial:
    """The trial of a case, ready to be checked again."""
    return Trial(
        op=named(case["op"]),
        check=case["check"],
        call=from_json(case["call"]) if isinstance(case["call"], dict) else case["call"],
        subject=subjects.load(case.get("subject", "torch")),
        dtype=getattr(torch, case["dtype"]),
        device=case["device"],
        regime=case.get("regime", "ordinary"),
        expectations=expectations,
        thorough=True,
    )


def replay(trial: Trial) -> None:
    """Run the case's check once; raises what it raises."""
    run_check(next(check for check in CHECKS if check.name == trial.check), trial)


def command(trial: Trial) -> str:
    """One line for a shell."""
    case = json.dumps(case_of(trial), separators=(",", ":"))
    return f"python -m parity_tests replay {shlex.quote(case)}"


def script(trial: Trial) -> str:
    """A Python script of the case with torch, numpy and the subject alone."""
    call, name = trial.call, trial.op.name
    module, _, attribute = trial.subject.name.partition(":")
    lines = [f'"""{name}, {trial.check}: {trial.subject.name} against torch in float64."""', ""]
    lines += ["import math", "", "import numpy as np", "import torch"]
    ours = name
    if not trial.subject.is_torch:
        lines.append(f"import {module}")
        ours = ".".join(filter(None, (module, attribute, name)))
    torchs = f"torch.nn.{name}" if trial.op.is_module else f"torch.nn.functional.{name}"
    lines += ["", *layouts_used(call), f"dtype = torch.{str(trial.dtype).removeprefix('torch.')}"]
    for key, recipe in call.recipes().items():
        lines.append(f"{variable(key)} = {tensor_code(recipe, trial)}")
    lines += ["", "", *runner(trial), ""]
    mine = torchs if trial.subject.is_torch else ours
    lines += [f"got = run({mine}, lambda t: t.clone() if t.is_contiguous() else t)"]
    lines += [f"expected = run({torchs}, lambda t: t.double().contiguous())"]
    lines += [
        "for a, b in zip(got, expected):",
        '    print("got", a, "expected", b, "difference", a.double() - b, sep="\\n")',
    ]
    text = "\n".join(lines) + "\n"
    return text.replace(".double()", ".to(torch.complex128)") if trial.dtype.is_complex else text


def runner(trial: Trial) -> list[str]:
    """The function ``run(target, convert)`` of the script."""
    call, op = trial.call, trial.op
    names = op.parameters.parameters
    lines = ["def run(target, convert):", "    t = {"]
    lines += [f"        {key!r}: convert({variable(key)})," for key in call.recipes()]
    lines += ["    }"]
    if trial.check in ("gradients", "second"):
        lines += [f"    wanted = [t[name].requires_grad_() for name in {list(call.wanted)}]"]
    given = {k: v for k, v in call.arguments.items() if not (op.is_module and k in names)}
    passed = ", ".join(f"{k}={code(k, v)}" for k, v in given.items())
    if op.is_module:
        built = ", ".join(f"{k}={v!r}" for k, v in call.arguments.items() if k in names)
        lines += [f"    module = target({built})"]
        for key in call.state:
            lines += [
                f"    slots = (module._parameters, module._buffers)[{key!r} in module._buffers]",
                f"    slots[{key!r}] = t[{key!r}]",
            ]
        lines += [f"    output = module.train({call.training})({passed})"]
    else:
        lines += [f"    output = target({passed})"]
    if trial.check not in ("gradients", "second"):
        kept = ", ".join(f"t[{b!r}]" for b in op.buffers if b in call.recipes())
        return [*lines, f"    return [output, {kept}]" if kept else "    return [output]"]
    shape = replace(call.cotangent, shape=(0,), layout="contiguous")
    lines += [
        f"    random = np.random.Generator(np.random.PCG64({shape.seed}))",
        "    cotangent = torch.from_numpy(random.standard_normal(tuple(output.shape))).to(dtype)",
        "    return torch.autograd.grad(output, wanted, cotangent.to(output.dtype))",
    ]
    return lines


def variable(name: str) -> str:
    return name.replace(" ", "_")


def code(name: str, value: Any) -> str:
    """An argument as source: a tensor by its place in ``t``."""
    return f"t[{name!r}]" if isinstance(value, Recipe) else repr(value)


def layouts_used(call: Call) -> list[str]:
    """The source of the layouts that the call's tensors have."""
    used = {r.layout for r in call.recipes().values()} - {"contiguous"}
    lines = ["from torch import Tensor", "", ""] if used else []
    for layout in sorted(used):
        lines += [*inspect.getsource(LAYOUTS[layout]).rstrip().splitlines(), "", ""]
    return lines


def tensor_code(recipe: Recipe, trial: Trial) -> str:
    """An expression that makes the tensor."""
    plain = replace(recipe, layout="contiguous").tensor(trial.dtype)
    dtype = "dtype" if recipe.dtype is None else f"torch.{recipe.dtype}"
    if plain.numel() <= LITERAL:
        numbers = repr(plain.tolist()).replace("nan", "math.nan").replace("inf", "math.inf")
        made = f"torch.tensor({numbers}, dtype={dtype}).reshape({tuple(plain.shape)})"
    else:
        fill = recipes.FILLS[recipe.fill].__name__
        made = (
            f"torch.from_numpy(np.random.Generator(np.random.PCG64({recipe.seed}))"
            f".standard_normal({tuple(recipe.shape)})).to({dtype})"
        )
        made += "" if fill == "normal" else f"  # {fill} in the suite"
    return made if recipe.layout == "contiguous" else f"{recipe.layout}({made})"
