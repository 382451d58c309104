"""The words of the field that every room shares.

Axis order is (z, y, x) everywhere: ``D`` slices of ``H`` rows and ``W`` columns. Lengths are millimetres. Labels are
``uint8`` class numbers, 0 = background, and :data:`IGNORE` marks pixels nobody has labelled. Inside a run a slice is a
*position* 0..N-1 of one table; on disk it is (case, z).
"""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass(frozen=True, eq=False)
class Volume:
    """One scan in its native geometry.

    image: (D, H, W) or (D, H, W, C) float32.
    mask: (D, H, W) uint8 class numbers, or None.
    scribble: (D, H, W) uint8 with ``IGNORE`` = unmarked, or None.
    spacing_mm: distance between voxel centres, (z, y, x).
    case: unique id of the scan. patient: id of the person (or video). group: phase or modality.
    attributes: further facts of the patient, for example the pathology that a split is stratified by.
    """

    image: NDArray[np.float32]
    mask: LabelArray | None
    scribble: LabelArray | None
    spacing_mm: tuple[float, float, float]
    case: str
    patient: str
    group: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Selection:
    """What a strategy picked.

    positions: (B,) int64 in the order of picking. scores: (B,) float64, higher = sooner, or None.
    """

    positions: IntArray
    scores: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Annotation:
    """What the oracle gave: labels (B, H, W) uint8 of positions (B,), ``IGNORE`` = unmarked.

    cost: of all of them, in full-slice equivalents.
    """

    positions: IntArray
    labels: LabelArray
    cost: float


@dataclass(frozen=True)
class RoundRecord:
    """Everything one finished round leaves behind: one JSON line of the run folder.

    round: 0-based. labelled: slices annotated so far; fraction: share of the training slices; cost: full-slice
    equivalents so far. cover_radius: largest distance of a training slice to its nearest labelled one in the reference
    embedding (Eq. 2). selected: one entry a slice, {"case", "z", "score"}. members: one entry a trained network,
    {"validation_dice", "iterations"}; best: index of the member that is evaluated. volumes: one entry a test volume
    and foreground class, {"case", "class", "dice", "hd95_mm", "assd_mm", "nsd"}, null where undefined.
    summary: mean test scores, {"dice", "hd95_mm", "assd_mm", "nsd", "validation_dice", "empty_predictions",
    "empty_truths", "empty_both", "dice_<class>"...}. seconds: wall time of the round's parts; a shared training counts
    with the time it took whoever did it. ledger: who read which labels, for what. signals: facts that the parts tell of
    themselves (encoder initialisation, epochs, whether a first round's training was shared, ...). peak_mb: most memory
    that the process has been resident in so far, earlier runs in the same process among it; None where it is unknown.
    marked, foreground: labelled pixels bought so far, and those of them that are foreground; None in older records.
    """

    round: int
    labelled: int
    fraction: float
    cost: float
    cover_radius: float
    selected: list[dict[str, object]]
    members: list[dict[str, float]]
    best: int
    volumes: list[dict[str, object]]
    summary: dict[str, float | None]
    seconds: dict[str, float]
    ledger: list[dict[str, object]]
    signals: dict[str, object] = field(default_factory=dict)
    peak_mb: int | None = None
    marked: int | None = None
    foreground: int | None = None
