"""How far a run is, in one line: rewritten in place on a terminal, now and then elsewhere."""

from __future__ import annotations

import time

import pytest

EVERY = 10.0  # seconds between two lines where lines stay


class Progress:
    """A plugin of pytest that counts cells instead of printing a dot for each."""

    def __init__(self, reporter: pytest.TerminalReporter, total: int) -> None:
        self.reporter, self.total = reporter, total
        self.done = self.failing = 0
        self.started = self.said = time.monotonic()

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No dots: the counter stands for them."""
        counted = report.when == "call" or report.failed
        return (report.outcome, "", "") if counted else None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One more cell."""
        # A worker that dies reports its cell without saying at what stage.
        if report.when != "call" and not report.failed:
            return
        self.done += 1
        self.failing += report.failed
        now = time.monotonic()
        if self.reporter.isatty:
            self.reporter.rewrite(self.line(now), erase=True)
        elif now - self.said >= EVERY:
            self.said = now
            self.reporter.write_line(self.line(now))

    def line(self, now: float) -> str:
        """The counter."""
        failing = f", {self.failing} failing" if self.failing else ""
        return f"{self.done} of {self.total} cells{failing}, {now - self.started:.0f} s"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """What is printed next begins a line of its own."""
        if self.reporter.isatty:
            self.reporter.ensure_newline()
