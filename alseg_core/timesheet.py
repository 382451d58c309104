"""The minutes that a run's labels took, by the model of its configuration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from alseg_core.config import RunConfig
from alseg_core.data.slices import Slices
from alseg_core.material import Material
from alseg_core.oracles import drawn
from alseg_core.training.inference import Ensemble, predict_labels
from alseg_core.training.model import for_inference
from alseg_core.vocabulary import Annotation, IntArray, LabelArray, RoundRecord


@dataclass
class Timesheet:
    """Minutes so far; nothing is counted where people annotate, and after a record that does not know them."""

    config: RunConfig
    material: Material
    pool: float | None = 0.0
    """Minutes of the pool's slices."""
    validation: float | None = 0.0
    """Minutes of the validation labels."""

    def __post_init__(self) -> None:
        if self.config.waits:
            self.pool = self.validation = None

    def resume(self, record: RoundRecord) -> None:
        """Go on after the last finished round."""
        self.pool, self.validation = record.minutes, record.validation_minutes

    def add(self, annotation: Annotation, before: Ensemble | None) -> None:
        """Count what was bought in a round. before: models of the round before, which may have predicted it."""
        if self.pool is None:
            return
        config, slices = self.config, self.material.slices
        kind, prediction = drawn(config.annotation), None
        if config.minutes.prefill and before is not None and kind == "outlines":
            prediction = _predicted(before, slices, annotation.positions)
        took = config.minutes.of(
            annotation.labels,
            kind,
            slices.table,
            annotation.positions,
            self.material.infos(slices.table.cases),
            prediction,
            len(config.dataset.classes),
        )
        self.pool = round(self.pool + took, 3)

    def add_validation(self, masks: LabelArray) -> None:
        """Count the validation masks (B, H, W), those of ``material.validated``."""
        if self.validation is not None:
            table = self.material.prepared.slices(self.material.split.val).table
            infos = self.material.infos(table.cases)
            took = self.config.minutes.of(masks, "outlines", table, self.material.validated, infos)
            self.validation = round(self.validation + took, 3)


def _predicted(ensemble: Ensemble, slices: Slices, positions: IntArray) -> LabelArray:
    """Return the best model's labels (B, H, W) of ``positions``; a volumetric one predicts their whole volumes."""
    network = for_inference(ensemble.members[ensemble.best].network, ensemble.device)
    if network.window is None:
        return predict_labels(network, torch.from_numpy(slices.images(positions)))
    table = slices.table
    volumes = [table.of_volume(int(volume)) for volume in np.unique(table.volume[positions])]
    rows = np.concatenate(volumes)
    labels = predict_labels(network, torch.from_numpy(slices.images(rows)), [len(volume) for volume in volumes])
    place = np.empty(len(table), np.int64)
    place[rows] = np.arange(len(rows))
    return labels[place[positions]]
