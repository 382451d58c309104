"""What the embeddings of the recipes know about the anatomy, as the runs recorded it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import pandas as pd

from alseg_core.embed.quality import OWN, QUALITY, SHARES, UNTRAINED, Quality, fallen
from bench.report.runs.run import Run
from bench.report.setting import SETTING, enumerated, rows_of

MEASURES = tuple(field.name for field in fields(Quality))
EMBEDDINGS = [*SETTING, "recipe", "seed", "encoder", "of", *MEASURES]
"""Columns of :func:`embeddings`. of: recipe's embedding, untrained encoder or pixels. encoder: name of the trained
encoder in the store, None if the embedding has none."""


def embeddings(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row per run and embedding that it recorded in its first round with one; columns :data:`EMBEDDINGS`."""
    rows = [
        (*run.setting, run.recipe, run.seed, signals.get("encoder"), name, *(known.get(m) for m in MEASURES))
        for run in runs
        for signals in _recorded(run)
        for name, known in signals[QUALITY].items()
    ]
    return pd.DataFrame(rows, columns=EMBEDDINGS)


def _recorded(run: Run) -> Iterator[Mapping[str, Any]]:
    """Yield the signals of the first round that has an embedding; a trained encoder stays the same in later ones."""
    yield from [record.signals for record in run.records if QUALITY in record.signals][:1]


def worse_than_untrained(table: pd.DataFrame) -> list[tuple[str, str, float, float]]:
    """Return (recipe, "patient" or "volume", share, share of the untrained encoder) where the mean share has fallen.

    table: rows of :func:`embeddings` of one setting.
    """
    means = table.groupby(["recipe", "of"], sort=False)[list(SHARES)].mean()
    found = []
    for recipe in dict.fromkeys(table["recipe"]):
        if (recipe, UNTRAINED) not in means.index:
            continue
        own, untrained = means.loc[(recipe, OWN)], means.loc[(recipe, UNTRAINED)]
        found += [(recipe, *worse) for worse in fallen(own, untrained)]
    return found


def warning(table: pd.DataFrame) -> tuple[str, str] | None:
    """Return kind and detail of the warning about encoders that know less than untrained ones; None if none does."""
    found = worse_than_untrained(table)
    if not found:
        return None
    texts = [f"{recipe}: same {what} {own:.2f}, untrained {without:.2f}" for recipe, what, own, without in found]
    kind = "Trained encoders group slices worse than untrained ones: their metric is not what the method intends"
    return kind, enumerated(texts, 2 * len(SHARES))


def lost(table: pd.DataFrame) -> list[str]:
    """Return one line for each dataset and recipe whose trained encoder is worse than an untrained one.

    table: rows of :func:`embeddings` of any settings.
    """
    found: dict[tuple[str, str], dict[str, None]] = {}
    for dataset, annotation, schedule in dict.fromkeys(table[SETTING].itertuples(index=False, name=None)):
        for recipe, what, share, untrained in worse_than_untrained(rows_of(table, (dataset, annotation, schedule))):
            found.setdefault((dataset, recipe), {})[f"same {what} {share:.2f} < {untrained:.2f}"] = None
    return [
        f"encoder of {recipe} ({dataset}) groups slices worse than an untrained one: {', '.join(shares)}"
        for (dataset, recipe), shares in found.items()
    ]


def one_encoder(table: pd.DataFrame) -> list[str]:
    """Return the recipes whose runs with different seeds share one encoder."""
    known = table[table["encoder"].notna()].groupby("recipe", sort=False)[["seed", "encoder"]].nunique()
    return [str(recipe) for recipe in known.index[(known["seed"] > 1) & (known["encoder"] == 1)]]
