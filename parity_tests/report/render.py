"""A run's files: report.json and its pages, which fetch nothing and can do without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from parity_tests.files import left_out, put
from parity_tests.report import claims
from parity_tests.report.beside import beside
from parity_tests.report.compare import Comparison
from parity_tests.report.exports import write_exports
from parity_tests.report.view import page

HERE = Path(__file__).parent


def write(report: Mapping[str, Any], folder: Path) -> Path:
    """Write the files; returns the page's path. The claims have theirs if they were decided."""
    put(folder / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    path = folder / "parity.html"
    put(path, with_what_is_beside(report, folder))
    write_exports(report, folder)
    claims_page = folder / "claims.html"
    claims_page.unlink(missing_ok=True)  # another run's
    if report["claims"]:
        put(claims_page, render_claims(report))
    return path


def with_what_is_beside(report: Mapping[str, Any], folder: Path) -> str:
    """The page; files beside the report that are not what they should be do not cost it."""
    others = beside(folder)
    try:
        return render(report, others)
    except (LookupError, TypeError, ValueError, AttributeError, jinja2.UndefinedError) as error:
        if not others and not report.get("evidence"):
            raise
        page = render({**report, "evidence": []}, {})  # raises where it is the report's own fault
        left_out(f"files in {folder}, or the evidence there", f"{type(error).__name__}: {error}")
        return page


def render(report: Mapping[str, Any], others: Mapping[str, Any] | None = None) -> str:
    """The page of a report, with what was measured beside it."""
    return filled("page.html.j2", page=page(report, others or {}), js=_own("page.js"))


def render_claims(report: Mapping[str, Any]) -> str:
    """The page of the claims."""
    return filled("claims.html.j2", page=claims.page(report))


def render_comparison(found: Comparison, before: str, after: str) -> str:
    """The page of two runs compared."""
    return filled("compare.html.j2", found=found, before=before, after=after)


def filled(name: str, **given: Any) -> str:
    """One of the templates, with what it shows."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name).render(**given, css=_own("page.css"))


def _own(name: str) -> Markup:
    """A file of ours, to stand in the page as it is."""
    return Markup((HERE / name).read_text(encoding="utf-8"))
