"""Every operator × check × dtype × device is one test here, and one cell of the report."""

import pytest

from parity_tests.report.collect import reproduction
from parity_tests.run import Run
from parity_tests.search import Cell


def test_parity(parity_cell: Cell, parity_run: Run) -> None:
    outcome = parity_run.examine(parity_cell)
    match outcome.status:
        case "unsupported" if parity_cell.op.name not in parity_run.required:
            pytest.skip(outcome.reason)
        case "fail" | "not run" | "unsupported":
            lines = [outcome.reason]
            if outcome.failure is not None:
                found = reproduction(
                    outcome.failure.trial,
                    outcome.failure.departure.message,
                    outcome.failure.departure.details,
                )
                lines += [f"call ({found['regime']}): {found['call']}"]
                lines += [f"replay: {found['command']}", f"script:\n{found['script']}"]
            pytest.fail("\n".join(lines), pytrace=False)
