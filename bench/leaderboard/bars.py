"""An interval as a small picture beside its numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.leaderboard.rows import Difference

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT, EDGE = 104, 16, 5
"""Size of a bar, and what stays free at either end, in pixels."""


def bar(difference: Difference, scale: tuple[float, float]) -> Markup:
    """Return a difference as SVG: its interval, its mean, and an upright line at 0. scale: values at both ends."""
    from markupsafe import Markup

    low, high = scale
    middle = HEIGHT / 2

    def at(value: float) -> str:
        return f"{EDGE + (WIDTH - 2 * EDGE) * (value - low) / ((high - low) or 1.0):.1f}"

    marks = f'<line class="zero" x1="{at(0)}" y1="0" x2="{at(0)}" y2="{HEIGHT}"/>'
    if not math.isnan(difference.low):
        ends = f'x1="{at(difference.low)}" x2="{at(difference.high)}"'
        marks += f'<line class="interval" {ends} y1="{middle:g}" y2="{middle:g}"/>'
    marks += f'<circle cx="{at(difference.mean)}" cy="{middle:g}" r="3.5"/>'
    kind = difference.finding.replace(" ", "-")
    return Markup(
        f'<svg class="bar {kind}" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'aria-hidden="true">{marks}</svg>'
    )
