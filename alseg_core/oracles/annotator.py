"""An annotator who errs: masks as somebody less careful than the author of the ground truth would draw them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from alseg_core.data.prepared import CaseInfo
from alseg_core.data.slices import SliceTable
from alseg_core.errors import ConfigError
from alseg_core.geometry.outlines import PixelSize, moved
from alseg_core.metrics.overlap import slice_dice
from alseg_core.quantities import Probability
from alseg_core.registry import OMIT_DEFAULT, component
from alseg_core.seeding import stream
from alseg_core.vocabulary import IntArray, LabelArray

LABEL_DICE = "label_dice"
"""Signal of a round: mean Dice of the masks that an annotator who errs drew in it with the truth."""
_NEIGHBOURS = np.ones((3, 3), bool)


@component
class Annotator:
    """Errors of a simulated annotator, made in the mask of a slice before anything is drawn from it.

    Training labels alone have them: validation and test masks are the data's. The errors of a slice depend on the run's
    seed, the slice and these fields only. Each kind of error draws from a stream of its own, so that one does not
    change the others, and what is missed at one probability is missed at every higher one too. The order is: classes
    left out, small parts left out, contours moved. Whatever is left out becomes background.
    """

    boundary_mm: Annotated[float, Field(ge=0, le=100)] = dataclasses.field(default=0.0, metadata=OMIT_DEFAULT)
    """Standard deviation of the random displacement of contours, in mm within the slice."""
    smooth_mm: Annotated[float, Field(ge=0.1, le=1000)] = dataclasses.field(default=10.0, metadata=OMIT_DEFAULT)
    """Correlation length of that displacement, in mm: at this distance in the slice the correlation is exp(-1/2)."""
    bias_mm: Annotated[float, Field(ge=-100, le=100)] = dataclasses.field(default=0.0, metadata=OMIT_DEFAULT)
    """How far structures are drawn too large (or, if negative, too small) towards the background, in mm; a line between
    two structures stays."""
    miss_below_mm2: Annotated[float, Field(ge=0, le=1e6)] = dataclasses.field(default=0.0, metadata=OMIT_DEFAULT)
    """Area below which a connected part of a class in a slice may be left out, in square millimetres."""
    miss: Probability = dataclasses.field(default=1.0, metadata=OMIT_DEFAULT)
    """Probability that such a part is left out."""
    drop_class: Probability = dataclasses.field(default=0.0, metadata=OMIT_DEFAULT)
    """Probability that a class is left out of a slice that it is in."""

    def __post_init__(self) -> None:
        if not (self.boundary_mm or self.bias_mm or self.drop_class or (self.miss_below_mm2 and self.miss)):
            raise ConfigError(
                "an annotator who errs needs one of boundary_mm, bias_mm, miss_below_mm2 and drop_class; without "
                "errors, leave annotator out."
            )
        for field, unless in (("smooth_mm", "boundary_mm"), ("miss", "miss_below_mm2")):
            default = type(self).__dataclass_fields__[field].default
            if getattr(self, field) != default and not getattr(self, unless):
                raise ConfigError(f"{field} has no effect without {unless}; set {unless}, or leave {field} out.")

    def annotate(
        self,
        masks: LabelArray,
        table: SliceTable,
        positions: IntArray,
        cases: Sequence[CaseInfo],
        seed: int,
        classes: int,
    ) -> tuple[LabelArray, NDArray[np.float64]]:
        """Return masks (B, H, W) with the errors, and the Dice (B,) of each with the truth, the mean over classes.

        masks: those of ``positions`` (B,) of ``table``; cases: the cases of the table, in its order. Dice is NaN for a
        slice without structures, before and after.
        """
        drawn = np.empty_like(masks)
        for i, position in enumerate(positions):
            pixel_mm = cases[int(table.volume[position])].pixel_mm
            drawn[i] = self.draw(masks[i], pixel_mm, seed, table.locate(int(position)), classes)
        return drawn, slice_dice(drawn, masks, classes)

    def draw(
        self, mask: LabelArray, pixel_mm: PixelSize, seed: int, place: tuple[str, int], classes: int
    ) -> LabelArray:
        """Return the mask (H, W) of one slice with the errors. place: (case, z) of the slice."""
        mask = mask.copy()
        left_out = stream(seed, "annotator", "class", *place).random(classes) < self.drop_class
        left_out[0] = False
        mask[left_out[mask]] = 0
        if self.miss_below_mm2:
            for label in range(1, classes):
                rng = stream(seed, "annotator", "part", label, *place)
                mask[self._missed(mask == label, pixel_mm, rng)] = 0
        if (self.boundary_mm or self.bias_mm) and mask.any():
            shift = np.zeros((classes, *mask.shape))
            shift[0] -= 2 * self.bias_mm
            if self.boundary_mm:
                # two classes displace their common line by half the difference of their fields
                fields = _smooth_fields(
                    shift.shape, self.smooth_mm, pixel_mm, stream(seed, "annotator", "line", *place)
                )
                shift += math.sqrt(2) * self.boundary_mm * fields
            mask = moved(mask, shift, pixel_mm)
        return mask

    def _missed(self, region: NDArray[np.bool_], pixel_mm: PixelSize, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return the pixels (H, W) of the small parts of a class that are left out."""
        parts, count = ndimage.label(region, _NEIGHBOURS)
        area = np.bincount(parts.ravel(), minlength=count + 1) * pixel_mm[0] * pixel_mm[1]
        missed = (area < self.miss_below_mm2) & (rng.random(count + 1) < self.miss)
        missed[0] = False  # what is not of the class
        return np.asarray(missed[parts])


def _smooth_fields(
    shape: tuple[int, ...], length_mm: float, pixel_mm: PixelSize, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return Gaussian random fields (K, H, W) with mean 0, variance 1 and correlation exp(-distance^2 / 2 length^2).

    They are white noise under a Gaussian filter of sd length / sqrt(2), which runs around the borders of the slice, so
    that the variance is the same everywhere.
    """
    sigma = [0.0, *(length_mm / math.sqrt(2) / size for size in pixel_mm)]
    impulse = np.zeros((1, *shape[1:]))
    impulse[0, 0, 0] = 1
    kernel = ndimage.gaussian_filter(impulse, sigma, mode="wrap")
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return np.asarray(noise / np.sqrt((kernel**2).sum()))
