"""What annotation takes, in minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from alseg_core.data.prepared import CaseInfo
from alseg_core.data.slices import SliceTable
from alseg_core.geometry.outlines import outline_mm, stroke_mm
from alseg_core.metrics.overlap import slice_dice
from alseg_core.registry import component
from alseg_core.vocabulary import IntArray, LabelArray

Drawn = Literal["outlines", "strokes"]
"""How an annotator labels a slice: by the outlines of its structures, or by strokes within them."""
Duration = Annotated[float, Field(ge=0, le=1e4)]


@component
class Minutes:
    """Model of the time that annotation takes: per volume that is opened, per slice, and per line that is drawn.

    It changes no label, no choice and no training, only the minutes that a run records. Its defaults are assumptions,
    not measurements: half a minute to open a volume and find one's way in it, six seconds to go to a slice and look at
    it, one second to follow a centimetre of outline. Strokes need no such care: by default, the published scribbles of
    ACDC (Valvano et al., 2021), 77 cm a slice, are drawn in 1/15 of the time of its outlines, 47 cm a slice (measured
    on every second scan); the ratio is that of Vepa et al. (NeurIPS 2024). With these defaults, masks of both phases
    of a patient of ACDC take 18 minutes. Set the times of your own annotators where you know them.
    """

    open_volume: Duration = 0.5
    """Minutes to open a volume; the slices of a round are annotated volume by volume, so once per volume and round."""
    slice: Duration = 0.1
    """Minutes to look at a slice, whatever is drawn in it."""
    per_cm: Duration = 1 / 60
    """Minutes per centimetre of outline, where every pixel gets a label: of all structures of a slice, a line that two
    of them share counting once."""
    per_cm_stroke: Duration = 0.0007
    """Minutes per centimetre of stroke, where strokes are drawn."""
    prefill: bool = False
    """Whether annotators of full masks get the prediction of the round before and correct it; drawing then takes the
    share 1 - Dice of its time, Dice being that of the prediction with the labels bought, the mean over the structures
    of the slice. The first round has no prediction, and strokes are always drawn anew. Nor has validation, bought in
    the first round. What is wrong in a slice without structures costs nothing to delete."""
    least: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Least share of the time for drawing that checking a prediction takes, however good it is."""

    def of(
        self,
        labels: LabelArray,
        drawn: Drawn,
        table: SliceTable,
        positions: IntArray,
        cases: Sequence[CaseInfo],
        prediction: LabelArray | None = None,
        classes: int = 0,
    ) -> float:
        """Return the minutes that the labels (B, H, W) of ``positions`` (B,) of ``table`` took, bought in one round.

        cases: the cases of the table, in its order. prediction: (B, H, W) class numbers that annotators corrected, None
        where they drew everything; classes: number of classes, for the Dice of a prediction.
        """
        if not len(positions):
            return 0.0
        volume = table.volume[positions]
        measure, per_cm = (outline_mm, self.per_cm) if drawn == "outlines" else (stroke_mm, self.per_cm_stroke)
        lengths = [measure(one, cases[int(v)].pixel_mm) for one, v in zip(labels, volume, strict=True)]
        share = np.ones(len(lengths))
        if prediction is not None:
            missing = 1 - np.nan_to_num(slice_dice(prediction, labels, classes), nan=1.0)
            share = np.maximum(missing, self.least)
        opened = len(np.unique(volume)) * self.open_volume
        return float(opened + len(lengths) * self.slice + (share * lengths).sum() / 10 * per_cm)
