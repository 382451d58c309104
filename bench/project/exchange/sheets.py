"""The contact sheets of a round: one picture, and one page that needs nothing but itself."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from alseg_core.atomic import check_no_folder
from bench.datasets.contact_sheet import write_sheet
from bench.project.exchange.colours import drawn
from bench.project.exchange.thumbnails import Picture
from bench.project.manifest import Manifest
from bench.templates import policy, templates

HERE = Path(__file__).parent
MOST = 48
"""Most slices in the picture; the page has all of them."""


def write_picture(path: Path, manifest: Manifest, pictures: Sequence[Picture]) -> None:
    """Write the PNG with the first :data:`MOST` slices. Raises ResultsError if it cannot be written."""
    shown = pictures[:MOST]
    title = f"{manifest.project}, round {manifest.round + 1}: {_count(manifest)}"
    title += f", the first {len(shown)} of them" if len(shown) < len(pictures) else ""
    unfinished = path.with_name(f"{path.name}.tmp")
    check_no_folder(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # names in scripts the font lacks
        write_sheet(unfinished, title.replace("$", r"\$"), [picture.tile for picture in shown], manifest.classes)
    os.replace(unfinished, path)


def page(manifest: Manifest, pictures: Sequence[Picture]) -> str:
    """Return the page. Names and reasons are escaped; it may load nothing, and run nothing."""
    from markupsafe import Markup

    style = (HERE / "contact_sheet.css").read_text(encoding="utf-8")
    style += "".join(f".value-{value} {{ background: {code}; }}\n" for value, _, code in drawn(manifest))
    content: str = (
        templates(HERE, html=True)
        .get_template("contact_sheet.html.j2")
        .render(
            policy=policy(style),
            style=Markup(style),
            manifest=manifest,
            count=_count(manifest),
            minutes=sum(asked.minutes for asked in manifest.slices),
            labels=drawn(manifest),
            pictures=pictures,
        )
    )
    return content


def _count(manifest: Manifest) -> str:
    slices, scans = len(manifest.slices), len(manifest.scans)
    return f"{slices} slice{'s' * (slices != 1)} of {scans} scan{'s' * (scans != 1)}"
