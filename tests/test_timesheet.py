"""Minutes of annotation in the records of runs, counted again from the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alseg_core import loop
from alseg_core.config import RunConfig
from alseg_core.data.slices import SliceTable
from alseg_core.errors import ConfigError
from alseg_core.geometry.outlines import outline_mm, stroke_mm
from alseg_core.material import open_material
from alseg_core.oracles import ORACLES, drawn
from alseg_core.oracles.annotator import LABEL_DICE
from alseg_core.oracles.mask import Mask
from alseg_core.oracles.minutes import Minutes
from alseg_core.results import RunFolder
from alseg_core.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


def masked(tiny: dict[str, Any], steps: int = 60, **more: Any) -> RunConfig:
    network = {**tiny["train"]["network"], "name": "unet"}
    loss = {"name": "ce_dice", "balance": 1.0}
    train = {
        **tiny["train"],
        "network": network,
        "loss": loss,
        "iterations_full": steps,
        "validate_every": 50,
        "lr": 0.05,
    }
    fixed = {"annotation": "mask", "train": train, "budgets": [20, 30], "evaluate": {"surface": False}}
    return RunConfig.load({**tiny, **fixed, **more})


def test_minutes_of_volumes_slices_and_outlines(tiny, tmp_path, store):
    config = masked(tiny, minutes={"open_volume": 2.0, "slice": 0.25, "per_cm": 0.5})
    records = loop.run(config, tmp_path / "run", store)
    material = open_material(config, store)
    vault = material.vault("test")

    def counted(entries):
        total = 2.0 * len({case for case, _ in entries})
        for case, z in entries:
            slices, info = material.prepared.slices([case]), material.prepared.info(case)
            (mask,) = vault.masks(slices.rows[[z]], "test", "training labels")
            total += 0.25 + 0.5 * outline_mm(mask, info.pixel_mm) / 10
        return total

    so_far = 0.0
    for record in records:
        so_far += counted([(entry["case"], entry["z"]) for entry in record.selected])
        assert record.minutes == pytest.approx(so_far, abs=0.01)
    validation = [(case, z) for case in material.split.val for z in range(material.prepared.info(case).depth)]
    assert [record.validation_minutes for record in records] == pytest.approx([counted(validation)] * 2, abs=0.01)
    assert RunFolder(tmp_path / "run").records() == records


def test_the_model_of_time_changes_nothing_else(tiny, tmp_path, store):
    plain, prefilled = masked(tiny, 500), masked(tiny, 500, minutes={"prefill": True, "least": 0.0})
    one, other = (loop.run(config, tmp_path / config.key, store) for config in (plain, prefilled))
    assert [r.selected for r in one] == [r.selected for r in other]
    assert [r.volumes for r in one] == [r.volumes for r in other]
    assert [r.ledger for r in one] == [r.ledger for r in other]
    assert "minutes" not in plain.describe()
    assert masked(tiny, 500, minutes={"slice": 0.1}).fingerprint == plain.fingerprint != prefilled.fingerprint
    assert one[0].minutes == other[0].minutes  # nothing was predicted yet
    assert other[1].minutes < one[1].minutes
    assert LABEL_DICE not in one[0].signals


def test_a_run_that_is_interrupted_counts_on(tiny, tmp_path, store):
    config = masked(tiny, minutes={"prefill": True}, annotation={"name": "mask", "annotator": {"boundary_mm": 3.0}})
    whole = loop.run(config, tmp_path / "whole", store)
    loop.run(config, tmp_path / "parts", store, most=1)
    parts = loop.run(config, tmp_path / "parts", store)
    assert [(r.minutes, r.validation_minutes) for r in parts] == [(r.minutes, r.validation_minutes) for r in whole]
    assert all(0 < r.signals[LABEL_DICE] < 1 for r in parts)
    assert [entry["cost"] for r in parts for entry in r.ledger if entry["what"] == "training labels"] == [20.0, 10.0]


def test_no_validation_takes_no_time(tiny, tmp_path, store):
    (record,) = loop.run(masked(tiny, validation="none", budgets=[3]), tmp_path / "run", store)
    assert record.validation_minutes == 0
    assert record.minutes > 0


class Case:
    def __init__(self, pixel_mm):
        self.pixel_mm = pixel_mm


TABLE = SliceTable(("a", "b"), ("a", "b"), np.array([0, 0, 1]), np.array([0, 1, 0]))
CASES: Any = [Case((1.0, 2.0)), Case((3.0, 1.0))]


def test_lines_are_measured_in_the_pixels_of_their_case():
    labels = np.full((3, 20, 20), 255, np.uint8)
    labels[:, 4, 2:12] = 1
    found = Minutes(open_volume=0, slice=0, per_cm_stroke=1).of(labels, "strokes", TABLE, np.arange(3), CASES)
    assert found == pytest.approx((18 + 18 + 9) / 10)
    assert found == pytest.approx(sum(stroke_mm(labels[0], CASES[v].pixel_mm) for v in TABLE.volume) / 10)
    assert Minutes().of(labels[:0], "strokes", TABLE, np.zeros(0, np.int64), CASES) == 0


def test_a_prediction_saves_its_dice_but_never_more_than_all_but_the_least_share():
    labels = np.zeros((3, 20, 20), np.uint8)
    labels[:, 5:15, 5:15] = 1
    prediction = labels.copy()
    prediction[1, 5:10] = 0  # Dice 2/3
    prediction[2] = 0
    model = Minutes(open_volume=0, slice=0, per_cm=1, prefill=True, least=0.2)
    drawn = [outline_mm(label, CASES[v].pixel_mm) / 10 for label, v in zip(labels, TABLE.volume, strict=True)]
    found = model.of(labels, "outlines", TABLE, np.arange(3), CASES, prediction, 2)
    assert found == pytest.approx(0.2 * drawn[0] + drawn[1] / 3 + drawn[2])


class Boxed(Mask):
    drawn = "boxes"


def test_a_kind_of_annotation_that_is_drawn_otherwise_is_refused(tiny):
    with pytest.raises(ConfigError, match="drawn is outlines or strokes, got 'boxes'"):
        masked(tiny, annotation=Boxed())
    assert [drawn(ORACLES.build(name)) for name in ("mask", "scribble")] == ["outlines", "strokes"]


@pytest.mark.parametrize(
    ("fields", "words"), [({"per_mm": 1}, "Did you mean 'per_cm'"), ({"slice": -1}, "slice"), (5, "mapping")]
)
def test_bad_minutes_are_one_error(tiny, fields, words):
    with pytest.raises(ConfigError, match=words):
        masked(tiny, minutes=fields)
