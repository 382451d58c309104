"""The look of all figures: sizes legible on a phone, colours that colour-blind readers can tell apart."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.text import Text

from alseg_core.errors import ResultsError
from bench.report.figures.letters import cut
from bench.report.figures.vector import svg
from bench.report.output import replacing, write_text

WIDTH = 6.4
"""Width of a figure that a phone shows whole, in inches: at 390 pixels, letters of 11 points are 9 pixels high."""
FULL = 9.6
"""Width of a figure that a phone scrolls, in inches."""
DPI, WIDE_DPI = 150, 110
LETTERS = 90
"""Most letters of a line of text; the middle of longer ones is left out."""
PIXELS = 40_000_000
"""Most pixels of a figure; those of the whole catalogue of recipes have a tenth."""

INK, QUIET, FAINT = "#222222", "#767676", "#cfcfcf"

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "figure.constrained_layout.h_pad": 0.09,
    "grid.color": "#e3e3e3",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "svg.fonttype": "none",  # text that can be searched, and set in the page's colour
    "svg.hashsalt": "alseg",
}


def colours(count: int) -> np.ndarray:
    """Return (count, 4) colours of an ordered scale, from dark to light, all visible on white."""
    scale: np.ndarray = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, count))
    return scale


@contextmanager
def styled() -> Iterator[None]:
    """Context in which everything is drawn in the look of the report."""
    with matplotlib.rc_context():  # ignore the user's matplotlibrc
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def blank(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Return a figure with one panel; height and width in inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    return figure, figure.subplots()


def save(figure: Figure, path: Path, vector: bool = True) -> str:
    """Write a PNG of at most 256 colours (half the size or less) and return the figure as SVG, or "".

    vector: whether to write SVG and PDF files beside the PNG. All are reproducible byte by byte. Raises ResultsError
    for a figure of more than :data:`PIXELS`.
    """
    from PIL import Image

    width, height = (int(side * figure.dpi) for side in figure.get_size_inches())
    if width * height > PIXELS:
        raise ResultsError(f"it would have {width:,} x {height:,} pixels; make a report of fewer runs")
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text("\n".join(cut(line, LETTERS) for line in text.get_text().split("\n")))
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings(category=UserWarning, action="ignore"):  # of letters that the font lacks
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        with replacing(path) as new:
            image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(new, "PNG", optimize=True)
        if not vector:
            return ""
        figure.set_layout_engine("none")  # everything has its place
        with replacing(path.with_suffix(".pdf")) as new:
            FigureCanvasPdf(figure).print_pdf(new, metadata={"CreationDate": None})
        drawn = svg(figure, path.stem)
    write_text(path.with_suffix(".svg"), drawn)
    return drawn
