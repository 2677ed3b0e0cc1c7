"""The page in a browser, as its reader uses it: filter, follow a cell, copy, replay."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_core_python.sync_playwright", reason="axe-core is not installed")

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is here")

BROKEN = """
import torch.nn.functional as F
from torch.nn.functional import relu

def leaky_relu(input, negative_slope=0.01, inplace=False):
    return F.leaky_relu(input, negative_slope * 1.01, inplace)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run whose subject is broken in one operator, and right in another."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "brokenkernels.py").write_text(BROKEN)
    narrow = ("--checks", "forward,gradients,contract", "--dtypes", "float64,float32", "-n", "1")
    names = ("--ops", "relu,leaky_relu", "-o", "reports")
    done = run(
        folder, sys.executable, "-m", "parity_tests", "check", "brokenkernels", *names, *narrow
    )
    assert done.returncode == 1, done.stdout + done.stderr
    passing = run(
        folder,
        *(sys.executable, "-m", "parity_tests", "check", "torch.nn.functional", "--ops", "relu"),
        *("--checks", "forward", "-o", "passing", "-n", "1"),
    )
    assert passing.returncode == 0, passing.stdout + passing.stderr
    reports = [f"{name}/report.json" for name in ("passing", "reports")]
    compared = run(
        folder, sys.executable, "-m", "parity_tests", "compare", *reports, "-o", "two.html"
    )
    assert compared.returncode in (0, 1), compared.stderr
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """In a shell's place."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        started = p.chromium.launch(
            executable_path=BROWSER,
            args=["--no-sandbox", "--disable-gpu", "--no-first-run"],
        )
        yield started
        started.close()


def opened(browser: Any, file: Path, **options: Any) -> Any:
    """The page, which must fetch nothing and complain of nothing."""
    page = browser.new_context(**options).new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    page.on(
        "request",
        lambda request: None if request.url.startswith("file:") else pytest.fail(request.url),
    )
    page.goto(file.as_uri())
    return page


def test_from_the_filter_to_a_failure_to_its_replay(browser: Any, folder: Path) -> None:
    page = opened(browser, folder / "reports" / "parity.html")
    assert page.inner_text("h1 .word") == "FAIL"
    page.fill("#filter-op", "leaky")
    rows = page.locator(".matrix tbody[data-op]:visible")
    assert rows.evaluate_all("all => all.map(row => row.dataset.op)") == ["leaky_relu"]
    page.select_option("#filter-status", "fail")
    cell = rows.locator("td > a.fail").first
    cell.focus()
    page.keyboard.press("Enter")  # a mouse is not needed
    finding = page.locator(f"article#{page.url.partition('#')[2]}")
    assert finding.is_visible()
    assert "should be" in finding.inner_text()
    finding.locator(".copy").first.click()
    page.fill("#filter-op", "")
    page.focus("#filter-op")
    page.keyboard.press("Control+V")
    command = page.input_value("#filter-op")
    assert command.startswith("python -m parity_tests replay ")
    done = run(folder, sys.executable, *shlex.split(command)[1:])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL: " in done.stdout


def test_all_that_matters_is_there_without_javascript(browser: Any, folder: Path) -> None:
    page = opened(browser, folder / "reports" / "parity.html", java_script_enabled=False)
    assert page.locator("#failures article:visible").count() > 0
    assert not page.locator("#filter").is_visible()
    assert page.locator(".matrix td > a.fail:visible").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("name", ["reports/parity.html", "passing/parity.html", "two.html"])
def test_accessible_in_light_and_dark_wide_and_narrow(
    browser: Any, folder: Path, name: str, width: int, scheme: str
) -> None:
    page = opened(
        browser,
        folder / name,
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        bypass_csp=True,
    )
    found = axe.Axe().run(page)["violations"]
    assert [(v["id"], [node["html"] for node in v["nodes"]][:3]) for v in found] == []
    # Tables scroll in their frames: the page itself does not.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
