"""How alike the slices of a patient, a volume and a neighbourhood are: whether groups carry information at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.study import DatasetFile, find

if TYPE_CHECKING:
    from alseg_core.data.slices import Slices
    from alseg_core.vocabulary import IntArray


def statistic(dataset: str, folder: str | None, preset: str, store: Path) -> tuple[int, dict[str, float]]:
    """Number of slices and :func:`deviations` of the preset's training patients, as the preset prepares them.

    A split that does not list its patients takes all. Raises DataError and ConfigError.
    """
    from alseg_core.data.prepare import Prepare, prepare
    from alseg_core.data.prepared import Prepared
    from alseg_core.data.readers import READERS
    from alseg_core.data.splits import SPLITS, ByPatient
    from alseg_core.registry import construct
    from alseg_core.store import Store

    spec = DatasetFile(dataset, find("dataset", dataset), preset).spec(folder)
    settings: Prepare = construct(Prepare, spec["prepare"], "prepare")
    root = Path(spec["root"]) if spec["root"] else None
    prepared = Prepared.open(prepare(READERS.build(spec["reader"]), root, settings, Store(store)))
    split = SPLITS.build(spec["split"])
    listed = set(split.train) if isinstance(split, ByPatient) else {case.patient for case in prepared.cases}
    slices = prepared.slices([case.case for case in prepared.cases if case.patient in listed])
    return len(slices), deviations(slices)


def deviations(slices: Slices) -> dict[str, float]:
    """Mean absolute pairwise deviation of pixels: of all slices, and the mean over patients, volumes and neighbours.

    Groups of a single slice have no pair and are left out.
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
