"""Dice overlap, with an explicit policy for empty structures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alseg_core.metrics.means import mean_defined
from alseg_core.vocabulary import IntArray, LabelArray

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor


def dice_scores(prediction: LabelArray, truth: LabelArray, classes: int) -> list[float]:
    """Return Dice 2|P∩T| / (|P|+|T|) of each foreground class 1..classes-1 of one volume.

    prediction, truth: equal shapes, class numbers. Dice is NaN, to be left out of means, if both are
    empty, and 0 if one is.
    """
    pairs = np.bincount(truth.ravel().astype(np.int64) * classes + prediction.ravel(), minlength=classes * classes)
    confusion = pairs.reshape(classes, classes)
    both = np.diagonal(confusion)
    return dice(np.stack([both, confusion.sum(axis=0) + confusion.sum(axis=1)], axis=1)[1:])


def slice_dice(labels: LabelArray, truth: LabelArray, classes: int) -> NDArray[np.float64]:
    """Return the Dice (B,) of each slice of (B, H, W), the mean over the foreground classes in either; NaN without."""
    each = [dice_scores(ours, theirs, classes) for ours, theirs in zip(labels, truth, strict=True)]
    found = (mean_defined(scores) for scores in each)
    return np.array([math.nan if mean is None else mean for mean in found], dtype=np.float64)


def dice(overlap: IntArray) -> list[float]:
    """Return the Dice of each structure from (n, 2) numbers of pixels |P∩T| and |P|+|T|; NaN if both are empty."""
    return [2.0 * both / either if either else math.nan for both, either in overlap.tolist()]


def overlaps(predictions: Tensor, truths: Tensor, classes: int) -> Tensor:
    """Return numbers of pixels |P∩T| and |P|+|T| for :func:`dice`, (B, classes - 1, 2) int64.

    The numbers are per slice and foreground class. predictions, truths: (B, H, W) uint8 on one device, which the host
    does not wait for.
    """
    import torch

    counts = []
    for label in range(1, classes):
        ours, theirs = (predictions == label).flatten(1), (truths == label).flatten(1)
        counts += [(ours & theirs).sum(dim=1), ours.sum(dim=1) + theirs.sum(dim=1)]
    return torch.stack(counts, dim=1).view(-1, classes - 1, 2)
