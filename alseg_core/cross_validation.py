"""How good the networks of a round are where no scans are set aside to tell: cross-validation over the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from alseg_core import seeding
from alseg_core.config import RunConfig
from alseg_core.errors import ConfigError, DataError
from alseg_core.material import Material
from alseg_core.metrics.means import mean_defined
from alseg_core.metrics.overlap import dice, overlaps
from alseg_core.training.batches import TrainingSet, whole_volumes
from alseg_core.training.inference import predict_labels
from alseg_core.training.model import for_inference
from alseg_core.vocabulary import IGNORE, IntArray, LabelArray

RESAMPLES = 10_000
"""Bootstrap samples of the patients."""
LEVEL = 0.95
"""Level of the interval."""


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Scores of labelled slices by networks that saw no slice of the same patient."""

    rows: tuple[dict[str, Any], ...]
    """{"patient", "class", "dice", "slices"} of each patient and foreground class; Dice, 0..1, over the labelled slices
    of the patient together; None where neither labels nor prediction hold the class. slices: number of these slices."""
    dice: float | None
    """Mean Dice, 0..1, over the classes of a patient, then over patients; None if nothing scored has foreground."""
    interval: tuple[float, float] | None
    """95 % interval of the mean over patients, 0..1; None with less than two patients that have a score."""
    folds: int
    """Number of networks trained."""
    patients: int
    """Number of patients with labelled slices."""

    @property
    def scores(self) -> dict[str, float]:
        """Patient -> mean Dice, 0..1, over the classes, of the patients that have one."""
        return _by_patient(self.rows)


def cross_validate(
    config: RunConfig,
    material: Material,
    positions: IntArray,
    labels: LabelArray,
    number: int,
    device: str,
    folds: int = 5,
    progress: Callable[[float], None] | None = None,
) -> CrossValidation:
    """Train on the labelled slices of some patients and score those of the others, until every patient is scored.

    Trainer, settings and steps are those of a round; the steps are not fewer for the smaller training sets. Networks
    keep their last weights and are thrown away. Scores are those of labelled slices alone, on the network's grid: where
    a strategy picked hard slices, they are lower than scores of whole scans. Where only some pixels are marked, only
    these are scored. Networks that take whole volumes predict whole volumes.

    The interval is a percentile bootstrap over patients. It is too narrow with less than about ten of them.

    Args:
        config: settings of the run.
        material: its data.
        positions: (L,) labelled slices in the pool.
        labels: (L, H, W) uint8 labels on the network's grid, IGNORE = unmarked.
        number: round whose training is repeated, from 0.
        device: device of training and prediction.
        folds: most networks to train, at least 2; with fewer patients there is one network per patient.
        progress: called with the share that is done, in [0, 1].

    Raises DataError if less than two patients have labels; ConfigError for less than two folds or a round that the
    budgets do not have; AlsegError when a training fails.
    """
    steps = _steps(config, material, number)
    patient = material.slices.table.patient[positions]
    parts = _parts(patient, folds, seeding.stream(config.seed, "cross_validation", "folds"))
    counts: dict[int, IntArray] = {}
    for fold, held in enumerate(parts):
        out = np.isin(patient, held)

        def done(step: int, fold: int = fold) -> None:
            if progress is not None:
                progress((fold + step / steps) / len(parts))

        data = _training_set(config, material, positions[~out], labels[~out], device)
        rng = seeding.stream(config.seed, "cross_validation", number, fold)
        classes = len(config.dataset.classes)
        member = material.trainer.fit(data, classes, steps, config.annotation.fill, None, rng, done)
        owner, overlap = _overlaps(config, material, positions[out], labels[out], member.network, device)
        counts |= {int(person): overlap[owner == person].sum(axis=0) for person in held}
    return _summary(config, material, patient, counts, len(parts))


def _steps(config: RunConfig, material: Material, number: int) -> int:
    steps = config.steps(len(material.slices))
    if not 0 <= number < len(steps):
        raise ConfigError(f"cross-validation: a round from 0 to {len(steps) - 1} was wanted, got {number}.")
    return steps[number]


def _parts(patient: IntArray, folds: int, rng: np.random.Generator) -> list[list[int]]:
    """Return the patients of each fold, their labelled slices spread evenly.

    patient: (L,) patient of each labelled slice.
    """
    if folds < 2:
        raise ConfigError(f"cross-validation: at least 2 folds were wanted, got {folds}.")
    people, slices = np.unique(patient, return_counts=True)
    if len(people) < 2:
        raise DataError(
            f"cross-validation needs labelled slices of at least 2 patients, got {len(people)}; annotate slices of "
            "another patient, or give validation scans."
        )
    order = rng.permutation(len(people))
    order = order[np.argsort(-slices[order], kind="stable")]
    parts: list[list[int]] = [[] for _ in range(min(folds, len(people)))]
    load = [0] * len(parts)
    for person in order:
        least = load.index(min(load))
        parts[least].append(int(people[person]))
        load[least] += int(slices[person])
    return parts


def _training_set(
    config: RunConfig, material: Material, positions: IntArray, labels: LabelArray, device: str
) -> TrainingSet:
    table = material.slices.table
    if config.train.volumetric:
        positions, labels = whole_volumes(table, positions, labels)
    images = material.slices.images(positions)
    return TrainingSet.of(images, labels, table.volume[positions], table.z[positions], device)


def _overlaps(
    config: RunConfig, material: Material, positions: IntArray, labels: LabelArray, network: Any, device: str
) -> tuple[IntArray, IntArray]:
    """Return the patient (n,) of held-out slices and their numbers of pixels (n, K-1, 2) for the Dice."""
    table = material.slices.table
    positions, labels = whole_volumes(table, positions, labels) if config.train.volumetric else (positions, labels)
    volume = table.volume[positions]
    depths = np.diff([*np.flatnonzero(np.diff(volume, prepend=-1)), len(volume)])
    images = torch.from_numpy(material.slices.images(positions))
    predicted = predict_labels(for_inference(network, device), images, depths.tolist())
    predicted[labels == IGNORE] = IGNORE  # counts for no class
    both = overlaps(torch.from_numpy(predicted), torch.from_numpy(labels), len(config.dataset.classes))
    return table.patient[positions], both.numpy()


def _summary(
    config: RunConfig, material: Material, patient: IntArray, counts: dict[int, IntArray], folds: int
) -> CrossValidation:
    table = material.slices.table
    names = list(dict.fromkeys(table.patients))
    rows = []
    for person in sorted(counts, key=lambda person: names[person]):
        found = zip(config.dataset.classes[1:], dice(counts[person]), strict=True)
        rows += [
            {
                "patient": names[person],
                "class": name,
                "dice": None if np.isnan(value) else float(value),
                "slices": int((patient == person).sum()),
            }
            for name, value in found
        ]
    scores = list(_by_patient(rows).values())
    interval = interval_over_patients(scores, seeding.stream(config.seed, "cross_validation", "interval"))
    return CrossValidation(tuple(rows), mean_defined(scores), interval, folds, len(counts))


def _by_patient(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    means = {
        patient: mean_defined(row["dice"] for row in rows if row["patient"] == patient)
        for patient in dict.fromkeys(row["patient"] for row in rows)
    }
    return {patient: value for patient, value in means.items() if value is not None}


def interval_over_patients(scores: Sequence[float], rng: np.random.Generator) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of the mean of (P,) scores under resampling of patients; None for one."""
    if len(scores) < 2:
        return None
    drawn = np.array(scores)[rng.integers(len(scores), size=(RESAMPLES, len(scores)))].mean(axis=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
