"""Surface distances in millimetres: HD95, ASSD and NSD, from MONAI's surface distances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SurfaceScores:
    """Surface scores of one structure in one volume; the fields are the names of metrics."""

    hd95_mm: float
    """Larger of the two directed 95th-percentile distances, in mm."""
    assd_mm: float
    """Mean distance over both surfaces, in mm."""
    nsd: float
    """Share of the border voxels of both within the tolerance, 0..1, each voxel counted once."""


def surface_scores(
    prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: tuple[float, ...], tolerance_mm: float
) -> SurfaceScores:
    """Return the surface scores of one structure in one volume, or in one slice.

    prediction, truth: (D, H, W) bool with spacing_mm (z, y, x), or (H, W) with (y, x). If both are empty, all scores
    are NaN, to be left out of means. If one is empty, they are the worst possible: HD95 = ASSD = diagonal of the volume
    and NSD = 0; means of the distances leave such structures out, see
    :attr:`alseg_core.metrics.metric.Metric.skips_empty`.
    """
    if not prediction.any() and not truth.any():
        return SurfaceScores(math.nan, math.nan, math.nan)
    if not prediction.any() or not truth.any():
        diagonal = math.sqrt(sum((n * s) ** 2 for n, s in zip(truth.shape, spacing_mm, strict=True)))
        return SurfaceScores(diagonal, diagonal, 0.0)
    # MONAI takes seconds to import, and only evaluation needs it
    from monai.metrics.utils import get_mask_edges, get_surface_distance
    from scipy.ndimage import find_objects

    box = find_objects((prediction | truth).view(np.uint8))[0]  # erosion treats the outside as background
    edges = get_mask_edges(prediction[box], truth[box], crop=False)
    directed = [
        np.asarray(get_surface_distance(a, b, spacing=list(spacing_mm)), dtype=np.float64)
        for a, b in (edges, edges[::-1])
    ]
    both = np.concatenate(directed)
    return SurfaceScores(
        hd95_mm=float(max(np.percentile(d, 95) for d in directed)),
        assd_mm=float(both.mean()),
        nsd=float((both <= tolerance_mm).mean()),
    )
