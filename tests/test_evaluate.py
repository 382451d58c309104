from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from alseg_core.evaluate import Validation, summarise
from alseg_core.models import SegmentationModule


def row(case: str, name: str, dice: float | None, hd: float | None, empty: str = "") -> dict[str, object]:
    return {"case": case, "class": name, "dice": dice, "hd95_mm": hd, "assd_mm": None, "nsd": None, "empty": empty}


def test_mean_over_classes_then_volumes_without_undefined_scores() -> None:
    rows = [
        row("a", "x", 0.5, 4.0),
        row("a", "y", 0.7, 6.0),
        row("b", "x", 0.0, 90.0, "prediction"),
        row("b", "y", None, None, "both"),
    ]
    summary = summarise(rows, ["background", "x", "y"])
    assert summary["dice"] == pytest.approx((0.6 + 0.0) / 2)
    assert summary["hd95_mm"] == pytest.approx((5 + 90) / 2)
    assert summary["assd_mm"] is None
    assert summary["dice_x"] == pytest.approx(0.25)
    assert summary["dice_y"] == pytest.approx(0.7)
    assert (summary["empty_predictions"], summary["empty_truths"], summary["empty_both"]) == (1, 0, 1)
    assert not any(isinstance(v, float) and math.isnan(v) for v in summary.values())


class Bright(SegmentationModule):
    """Class 1 where a pixel is brighter than the mean of all slices it was handed."""

    def __init__(self, window: int | None) -> None:
        super().__init__()
        self.window = window

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        above = (images > images.mean()).float()
        return torch.cat([1 - above, above], dim=1)


def test_validation_is_the_mean_over_volumes_each_seen_whole() -> None:
    rng = np.random.default_rng(0)
    depths, offsets = (3, 1, 5), (0.0, 10.0, 20.0)
    images = np.concatenate([o + rng.random((d, 1, 6, 6)) for d, o in zip(depths, offsets, strict=True)])
    masks = rng.integers(0, 2, (9, 6, 6)).astype(np.uint8)
    scores, start = [], 0
    for depth in depths:
        volume, truth = images[start : start + depth, 0], masks[start : start + depth] == 1
        found = volume > volume.mean()
        scores.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
        start += depth
    validation = Validation(torch.from_numpy(images.astype(np.float32)), depths, masks, 2)
    assert validation(Bright(window=4)) == pytest.approx(np.mean(scores))
    assert validation(Bright(window=None)) != pytest.approx(np.mean(scores))  # slices of all volumes at once
