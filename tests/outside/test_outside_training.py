"""An annotation kind and a trainer from outside the package, in whole experiments and studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from alseg_core.config import RunConfig
from alseg_core.errors import ConfigError
from alseg_core.events import Event, RoundFinished
from alseg_core.loop import run
from alseg_core.oracles import ORACLES
from alseg_core.oracles.conformance import CHECKS, Check
from alseg_core.store import Store
from alseg_core.vocabulary import IGNORE, RoundRecord
from bench.study import Study

BOXES, CLASSIFIER = "my_parts:Boxes", "my_parts:PixelClassifier"


class Stop(Exception):
    """Raised by a listener to cut a run off."""


def outcome(records: list[RoundRecord]) -> list[Any]:
    """Everything that a continued run repeats."""
    return [(r.selected, r.cost, r.marked, r.members, r.best, r.volumes, r.ledger, r.cover_radius) for r in records]


def whole_and_continued(settings: dict[str, Any], folder: Path) -> list[RoundRecord]:
    """Run an experiment twice, the second time interrupted after each round, and compare."""
    config = RunConfig.load(settings)
    whole = run(config, folder / "whole", Store(folder / "store"))

    def stop(event: Event) -> None:
        if isinstance(event, RoundFinished):
            raise Stop

    for _ in config.budgets:
        with pytest.raises(Stop):
            run(config, folder / "cut", Store(folder / "other"), [stop])
    assert outcome(run(config, folder / "cut", Store(folder / "other"))) == outcome(whole)
    return whole


def test_boxes_are_bought_trained_on_and_continued(beside: Path, tiny: dict[str, Any]) -> None:
    records = whole_and_continued({**tiny, "annotation": {"name": BOXES, "cost": 0.25}}, beside)
    assert [record.cost for record in records] == pytest.approx([0.75, 1.5, 2.0])
    pixels = 16 * 16
    for record in records:
        assert record.marked is not None and 0 < record.marked < record.labelled * pixels
    with np.load(beside / "whole" / "selected.npz") as kept:
        assert (kept["label"] == IGNORE).any() and (kept["label"] != IGNORE).any()
    masks = run(RunConfig.load({**tiny, "annotation": "mask"}), beside / "masks", Store(beside / "store"))
    assert [s["case"] for s in masks[0].selected] == [s["case"] for s in records[0].selected]
    assert masks[0].foreground is not None and records[0].foreground is not None
    assert records[0].foreground >= masks[0].foreground  # a box covers its structure


@pytest.mark.parametrize("recipe", ["random", "entropy", "variance_ratio"])
def test_a_pixel_classifier_runs_and_continues(recipe: str, beside: Path, tiny: dict[str, Any]) -> None:
    members = 2 if recipe == "variance_ratio" else 1
    recipes = {"name": recipe, "strategy": recipe}
    records = whole_and_continued(
        {**tiny, "train": {"name": CLASSIFIER}, "recipe": recipes, "members": members}, beside
    )
    assert all((record.summary["dice"] or 0) > 0.2 for record in records), [r.summary["dice"] for r in records]
    assert [len(record.members) for record in records] == [members] * 3


def test_a_pixel_classifier_of_the_first_round_is_shared(beside: Path, tiny: dict[str, Any]) -> None:
    def first(recipe: str, **fields: Any) -> RoundRecord:
        settings = {**tiny, "recipe": {"name": recipe, "strategy": recipe}, "train": {"name": CLASSIFIER, **fields}}
        return run(RunConfig.load(settings), beside / f"{recipe}{fields}", Store(beside / "store"))[0]

    own, shared, other = first("random"), first("entropy"), first("margin", smoothing=0.5)
    assert [r.signals["training"] for r in (own, shared, other)] == ["own", "shared", "own"]
    assert own.volumes == shared.volumes != other.volumes


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"recipe": {"name": "bald", "strategy": "bald"}}, "recipe 'bald' uses dropout passes or features"),
        ({"recipe": {"name": "badge", "strategy": "badge"}}, "recipe 'badge' uses dropout passes or features"),
        ({"recipe": {"name": "task", "strategy": "coreset", "embed": "task_net"}}, "recipe 'task' uses dropout"),
        ({"keep_network": True}, "keep_network keeps the network of trainer 'network', not of trainer 'my_parts:Pix"),
    ],
)
def test_what_needs_a_torch_network_is_refused_before_the_run(
    fields: dict[str, Any], message: str, beside: Path, tiny: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig.load({**tiny, "train": {"name": CLASSIFIER}, **fields})


def test_a_study_starts_from_the_training_of_the_annotation(beside: Path, study_file: Path) -> None:
    small = {"network": {"name": "unet", "widths": [4, 8], "dropouts": [0, 0]}, "iterations_full": 60}
    study = {**yaml.safe_load(study_file.read_text()), "annotations": [BOXES], "train": {BOXES: small}}
    for config in Study.load(study).runs():
        train = config.describe()["train"]
        assert train["loss"]["name"] == ORACLES.resolve(BOXES).training["loss"]["name"] and "name" not in train
        assert train["network"]["widths"] == [4, 8] and train["iterations_full"] == 60
    study["train"] = {BOXES: {"name": CLASSIFIER, "smoothing": 0.01}}
    for config in Study.load(study).runs():
        assert config.describe()["train"] == {"name": CLASSIFIER, "smoothing": 0.01}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_boxes_keep_what_every_annotation_keeps(check: Check, beside: Path) -> None:
    check(ORACLES.build(BOXES))
