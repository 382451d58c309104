"""Cross-validation against a classifier of pixels that is trained and scored by hand."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from alseg_core.config import RunConfig
from alseg_core.cross_validation import CrossValidation, cross_validate
from alseg_core.errors import ConfigError, DataError
from alseg_core.material import Material, open_material
from alseg_core.registry import component
from alseg_core.store import Store
from alseg_core.training.batches import TrainingSet
from alseg_core.vocabulary import IGNORE, IntArray, LabelArray
from tests.outside.my_parts import PixelClassifier, PixelModel, pixel_features


class VolumeModel(PixelModel):
    """The classifier as a model that takes one whole volume at a time."""

    window: Any = 4

    def __call__(self, images: Any) -> Any:
        assert len(images) > 5
        return super().__call__(images)


@component
class VolumeClassifier(PixelClassifier):
    """Takes whole volumes, though the pixels of the other slices tell it nothing."""

    @property
    def volumetric(self) -> bool:
        return True

    def fit(self, data: TrainingSet, *others: Any) -> Any:
        for volume in np.unique(data.volume):
            here = data.z[data.volume == volume]
            assert here.tolist() == list(range(len(here))) and len(here) > 5  # every slice, in order
        member = super().fit(data, *others)
        assert isinstance(member.network, PixelModel)
        return dataclasses.replace(member, network=VolumeModel(member.network.classifier, member.network.classes))


Labelled = tuple[RunConfig, Material, IntArray, LabelArray]


@pytest.fixture(params=["mask", "scribble"])
def labelled(request: pytest.FixtureRequest, tiny: dict[str, Any], tmp_path: Path) -> Labelled:
    """A run with 4, 7 and 9 labelled slices of three of its patients, from both scans of each."""
    tiny |= {"annotation": request.param, "train": {"name": "tests.outside.my_parts:PixelClassifier"}}
    tiny["dataset"]["reader"]["patients"] = 12
    config = RunConfig.load(tiny)
    material = open_material(config, Store(tmp_path / "store"))
    table, rng = material.slices.table, np.random.default_rng(0)
    parts = [
        rng.choice(np.flatnonzero((table.patient == person) & (np.abs(table.relative_z - 0.5) < 0.3)), count, False)
        for person, count in enumerate((4, 7, 9))
    ]
    positions = rng.permutation(np.concatenate(parts))
    bought = config.annotation.annotate(material.vault("test"), material.slices, positions, 0)
    return config, material, bought.positions, bought.labels


def by_hand(labelled: Labelled) -> dict[tuple[str, str], float | None]:
    """(patient, class) -> Dice of a classifier of the others' pixels."""
    config, material, positions, labels = labelled
    people = np.array(material.slices.table.patients)[material.slices.table.volume[positions]]
    images = material.slices.images(positions)
    scores: dict[tuple[str, str], float | None] = {}
    for patient in np.unique(people):
        rest = people != patient
        truth, taught = labels[~rest], labels[rest].ravel()
        present = len(np.unique(taught[taught != IGNORE]))
        model = GaussianNB(priors=np.full(present, 1 / present), var_smoothing=1e-3)
        model.fit(pixel_features(images[rest])[taught != IGNORE], taught[taught != IGNORE])
        found = model.predict(pixel_features(images[~rest])).reshape(truth.shape)
        for number, name in list(enumerate(config.dataset.classes))[1:]:
            ours, theirs = ((array == number) & (truth != IGNORE) for array in (found, truth))
            both = int(ours.sum() + theirs.sum())
            scores[patient, name] = 2 * float((ours & theirs).sum()) / both if both else None
    return scores


def scores_of(found: CrossValidation) -> dict[tuple[str, str], float | None]:
    return {(row["patient"], row["class"]): row["dice"] for row in found.rows}


def test_scores_are_those_of_networks_that_saw_no_slice_of_the_patient(labelled: Labelled) -> None:
    told: list[float] = []
    found = cross_validate(*labelled, number=1, device="cpu", progress=told.append)
    expected = by_hand(labelled)
    assert found.folds == found.patients == 3
    assert scores_of(found) == pytest.approx(expected)
    people = sorted({patient for patient, _ in expected})
    assert sorted({row["slices"] for row in found.rows}) == [4, 7, 9]
    means = [np.mean([v for (p, _), v in expected.items() if p == patient and v is not None]) for patient in people]
    assert found.scores == pytest.approx(dict(zip(people, means, strict=True)))
    assert found.dice == pytest.approx(np.mean(means))
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    resampled = [np.mean(drawn) for drawn in itertools.product(means, repeat=3)]  # all 27, equally likely
    assert found.interval == pytest.approx((min(resampled), max(resampled)))  # each end has 3.7 % of them


def test_fewer_folds_hold_out_several_patients(labelled: Labelled) -> None:
    found, again = (cross_validate(*labelled, number=0, device="cpu", folds=2) for _ in range(2))
    assert found.folds == 2 and found.patients == 3
    assert found.rows == again.rows and found.interval == again.interval
    alone = by_hand(labelled)
    # slices are spread evenly: the patient with 9 is held out alone, those with 4 and 7 together
    for row in found.rows:
        same = row["dice"] == pytest.approx(alone[row["patient"], row["class"]])
        assert same or row["slices"] != 9
    assert scores_of(found) != pytest.approx(alone)


def test_whole_volumes_are_predicted_where_networks_take_them(labelled: Labelled) -> None:
    config, material, positions, labels = labelled
    described = {**config.describe(), "train": {"name": "tests.test_cross_validation:VolumeClassifier"}}
    found = cross_validate(RunConfig.load(described), material, positions, labels, number=0, device="cpu")
    assert scores_of(found) == pytest.approx(by_hand(labelled))


def test_networks_are_trained_as_in_a_round(tiny: dict[str, Any], tmp_path: Path) -> None:
    config = RunConfig.load(tiny | {"validation": "none"})
    material = open_material(config, Store(tmp_path / "store"))
    positions = np.arange(0, len(material.slices), 7, dtype=np.int64)
    bought = config.annotation.annotate(material.vault("test"), material.slices, positions, 0)
    told: list[float] = []
    found = [
        cross_validate(config, material, positions, bought.labels, number, "cpu", 2, told.append)
        for number in (0, 0, 2)
    ]
    assert found[0].rows == found[1].rows != found[2].rows
    steps = config.steps(len(material.slices))
    assert len(told) == 2 * (steps[0] + steps[0] + steps[2])  # a report per step of each of two networks
    assert found[0].dice is not None and 0 <= found[0].dice <= 1


def test_what_cannot_be_cross_validated(labelled: Labelled) -> None:
    config, material, positions, labels = labelled
    one = material.slices.table.patient[positions] == 1
    with pytest.raises(DataError, match="labelled slices of at least 2 patients, got 1; annotate slices of another"):
        cross_validate(config, material, positions[one], labels[one], 0, "cpu")
    with pytest.raises(DataError, match="got 0"):
        cross_validate(config, material, positions[:0], labels[:0], 0, "cpu")
    with pytest.raises(ConfigError, match="at least 2 folds were wanted, got 1"):
        cross_validate(*labelled, number=0, device="cpu", folds=1)
    with pytest.raises(ConfigError, match="a round from 0 to 2 was wanted, got 3"):
        cross_validate(*labelled, number=3, device="cpu")
