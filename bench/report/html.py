"""The report as one self-contained page: no network, fonts or other files."""

from __future__ import annotations

import base64
import hashlib
import math
from functools import cache
from pathlib import Path
from typing import Any

from bench.report.document import Document
from bench.report.numbers import NOTHING
from bench.report.setting import title

HERE = Path(__file__).parent


def html(document: Document) -> str:
    """Return the page. Names and reasons are escaped; only its own style and script may run, by their hashes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style, script = (_text(name) for name in ("report.css", "report.js"))
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"data_url": data_url, "sortable": sortable}
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
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
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        choices=choices,
        nothing=NOTHING,
        title=title,
    )
    return page


@cache
def _text(name: str) -> str:
    return (HERE / name).read_text()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def data_url(path: Path) -> str:
    """Return a PNG as a data URL."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def sortable(value: Any) -> str:
    """Return a number as text to sort by; "" if it is missing, so that it comes last."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else f"{value:.10g}"
