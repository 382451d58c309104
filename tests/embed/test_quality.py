"""Quality of an embedding against loops over all pairs of slices and the eigenvalues of the covariance."""

from __future__ import annotations

from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alseg_core.data.slices import Slices, SliceTable
from alseg_core.embed import EMBEDDERS, EmbedContext, quality
from alseg_core.embed.appraisal import appraise
from alseg_core.embed.embedder import Embedding
from alseg_core.embed.quality import OWN, PIXELS, UNTRAINED, Quality, participation
from alseg_core.store import Store

torch.set_num_threads(1)


def table_of(depths: tuple[int, ...], seed: int = 0) -> SliceTable:
    """Volumes of these depths in shuffled order, two to a patient."""
    volume = np.repeat(np.arange(len(depths)), depths)
    z = np.concatenate([np.arange(depth) for depth in depths])
    order = np.random.default_rng(seed).permutation(len(z))
    patients = tuple(f"p{i // 2}" for i in range(len(depths)))
    return SliceTable(tuple(f"v{i}" for i in range(len(depths))), patients, volume[order], z[order])


def by_hand(features: NDArray[np.float32], table: SliceTable) -> Quality:
    """Every measure from its definition, one pair of slices at a time."""
    x = features.astype(np.float64)
    patients, volumes, heights = [], [], []
    for i in range(len(x)):
        others = sorted((float(((x[i] - x[j]) ** 2).sum()), j) for j in range(len(x)) if j != i)[:5]
        for _, j in others:
            mine, theirs = int(table.volume[i]), int(table.volume[j])
            volumes.append(mine == theirs)
            patients.append(table.patients[mine] == table.patients[theirs])
            place = [(int(table.z[k]) + 0.5) / list(table.volume).count(table.volume[k]) for k in (i, j)]
            heights.append(abs(place[0] - place[1]))
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T))
    lengths = [float((row**2).sum() ** 0.5) for row in x]
    return Quality(
        same_patient=float(np.mean(patients)),
        same_volume=float(np.mean(volumes)),
        height_distance=float(np.mean(heights)),
        dimension=float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum()),
        norm_spread=float(np.std(lengths) / np.mean(lengths)),
    )


@pytest.mark.parametrize(("depths", "dim"), [((7, 5, 9, 4), 3), ((7, 5, 9, 4), 60), ((1, 1, 1, 9), 4), ((3, 1), 2)])
def test_every_measure_equals_its_definition(depths: tuple[int, ...], dim: int) -> None:
    table = table_of(depths)
    features = np.random.default_rng(1).normal(1, 2, size=(len(table), dim)).astype(np.float32)
    features[:, 0] += 3 * table.volume
    found, truth = quality.quality(features, table), by_hand(features, table)
    np.testing.assert_allclose(astuple(found), astuple(truth), rtol=1e-5)


def test_known_answers() -> None:
    table = table_of((6, 6, 6, 6))
    volumes = np.eye(4, dtype=np.float32)[table.volume]  # all slices of a volume in one point
    found = quality.quality(volumes, table)
    assert (found.same_patient, found.same_volume, found.norm_spread) == (1.0, 1.0, 0.0)
    assert found.dimension == pytest.approx(3)  # a regular tetrahedron
    heights = np.stack([table.relative_z * 2 * np.pi, np.zeros(24)], axis=1).astype(np.float32)
    found = quality.quality(heights, table)
    assert found.dimension == pytest.approx(1) and found.same_patient < 0.6 and found.height_distance < 0.12


def test_a_sample_of_a_large_pool_has_its_neighbours_in_the_whole_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of((8,) * 12)
    features = np.random.default_rng(0).normal(size=(96, 4)).astype(np.float32)
    monkeypatch.setattr(quality, "MOST", 10)
    rows = np.linspace(0, 95, 10).astype(int)
    shares = []
    for i in rows:
        order = [j for j in np.argsort(np.linalg.norm(features - features[i], axis=1)) if j != i][:5]
        shares.append(np.mean(table.volume[order] == table.volume[i]))
    assert quality.quality(features, table).same_volume == pytest.approx(np.mean(shares))


@pytest.mark.parametrize("depths", [(1,), (2,), (9, 9)])
def test_pools_without_neighbours_or_without_spread(depths: tuple[int, ...]) -> None:
    table = table_of(depths)
    for features in (np.zeros((len(table), 3), np.float32), np.ones((len(table), 3), np.float32)):
        found = quality.quality(features, table)
        assert np.isfinite(astuple(found)).all() and max(found.dimension, found.norm_spread) < 1e-12
        neighbours = quality.neighbours(features, np.arange(len(table)))
        assert not (neighbours == np.arange(len(table))[:, None]).any()


def test_participation_counts_equal_axes() -> None:
    axes = np.concatenate([np.eye(7), -np.eye(7)])
    assert participation(axes) == pytest.approx(7) and participation(axes * [5, 0, 0, 0, 0, 0, 0]) == pytest.approx(1)


def pool() -> Slices:
    table = table_of((6, 5, 6, 7))
    base = np.random.default_rng(0).random((24, 1, 32, 32)).astype(np.float32)
    return Slices(table, base, np.arange(24))


QUICK: dict[str, Any] = {"name": "contrastive", "epochs": 1, "image_size": 32, "init": "random"}


@pytest.mark.parametrize("settings", [QUICK, {**QUICK, "normalise": True}, {"name": "pixels", "size": 4}, "pixels"])
def test_an_appraisal_is_the_quality_of_what_it_names_and_is_measured_once(settings: Any, tmp_path: Path) -> None:
    slices, embedder, store = pool(), EMBEDDERS.build(settings), Store(tmp_path)
    context = EmbedContext(slices, "toy", 3, "cpu", store, None)
    embedding = embedder.embed(context)
    found = appraise(embedder, embedding, context)
    pixels = slices.images().reshape(24, -1)
    truth = {OWN: embedding.features, PIXELS: pixels}
    if settings in ("pixels", {"name": "pixels", "size": 4}):
        del truth[PIXELS]
    else:
        truth[UNTRAINED] = embedder.untrained(context)  # type: ignore[attr-defined]
        assert not np.allclose(truth[UNTRAINED], embedding.features)
    assert set(found) == set(truth)
    for name, features in truth.items():
        np.testing.assert_allclose(astuple(found[name]), astuple(by_hand(features, slices.table)), rtol=1e-4)
    entries = sorted((tmp_path / "quality").glob("*/quality.json"))
    times = [entry.stat().st_mtime_ns for entry in entries]
    again = appraise(embedder, Embedding(embedding.features.copy()), context)
    assert again == found and len(entries) == len(found)
    assert [entry.stat().st_mtime_ns for entry in sorted((tmp_path / "quality").glob("*/quality.json"))] == times
    without = EmbedContext(slices, "toy", 3, "cpu", None, None)
    assert {n: asdict(q) for n, q in appraise(embedder, embedding, without).items()} == {
        n: asdict(q) for n, q in found.items()
    }
