"""How many validation labels a run reads, which, and what becomes of runs with few or none."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alseg_core import loop
from alseg_core.config import RunConfig
from alseg_core.data.in_plane import InPlane
from alseg_core.data.prepared import CaseInfo, Prepared
from alseg_core.data.slices import SliceTable
from alseg_core.errors import ConfigError
from alseg_core.material import open_material, plan
from alseg_core.metrics.overlap import dice_scores
from alseg_core.models import SegmentationModule
from alseg_core.oracles import Vault
from alseg_core.store import Store
from alseg_core.validation import Amount, Validation, chosen_slices, names
from bench.planning.forecast import forecast
from bench.planning.stopwatch import Relative


def table(*depths: int) -> SliceTable:
    cases = tuple(f"v{i}" for i in range(len(depths)))
    z = np.concatenate([np.arange(depth) for depth in depths])
    return SliceTable(cases, cases, np.repeat(np.arange(len(depths)), depths), z)


@pytest.mark.parametrize("count", [1, 3, 4, 7, 9, 13])
def test_a_number_of_slices_is_spread_over_the_volumes(count: int) -> None:
    volumes = table(2, 5, 5, 1)
    found = chosen_slices(count, volumes, 0)
    assert len(found) == len(set(found.tolist())) == count and (np.diff(found) > 0).all()
    per = np.bincount(volumes.volume[found], minlength=4)
    for a in range(4):
        for b in range(4):
            assert per[a] >= per[b] - 1 or per[a] == volumes.depth[a]  # nobody is behind unless used up


def test_which_slices_depends_on_the_seed_alone_and_every_slice_can_be_drawn() -> None:
    volumes = table(4, 4, 4)
    assert np.array_equal(chosen_slices(3, volumes, 5), chosen_slices(3, volumes, 5))
    drawn = Counter(int(p) for seed in range(400) for p in chosen_slices(2, volumes, seed))
    assert set(drawn) == set(range(12))  # 800 draws of 12 slices: 67 of each, sd 7
    assert all(35 < count < 99 for count in drawn.values())


def test_all_none_and_too_many() -> None:
    volumes = table(2, 3)
    assert chosen_slices("all", volumes, 0).tolist() == [0, 1, 2, 3, 4] and not len(chosen_slices("none", volumes, 0))
    assert names("all", volumes, np.arange(5)) == ("v0", "v1")
    assert names(2, volumes, np.array([1, 4])) == (("v0", 1), ("v1", 2)) and names("none", volumes, np.array([])) == ()
    with pytest.raises(ConfigError, match="6 slices were asked for, the validation volumes have 5"):
        chosen_slices(6, volumes, 0)


class Threshold(SegmentationModule):
    """Class 1 above the mean of what it sees at once, which is a whole volume if it has a window."""

    def __init__(self, window: int | None) -> None:
        super().__init__()
        self.window = window

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        middle = images.mean() if self.window else images.new_tensor(0.5)
        above = (images > middle).float()
        return torch.cat([1 - above, above], dim=1)


class Masks(Vault):
    """Random masks of all rows."""

    def masks(self, rows: np.ndarray, who: str, what: Any, cost_each: float = 1.0) -> np.ndarray:
        self.ledger.record(who, what, len(rows), len(rows) * cost_each)
        return np.random.default_rng(1).integers(0, 2, (20, 6, 6)).astype(np.uint8)[rows]


@pytest.mark.parametrize("window", [None, 4])
def test_dice_is_that_of_the_chosen_slices_together(window: int | None) -> None:
    volumes = table(4, 5, 3)
    base = np.random.default_rng(0).random((12, 1, 6, 6), dtype=np.float32)
    grid = InPlane(3, 3, 1, 1, 6)
    infos = [
        CaseInfo(v, v, "", {}, int(d), (6, 6), (1, 1, 1), grid, True, False, 0)
        for v, d in zip(volumes.cases, volumes.depth, strict=True)
    ]
    prepared = Prepared(volumes, tuple(infos), base, (0, 1), "key")
    vault, chosen = Masks(Path(), prepared), np.array([1, 3, 9])
    whole = vault.masks(np.arange(12), "", "test masks")
    vault.ledger.drain()
    validation = Validation.load(prepared, volumes.cases, vault, 2, "cpu", 1.0, chosen, window is not None)
    assert [(entry["slices"], entry["cost"]) for entry in vault.ledger.drain()] == [(3, 3.0)]
    seen = [base[volumes.volume == volumes.volume[p]].mean() if window else 0.5 for p in chosen]
    predicted = np.stack([base[p, 0] > middle for p, middle in zip(chosen, seen, strict=True)]).astype(np.uint8)
    assert validation(Threshold(window)) == pytest.approx(dice_scores(predicted, whole[chosen], 2)[0])


def with_validation(tiny: dict[str, Any], amount: Amount, **more: Any) -> RunConfig:
    return RunConfig.load({**tiny, "budgets": [3, 6], "validation": amount, **more})


def test_a_run_pays_for_the_validation_slices_it_uses(tiny: dict[str, Any], tmp_path: Path) -> None:
    store, config = Store(tmp_path / "store"), with_validation(tiny, 4)
    records = loop.run(config, tmp_path / "run", store)
    bought = [(e["slices"], e["cost"]) for r in records for e in r.ledger if e["what"] == "validation masks"]
    assert bought == [(4, 4.0), (4, 0.0)] and plan(config, store).val_slices == 4
    material = open_material(config, store)
    known = json.loads((tmp_path / "run" / "environment.json").read_text())["data"]["validation"]
    places = material.prepared.slices(material.split.val).table
    assert known == [list(places.locate(int(p))) for p in chosen_slices(4, places, config.seed)]
    assert all(0 <= float(str(m["validation_dice"])) <= 1 for r in records for m in r.members)


def test_without_validation_labels_nothing_of_validation_is_read(tiny: dict[str, Any], tmp_path: Path) -> None:
    store, config = Store(tmp_path / "store"), with_validation(tiny, "none", members=2)
    records = loop.run(config, tmp_path / "run", store)
    assert {str(e["what"]) for r in records for e in r.ledger} == {"training labels", "test masks"}
    assert all(m["validation_dice"] is None for r in records for m in r.members)
    assert all(r.summary["validation_dice"] is None and r.best == 0 for r in records)
    again = loop.run(config, tmp_path / "again", store)
    assert [r.signals["training"] for r in (records[0], again[0])] == ["own", "own"]  # found what it trained itself
    assert [r.volumes for r in again] == [r.volumes for r in records]


def test_amounts_share_no_training_and_forecasts_know(tiny: dict[str, Any], tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    configs = [with_validation(tiny, amount) for amount in ("all", 4, "none")]
    assert len({config.fingerprint for config in configs}) == 3
    assert configs[0].fingerprint == RunConfig.load({**tiny, "budgets": [3, 6]}).fingerprint
    for config in configs:
        plans = {config.key: plan(config, store)}
        for shared in (0, 1):  # before and after the run
            other = dataclasses.replace(config, keep_network=bool(shared))
            assert forecast([other], plans, {other.key: 0}, store, Relative(), 1).total("shared_trainings") == shared
            if not shared:
                (first, _) = loop.run(config, tmp_path / config.key, store)
                assert first.signals["training"] == "own"


def test_wrong_amounts_are_refused_before_compute(tiny: dict[str, Any], tmp_path: Path) -> None:
    for amount in (0, -1, "some", 2.5):
        with pytest.raises(ConfigError, match="validation"):
            RunConfig.load({**tiny, "validation": amount})
    with pytest.raises(ConfigError, match="scores whole validation volumes"):
        with_validation(tiny, "none", evaluate={"part": "val"})
    with pytest.raises(ConfigError, match="10000 slices were asked for"):
        open_material(with_validation(tiny, 10000), Store(tmp_path / "store"))
