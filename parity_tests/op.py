"""The declaration of an operator, and the call: everything the suite knows about either.

An operator is declared once, as an :class:`Op`. Every check, every row of the report and every row
of the table of operators in the docs follows from the declarations.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from parity_tests import kinds
from parity_tests.recipe import Recipe
from parity_tests.spelling import Spelling, spelled, spelling

if TYPE_CHECKING:
    from parity_tests.strategies import Draw

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Call:
    """One call of an operator, as data: nothing in it depends on a device, a dtype or a subject.

    ``arguments`` go to the function, or to a module's constructor and its ``forward``; ``state``
    holds a module's parameters and buffers; ``wanted`` names the tensors to differentiate by.
    ``steps`` are repeated calls on the same state, for operators that keep running statistics: each
    has an ``input`` of its own, and what is done or passed before it.
    """

    arguments: Mapping[str, Any]
    state: Mapping[str, Recipe] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()
    cotangent: Recipe = field(default_factory=lambda: Recipe(()))
    steps: tuple[Mapping[str, Any], ...] = ()
    training: bool = True  # a module's mode
    kinds: Mapping[str, str] = field(default_factory=dict)  # how numbers are given: see kinds.py

    def recipes(self) -> dict[str, Recipe]:
        """The tensors of the call by name, state included."""
        return dict(self._recipes)

    @cached_property
    def _recipes(self) -> dict[str, Recipe]:
        drawn = {k: v for k, v in self.arguments.items() if isinstance(v, Recipe)}
        later = {f"step {i} input": step["input"] for i, step in enumerate(self.steps, start=1)}
        return drawn | dict(self.state) | later

    def tensors(self, dtype: torch.dtype, device: str = "cpu") -> Tensors:
        """Fresh tensors for every recipe.

        Tensors that share memory are one object, or where both are differentiated by, two leaves.
        """
        recipes = self.recipes()
        made = {n: r.tensor(dtype, device) for n, r in recipes.items() if r.same_as not in recipes}
        for name, recipe in recipes.items():
            if name not in made:
                shared = made[str(recipe.same_as)]
                made[name] = shared.detach() if name in self.wanted else shared
        return {name: made[name] for name in recipes}

    def share(self, n: int, purpose: str) -> int:
        """A number below n, always the same for the same call and purpose.

        Shares of different purposes are independent of each other.
        """
        text = f"{purpose} {self.cotangent.seed}".encode()
        # Not crc32: it is linear, so that its values of two purposes differ by a constant.
        return int.from_bytes(hashlib.blake2s(text, digest_size=4).digest(), "big") % n

    def one_in(self, n: int, purpose: str) -> bool:
        """True for one in n calls, always the same ones."""
        return self.share(n, purpose) == 0

    def with_recipes(self, change: Callable[[str, Recipe], Recipe]) -> Call:
        """The same call with every recipe, the cotangent's included, passed through ``change``."""
        return replace(
            self,
            arguments={
                k: change(k, v) if isinstance(v, Recipe) else v for k, v in self.arguments.items()
            },
            state={k: change(k, v) for k, v in self.state.items()},
            steps=tuple(
                {**step, "input": change(f"step {i} input", step["input"])}
                for i, step in enumerate(self.steps, start=1)
            ),
            cotangent=change("cotangent", self.cotangent),
        )

    def __str__(self) -> str:
        shown = {**self.arguments, **{f"state {k}": v for k, v in self.state.items()}}
        text = ", ".join(f"{k}={v}" for k, v in shown.items())
        text += "" if self.training else "; in eval mode"
        text += "".join(f"; {k} given as {kind}" for k, kind in self.kinds.items())
        for i, step in enumerate(self.steps, start=1):
            text += f"; step {i}: " + ", ".join(f"{k}={v}" for k, v in step.items())
        return text


@dataclass(frozen=True)
class Bad:
    """A good call made bad: ``edit`` returns the arguments to replace, or None where it cannot."""

    argument: str
    what: str
    edit: Callable[[Call], Mapping[str, Any] | None]
    tripping: bool = False  # torch's own code trips over it: with which exception is an accident


def anything_goes(_: Mapping[str, Any]) -> bool:
    """No combination of levels is impossible."""
    return True


@dataclass(frozen=True, kw_only=True, eq=False)  # one object per operator: hashed by identity
class Op:
    """An operator: what it is called, what calls it takes, and what it computes.

    The subject's callable is found by ``name``: lower case in torch.nn.functional's way,
    capitalised in torch.nn's, with a trailing underscore also in torch.nn.init's.
    """

    name: str
    signature: str  # as torch documents it; its built-ins cannot be inspected
    definition: Callable[..., Any]  # the literal definition, see parity_tests/definitions
    draw: Callable[[Draw], Call]
    differentiable: tuple[str, ...]
    dtypes: tuple[torch.dtype, ...]
    order: int = 2  # of derivative compared with torch
    buffers: tuple[str, ...] = ()  # tensors the operator updates in place
    levels: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    feasible: Callable[[Mapping[str, Any]], bool] = anything_goes  # of a choice of levels
    bad: tuple[Bad, ...] = ()
    pinned: tuple[Call, ...] = ()
    primitives: tuple[str, ...] = ()  # ATen operators it may call beyond the common list
    classes: tuple[Any, ...] = ()  # of inputs, beside those that follow from the signature
    # Classes that torch takes and that are not asked for: by parameter and name, with the reason.
    without: Mapping[tuple[str, str], str] = field(default_factory=dict)
    relations: tuple[Callable[..., Any], ...] = ()  # promised by mathematics, see relations.py
    reference: Callable[..., Any] | None = None  # torch's composition, where it has no such name
    # What tells the truth about torch in that dtype, where torch in float64 does not: it selects
    # other elements (nearest), or draws other random numbers.
    oracle: Callable[[torch.dtype], Callable[..., Any]] | None = None

    @property
    def is_module(self) -> bool:
        return self.name[0].isupper()

    def written(self, call: Call) -> tuple[str, ...]:
        """The arguments that the call writes to, by torch's naming: ``out``, or its input.

        Buffers are another matter: those it keeps up to date beside its outputs.
        """
        written = []
        if call.arguments.get("out") is not None:
            written.append("out")
        if call.arguments.get("inplace") is True or self.name.endswith("_"):
            written += list(call.recipes())[:1]  # none in a bad call
        return tuple(written)

    @cached_property
    def parameters(self) -> inspect.Signature:
        """The declared signature, parsed."""
        return signature_of(self.signature)

    def instance(
        self, target: Callable[..., Any], call: Call, tensors: Tensors
    ) -> tuple[Callable[..., Any], dict[str, Any]]:
        """What to call, and with which arguments: a module is built and given its state first."""
        drawn = call.arguments.items()
        arguments = {k: tensors[k] if isinstance(v, Recipe) else v for k, v in drawn}
        arguments = as_given(arguments, call.kinds)
        for name in self.written(call):
            # Autograd forbids writing to a leaf. Initialisers may: they record nothing.
            if self.differentiable and arguments[name].requires_grad:
                arguments[name] = arguments[name].clone()
        own = spelled(target, self.spelling(target))
        if not self.is_module:
            return own, self.passed(target, arguments)
        constructor = {k: v for k, v in arguments.items() if k in self.parameters.parameters}
        module = own(**self.passed(target, constructor))
        install(module, {name: tensors[name] for name in call.state})
        module.train(call.training)
        given = {k: v for k, v in arguments.items() if k not in constructor}
        how = spelling(type(module).forward, ("self", *given))
        if how.own:
            module.forward = spelled(module.forward, replace(how, first=()))
        return module, given

    def spelling(self, target: Callable[..., Any]) -> Spelling:
        """How a function, or a module's constructor, spells the parameters."""
        return spelling(target, tuple(self.parameters.parameters))

    def passed(self, target: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments without those that the target lacks, where they have torch's default.

        A layer without ``bias`` is right in every call without one. It fails with other values.
        """
        takes = self.spelling(target).takes
        if takes is None or takes >= arguments.keys():
            return arguments
        return {k: v for k, v in arguments.items() if k in takes or not self.is_default(k, v)}

    def within(self, target: Callable[..., Any], call: Call) -> Call:
        """The call with the defaults of the parameters that a function lacks.

        So it is judged for what it computes. That it lacks them is told by ``contract``.
        """
        takes, declared = self.spelling(target).takes, self.parameters.parameters
        if self.is_module or takes is None or takes >= call.arguments.keys():
            return call
        defaults = {
            name: declared[name].default
            for name in call.arguments
            if name not in takes and declared[name].default is not inspect.Parameter.empty
        }
        arguments = {**call.arguments, **defaults}
        there = [n for n in self.differentiable if isinstance(arguments.get(n), Recipe)]
        wanted = tuple(n for n in call.wanted if n not in defaults) or tuple(there[:1])
        given = {k: v for k, v in call.kinds.items() if k not in defaults}
        return replace(call, arguments=arguments, wanted=call.wanted and wanted, kinds=given)

    def is_default(self, name: str, value: Any) -> bool:
        """Whether it is the parameter's default, as whatever kind of number."""
        parameter = self.parameters.parameters.get(name)
        default = inspect.Parameter.empty if parameter is None else parameter.default
        if isinstance(value, Recipe):  # a tensor in a call that is only written down
            return False
        if isinstance(value, Tensor) or hasattr(value, "shape"):  # a number, or several
            value = value.item() if value.shape == () else value
        return isinstance(value, type(default)) and bool(value == default)

    def run(self, target: Callable[..., Any], call: Call, tensors: Tensors) -> Any:
        """The call's result."""
        function, arguments = self.instance(target, call, tensors)
        return function(**arguments)

    def __repr__(self) -> str:
        return f"Op({self.name})"


def as_given(arguments: dict[str, Any], by: Mapping[str, str]) -> dict[str, Any]:
    """Plain numbers in the kinds that the call names; what is left out is not passed."""
    if not by:
        return arguments
    return {
        k: kinds.given(by[k], v) if k in by else v
        for k, v in arguments.items()
        if by.get(k) != kinds.LEFT_OUT
    }


def install(module: nn.Module, state: Tensors) -> None:
    """Put tensors where parameters and buffers were, without wrapping or copying them.

    Not ``load_state_dict``, which copies: gradients are wanted with respect to these very tensors,
    and their layout is part of the test.
    """
    for path, tensor in state.items():
        owner, _, name = path.rpartition(".")
        part = module.get_submodule(owner)
        if name in part._parameters:
            part._parameters[name] = tensor  # type: ignore[assignment]  # a plain leaf, on purpose
        else:
            part._buffers[name] = tensor


def signature_of(text: str) -> inspect.Signature:
    """Parse ``"(input, weight, bias=None, *, groups=1)"``."""
    scope: dict[str, Any] = {"inf": math.inf}
    exec(f"def declared{text}: ...", scope)  # the text is the declaration's own, never a user's
    return inspect.signature(scope["declared"])


# --- Calls as JSON, so that a replay depends on neither Hypothesis's version nor its database ---


def to_json(value: Any) -> Any:
    """A call, a recipe or a plain value as JSON types; tuples and dtypes are tagged."""
    match value:
        case Call() | Recipe():
            defaults = type(value)(()) if isinstance(value, Recipe) else type(value)({})
            kept = {
                f.name: to_json(getattr(value, f.name))
                for f in fields(value)
                if getattr(value, f.name) != getattr(defaults, f.name)
            }
            return {"is": type(value).__name__.lower(), **kept}
        case tuple():
            return {"is": "tuple", "of": [to_json(v) for v in value]}
        case list():
            return [to_json(v) for v in value]
        case Mapping():
            return {k: to_json(v) for k, v in value.items()}
        case float() if not math.isfinite(value):
            return {"is": "float", "of": str(value)}
        case torch.dtype():
            return {"is": "dtype", "of": str(value).removeprefix("torch.")}
        case _:
            return value


def from_json(value: Any) -> Any:
    """The inverse of :func:`to_json`."""
    if isinstance(value, list):
        return [from_json(v) for v in value]
    if not isinstance(value, dict):
        return value
    parts = {k: from_json(v) for k, v in value.items() if k != "is"}
    match value.get("is"):
        case "call":
            return Call(**({"arguments": {}} | parts))
        case "recipe":
            return Recipe(**({"shape": ()} | parts))
        case "tuple":
            return tuple(parts["of"])
        case "float":
            return float(parts["of"])
        case "dtype":
            return getattr(torch, parts["of"])
        case _:
            return parts
