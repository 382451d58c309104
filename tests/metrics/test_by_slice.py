"""Scores of slices: known answers, and a whole run against predictions of the network that it kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alseg_core import checkpoint
from alseg_core.config import RunConfig
from alseg_core.data.slices import Slices
from alseg_core.errors import ConfigError
from alseg_core.loop import run
from alseg_core.material import open_material
from alseg_core.metrics.by_slice import split_rows, summary
from alseg_core.store import Store
from alseg_core.training.inference import predict_labels

CLASSES = ("background", "disk", "other")


def square(left: int, side: int = 6) -> np.ndarray:
    """A slice of 20 x 20 with a square of class 1 in rows 5..5+side."""
    out = np.zeros((20, 20), np.uint8)
    out[5 : 5 + side, left : left + side] = 1
    return out


def test_slices_are_scored_apart_with_contours_in_the_plane() -> None:
    nothing = square(0, 0)
    truth = np.stack([square(5), square(5), square(5), nothing])
    prediction = np.stack([square(5), square(8), nothing, nothing])  # right; 3 pixels aside; missed; rightly empty
    rows = split_rows({"case": "a"}, [0], prediction, truth, (1.0, 2.0), CLASSES, 2.0)
    assert [(row["slices"], row["class"], row["count"]) for row in rows] == [
        ("annotated", "disk", 1),
        ("annotated", "other", 1),
        ("unannotated", "disk", 3),
        ("unannotated", "other", 3),
    ]
    disk, other, between, _ = rows
    assert (disk["dice"], disk["hd95_mm"], disk["assd_mm"], disk["nsd"]) == (1.0, 0.0, 0.0, 1.0)
    assert (other["dice"], other["hd95_mm"], other["nsd"]) == (None, None, None)  # nowhere, and rightly so
    # 18 of 36 pixels in common on one slice, nothing on the other: 2 * 18 / (36 + 36 + 36)
    assert between["dice"] == pytest.approx(36 / 108)
    # the left border is 3 columns of 2 mm off; the missed slice has no distance, but counts for NSD
    assert between["hd95_mm"] == pytest.approx(6.0)
    assert between["nsd"] < 0.5


def test_means_are_over_classes_then_volumes() -> None:
    def row(case: str, group: str, dice: float | None) -> dict[str, Any]:
        return {"case": case, "slices": group, "dice": dice, "hd95_mm": None, "assd_mm": None, "nsd": None}

    rows = [row("a", "annotated", 0.2), row("a", "annotated", 0.4), row("b", "annotated", 0.9), row("b", "new", None)]
    found = summary(rows)
    assert found["annotated_dice"] == pytest.approx((0.3 + 0.9) / 2)
    assert found["new_dice"] is None and found["unannotated_dice"] is None
    assert len(found) == 12


def test_a_run_scores_the_slices_of_its_pool_after_training(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny |= {"annotation": "mask", "budgets": [5], "keep_network": True}
    tiny["train"] |= {"network": {"name": "unet", "widths": [4, 8], "dropouts": [0, 0]}, "loss": "ce_dice"}
    plain = run(RunConfig.load(tiny), tmp_path / "plain", Store(tmp_path / "store"))[-1]
    assert plain.slices == []
    tiny["evaluate"] = {"by_slice": True}
    config = RunConfig.load(tiny)
    record = run(config, tmp_path / "run", Store(tmp_path / "store"))[-1]
    # nothing else changes
    assert (record.selected, record.volumes) == (plain.selected, plain.volumes)
    assert record.summary == {**plain.summary, **summary(record.slices)}
    read = [entry for entry in record.ledger if entry["what"] == "masks of the pool"]
    assert [entry["who"] for entry in read] == ["evaluation"]
    # Dice of the annotated slices by the kept network, on the native grid
    material = open_material(config, Store(tmp_path / "store"))
    network = checkpoint.load(tmp_path / "run")
    picked = {(str(entry["case"]), int(str(entry["z"]))) for entry in record.selected}
    expected: dict[tuple[str, str], float] = {}
    vault = material.vault("test")
    for case in sorted({case for case, _ in picked}):
        slices: Slices = material.prepared.slices([case])
        info = material.prepared.info(case)
        volume = info.to_native(predict_labels(network, torch.from_numpy(slices.images())))
        truth = vault.native_mask(case, "test", "masks of the pool")
        own = [z for z in range(len(truth)) if (case, z) in picked]
        for group, chosen in (("annotated", own), ("unannotated", sorted({*range(len(truth))} - {*own}))):
            ours, theirs = volume[chosen] == 1, truth[chosen] == 1
            if ours.any() or theirs.any():
                expected[case, group] = 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum())
    found = {
        (row["case"], row["slices"]): row["dice"]
        for row in record.slices
        if row["class"] == "wall" and row["slices"] != "new" and row["dice"] is not None
    }
    assert found == pytest.approx(expected)
    new = {row["case"]: row["dice"] for row in record.slices if row["slices"] == "new" and row["class"] == "wall"}
    assert new == {row["case"]: row["dice"] for row in record.volumes if row["class"] == "wall"}


def test_nothing_may_be_chosen_by_it(tiny: dict[str, Any]) -> None:
    tiny["evaluate"] = {"by_slice": True, "part": "val"}
    with pytest.raises(ConfigError, match="by_slice reads masks of the pool that were not bought"):
        RunConfig.load(tiny)
