"""Columns of the long tables of :class:`bench.report.runs.results.Results`."""

from __future__ import annotations

from alseg_core.metrics.metric import METRICS
from bench.report.setting import SETTING

ROUND = [
    *SETTING,
    "recipe",
    "seed",
    "key",
    "round",
    "budget",
    "labelled",
    "fraction",
    "cost",
    "marked",
    "foreground",
    "validation",
    "minutes",
    "validation_minutes",
]
"""Columns of every table with rows per round. marked, foreground: labelled pixels bought so far; NaN in older runs.
validation: cost of the validation masks read so far, in full-slice equivalents; ``cost`` does not hold it.
minutes, validation_minutes: what annotating both took; NaN in older runs."""
SCORES = [*ROUND, "metric", "value"]
EMPTY_OF = "empty_of"
"""Number of structures (volume x class) that a run's empty predictions and empty truths are counted among; no metric
may have a name that begins like this."""
VOLUME_DICE = [*ROUND, "case", "patient", "dice"]
STRUCTURES = [*ROUND, "case", "patient", "class", *METRICS, "empty"]
"""Columns of ``Results.structures``; a run's further metrics stand after the built-in ones."""
SECONDS = [*SETTING, "recipe", "seed", "key", "round", "part", "seconds", "cpu_seconds"]
"""Columns of ``Results.seconds``. cpu_seconds: NaN for parts that do not choose slices, and in older runs."""
CHOICE = ("embed", "select")
"""Parts of a round that choose its slices: what a recipe costs, where all train alike."""
RUNS = [*SETTING, "recipe", "seed", "key", "study", "rounds", "wanted", "state", "reason"]
"""Columns of ``Results.runs``: rounds done and wanted; state: "finished", "failed" or "unfinished"."""
TAKEN = {*SCORES, *VOLUME_DICE, *STRUCTURES, *SECONDS, *RUNS}
"""Names that no metric and no part of a round may have."""
