"""Dice overlap, with an explicit policy for empty structures."""

from __future__ import annotations

import math

import numpy as np

from alseg_core.vocabulary import LabelArray


def dice_scores(prediction: LabelArray, truth: LabelArray, classes: int) -> list[float]:
    """Dice 2|P∩T| / (|P|+|T|) of each foreground class 1..classes-1 of one volume.

    prediction, truth: equal shapes, class numbers. Both empty: NaN, to be left out of means. One empty: 0.
    """
    pairs = np.bincount(truth.ravel().astype(np.int64) * classes + prediction.ravel(), minlength=classes * classes)
    confusion = pairs.reshape(classes, classes)
    sizes = confusion.sum(axis=0) + confusion.sum(axis=1)
    return [2.0 * confusion[c, c] / sizes[c] if sizes[c] else math.nan for c in range(1, classes)]
