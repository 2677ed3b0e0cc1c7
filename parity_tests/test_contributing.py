"""The worked example of CONTRIBUTING.md does what it says: all checks, nothing else touched."""

from __future__ import annotations

import doctest
import re
import sys
import types
from pathlib import Path

import pytest

from parity_tests.checks import CHECKS
from parity_tests.op import Op
from parity_tests.profiles import PROFILES
from parity_tests.report.operators import table
from parity_tests.search import Cell, Plan, examine
from parity_tests.subjects import Subject

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n# (\S+)\.py\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, types.ModuleType]:
    """The blocks as the modules that their first lines name."""
    made = {}
    for path, source in BLOCKS:
        name = path.replace("/", ".")
        module = made[name] = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, path, "exec"), module.__dict__)
    return made


def test_there_are_three_blocks() -> None:
    assert [path.rpartition("/")[0] for path, _ in BLOCKS] == [
        "reimpl",
        "parity_tests/definitions",
        "parity_tests/ops",
    ]


def test_every_check_applies_and_passes(modules: dict[str, types.ModuleType]) -> None:
    op: Op = modules["parity_tests.ops.hardswish"].HARDSWISH
    plan = Plan(Subject("reimpl", (modules["reimpl.hardswish"],)), PROFILES["default"], seed=0)
    seen = set()
    for check in CHECKS:
        for dtype in check.dtypes(op):
            outcome = examine(Cell(op, check, dtype, "cpu"), plan)
            assert outcome.status in ("pass", "torch fault"), f"{check.name}: {outcome.reason}"
            seen.add(check.name)
    assert {"forward", "gradients", "second", "errors", "purity", "transforms"} <= seen
    assert "hardswish(input, inplace=False)" in table([op])


def test_its_doctest_runs(modules: dict[str, types.ModuleType]) -> None:
    results = doctest.testmod(modules["reimpl.hardswish"])
    assert results.attempted
    assert not results.failed
