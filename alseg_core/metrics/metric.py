"""The table of metrics that every run records: what each score is called, and how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Metric:
    """A score of one structure in one volume, as run folders, reports and MLflow show it."""

    name: str
    """Key in run folders and comparison.csv and name in MLflow, for example "hd95_mm"."""
    title: str
    """Name in reports, for example "HD95"."""
    unit: str = ""
    """Unit, "" for a number without one."""
    higher_is_better: bool = True
    """Whether a higher value is a better one."""
    decimals: int = 3
    """Decimals in reports."""
    meaning: str = ""
    """What it measures, in a few words for the notes of a report."""
    skips_empty: bool = False
    """Whether means leave out structures that the prediction or the truth lacks, because no number stands for them."""

    @property
    def heading(self) -> str:
        """Title with the unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def legend(self) -> str:
        """Sentence that says how to read the metric."""
        direction = f"{'higher' if self.higher_is_better else 'lower'} is better"
        return f"{self.title}: {self.meaning}; {direction}." if self.meaning else f"{self.title}: {direction}."


DICE = Metric("dice", "Dice", meaning="overlap of prediction and truth")
HD95 = Metric(
    "hd95_mm",
    "HD95",
    "mm",
    False,
    1,
    meaning="95th percentile of the distances between the surfaces, the larger of the two directions, over structures "
    "that prediction and truth both hold",
    skips_empty=True,
)
ASSD = Metric(
    "assd_mm",
    "ASSD",
    "mm",
    False,
    2,
    meaning="mean distance between the surfaces, over structures that prediction and truth both hold",
    skips_empty=True,
)
NSD = Metric(
    "nsd",
    "NSD",
    meaning="share of both surfaces within the tolerance, counted in voxels (nsd_area weights them by area)",
)

METRICS = {metric.name: metric for metric in (DICE, HD95, ASSD, NSD)}
"""Name -> metric that every run records. The first is the one that recipes are compared by."""


class Scorer(Protocol):
    """A component that computes one additional metric, for studies that name it under ``evaluate.metrics``."""

    metric: ClassVar[Metric]

    def score(
        self, prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
    ) -> float:
        """Return the score of one structure in one volume; NaN where it is undefined, to be left out of means.

        prediction, truth: (D, H, W) bool, either may be empty. spacing_mm: distance of voxel centres, (z, y, x).
        """
        ...
