"""What a run keeps for pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alseg_core import exhibits
from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS
from alseg_core.data.slices import Slices, SliceTable
from alseg_core.oracles.vault import Vault
from alseg_core.store import Store
from tests.data.test_davis import write_sequence


def pool(depths: list[int], size: int = 8) -> Slices:
    """Volumes of these depths, one patient a volume, with random images."""
    count = sum(depths)
    table = SliceTable(
        cases=tuple(f"v{i}" for i in range(len(depths))),
        patients=tuple(f"p{i}" for i in range(len(depths))),
        volume=np.repeat(np.arange(len(depths)), depths),
        z=np.concatenate([np.arange(depth) for depth in depths]),
    )
    base = np.random.default_rng(0).random((count, 1, size, size), dtype=np.float32)
    return Slices(table, base, np.arange(count))


def test_the_slice_with_most_foreground_is_kept_with_its_prediction(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_sequence(tmp_path / "DAVIS", name)
    plan = Prepare(window_hu=(0, 255), normalise="minmax", crop_fraction=1.0, size=24)
    folder = prepare(READERS.build("davis"), tmp_path, plan, Store(tmp_path / "store"))
    prepared = Prepared.open(folder)
    vault = Vault(folder, prepared)
    examples = exhibits.Examples(prepared, ["a", "b"], vault)
    kept: dict[str, np.ndarray] = {}
    for case in ("a", "b"):
        depth = prepared.info(case).depth
        kept[case] = np.arange(depth * 24 * 24, dtype=np.uint8).reshape(depth, 24, 24)
        truth = np.zeros((depth, 30, 30), np.uint8)
        truth[1, :3] = 1
        truth[-1, :2] = 1
        examples(case, kept[case], truth)
    found = examples.arrays()
    assert found["case"].tolist() == ["a", "b"] and found["z"].tolist() == [1, 1]
    masks = np.load(folder / "labels" / "masks.npy")
    for i, case in enumerate(("a", "b")):
        assert (found["prediction"][i] == kept[case][1]).all()
        row = prepared.slices([case]).rows[1]
        assert (found["truth"][i] == masks[row]).all()
        colours = prepared.base[row]
        mean = (colours[0] + colours[1] + colours[2]) / 3  # a colour slice is shown as the mean of its channels
        scaled = 255 * (mean - mean.min()) / (mean.max() - mean.min())
        np.testing.assert_allclose(found["image"][i], scaled, atol=0.51)
    assert [(e["who"], e["slices"]) for e in vault.ledger.drain()] == [("pictures", 2)]


def test_large_slices_shrink_and_small_ones_stay() -> None:
    labels = np.zeros((1, 256, 200), np.uint8)
    labels[0, :128] = 3
    small = exhibits.shrunk(labels, 64)
    assert small.shape == (1, 64, 50) and (small[0, :32] == 3).all() and (small[0, 32:] == 0).all()
    assert exhibits.shrunk(labels[:, :50, :60], 64).shape == (1, 50, 60)
    image = labels[:, None].astype(np.float32)
    assert exhibits.grey(image, 64).shape == (1, 64, 50)
    assert set(np.unique(exhibits.grey(image, 64))) == {0, 255}
    assert (exhibits.grey(np.ones((2, 1, 4, 4), np.float32), 64) == 0).all()  # no contrast, no division by zero


def test_selected_slices_are_spread_over_the_order_of_picking() -> None:
    slices = pool([40, 40])
    positions = np.random.default_rng(1).permutation(80)[:64]
    labels = positions[:, None, None].astype(np.uint8) * np.ones((1, 8, 8), np.uint8)
    found = exhibits.selected(slices, positions, labels)
    picked = positions[::2]
    assert len(found["z"]) == exhibits.SELECTED
    assert found["label"][:, 0, 0].tolist() == picked.tolist()
    assert found["case"].tolist() == [f"v{p // 40}" for p in picked] and found["z"].tolist() == (picked % 40).tolist()


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_the_embedding_keeps_distances_up_to_a_factor(scale: float) -> None:
    slices = pool([5, 7])
    rng = np.random.default_rng(2)
    features = (scale * rng.normal(size=(12, 4)) @ rng.normal(size=(4, 500))).astype(np.float32)
    found = exhibits.embedding(slices, features, np.array([3, 8]))
    assert found["points"].shape == (12, 12) and found["points"].dtype == np.float16
    points = found["points"].astype(float)
    ours = np.linalg.norm(points[:, None] - points[None], axis=-1)
    theirs = np.linalg.norm(features[:, None].astype(float) - features[None], axis=-1)
    np.testing.assert_allclose(ours / ours.max(), theirs / theirs.max(), atol=2e-3)
    assert found["labelled"].nonzero()[0].tolist() == [3, 8]
    assert found["patient"].tolist() == [0] * 5 + [1] * 7
    again = exhibits.embedding(slices, features, np.array([3, 8]))
    assert all((again[name] == found[name]).all() for name in found)
    assert exhibits.embedding(slices, features + 1, np.array([0]))["digest"] != found["digest"]
    assert len(exhibits.embedding(pool([2500], 1), np.ones((2500, 3), np.float32), np.array([0]))["points"]) == 2000
