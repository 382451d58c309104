"""Durations as text."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return about how long something takes, such as "45 s", "12 min", "3.4 h" or "2.1 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def clock(seconds: float) -> str:
    """Return how long something took, such as "45 s", "7 min 35 s", "3 h 20 min" or "2 days 3 h"."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    days = whole // 86400
    return f"{days} day{'s' * (days > 1)} {whole % 86400 // 3600} h"
