"""Names at the right end of lines, in place of a legend, without overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bench.report.figures.letters import NAME, cut
from bench.report.figures.looks import Look
from bench.report.figures.style import INK
from bench.report.figures.vector import belong


@dataclass(frozen=True)
class End:
    """The right end of a line."""

    recipe: str
    text: str
    x: float
    y: float
    look: Look


NEAR = 0.85
"""Share of the panel's width from which an end is close enough to be tied to its name."""


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return the places nearest to the wanted ones that are ``gap`` apart and, if possible, within [low, high].

    Neighbours that are too close become one block, centred on the mean of what its members wanted (pool adjacent
    violators on wanted - rank x gap).
    """
    order = np.argsort(wanted, kind="stable")
    blocks: list[tuple[float, int]] = []  # mean of wanted - rank x gap, members
    for rank, i in enumerate(order):
        blocks.append((float(wanted[i]) - rank * gap, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (b, m), (a, n) = blocks.pop(), blocks.pop()
            blocks.append(((a * n + b * m) / (n + m), n + m))
    level = np.repeat([value for value, _ in blocks], [count for _, count in blocks])
    level = np.clip(level, low, max(low, high - (len(order) - 1) * gap))
    placed = np.empty(len(order))
    placed[order] = level + gap * np.arange(len(order))
    return placed.tolist()


def end_labels(axis: Axes, ends: Sequence[End]) -> None:
    """Write the texts right of the panel. Call when the limits of both axes are final.

    A thin line ties a text to a near end; across the panel it would look like a curve.
    """
    low, high = axis.get_ylim()
    inches = axis.figure.bbox.height / axis.figure.dpi * 0.8  # about the panel's share of the figure
    gap = (high - low) * 0.19 / inches  # 11 points and air
    places = spread([end.y for end in ends], gap, low, high)
    beside = axis.get_yaxis_transform()  # x in shares of the panel, y in data
    for end, place in zip(ends, places, strict=True):
        colour = end.look.colour
        if axis.transAxes.inverted().transform(axis.transData.transform((end.x, end.y)))[0] > NEAR:
            tie = axis.annotate(
                "",
                xy=(end.x, end.y),
                xytext=(1.045, place),
                textcoords=beside,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 4},
            )
            assert tie.arrow_patch is not None
            belong(end.recipe, tie.arrow_patch)
        mark: dict[str, Any] = {"marker": end.look.marker, "color": colour, "markersize": 5, "clip_on": False}
        belong(end.recipe, *axis.plot([1.045], [place], transform=beside, **mark))
        text = cut(end.text, NAME)
        belong(end.recipe, axis.text(1.065, place, text, va="center", fontsize=10, color=INK, transform=beside))
