"""NSD weighted by surface area, as Nikolov et al. define it."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from alseg_core.metrics.metric import Metric
from alseg_core.quantities import Tolerance
from alseg_core.registry import component


@component
class AreaNSD:
    """Share of the surfaces' area within a tolerance of the other surface; ``nsd`` counts border voxels instead.

    A surface consists of triangles between voxel centres (marching cubes), one group for each 2 x 2 x 2 cell that it
    passes through; a cell is as far from the other surface as from its nearest cell. Voxels that are long in z count
    more often on their ends than area says, so the two differ by up to .17 where slices are thick. NaN if both
    structures are empty, 0 if one is. Takes about 1.4 times as long as HD95, ASSD and NSD together.

    Source: Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy", JMIR 23(7),
    2021; cells and areas by MONAI.
    """

    metric: ClassVar[Metric] = Metric(
        "nsd_area", "NSD by area", meaning="share of both surfaces' area within the tolerance"
    )

    tolerance_mm: Tolerance = 2.0
    """Distance up to which surfaces count as equal, in mm."""

    def score(
        self, prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
    ) -> float:
        """See :class:`alseg_core.metrics.metric.Scorer`."""
        if not prediction.any() or not truth.any():
            return 0.0 if prediction.any() or truth.any() else math.nan
        # imported late: MONAI takes seconds, and only evaluation needs it
        import torch
        from monai.metrics.utils import get_mask_edges, get_surface_distance
        from scipy.ndimage import find_objects

        box = find_objects((prediction | truth).view(np.uint8))[0]
        masks = [torch.from_numpy(np.pad(mask[box], 1)) for mask in (prediction, truth)]
        found = get_mask_edges(*masks, crop=False, spacing=spacing_mm)
        first, second, *areas = (np.asarray(array) for array in found)
        within = total = 0.0
        for ours, theirs, area in ((first, second, areas[0]), (second, first, areas[1])):
            distance = np.asarray(get_surface_distance(ours, theirs, spacing=list(spacing_mm)))
            within += float(area[ours][distance <= self.tolerance_mm].sum())
            total += float(area[ours].sum())
        return within / total
