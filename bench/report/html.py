"""The report as one self-contained page: no network, fonts or other files."""

from __future__ import annotations

import base64
import math
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.document import Document
from bench.report.numbers import NOTHING
from bench.report.setting import title
from bench.templates import policy, templates

if TYPE_CHECKING:
    from markupsafe import Markup

    from bench.report.figures import Drawn

HERE = Path(__file__).parent
MOST = 250_000
"""Most letters of an SVG in the page; a larger figure is shown as PNG."""


def html(document: Document) -> str:
    """Return the page. Names and reasons are escaped; only its own style and script may run, by their hashes."""
    from markupsafe import Markup

    style, script = _text("report.css"), _text("sorting.js") + _text("report.js")
    environment = templates(HERE, html=True)
    environment.filters |= {
        "shown": shown,
        "files": files,
        "sortable": sortable,
        "breakable": breakable,
        "coded": coded,
    }
    settings = [section.panel.setting for section in document.sections]
    choices = {
        name: list(dict.fromkeys(values))
        for name, values in (
            ("dataset", [dataset for dataset, _, _ in settings]),
            ("annotation", [annotation for _, annotation, _ in settings]),
            ("schedule", [schedule for _, _, schedule in settings]),
            ("budget", document.budgets),
        )
    }
    page: str = environment.get_template("report.html.j2").render(
        document=document,
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        choices=choices,
        missing=missing(document),
        parts=parts(document),
        nothing=NOTHING,
        title=title,
    )
    return page


@cache
def _text(name: str) -> str:
    return (HERE / name).read_text()


def shown(picture: Drawn) -> Markup:
    """Return a figure as markup: SVG whose marks the page can filter, or a PNG of scans or of very many marks."""
    from markupsafe import Markup, escape

    assert picture.path is not None
    if not picture.svg or len(picture.svg) > MOST:
        data = base64.b64encode(picture.path.read_bytes()).decode()
        return Markup(f'<img src="data:image/png;base64,{data}" alt="{escape(picture.title)}">')
    plain = re.sub(r' xmlns(:xlink)?="[^"]*"', "", picture.svg, count=2)
    return Markup(plain.replace("<svg ", f'<svg role="img" aria-label="{escape(picture.title)}" ', 1))


def files(picture: Drawn) -> str:
    """Return the names of the files of a figure."""
    assert picture.path is not None
    return f"{picture.path.name}, .svg, .pdf" if picture.svg else picture.path.name


def breakable(name: str) -> Markup:
    """Return a name that may be broken after "_"."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def coded(text: str) -> Markup:
    """Return a sentence whose commands, between backquotes, are set as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def missing(document: Document) -> str:
    """Return how many runs are missing, and why; "" for none."""
    counts = {"failed": len(document.failed), "not finished": len(document.unfinished)}
    return ", ".join(f"{count} {why}" for why, count in counts.items() if count)


def parts(document: Document) -> dict[str, str]:
    """Return anchor -> heading of the parts after the settings that have something to say."""
    every = {
        "together": ("Across settings", document.figures),
        "missing": ("Missing runs", document.failed or document.unfinished),
        "recipes": ("Recipes", document.recipes or document.weights),
        "made": ("How the numbers were made", document.gaps or any(section.facts for section in document.sections)),
        "work": ("Time, memory, savings", document.work),
        "cite": ("What to cite", document.sources),
    }
    return {name: heading for name, (heading, content) in every.items() if content}


def sortable(value: Any) -> str:
    """Return a number as text to sort by; "" if it is missing, so that it comes last."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else f"{value:.10g}"
