"""Templates of text files and of pages that load nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def templates(folder: Path, html: bool = False) -> Environment:
    """Return the environment of the templates in a folder; a missing value is an error. html: escape what they show."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not html,
        autoescape=html,
    )


def policy(style: str, script: str | None = None) -> str:
    """Return the content security policy of a page: only this style and this script, and pictures inside the page."""
    allowed = "" if script is None else f"; script-src '{_digest(script)}'"
    return f"default-src 'none'; img-src data:; style-src '{_digest(style)}'{allowed}"


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
