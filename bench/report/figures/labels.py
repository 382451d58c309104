"""Names at the right end of lines, in place of a legend, without overlaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bench.report.figures.style import INK, Look

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


def end_labels(axis: Axes, ends: Sequence[tuple[str, float, float, Look]]) -> None:
    """Write (name, x, y, look) right of the panel. Call when the limits of both axes are final.

    A thin line ties a name to a near end; across the panel it would look like a curve.
    """
    low, high = axis.get_ylim()
    inches = axis.figure.bbox.height / axis.figure.dpi * 0.8  # about the panel's share of the figure
    gap = (high - low) * 0.19 / inches  # 11 points and air
    places = spread([y for _, _, y, _ in ends], gap, low, high)
    beside = axis.get_yaxis_transform()  # x in shares of the panel, y in data
    for (name, x, y, look), place in zip(ends, places, strict=True):
        if axis.transAxes.inverted().transform(axis.transData.transform((x, y)))[0] > NEAR:
            axis.annotate(
                "",
                xy=(x, y),
                xytext=(1.045, place),
                textcoords=beside,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": look.colour, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 4},
            )
        axis.plot(
            [1.045], [place], marker=look.marker, color=look.colour, markersize=5, clip_on=False, transform=beside
        )
        axis.text(1.065, place, name, va="center", fontsize=10, color=INK, transform=beside, gid="end")
