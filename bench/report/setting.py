"""A setting: dataset, annotation and schedule of budgets. Only runs of one setting are compared with one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alseg_core.vocabulary import reads_ground_truth

SETTING = ["dataset", "annotation", "schedule"]
"""Columns that name a setting in every table."""

Setting = tuple[str, str, str]
"""(dataset, annotation, schedule)."""

Scope = tuple[str, str | None, str | None]
"""A setting, or several: None stands for all annotations or schedules."""


def rows_of(table: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    """Return the rows of ``table`` in a scope."""
    kept = pd.Series(True, index=table.index)
    for column, value in zip(SETTING, scope, strict=True):
        if value is not None:
            kept &= table[column] == value
    return table[kept]


def references(recipes: Iterable[object]) -> NDArray[np.bool_]:
    """Return which of the recipes read ground truth: they are shown, but do not compete."""
    return np.array([reads_ground_truth(str(recipe)) for recipe in recipes], dtype=bool)


def title(setting: Setting, origin: str | None = None) -> str:
    """Return a setting in words. origin: where its labels come from, if there are several ways."""
    dataset, annotation, schedule = setting
    kind = f"{annotation} ({origin})" if origin else annotation
    return f"{dataset}, {kind}" + ("" if schedule == "default" else f", budgets {schedule}")


def short_title(scope: tuple[str | None, ...]) -> str:
    """Return the parts of a scope separated by commas, without the default schedule."""
    return ", ".join(part for part in scope if part not in (None, "default"))


def enumerated(names: Sequence[str], most: int) -> str:
    """Return the first ``most`` names separated by commas, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
