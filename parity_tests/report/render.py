"""report.json and parity.html: one file, nothing fetched, readable without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from parity_tests.report.view import page

HERE = Path(__file__).parent


def write(report: Mapping[str, Any], folder: Path) -> Path:
    """Write both files; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    path = folder / "parity.html"
    path.write_text(render(report), encoding="utf-8")
    return path


def render(report: Mapping[str, Any]) -> str:
    """The page of a report."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.get_template("page.html.j2")
    return template.render(page=page(report), css=_own("page.css"), js=_own("page.js"))


def _own(name: str) -> Markup:
    """A file of ours, to stand in the page as it is."""
    return Markup((HERE / name).read_text(encoding="utf-8"))
