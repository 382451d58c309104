"""The table of what the embeddings know about the anatomy."""

from __future__ import annotations

from alseg_core.embed.quality import NEIGHBOURS, OWN, PIXELS, UNTRAINED
from bench.report.numbers import NOTHING
from bench.report.runs.embeddings import MEASURES, one_encoder
from bench.report.runs.results import Results
from bench.report.setting import Setting, enumerated, rows_of
from bench.report.tables.sheet import Entry, Line, Sheet

MOST_NAMES = 4
"""Longest list of recipes in a sentence."""
DECIMALS = dict(zip(MEASURES, (2, 2, 3, 1, 2), strict=True))


def embedding_sheets(results: Results, setting: Setting) -> list[Sheet]:
    """Return the table of a setting, if its runs recorded anything about embeddings."""
    own = rows_of(results.embeddings, setting)
    if not len(own):
        return []
    means = own.groupby(["recipe", "of"], sort=False)[list(MEASURES)].mean()
    lines = [
        Line(
            [Entry(recipe), Entry(of), *(_entry(means.loc[(recipe, of), m], DECIMALS[m]) for m in MEASURES)], (recipe,)
        )
        for recipe in dict.fromkeys(own["recipe"])
        for of in (OWN, UNTRAINED, PIXELS)
        if (recipe, of) in means.index
    ]
    shared = one_encoder(own)
    note = (
        f"Mean over seeds, measured without labels. Same patient, same volume: share of the {NEIGHBOURS} nearest "
        "neighbours of a slice that come from its patient and its volume. Height: mean difference in relative height "
        "from these neighbours; smaller is better. Dimension: effective number of dimensions, (sum of the eigenvalues "
        "of the covariance)² / sum of their squares. Spread of lengths: sd of the lengths of the vectors over their "
        "mean; where it is large, distances follow lengths more than directions. A trained encoder should be above an "
        "untrained one, which has the same architecture and random weights."
    )
    if shared:
        note += (
            f" One encoder for all seeds: {enumerated(shared, MOST_NAMES)}; spreads over seeds do not contain the "
            "spread between encoders."
        )
    heads = ["recipe", "of", "same patient", "same volume", "height", "dimension", "spread of lengths"]
    return [Sheet("What the embeddings know", note, heads, lines)]


def _entry(value: float, decimals: int) -> Entry:
    return Entry(NOTHING) if value != value else Entry(f"{value:.{decimals}f}", float(value))
