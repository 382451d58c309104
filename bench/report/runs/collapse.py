"""Networks that have lost a class: what they score says more about training than about the slices picked."""

from __future__ import annotations

import pandas as pd

from bench.report.setting import Setting, rows_of

ALLOWED = 0.05
"""Share of (run, class) pairs at Dice 0 above which a report warns."""
WARNING = "A network that has lost a class cannot be compared with one that has not: train longer or label more"


def collapsed(structures: pd.DataFrame, setting: Setting) -> str:
    """Return how many (run, class) pairs of a setting have Dice 0 at the last budget, "" up to a twentieth of them.

    structures: ``Results.structures``. The Dice of a run and class is the mean over test volumes that have it.
    """
    own = rows_of(structures, setting)
    last = own[(own["round"] == own["round"].max()) & own["dice"].notna()]
    scores = last.groupby(["class", "key"], sort=False)["dice"].max()  # a mean is 0 where the largest is
    lost = scores[scores == 0]
    if not len(scores) or len(lost) <= ALLOWED * len(scores):
        return ""
    runs, gone = (counts.groupby("class", sort=False).size() for counts in (scores, lost))
    each = ", ".join(f"{name}: {count} of {runs[name]} runs" for name, count in gone.items())
    return f"{len(lost)} of {len(scores)} (run, class) pairs at the last budget have Dice 0 ({each})"
