"""A failure outside the suite: one command that replays it, and a script that needs no suite.

Neither depends on Hypothesis: the case is the call itself, as JSON.
"""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isfinite, prod
from typing import Any

import torch
from torch import Tensor

from parity_tests import experiments, kinds, recipe, subjects
from parity_tests.checks import CHECKS
from parity_tests.expectations import Expectation
from parity_tests.modes import MODES, PLAIN, Mode, wanted_names
from parity_tests.op import Call, Op, from_json, to_json
from parity_tests.ops import named
from parity_tests.recipe import FILLS, LAYOUTS, OVERLAPPING, STATES, Recipe
from parity_tests.search import run_check
from parity_tests.spelling import Spelling
from parity_tests.subjects.adapter import Adapter
from parity_tests.trial import Trial, cotangent_recipe

DIFFERENTIATING = ("gradients", "second")  # the checks whose scripts need cotangents
# The checks whose departures show where the subject's results stand beside torch's.
SHOWN = ("forward", "gradients", "second", "buffers", "tf32", "errors")
LITERAL = 64  # elements: more are made by NumPy in the script, as they were in the suite
UNSIGNED = f"UNSIGNED = {recipe.UNSIGNED}"  # as the fills' sources want it
MADE = """
def made(fill, shape, seed, dtype):
    def numbers(seed):
        random = np.random.Generator(np.random.PCG64(seed))
        values = fill(random, shape, dtype)
        return torch.from_numpy(np.asarray(np.abs(values) if dtype in UNSIGNED else values))

    both = torch.complex(numbers(seed), numbers(seed + 1)) if dtype.is_complex else numbers(seed)
    return both.to(dtype)
"""


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
    """One line for a shell that needs no file: the whole case is in it."""
    case = json.dumps(case_of(trial), separators=(",", ":"))
    return f"python -m parity_tests replay {shlex.quote(case)}"


def script(trial: Trial, details: Mapping[str, Any] | None = None) -> str:
    """A Python script of the case with torch, numpy and the subject alone.

    ``details`` are those of the departure: what the literal definition says of the worst element.
    What two results side by side do not show, the suite must show.
    """
    name, subject = trial.op.name, trial.subject
    adapted = any(isinstance(space, Adapter) for space in subject.namespaces)
    if adapted or not (subject.is_torch or trial.check in SHOWN):
        return suites_script(trial)
    module, _, attribute = subject.name.partition(":")
    torchs = torch_path(trial)
    over = cotangents(trial) if trial.check in DIFFERENTIATING else {}
    mode = next((m for m in MODES if m.name == (details or {}).get("mode")), PLAIN)
    ours = torchs if subject.is_torch else ".".join(filter(None, (module, attribute, name)))
    defined, target = renamed(ours, trial.op.spelling(trial.target))
    lines = [
        f'"""{name}, {trial.check}: {subject.name} against torch in double precision."""',
        "",
        "import math",
        "",
        "import numpy as np",
        "import torch",
        *(f"import {m}" for m in sorted({module, torchs.rpartition(".")[0]}) if "torch" not in m),
        "",
        *layouts_used(trial.call),
        *fills_used([*trial.call.recipes().values(), *over.values()]),
        *([] if trial.onednn else ["torch.backends.mkldnn.set_flags(False)"]),
        *cuda_settings(trial),
        f"dtype = torch.{str(trial.dtype).removeprefix('torch.')}",
        "tensors = {",
        *(f"    {key!r}: {tensor_code(r, trial)}," for key, r in trial.call.recipes().items()),
        "}",
        *cotangent_code(over, trial),
        "",
        "",
        *runner(trial, over, mode),
        "",
        "",
        "def exactly(t):",
        "    wide = torch.complex128 if t.is_complex() else torch.float64",
        "    exact = t.to(wide) if t.is_floating_point() or t.is_complex() else t",
        "    return exact.cpu().contiguous().clone()",
        "",
        "",
        "def copied(t):",
        "    if 0 in t.stride():",
        "        return t.detach()",
        "    new = torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=t.device)",
        "    return new.copy_(t)",
        "",
        "",
        "def attempt(target, convert):",
        "    try:",
        *(
            [f"        with {mode.context}:", "            return run(target, convert)"]
            if mode.context
            else ["        return run(target, convert)"]
        ),
        "    except Exception as error:",
        "        return repr(error)",
        *defined,
        "",
        "",
        f"got = attempt({target}, copied)",
        f"expected = attempt({torchs}, exactly)",
        'print("got", got, "expected", expected, sep="\\n")',
        "if not isinstance(got, str) and not isinstance(expected, str):",
        "    for a, b in zip(got, expected):",
        '        print("difference", a.cpu() - b, sep="\\n")',
        *definition_code(details or {}),
    ]
    return "\n".join(lines) + "\n"


def suites_script(trial: Trial) -> str:
    """A Python script of the case that asks the suite."""
    case = json.dumps(case_of(trial), separators=(",", ":"))
    lines = [
        f'"""{trial.op.name}, {trial.check}: {trial.subject.name}, judged by the suite."""',
        "",
        "from parity_tests.case_files import read",
        "from parity_tests.reproduce import replay",
        "",
        f"replay(read({case!r}))  # raises what departs",
    ]
    return "\n".join(lines) + "\n"


def cuda_settings(trial: Trial) -> list[str]:
    """What ``trial.on_cuda`` sets, as source."""
    if trial.device != "cuda":
        return []
    allowed = trial.check == "tf32"
    return [
        f"torch.backends.cudnn.enabled = {trial.cudnn}",
        f"torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = {allowed}",
    ]


def definition_code(details: Mapping[str, Any]) -> list[str]:
    """What the worst element should be, which even torch in double precision may not say."""
    party = "expected" if details.get("kind") == "oracle" else "got"  # torch in double precision
    if details.get("shape") is not None:
        what, value = "the shape", str(tuple(details["shape"]))
        found = f"tuple({party}[0].shape)"
    elif details.get("definition") is not None and "position" in details:
        what = f"{details['result']}{list(details['index'])}"
        number = details["definition"]
        value = f"complex({number!r})" if isinstance(number, str) else code("", number)
        index = "".join(f"[{i}]" for i in details["index"])
        found = f"{party}[{details['position']}]{index}.item()"
    else:
        return []
    return [
        f"defined = {value}",
        f"if not isinstance({party}, str):",
        f"    found = {found}",
        f'    print("{what}:", found, "by definition", defined)',
    ]


def cotangent_code(over: Mapping[str, Recipe], trial: Trial) -> list[str]:
    """The cotangents that the check used, as source."""
    if trial.check not in DIFFERENTIATING:
        return []
    lines = (f"    {n!r}: {tensor_code(r, trial)}," for n, r in over.items())
    return ["cotangents = {", *lines, "}"]


def cotangents(trial: Trial) -> dict[str, Recipe]:
    """The recipes of all cotangents, found by running the check's experiment in double."""
    made: dict[str, Recipe] = {}

    def remember(name: str, output: Tensor) -> Tensor:
        made[name] = cotangent_recipe(trial.call, name, output, trial.dtype)
        return made[name].tensor(double).to(output.dtype)

    double = torch.complex128 if trial.dtype.is_complex else torch.float64
    inputs = {name: t.contiguous() for name, t in trial.call.tensors(double).items()}
    run = experiments.second if trial.check == "second" else experiments.gradients
    with suppress(Exception):  # torch may take the call and fail to differentiate it
        run(trial.op, trial.oracle, trial.call, inputs, remember)
    return made


def torch_path(trial: Trial) -> str:
    """Where torch's callable is found."""
    if trial.op.reference is not None:
        return f"{trial.op.reference.__module__}.{trial.op.reference.__qualname__}"
    homes = {"torch.nn.functional": torch.nn.functional, "torch.nn": torch.nn}
    home = next((n for n, space in homes.items() if hasattr(space, trial.op.name)), "torch.nn.init")
    return f"{home}.{trial.op.name}"


def runner(trial: Trial, over: Mapping[str, Recipe], mode: Mode) -> list[str]:
    """The function ``run(target, convert)`` of the script."""
    call = trial.call
    differentiated = trial.check in DIFFERENTIATING
    lines = [
        "def run(target, convert):",
        "    t = {name: convert(x) for name, x in tensors.items()}",
        *states_given("t", trial.call.recipes(), call.wanted),
        *mode_code(mode, call),
    ]
    if differentiated:
        lines += [
            "    c = {name: convert(x) for name, x in cotangents.items()}",
            *states_given("c", over),
            f"    wanted = [t[name].requires_grad_() for name in {list(call.wanted)}]",
        ]
    lines += called(trial)
    if differentiated:
        named = [name for name in over if not name.startswith("of gradient of ")]
        lines += [
            "    outputs = list(output) if isinstance(output, tuple) else [output]",
            "    smooth = [o for o in outputs if o.is_floating_point() or o.is_complex()]",
            f"    over = [c[name] for name in {named}]",
        ]
    if trial.check == "gradients":
        return [
            *lines,
            "    grads = torch.autograd.grad(smooth, wanted, over, allow_unused=True)",
            "    there = [torch.tensor(int(g is not None)) for g in grads]",
            "    grads = [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, grads)]",
            "    return [o.detach() for o in outputs] + grads + there",
        ]
    if trial.check == "second":
        later = ", ".join(f"c['of gradient of {name}']" for name in call.wanted)
        return [
            *lines,
            "    over = [o.requires_grad_() for o in over]",
            "    options = {'materialize_grads': True}",
            "    first = torch.autograd.grad(smooth, wanted, over, create_graph=True, **options)",
            f"    second = torch.autograd.grad(first, [*wanted, *over], [{later}], **options)",
            "    return [x.detach() for x in (*outputs, *first, *second)]",
        ]
    return lines


def mode_code(mode: Mode, call: Call) -> list[str]:
    """What ``mode.given`` does to the tensors, as source."""
    names = f"    for name in {wanted_names(call)}:"
    if mode.requires_grad:
        return [names, "        t[name].requires_grad_()"]
    if mode.tangents:
        dual = "torch.autograd.forward_ad.make_dual(t[name], torch.ones_like(t[name]))"
        return [names, f"        t[name] = {dual}"]
    return []


def called(trial: Trial) -> list[str]:
    """The lines that call the target, once or for every step."""
    call, op = trial.call, trial.op
    names = op.parameters.parameters if op.is_module else {}
    passed = op.passed(trial.target, dict(call.arguments))
    shown = {
        k: code(k, v, call.kinds.get(k))
        for k, v in passed.items()
        if call.kinds.get(k) != kinds.LEFT_OUT
    }
    built = ", ".join(f"{k}={v}" for k, v in shown.items() if k in names)
    given = {k: v for k, v in shown.items() if k not in names}
    handed = handed_over(op, given)
    lines = [f"    module = target({built})"] if op.is_module else []
    for key in call.state:
        owner, _, slot = key.rpartition(".")
        part = f"module.get_submodule({owner!r})" if owner else "module"
        lines += [
            f"    part = {part}",
            f"    slots = (part._parameters, part._buffers)[{slot!r} in part._buffers]",
            f"    slots[{slot!r}] = t[{key!r}]",
        ]
    function = "target"
    if op.is_module:
        lines += [f"    module.train({call.training})"]
        function = "module"
    if trial.check != "buffers":
        lines += [f"    output = {function}({handed})"]
        if trial.check in DIFFERENTIATING:
            return lines
        return [*lines, "    return list(output) if isinstance(output, tuple) else [output]"]
    lines += ["    results = []"]
    held = "dict(module.named_buffers())" if op.is_module else "t"
    for i, step in enumerate(call.steps, start=1):
        changed = {k: repr(v) for k, v in step.items() if k in given}
        arguments = given | changed | {"input": f"t['step {i} input']"}
        if op.is_module:
            lines += action_code(step["action"])
        handed = handed_over(op, arguments)
        lines += [
            f"    results.append({function}({handed}).detach())",
            f"    held = {held}",
            f"    results += [held[b].clone() for b in {list(op.buffers)} if b in held]",
        ]
    return [*lines, "    return results"]


def handed_over(op: Op, arguments: Mapping[str, str]) -> str:
    """Arguments as source: a function's by name, a layer's by place, as people write them."""
    return ", ".join(v if op.is_module else f"{k}={v}" for k, v in arguments.items())


def renamed(ours: str, how: Spelling) -> tuple[list[str], str]:
    """The subject as one that takes torch's names of parameters: what defines it, and its name."""
    if how.is_torchs:
        return [], ours
    return [
        "",
        "",
        "def renamed(**given):",
        f"    names = {how.own}",
        "    own = {names.get(name, name): value for name, value in given.items()}",
        f"    first = [own.pop(name) for name in {list(how.first)} if name in own]",
        f"    return {ours}(*first, **own)",
    ], "renamed"


def action_code(action: str) -> list[str]:
    """What happens to a module before a step, as source; see ``experiments.act``."""
    name, _, value = action.partition("=")
    if value:
        return [f"    module.{name} = {value}"]
    if name == "load_state_dict":
        return [
            "    state = module.state_dict()",
            "    state.update({k: convert(tensors[k]) for k in state})",
            "    module.load_state_dict(state)",
        ]
    return [f"    module.{name}()"]


def code(name: str, value: Any, kind: str | None = None) -> str:
    """An argument as source: a tensor by its place in ``t``, a number in its kind."""
    if kind is not None:
        return kinds.source(kind, value)
    if isinstance(value, float) and not isfinite(value):
        return f"float({str(value)!r})"
    return f"t[{name!r}]" if isinstance(value, Recipe) else repr(value)


def states_given(
    names: str, recipes: Mapping[str, Recipe], wanted: Sequence[str] = ()
) -> list[str]:
    """The lines that put the subject's tensors into their states, and let some share memory."""
    states = [(name, one.state) for name, one in recipes.items() if one.state]
    lines = [f"        {names}[{name!r}] = {state}({names}[{name!r}])" for name, state in states]
    for name, one in recipes.items():
        if one.same_as:
            alone = ".detach()" if name in wanted else ""
            lines.append(f"        {names}[{name!r}] = {names}[{one.same_as!r}]{alone}")
    return ["    if convert is copied:", *lines] if lines else []


def layouts_used(call: Call) -> list[str]:
    """The source of the layouts and the states that the call's tensors have."""
    recipes = (*call.recipes().values(), call.cotangent)
    used = {r.layout for r in recipes if not (r.written and r.layout in OVERLAPPING)}
    functions = [LAYOUTS[layout] for layout in sorted(used - {"contiguous"})]
    functions += [STATES[state] for state in sorted({r.state for r in recipes if r.state})]
    lines = ["from torch import Tensor", ""] if functions else []
    for function in functions:
        lines += ["", *inspect.getsource(function).rstrip().splitlines(), ""]
    return lines


def fills_used(recipes: Iterable[Recipe]) -> list[str]:
    """The source of the fills that make the larger tensors, and of what these call."""
    large = [r for r in recipes if prod(r.shape) > LITERAL and r.values is None]
    wanted: dict[str, Callable[..., Any]] = {}
    met: set[str] = set()

    def want(function: Callable[..., Any]) -> None:
        met.add(function.__name__)
        for name in function.__code__.co_names:
            called = vars(recipe).get(name)
            if inspect.isfunction(called) and name not in met:
                want(called)
        wanted[function.__name__] = function

    for name in sorted({r.fill for r in large}):
        want(FILLS[name])
    if not wanted:
        return []
    sources = [inspect.getsource(f).rstrip() for f in wanted.values()]
    lines = "\n\n\n".join(["Array = np.ndarray", UNSIGNED, *sources]).splitlines()
    return [*lines, "", *MADE.splitlines(), "", ""]


def tensor_code(recipe: Recipe, trial: Trial) -> str:
    """An expression that makes the tensor: its numbers if they are few, else a way to draw them."""
    plain = replace(recipe, layout="contiguous", state=None).tensor(trial.dtype)
    dtype = "dtype" if recipe.dtype is None else f"torch.{recipe.dtype}"
    if plain.numel() <= LITERAL:
        numbers = repr(plain.tolist()).replace("nan", "math.nan").replace("inf", "math.inf")
        made = f"torch.tensor({numbers}, dtype={dtype}).reshape({tuple(plain.shape)})"
    else:
        made = f"made({recipe.fill}, {recipe.shape}, {recipe.seed}, {dtype})"
    made += ".cuda()" if trial.device == "cuda" else ""
    overlaps = recipe.written and recipe.layout in OVERLAPPING
    return made if overlaps or recipe.layout == "contiguous" else f"{recipe.layout}({made})"
