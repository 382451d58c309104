"""Means of scores that may be undefined: over a volume's classes first, then over volumes (as in the paper)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from alseg_core.metrics.metric import Metric


def mean_defined(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are neither None nor NaN; None if there are none."""
    defined = [value for value in values if value is not None and value == value]
    return float(np.mean(defined)) if defined else None


def volume_means(rows: Iterable[Mapping[str, Any]], metric: str) -> dict[str, float | None]:
    """Return case -> mean of a metric over the case's classes, from rows {"case", <metric>, ...} of one class each."""
    by_case: dict[str, list[float | None]] = {}
    for row in rows:
        by_case.setdefault(str(row["case"]), []).append(row.get(metric))
    return {case: mean_defined(values) for case, values in by_case.items()}


def mean_score(rows: Iterable[Mapping[str, Any]], metric: Metric) -> float | None:
    """Return the mean of a metric over the classes of each volume, then over volumes; None without any score.

    Of a metric that skips empty structures, rows whose "empty" names one are left out.
    """
    kept = [row for row in rows if not (metric.skips_empty and row.get("empty"))]
    return mean_defined(volume_means(kept, metric.name).values())
