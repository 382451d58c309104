from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from alseg_core import evaluate
from alseg_core.data.in_plane import InPlane
from alseg_core.data.prepared import CaseInfo, Prepared
from alseg_core.data.slices import SliceTable
from alseg_core.evaluate import Evaluation, summarise
from alseg_core.metrics.overlap import dice_scores
from alseg_core.metrics.surface import surface_scores
from alseg_core.models import SegmentationModule
from alseg_core.oracles import Vault
from alseg_core.training import inference
from alseg_core.validation import Validation


def row(case: str, name: str, dice: float | None, hd: float | None, empty: str = "") -> dict[str, object]:
    return {"case": case, "class": name, "dice": dice, "hd95_mm": hd, "assd_mm": None, "nsd": None, "empty": empty}


def test_mean_over_classes_then_volumes_without_undefined_scores() -> None:
    rows = [
        row("a", "x", 0.5, 4.0),
        row("a", "y", 0.7, 6.0),
        row("b", "x", 0.0, 90.0, "prediction"),
        row("b", "y", None, None, "both"),
        row("c", "x", 0.4, 2.0),
        row("c", "y", 0.0, 90.0, "truth"),
    ]
    summary = summarise(rows, ["background", "x", "y"])
    assert summary["dice"] == pytest.approx((0.6 + 0.0 + 0.2) / 3)
    assert summary["hd95_mm"] == pytest.approx((5 + 2) / 2)  # over structures that both hold
    assert summary["assd_mm"] is None
    assert summary["dice_x"] == pytest.approx(0.3)
    assert summary["dice_y"] == pytest.approx(0.35)
    assert (summary["empty_predictions"], summary["empty_truths"], summary["empty_both"]) == (1, 1, 1)
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
    validation = Validation(torch.from_numpy(images.astype(np.float32)), depths, torch.from_numpy(masks), 2)
    assert validation(Bright(window=4)) == pytest.approx(np.mean(scores))
    assert validation(Bright(window=None)) != pytest.approx(np.mean(scores))  # slices of all volumes at once


class Graded(SegmentationModule):
    """Class c where a pixel lies in [c, c + 1); counts its calls."""

    calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        type(self).calls += 1
        return -(images - torch.arange(4).view(1, 4, 1, 1) - 0.5).abs()


def test_validation_of_slices_in_common_chunks_asks_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    depths = (3, 1, 5, 4)
    images = 4 * rng.random((13, 1, 6, 6), dtype=np.float32)
    masks = rng.integers(0, 4, (13, 6, 6)).astype(np.uint8)
    images[3], masks[3] = 0.5, 0  # a volume without foreground, left out
    ends = np.cumsum(depths)[:-1]
    pairs = zip(np.split(images[:, 0].astype(np.uint8), ends), np.split(masks, ends), strict=True)
    expected = np.nanmean([np.mean(dice_scores(*pair, 4)) for pair in pairs])
    monkeypatch.setattr(inference, "PIXELS", {"cpu": 4 * 36})
    fetched: list[int] = []
    asked: list[str] = []
    fetch = torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: fetched.append(tensor.nbytes) or fetch(tensor))
    for name in ("item", "tolist", "numpy", "__bool__", "nonzero"):
        answer = getattr(torch._C.TensorBase, name)
        monkeypatch.setattr(torch.Tensor, name, lambda t, name=name, answer=answer: asked.append(name) or answer(t))
    Graded.calls = 0
    validation = Validation(torch.from_numpy(images), depths, torch.from_numpy(masks), 4)
    assert validation(Graded()) == pytest.approx(expected, abs=1e-12)
    assert Graded.calls == 4
    assert fetched == [13 * 3 * 2 * 8] and asked == ["numpy"]  # of what was fetched


class Masks(Vault):
    """A vault whose native masks are at hand."""

    def native_mask(self, case: str, who: str, what: str, cost_each: float = 1.0) -> np.ndarray:
        info = self.prepared.info(case)
        self.ledger.record(who, "test masks", info.depth, info.depth * cost_each)
        rng = np.random.default_rng(len(case) + info.depth)
        return rng.integers(0, 3, (info.depth, *info.native_shape)).astype(np.uint8)


def dataset(depths: tuple[int, ...]) -> tuple[Prepared, Masks]:
    names = [f"case{i}" for i in range(len(depths))]
    infos = []
    for number, (name, depth) in enumerate(zip(names, depths, strict=True)):
        shape, geometry = (9 + number, 11), InPlane(4.5, 5.0, 1.2, 1.4, 8)
        infos.append(CaseInfo(name, name, "", {}, depth, shape, (5.0, 1.5, 2.0), geometry, True, False, 0))
    table = SliceTable(
        tuple(names), tuple(names), np.repeat(np.arange(len(depths)), depths), np.concatenate([*map(np.arange, depths)])
    )
    base = 4 * np.random.default_rng(0).random((sum(depths), 1, 8, 8), dtype=np.float32)
    prepared = Prepared(table, tuple(infos), base, (0, 1, 2, 3), "key")
    return prepared, Masks(Path("nowhere"), prepared)


@pytest.mark.parametrize(("pixels", "threads"), [(2**24, 1), (2**24, 3), (6 * 64, 2), (1, 1)])
def test_volumes_score_the_same_however_they_are_grouped(
    pixels: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths, classes = (3, 2, 5, 1), ["background", "a", "b", "c"]
    prepared, vault = dataset(depths)
    cases = ["case2", "case0", "case3", "case1"]
    monkeypatch.setattr(evaluate, "PIXELS", pixels)
    told: list[float] = []
    rows = Evaluation().volumes(Graded(), prepared, cases, vault, classes, "cpu", told.append, threads=threads)
    assert [(row["case"], row["class"]) for row in rows] == [(case, name) for case in cases for name in classes[1:]]
    assert told == [0.25, 0.5, 0.75, 1.0]
    assert [entry["slices"] for entry in vault.ledger.drain()] == [11]
    for case in cases:  # one at a time
        info = prepared.info(case)
        prediction = info.to_native(prepared.slices([case]).images()[:, 0].astype(np.uint8))
        truth = vault.native_mask(case, "", "")
        for label, row in enumerate([row for row in rows if row["case"] == case], start=1):
            score = dice_scores(prediction, truth, 4)[label - 1]
            surface = surface_scores(prediction == label, truth == label, info.spacing_mm, 2.0)
            assert row["dice"] == score
            assert (row["hd95_mm"], row["assd_mm"], row["nsd"]) == (surface.hd95_mm, surface.assd_mm, surface.nsd)
            assert row["empty"] == ("truth" if label == 3 else "")


def test_slices_of_several_volumes_share_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, vault = dataset((3, 2, 5, 1))
    monkeypatch.setattr(inference, "PIXELS", {"cpu": 4 * 64})
    Graded.calls = 0
    Evaluation(surface=False).volumes(
        Graded(), prepared, prepared.table.cases, vault, ["0", "1", "2", "3"], "cpu", lambda share: None
    )
    assert Graded.calls == 3
