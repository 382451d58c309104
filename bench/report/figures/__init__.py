"""Figures of a report, one kind per file. To add one, write a :class:`Drawing` and a line in :data:`FIGURES`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report.figures.annotation_time import ANNOTATION_TIME
from bench.report.figures.cover import COVER
from bench.report.figures.curves import CURVES
from bench.report.figures.drawing import Drawing, Drawn
from bench.report.figures.embedding import EMBEDDING
from bench.report.figures.forest import AREAS, IMPROVEMENT
from bench.report.figures.highlight import settings
from bench.report.figures.minutes import MINUTES
from bench.report.figures.overlays import OVERLAYS
from bench.report.figures.penalties import PENALTIES
from bench.report.figures.seconds import SECONDS
from bench.report.figures.selected import SELECTED
from bench.report.figures.style import WIDTH, save, styled
from bench.report.figures.total_cost import TOTAL_COST
from bench.report.runs.results import Results
from bench.report.setting import Scope

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

__all__ = ["FIGURES", "Drawing", "Drawn", "draw_all"]

FIGURES: dict[str, Drawing] = {
    "curves": CURVES,
    "minutes": MINUTES,
    "annotation_time": ANNOTATION_TIME,
    "total_cost": TOTAL_COST,
    "areas": AREAS,
    "improvement": IMPROVEMENT,
    "penalties": PENALTIES,
    "overlays": OVERLAYS,
    "selected": SELECTED,
    "embedding": EMBEDDING,
    "cover": COVER,
    "seconds": SECONDS,
}


def draw_all(results: Results, analysis: Analysis, folder: Path, scans: bool = True) -> list[Drawn]:
    """Write every figure of every setting to ``folder``, in the order of FIGURES.

    Files are NAME.png if there is one setting, else NAME-SETTING.png; all but pictures of scans are SVG and PDF files
    too. Figures that cannot be drawn are listed with the reason; an error in one figure does not affect the others.
    scans: whether to draw pictures of scans.
    """
    done = []
    for name, drawing in FIGURES.items():
        wanted = list(_settings(results, drawing))
        for setting in wanted:
            path = folder / (f"{name}.png" if len(wanted) == 1 else f"{name}-{_slug(setting)}.png")
            for kind in (".png", ".svg", ".pdf"):
                path.with_suffix(kind).unlink(missing_ok=True)  # otherwise an outdated figure could remain
            if scans or not drawing.scans:
                done.append(_draw(name, drawing, setting, results, analysis, path))
    return done


def _draw(name: str, drawing: Drawing, setting: Scope, results: Results, analysis: Analysis, path: Path) -> Drawn:
    what = (name, drawing.title, drawing.caption, setting)
    try:
        with styled():
            figure = drawing.draw(results, analysis, setting)
            if isinstance(figure, str):
                return Drawn(*what, path=None, reason=figure)
            drawn = save(figure, path, drawing.vector)
    except Exception as error:
        return Drawn(*what, path=None, reason=f"{type(error).__name__}: {error}", failed=True)
    return Drawn(*what, path=path, svg=drawn, wide=figure.get_figwidth() > WIDTH)


def _settings(results: Results, drawing: Drawing) -> Iterator[Scope]:
    if drawing.per == "setting":
        yield from settings(results)
    else:
        for dataset in dict.fromkeys(dataset for dataset, _, _ in settings(results)):
            yield (dataset, None, None)


def _slug(setting: Scope) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "_", "-".join(part for part in setting if part is not None)) or "setting"
