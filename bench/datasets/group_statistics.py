"""Similarity of slices within patients, volumes and neighbourhoods: whether groups carry information at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.study import DatasetFile, find
from bench.study.dataset_file import DATA_HINT

if TYPE_CHECKING:
    from alseg_core.data.slices import Slices
    from alseg_core.vocabulary import IntArray


def statistic(dataset: str, folder: str | None, preset: str, store: Path) -> tuple[int, dict[str, float]]:
    """Return the number of slices and the :func:`deviations` of a preset's training patients, as it prepares them.

    All patients are used where the split does not list them. Raises DataError and ConfigError.
    """
    from alseg_core.data.prepare import Prepare, prepare
    from alseg_core.data.prepared import Prepared
    from alseg_core.data.readers import READERS
    from alseg_core.data.splits import SPLITS, ByPatient
    from alseg_core.registry import construct
    from alseg_core.store import Store

    file = DatasetFile(dataset, find("dataset", dataset), preset)
    file.check_folder(folder, DATA_HINT)
    spec = file.spec(folder)
    settings: Prepare = construct(Prepare, spec["prepare"], "prepare")
    root = Path(spec["root"]) if spec["root"] else None
    prepared = Prepared.open(prepare(READERS.build(spec["reader"]), root, settings, Store(store)))
    split = SPLITS.build(spec["split"])
    listed = set(split.train) if isinstance(split, ByPatient) else {case.patient for case in prepared.cases}
    slices = prepared.slices([case.case for case in prepared.cases if case.patient in listed])
    return len(slices), deviations(slices)


def deviations(slices: Slices) -> dict[str, float]:
    """Return the mean absolute pairwise deviation of pixels of all slices, and its mean within each kind of group.

    Groups are patients, volumes and neighbouring slices. A group of one slice has no pair and is left out.
    """
    from alseg_core.metrics.deviation import mean_absolute_deviation

    pixels = slices.images().reshape(len(slices), -1)
    table = slices.table

    def within(group: IntArray) -> float:
        members = [np.flatnonzero(group == value) for value in np.unique(group)]
        return float(np.mean([mean_absolute_deviation(pixels[m]) for m in members if len(m) > 1]))

    neighbours = [
        np.abs(np.diff(pixels[table.of_volume(volume)], axis=0)).mean(axis=1) for volume in range(len(table.cases))
    ]
    return {
        "all": mean_absolute_deviation(pixels),
        "patient": within(table.patient),
        "volume": within(table.volume),
        "adjacent": float(np.concatenate(neighbours).mean()),
    }
