"""Terms that every room shares: volumes, selections, annotations and records.

Axis order is (z, y, x) everywhere: ``D`` slices of ``H`` rows and ``W`` columns. Lengths are millimetres. Labels are
``uint8`` class numbers, 0 = background, and :data:`IGNORE` marks unlabelled pixels. Inside a run a slice is a
*position* 0..N-1 of one table; on disk it is (case, z).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORE = 255
"""Label value of an unmarked pixel."""

BASELINE = "random"
"""Recipe that the others are compared with."""
REFERENCE_PREFIX = "oracle_"
"""Beginning of the names of recipes that read ground truth. They show what is possible and do not compete.

An oracle in :mod:`alseg_core.oracles` is something else: the simulated annotator, which every recipe buys labels from.
"""

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]
LabelArray = NDArray[np.uint8]


def reads_ground_truth(recipe: str) -> bool:
    """Return whether a recipe of this name is a reference that reads ground truth."""
    return recipe.startswith(REFERENCE_PREFIX)


@dataclass(frozen=True)
class StoredAxes:
    """How the axes (z, y, x) of a scan come from the axes (i, j, k) of its file."""

    order: tuple[int, int, int] = (2, 1, 0)
    """Stored axis of the slices, of the rows and of the columns."""
    flipped: tuple[bool, bool, bool] = (False, False, False)
    """Whether slices, rows and columns run against their stored axis."""

    def read(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return stored voxels (I, J, K) as (D, H, W), without copying them."""
        return stored.transpose(self.order)[self._steps]

    def write(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return voxels (D, H, W) as they are stored, (I, J, K); undoes :meth:`read`."""
        return array[self._steps].transpose(np.argsort(self.order))

    def locate(self, z: int, depth: int) -> tuple[int, int]:
        """Return the stored axis and the index along it of slice ``z`` of ``depth``."""
        return self.order[0], depth - 1 - z if self.flipped[0] else z

    @property
    def _steps(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flipped)


AS_STORED = StoredAxes()
"""Slices along the third stored axis."""


@dataclass(frozen=True, eq=False)
class Volume:
    """One scan in its native geometry."""

    image: NDArray[np.float32]
    """Intensities, (D, H, W) or (D, H, W, C) float32."""
    mask: LabelArray | None
    """Class numbers, (D, H, W) uint8; None without a mask."""
    scribble: LabelArray | None
    """Class numbers, (D, H, W) uint8 with :data:`IGNORE` where nothing is marked; None without scribbles."""
    spacing_mm: tuple[float, float, float]
    """Distance between voxel centres along (z, y, x), in mm."""
    case: str
    """Unique name of the scan."""
    patient: str
    """Name of the person, or of the video."""
    group: str = ""
    """Phase or modality."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Further facts about the patient, such as the pathology that a split is stratified by."""
    axes: StoredAxes = AS_STORED
    """Where its axes come from in the file."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Slices that a strategy picked."""

    positions: IntArray
    """Positions, (B,) int64, in the order of picking."""
    scores: NDArray[np.float64] | None = None
    """Their scores, (B,) float64, higher = picked sooner; None if the strategy has none."""
    facts: dict[str, object] = field(default_factory=dict)
    """What the strategy reports about its choice, for ``signals`` of the record: plain data."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """Labels that an annotator gave."""

    positions: IntArray
    """Positions of the slices, (B,) int64."""
    labels: LabelArray
    """Their labels, (B, H, W) uint8 with :data:`IGNORE` where nothing is marked."""
    cost: float
    """Cost of all of them, in full-slice equivalents."""
    truth_dice: NDArray[np.float64] | None = None
    """Dice (B,) of the annotator's masks with the truth, NaN for slices without structures; None for annotators who do
    not err. It is for the record of the run alone."""


@dataclass(frozen=True)
class RoundRecord:
    """Everything one finished round leaves behind: one JSON line of the run folder."""

    round: int
    """Number of the round, from 0."""
    labelled: int
    """Slices annotated so far."""
    fraction: float
    """Share of the training slices annotated so far, 0..1."""
    cost: float
    """Annotation cost so far, in full-slice equivalents."""
    cover_radius: float
    """Largest distance of a training slice to its nearest labelled one in the reference embedding (Eq. 2)."""
    selected: list[dict[str, object]]
    """One entry per slice selected in this round: {"case", "z", "score"}."""
    members: list[dict[str, float | None]]
    """One entry per trained network: {"validation_dice", "iterations"}; the first is None without validation."""
    best: int
    """Index of the member that is evaluated: that with the highest validation Dice, the first without validation."""
    volumes: list[dict[str, object]]
    """One row per test volume and class: {"case", "patient", "class", <metrics>, "empty"}; undefined is None."""
    summary: dict[str, float | None]
    """Mean test scores: <metrics>, "validation_dice", "dice_<class>" and numbers of empty structures."""
    seconds: dict[str, float]
    """Wall time of each part of the round; a shared training counts with the time it took, whichever run did it."""
    ledger: list[dict[str, object]]
    """Who read which labels, and what for."""
    signals: dict[str, object] = field(default_factory=dict)
    """Facts that the parts report, such as the encoder's initialisation or whether a first training was shared."""
    peak_mb: int | None = None
    """Peak resident memory of the process so far, in MB, earlier runs in it included; None if unknown."""
    marked: int | None = None
    """Labelled pixels bought so far; None in older records."""
    foreground: int | None = None
    """Those of them that are foreground; None in older records."""
    seed: int | None = None
    """Root seed of the run; None in older records, as are the next two."""
    fingerprint: str | None = None
    """Fingerprint of the run's configuration."""
    data_key: str | None = None
    """Key of the prepared data."""
    made_by: dict[str, str | None] = field(default_factory=dict)
    """Code and machine that made the round: {"alseg", "commit", "torch", "device"}; empty in older records."""
    files: dict[str, str] = field(default_factory=dict)
    """Name -> size and SHA-256 (:func:`alseg_core.intact.seal`) of the run's other files at the end of the round."""
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    """CPU time of what chose the slices, all threads of the process together: "embed", if there is an embedding, and
    "select". Features from the store count with what making them took, in the first round with an embedding. Empty in
    older records."""
    slices: list[dict[str, object]] = field(default_factory=list)
    """Where ``evaluate.by_slice`` asks for it: one row per volume, group of slices and class, of
    :func:`alseg_core.metrics.by_slice.slice_rows`."""
    minutes: float | None = None
    """Minutes that annotating the slices took so far, by the model of the configuration; None in older records and
    where people annotate."""
    validation_minutes: float | None = None
    """The same of the validation labels, which :attr:`minutes` does not hold."""
    ended: str | None = None
    """When the round ended, in UTC, as in "2026-11-30T22:40:05Z"; None in older records."""
