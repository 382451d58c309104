"""The random first round, whose training is shared by all recipes that start with the same slices."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from alseg_core import seeding
from alseg_core.config import RunConfig
from alseg_core.data.slices import SliceTable
from alseg_core.errors import ConfigError, ResultsError
from alseg_core.intact import mapping_of
from alseg_core.oracles import ORACLES
from alseg_core.registry import describe
from alseg_core.store import KEY, Store, digest
from alseg_core.strategies.random import Random
from alseg_core.training import Trainer
from alseg_core.training.member import ANNOTATION
from alseg_core.vocabulary import IntArray, LabelArray


def random_slices(pool: int, budget: int, seed: int) -> IntArray:
    """Return the positions (budget,) that the random baseline picks first from a pool of ``pool`` slices."""
    return Random.draw(np.arange(pool, dtype=np.int64), budget, seeding.stream(seed, "strategy", 0))


@dataclass(frozen=True)
class FirstTraining:
    """Identity of the first round's training of one run, apart from the labels that are bought for it."""

    config: RunConfig
    trainer: Trainer
    """Trainer of the run, planned for its data."""
    data: str
    """Key of the prepared data."""
    slices: tuple[tuple[str, int], ...]
    """(case, z) of the labelled slices, in the order in which they were picked."""
    validation: tuple[str | tuple[str, int], ...]
    """Validation cases, or (case, z) of their labelled slices where only some are."""
    steps: int
    """Training steps of one network."""
    device: str
    """Device of the run; only its kind counts."""

    @classmethod
    def of(
        cls,
        config: RunConfig,
        trainer: Trainer,
        data: str,
        table: SliceTable,
        positions: IntArray,
        validation: Sequence[str | tuple[str, int]],
        steps: int,
        device: str,
    ) -> FirstTraining:
        """Identity of a training on the slices ``positions`` of ``table``."""
        slices = tuple(table.locate(int(position)) for position in positions)
        return cls(config, trainer, data, slices, tuple(validation), steps, device)

    def key(self, member: int, labels: LabelArray) -> dict[str, Any]:
        """Key in the store: everything that the outcome of one member's training depends on.

        labels: (B, H, W) uint8 of :attr:`slices`.
        """
        return {**self._known(member), "labels": hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest()}

    def name(self, member: int) -> str:
        """Name of one member's training before its labels are bought: two of one name get the same labels.

        The settings of the annotation stand in for the labels. The converse does not hold, because other settings may
        give the same labels.
        """
        return digest({**self._known(member), "annotation": describe(self.config.annotation)})

    def _known(self, member: int) -> dict[str, Any]:
        return {
            "format": self.trainer.format,
            "data": self.data,
            "labelled": digest(list(self.slices)),
            "annotation": self.config.annotation_name,
            "validation": list(self.validation),
            "seed": self.config.seed,
            "member": member,
            "train": self.trainer.settings(),
            "steps": self.steps,
            "classes": len(self.config.dataset.classes),
            "threads": self.config.threads,
            "device": self.device.partition(":")[0],
            "torch": torch.__version__,
        }


def kept_names(store: Store) -> set[str]:
    """Return :meth:`FirstTraining.name` of every training in the store.

    A training kept by an earlier version does not record the settings of its annotation; the defaults are assumed. A
    damaged one is left out, as it will be trained again.
    """
    names = set()
    for path in store.root.glob(f"training/*/{KEY}"):
        try:
            known = dict((mapping_of(path) or {}).get("key", {}))
            annotation = mapping_of(path.with_name(ANNOTATION)) or _defaults(str(known.get("annotation")))
        except (ResultsError, ValueError, TypeError):
            continue
        known.pop("labels", None)
        names.add(digest({**known, "annotation": annotation}))
    return names


def _defaults(annotation: str) -> dict[str, Any]:
    """Return the default settings of a kind of annotation; of one that cannot be built, its name alone."""
    try:
        described: dict[str, Any] = describe(ORACLES.build(annotation))
    except ConfigError:
        return {"name": annotation}
    return described
