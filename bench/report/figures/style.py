"""One look for all pictures: sizes that stay legible on a phone, colours that colour-blind readers tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alseg_core.vocabulary import BASELINE, reads_ground_truth

WIDTH = 6.4
"""Inches of a picture that a phone shows whole: at 390 pixels a letter of 11 points is 9 pixels high."""
FULL = 9.6
"""Inches of a picture that a phone scrolls."""
DPI, WIDE_DPI = 150, 110

INK, QUIET, FAINT = "#222222", "#767676", "#cfcfcf"
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31", "#A50026")
"""Okabe and Ito's palette without its yellow, and further tones for long lists."""
MARKERS = "osD^vP<>Xh"
LINES: tuple[Any, ...] = ("-", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)))

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
}


@dataclass(frozen=True)
class Look:
    """How the marks of one recipe are drawn, everywhere in a report."""

    colour: str
    marker: str = "o"
    line: Any = "-"


def looks(recipes: Sequence[str]) -> dict[str, Look]:
    """Recipe -> look: random black, those that read ground truth dashed; hues that come again get other marks."""
    table: dict[str, Look] = {}
    turn = 0
    for recipe in recipes:
        if recipe == BASELINE:
            table[recipe] = Look("#000000")
            continue
        again, number = divmod(turn, len(HUES))
        line = "--" if reads_ground_truth(recipe) else LINES[again % len(LINES)]
        table[recipe] = Look(HUES[number], MARKERS[(1 + number + again) % len(MARKERS)], line)
        turn += 1
    return table


def colours(count: int) -> np.ndarray:
    """(count, 4) colours of an ordered scale, dark to light, none too light for a white page."""
    scale: np.ndarray = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, count))
    return scale


@contextmanager
def styled() -> Iterator[None]:
    """Everything that is drawn within has the report's look."""
    with matplotlib.rc_context():  # a matplotlibrc of the user's must not show
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def blank(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure of one panel, inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    return figure, figure.subplots()


def save(figure: Figure, path: Path) -> None:
    """Write a PNG of at most 256 colours: half the bytes or less, and the same bytes from the same figure."""
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
