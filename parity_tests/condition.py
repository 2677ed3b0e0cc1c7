"""Conditions as data: a small expression language over a call, parsed and never evaluated as code.

A file of known faults is data that people share, so a condition can look at the call and nothing
else. It has comparisons, ``and``, ``or``, ``not``, arithmetic without powers, the call's arguments
by name, the fields of its tensors' recipes, the predicates of ``regions`` and a few functions:

    len(input.shape) > 3 and input.layout != "contiguous"
    call.arguments.get("mode") == "area" or not_finite(call)
    any(len(r.shape) > 1 for r in call.recipes().values())
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from parity_tests.op import Call
from parity_tests.recipe import Recipe

Names = Mapping[str, Any]

LONGEST = 1000  # characters of a condition
FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (abs, all, any, len, max, min, sum)
}
# What may follow a dot, and on what.
FIELDS = {Recipe: {f.name for f in fields(Recipe)}, Call: {f.name for f in fields(Call)}}
METHODS = {Call: {"recipes"}, dict: {"get", "items", "keys", "values"}}
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


class BadCondition(Exception):
    """The text is no condition; the message says what is wrong with it."""


@cache
def parsed(text: str) -> ast.expr:
    """The condition's tree, checked to hold only what a condition may have."""
    if len(text) > LONGEST:
        raise BadCondition(f"a condition has at most {LONGEST} characters, got {len(text)}")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadCondition(f"{text!r} is no expression: {error}") from error
    for node in ast.walk(tree):
        if type(node) not in (*VALUES, *OPERATORS, *PARTS):
            raise BadCondition(f"{text!r}: a condition has no {type(node).__name__}")
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Name | ast.Attribute):
            raise BadCondition(f"{text!r}: only functions that have a name can be called")
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            raise BadCondition(f"{text!r}: .{node.attr} is private")
    return tree


def holds(text: str, names: Names) -> bool:
    """Whether the condition is true of a call, given what its names stand for."""
    return bool(value(parsed(text), names))


def value(node: ast.expr, names: Names) -> Any:
    """An expression's value."""
    return VALUES[type(node)](node, names)


def together(node: ast.BoolOp, names: Names) -> bool:
    """``and`` and ``or``, which look no further than they need."""
    quantifier = all if isinstance(node.op, ast.And) else any
    return quantifier(value(each, names) for each in node.values)


def listed(node: ast.Tuple | ast.List, names: Names) -> tuple[Any, ...]:
    """A tuple; lists are tuples as well."""
    return tuple(value(each, names) for each in node.elts)


def named(name: str, names: Names) -> Any:
    """What a name stands for."""
    if name in names:
        return names[name]
    raise BadCondition(f"unknown name {name!r}")


def calculated(node: ast.BinOp, names: Names) -> Any:
    """Arithmetic of numbers: repeated strings and lists could fill the memory."""
    sides = value(node.left, names), value(node.right, names)
    if not all(isinstance(side, int | float) for side in sides):
        raise TypeError(f"arithmetic is for numbers, got {sides}")
    return OPERATORS[type(node.op)](*sides)


def compared(node: ast.Compare, names: Names) -> bool:
    """A comparison, or a chain of them."""
    sides = [value(each, names) for each in (node.left, *node.comparators)]
    return all(
        OPERATORS[type(op)](a, b) for op, a, b in zip(node.ops, sides, sides[1:], strict=False)
    )


def field_of(owner: Any, name: str) -> Any:
    """A field of a recipe or a call."""
    if name in FIELDS.get(type(owner), ()):
        return getattr(owner, name)
    raise AttributeError(f"a {type(owner).__name__} has no field {name!r}")


def index(node: ast.expr, names: Names) -> Any:
    """What stands in brackets."""
    if not isinstance(node, ast.Slice):
        return value(node, names)
    bounds = (node.lower, node.upper, node.step)
    return slice(*(None if b is None else value(b, names) for b in bounds))


def each_of(node: ast.GeneratorExp, names: Names) -> Iterator[Any]:
    """The values of ``expression for name in values if condition``."""
    if len(node.generators) > 1:
        raise BadCondition("a condition has no nested loops")
    (loop,) = node.generators
    for item in value(loop.iter, names):
        own = {**names, **bound_to(loop.target, item)}
        if all(value(condition, own) for condition in loop.ifs):
            yield value(node.elt, own)


def bound_to(target: ast.expr, item: Any) -> dict[str, Any]:
    """The loop's names and what they stand for."""
    if not isinstance(target, ast.Tuple):
        return {target.id: item}  # type: ignore[attr-defined]
    return {
        k: v
        for t, part in zip(target.elts, item, strict=True)
        for k, v in bound_to(t, part).items()
    }


def called(node: ast.Call, names: Names) -> Any:
    """A call of one of the functions, of a predicate, or of a method that only looks."""
    given = [value(each, names) for each in node.args]
    options = {each.arg: value(each.value, names) for each in node.keywords if each.arg}
    if isinstance(node.func, ast.Name):
        return named(node.func.id, {**names, **FUNCTIONS})(*given, **options)
    assert isinstance(node.func, ast.Attribute)
    owner, name = value(node.func.value, names), node.func.attr
    if name in METHODS.get(type(owner), ()):
        return getattr(owner, name)(*given, **options)
    raise AttributeError(f"a {type(owner).__name__} has no method {name!r}")


VALUES: dict[type[ast.AST], Callable[[Any, Names], Any]] = {
    ast.Constant: lambda node, _: node.value,
    ast.Name: lambda node, names: named(node.id, names),
    ast.Tuple: listed,
    ast.List: listed,
    ast.BoolOp: together,
    ast.UnaryOp: lambda node, names: OPERATORS[type(node.op)](value(node.operand, names)),
    ast.BinOp: calculated,
    ast.Compare: compared,
    ast.Attribute: lambda node, names: field_of(value(node.value, names), node.attr),
    ast.Subscript: lambda node, names: value(node.value, names)[index(node.slice, names)],
    ast.GeneratorExp: each_of,
    ast.Call: called,
}
# What these are made of.
PARTS = (ast.And, ast.Or, ast.Load, ast.Store, ast.Slice, ast.keyword, ast.comprehension)
