"""Scores of slices rather than volumes: of annotated ones, of the others of their volumes, and of new volumes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from alseg_core.metrics.means import mean_defined, volume_means
from alseg_core.metrics.metric import ASSD, DICE, HD95, NSD
from alseg_core.metrics.overlap import dice_scores
from alseg_core.metrics.surface import surface_scores
from alseg_core.vocabulary import LabelArray

Group = Literal["annotated", "unannotated", "new"]
"""Slices of the pool that the network was trained on, the other slices of their volumes, and slices of volumes that
nobody annotated for training."""
GROUPS: tuple[Group, ...] = ("annotated", "unannotated", "new")
SCORED = (DICE, HD95, ASSD, NSD)
"""Metrics of a group."""


def slice_rows(
    who: Mapping[str, Any],
    group: Group,
    prediction: LabelArray,
    truth: LabelArray,
    spacing_mm: tuple[float, float],
    classes: Sequence[str],
    tolerance_mm: float,
) -> list[dict[str, Any]]:
    """Score some slices of one volume, each slice by itself where surfaces are concerned; return a row per class.

    Dice is that of all these slices together. Surfaces are contours in the plane: HD95 and ASSD are means over the
    slices in which prediction and truth both hold the structure, NSD over those in which either does. Where nothing
    defines a score it is None.

    Args:
        who: first entries of each row, such as the case.
        group: what these slices are.
        prediction: (n, h, w) class numbers on the native grid.
        truth: (n, h, w), as prediction.
        spacing_mm: distance of pixel centres (y, x) in mm.
        classes: names of the classes, background first.
        tolerance_mm: tolerance of NSD in mm.
    """
    overlap = dice_scores(prediction, truth, len(classes))
    rows = []
    for label, name in list(enumerate(classes))[1:]:
        ours, theirs = prediction == label, truth == label
        held = np.flatnonzero(ours.any(axis=(1, 2)) | theirs.any(axis=(1, 2)))
        both = [z for z in held if ours[z].any() and theirs[z].any()]
        scores = {z: surface_scores(ours[z], theirs[z], spacing_mm, tolerance_mm) for z in both}
        nsd = [scores[z].nsd if z in scores else 0.0 for z in held]
        rows.append(
            {
                **who,
                "class": name,
                "slices": group,
                "count": len(truth),
                DICE.name: None if math.isnan(overlap[label - 1]) else overlap[label - 1],
                HD95.name: mean_defined(score.hd95_mm for score in scores.values()),
                ASSD.name: mean_defined(score.assd_mm for score in scores.values()),
                NSD.name: mean_defined(nsd),
            }
        )
    return rows


def split_rows(
    who: Mapping[str, Any],
    annotated: Collection[int],
    prediction: LabelArray,
    truth: LabelArray,
    spacing_mm: tuple[float, float],
    classes: Sequence[str],
    tolerance_mm: float,
) -> list[dict[str, Any]]:
    """Score the annotated slices of a volume of the pool, and the others, as :func:`slice_rows` does.

    annotated: numbers of these slices, from 0. A group without a slice has no rows.
    """
    is_annotated = np.isin(np.arange(len(truth)), list(annotated))
    rows = []
    groups: tuple[tuple[Group, Any], ...] = (("annotated", is_annotated), ("unannotated", ~is_annotated))
    for group, chosen in groups:
        if chosen.any():
            rows += slice_rows(who, group, prediction[chosen], truth[chosen], spacing_mm, classes, tolerance_mm)
    return rows


def summary(rows: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the means over the classes of a volume, then over volumes: ``annotated_dice``, ``new_hd95_mm``, ..."""
    rows = list(rows)
    out: dict[str, float | None] = {}
    for group in GROUPS:
        own = [row for row in rows if row["slices"] == group]
        for metric in SCORED:
            out[f"{group}_{metric.name}"] = mean_defined(volume_means(own, metric.name).values())
    return out
