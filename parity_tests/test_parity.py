"""Every operator × check × dtype × device is one test here, and one cell of the report."""

import pytest

from parity_tests.report.failing import told
from parity_tests.run import Run
from parity_tests.search import Cell


def test_parity(parity_cell: Cell, parity_run: Run) -> None:
    row = parity_run.examine(parity_cell)
    match row["status"]:
        case "unsupported" if parity_cell.op.name not in parity_run.required:
            pytest.skip(row["reason"])
        case "fail" | "not run" | "unsupported":
            lines = [row["reason"], *told(row)]
            if row["reproduction"] is not None:
                lines.append(f"script:\n{row['reproduction']['script']}")
            pytest.fail("\n".join(lines), pytrace=False)
