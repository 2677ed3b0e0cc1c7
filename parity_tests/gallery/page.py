"""The page: one file, nothing fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
from markupsafe import Markup

from parity_tests import report
from parity_tests.gallery import (
    checkerboards,
    filters,
    frequencies,
    keypoints,
    receptive_fields,
    scale_space,
    upsampling,
)
from parity_tests.gallery.figures import Section
from parity_tests.gallery.images import Images

HERE = Path(__file__).parent
LOOK = (Path(report.__file__).parent / "page.css", HERE / "page.css")  # the report's, and more

SECTIONS: tuple[Callable[[Images], Section], ...] = (
    filters.section,
    scale_space.section,
    frequencies.section,
    keypoints.section,
    upsampling.section,
    checkerboards.section,
    receptive_fields.section,
)


def sections(images: Images) -> Iterator[Section]:
    """One after the other, since each takes a while."""
    return (section(images) for section in SECTIONS)


def render(sections: list[Section], sources: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    css = Markup("".join(path.read_text(encoding="utf-8") for path in LOOK))
    template = environment.get_template("page.html.j2")
    return template.render(sections=sections, sources=sources, css=css)
