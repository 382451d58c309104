"""How the numbers of a report are written: three decimals of Dice, no negative zero, nothing that cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterable

NOTHING = "—"
"""Text of a missing number."""
NO_SPREAD = 0.0005
"""Detectable differences below this, 0.000 as text, mean that seeds do not differ: there is nothing to judge by."""


def signed(difference: float) -> str:
    """Return a difference with its sign, NOTHING if it is missing; what rounds to zero has no sign."""
    if math.isnan(difference):
        return NOTHING
    text = f"{difference:+.3f}"
    return text if float(text) else text[1:]


def between(low: float, high: float, digits: int = 2) -> str:
    """Return an interval of scores as text, or NOTHING."""
    return NOTHING if math.isnan(low) or math.isnan(high) else f"[{low:z.{digits}f}, {high:z.{digits}f}]"


def between_signed(low: float, high: float) -> str:
    """Return an interval of differences as text, or NOTHING."""
    return NOTHING if math.isnan(low) or math.isnan(high) else f"[{signed(low)}, {signed(high)}]"


def detectable(difference: float) -> str:
    """Return a detectable difference as text: "more than 1" where no difference in Dice can be as large.

    NOTHING where it is missing, or seeds do not differ.
    """
    if math.isnan(difference) or difference < NO_SPREAD:
        return NOTHING
    return f"{difference:.3f}" if difference <= 1 else "more than 1"


def probability(p: float) -> str:
    """Return a p-value as text: "0.012", "< 0.001" or NOTHING."""
    if math.isnan(p):
        return NOTHING
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"


def chance(p: float) -> str:
    """Return a p-value with its name: "p = 0.012" or "p < 0.001"."""
    text = probability(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def span(counts: Iterable[float]) -> str:
    """Return whole numbers as text, a range where they differ: "5" or "3 to 5"."""
    found = [int(count) for count in counts]
    low, high = min(found), max(found)
    return f"{low}" if low == high else f"{low} to {high}"
