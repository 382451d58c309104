"""Writing the page."""

from __future__ import annotations

import base64
from pathlib import Path

from alseg_core.atomic import write_atomic
from bench.project.page.chart import learning_curve
from bench.project.project import Project
from bench.project.status import Status, text
from bench.templates import policy, templates

HERE = Path(__file__).parent
FILE = "report.html"
"""Name of the page in the folder of a project."""


def write_page(project: Project, found: Status) -> Path:
    """Write the page of a project; return its path. Names are escaped, nothing is loaded, and no script runs."""
    from markupsafe import Markup

    style = (HERE / "page.css").read_text()
    classes = list(dict.fromkeys(name for line in found.rounds for name in line.score.classes))
    page = (
        templates(HERE, html=True)
        .get_template("page.html.j2")
        .render(
            policy=policy(style),
            style=Markup(style),
            found=found,
            lines=text(found),
            classes=classes,
            chart=_picture(learning_curve(found)),
            recipe=project.decided.run["recipe"]["name"],
            kind=project.decided.kind,
        )
    )
    path = project.folder / FILE
    write_atomic(path, page)
    return path


def _picture(svg: str) -> str:
    """Return an SVG as the address of an image, whose style needs no permission; "" for none."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}" if svg else ""
