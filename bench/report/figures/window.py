"""The vertical range of lines with intervals, and arrows where an interval goes on beyond it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.markers import CARETDOWN, CARETUP

from bench.report.figures.vector import OWNER, belong

LEAST = 0.1
"""Smallest difference of means for which intervals are scaled."""


def window(axis: Axes, cells: pd.DataFrame, runs: pd.DataFrame) -> None:
    """Fit the y axis to the means, and to intervals or runs as far as the means stay distinguishable, within 0..1.

    Intervals that do not end within the axis get an arrow. Call when everything is plotted.
    """
    least, most = float(cells["mean"].min()), float(cells["mean"].max())
    room = max(most - least, LEAST)
    low, high = float(cells["low"].min()), float(cells["high"].max())  # NaN where there are none
    if low != low:
        low, high = float(runs["value"].min()), float(runs["value"].max())
    bottom = max(least - room, min(low, least) if low == low else least - 0.1 * room, 0.0)
    top = min(most + room, max(high, most) if high == high else most + 0.1 * room, 1.0)
    air = max(0.04 * (top - bottom), 0.005)  # all of one Dice still have a window
    axis.set_ylim(bottom - air, top + air)
    _arrows(axis)


def _arrows(axis: Axes) -> None:
    """Mark bars that leave the panel with an arrow at its edge."""
    low, high = axis.get_ylim()
    for container in [one for one in axis.containers if isinstance(one, ErrorbarContainer)]:
        line, _, bars = container
        for bar in (bar for collection in bars for bar in collection.get_segments() if np.isfinite(bar).all()):
            for place, marker, beyond in (
                (low, CARETDOWN, bar[:, 1].min() < low),
                (high, CARETUP, bar[:, 1].max() > high),
            ):
                if beyond:
                    arrow = axis.plot(bar[0, 0], place, marker=marker, color=line.get_color(), clip_on=False, zorder=4)
                    belong(str(line.get_gid()).removeprefix(OWNER), *arrow)
