"""Several runs of one subject under different seeds, as one statement about false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parity_tests.report.merge import failing_below

EVIDENCE = "evidence/seeds.json"  # in the reports' folder


def summary(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Cases and failures of all runs, and what they say of the share of cases that fail."""
    cells = [cell for report in reports for cell in report["cells"]]
    failed = [f"{c['op']} {c['check']} {c['dtype']}" for c in cells if c["status"] == "fail"]
    cases = sum(report["cases"] for report in reports)
    below = failing_below(cells)
    first = reports[0]
    says = f"{first['subject']}: {cases:,} cases under {len(reports)} seeds, {len(failed)} failing"
    if below is not None:
        says += f"; fewer than {below:.1e} of all cases fail (95 % sure)"
    return {
        "says": says,
        "subject": first["subject"],
        "profile": first["profile"],
        "versions": first["versions"],
        "environment": first["environment"],
        "cases": cases,
        "failed": failed,
        "not_run": sum(cell["status"] == "not run" for cell in cells),
        "failing_below": below,
        "runs": [
            {k: r[k] for k in ("seed", "verdict", "cases", "statuses", "audited", "worst_audit")}
            for r in reports
        ],
    }
