"""The table of operators, read off the declarations."""

from __future__ import annotations

from collections.abc import Iterable

from parity_tests.checks import CHECKS
from parity_tests.op import Op
from parity_tests.ops import OPS


def table(ops: Iterable[Op] = OPS) -> str:
    """In Markdown: signature, dtypes, and the checks that apply."""
    lines = ["| operator | dtypes | checks |", "|---|---|---|"]
    for op in ops:
        dtypes = ", ".join(str(d).removeprefix("torch.") for d in op.dtypes)
        checks = ", ".join(check.name for check in CHECKS if check.dtypes(op))
        lines.append(f"| `{op.name}{op.signature}` | {dtypes} | {checks} |")
    return "\n".join(lines) + "\n"
