"""How long annotating takes: measured where annotators say so, estimated before."""

from __future__ import annotations

from statistics import median

from bench.project.project import Project

FEW = 5
"""Fewest measured slices that replace the estimate."""


def measured(project: Project) -> list[float]:
    """Return the minutes of every slice of which they are known."""
    return [entry.minutes for entry in project.returned.latest().values() if entry.minutes is not None]


def minutes_each(project: Project) -> float:
    """Return the minutes that a slice takes: the median of the measured ones, or the estimate while these are few."""
    known = measured(project)
    return median(known) if len(known) >= FEW else project.decided.minutes
