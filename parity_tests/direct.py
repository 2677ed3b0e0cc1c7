"""The suite from Python: one callable judged in a notebook, or in somebody's own test suite."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from parity_tests import expectations
from parity_tests.checks import CHECKS
from parity_tests.ops import OPS
from parity_tests.profiles import PROFILES
from parity_tests.run import chosen
from parity_tests.search import Cell, Outcome, Plan, examine
from parity_tests.subjects import Subject, subject_of
from parity_tests.subjects.adapter import Adapter

Implementation = Callable[..., Any]


@dataclass(frozen=True)
class Judged:
    """What the suite says of one operator: a row for each check and dtype."""

    op: str
    rows: tuple[tuple[Cell, Outcome], ...]

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing departs."""
        statuses = {outcome.status for _, outcome in self.rows}
        return bool(statuses - {"unsupported"}) and not statuses & {"fail", "not run"}

    @property
    def failures(self) -> tuple[str, ...]:
        """What departs, each with its minimal call."""
        return tuple(said(cell, o) for cell, o in self.rows if o.status in ("fail", "not run"))

    def __str__(self) -> str:
        lines = [f"{self.op}: {'PASS' if self.passed else 'FAIL'}"]
        lines += [f"  {cell.id}: {outcome.status}" for cell, outcome in self.rows]
        return "\n".join([*lines, *self.failures])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        head = "<tr><th>check<th>dtype<th>verdict<th>cases<th>worst error / bound<th>what is wrong"
        body = "".join(f"<tr>{''.join(cells_of(cell, o))}" for cell, o in self.rows)
        verdict = "PASS" if self.passed else "FAIL"
        return f"<p><b>{html.escape(self.op)}: {verdict}</b></p><table>{head}{body}</table>"


def cells_of(cell: Cell, outcome: Outcome) -> Iterator[str]:
    """The row's cells in HTML."""
    dtype = "" if cell.dtype is None else str(cell.dtype).removeprefix("torch.")
    wrong = said(cell, outcome) if outcome.status in ("fail", "not run") else ""
    cases, worst = sum(outcome.ledger.cases.values()), outcome.ledger.worst
    for value in (cell.check.name, dtype, outcome.status, cases, f"{worst:.3g}", wrong):
        yield f"<td style='text-align:left'>{html.escape(str(value))}"


def said(cell: Cell, outcome: Outcome) -> str:
    """What is wrong, in two lines at most."""
    call = "" if outcome.failure is None else f"\n    call: {outcome.failure.trial.call}"
    return f"{cell.id}: {outcome.reason}{call}"


def check_op(
    name: str,
    function: Implementation,
    *,
    adapter: Callable[[Any], Adapter] | None = None,
    checks: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    profile: str = "default",
    seed: int = 0,
) -> Judged:
    """Judge one implementation of torch's operator ``name``.

    ``adapter`` makes a subject of a namespace, where the function takes no tensors:
    ``check_op("relu", lambda input, inplace=False: np.maximum(input, 0), adapter=Adapter.numpy)``.

    Raises:
        ValueError: an unknown operator, check, dtype or profile.
    """
    subject = subject_named(name, function, adapter)
    plan = Plan(subject, profile_named(profile), seed, expectations.load())
    cells = cells_for(name, subject, checks, dtypes)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return Judged(name, tuple((cell, examine(cell, plan)) for cell in cells))
    finally:
        torch.set_num_threads(threads)


def parametrize_with_checks(
    implementations: Mapping[str, Implementation],
    *,
    adapter: Callable[[Any], Adapter] | None = None,
    checks: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    profile: str = "default",
    seed: int = 0,
) -> pytest.MarkDecorator:
    """A test for every cell of these implementations, by operator, in one's own test suite.

    ::

        @parametrize_with_checks({"conv2d": my_conv2d})
        def test_parity(check):
            check()
    """
    parameters = []
    for name, function in implementations.items():
        subject = subject_named(name, function, adapter)
        plan = Plan(subject, profile_named(profile), seed, expectations.load())
        parameters += [
            pytest.param(Test(cell, plan), id=cell.id)
            for cell in cells_for(name, subject, tuple(checks), tuple(dtypes))
        ]
    return pytest.mark.parametrize("check", parameters)


@dataclass(frozen=True)
class Test:
    """One cell, as a test calls it."""

    __test__ = False  # pytest need not look for tests in here
    cell: Cell
    plan: Plan

    def __call__(self) -> None:
        """Pass, skip what is not supported, or fail with what is wrong."""
        outcome = examine(self.cell, self.plan)
        if outcome.status == "unsupported":
            pytest.skip(outcome.reason)
        if outcome.status in ("fail", "not run"):
            pytest.fail(said(self.cell, outcome), pytrace=False)


def subject_named(
    name: str, function: Implementation, adapter: Callable[[Any], Adapter] | None
) -> Subject:
    """The subject that has this one operator."""
    space: Any = SimpleNamespace(**{name: function})
    return subject_of(f"your {name}", adapter(space) if adapter else space)


def profile_named(name: str) -> Any:
    """The profile; raises ValueError."""
    return the_one("profile", name, PROFILES)


def the_one(what: str, name: str, known: Mapping[str, Any]) -> Any:
    """The one of that name; raises ValueError."""
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}; known: {', '.join(known)}")
    return known[name]


def cells_for(
    name: str, subject: Subject, checks: Iterable[str], dtypes: Iterable[str]
) -> list[Cell]:
    """The operator's cells on the CPU, as far as the subject's abilities go.

    Raises ValueError where there is none: to judge nothing must not pass.
    """
    op = the_one("operator", name, {op.name: op for op in OPS})
    wanted = chosen("check", ",".join(checks), {check.name: check for check in CHECKS})
    known = {str(dtype).removeprefix("torch."): dtype for dtype in op.dtypes}
    only = chosen("dtype", ",".join(dtypes), known)
    cells = [
        cell
        for check in wanted or CHECKS
        if check.name != "independence" and not check.devices
        for dtype in check.dtypes(op)
        if dtype is None or not only or dtype in only
        if subject.abilities.include(cell := Cell(op, check, dtype, "cpu"))
    ]
    if not cells:
        raise ValueError(f"no cell of {name} matches the checks, dtypes and abilities asked for")
    return cells
