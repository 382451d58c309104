"""From a trained network to scores of whole volumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from alseg_core.data.prepared import Prepared
from alseg_core.metrics.overlap import dice_scores
from alseg_core.metrics.surface import surface_scores
from alseg_core.models import SegmentationModule
from alseg_core.oracles import Vault
from alseg_core.registry import component
from alseg_core.training.inference import predict_labels

METRICS = ("dice", "hd95_mm", "assd_mm", "nsd")
"""Scores of a test volume and class, as they are named in run folders."""


EMPTY = {(True, True): "", (False, True): "prediction", (True, False): "truth", (False, False): "both"}
"""Name of the case by (something predicted, something there)."""


@component
class Evaluation:
    """How test volumes are scored, in their native geometry and in millimetres.

    surface: compute HD95, ASSD and NSD too. nsd_tolerance_mm: distance up to which two surfaces agree.
    """

    surface: bool = True
    nsd_tolerance_mm: Annotated[float, Field(gt=0)] = 2.0

    def volumes(
        self,
        network: SegmentationModule,
        prepared: Prepared,
        cases: Sequence[str],
        vault: Vault,
        classes: Sequence[str],
        device: str,
        progress: Callable[[float], None],
    ) -> list[dict[str, object]]:
        """One row a volume and foreground class: {"case", "class", <metrics>, "empty"}; undefined scores are None.

        empty: what holds none of the structure: "prediction", "truth", "both", or "" (neither).
        """
        rows: list[dict[str, object]] = []
        for number, case in enumerate(cases):
            info = prepared.info(case)
            images = torch.from_numpy(prepared.slices([case]).images()).to(device)
            prediction = info.to_native(predict_labels(network, images))
            truth = vault.native_mask(case, "evaluation", "test masks")
            dice = dice_scores(prediction, truth, len(classes))
            for label, name in list(enumerate(classes))[1:]:
                ours, theirs = prediction == label, truth == label
                row: dict[str, object] = {"case": case, "class": name, "dice": _number(dice[label - 1])}
                if self.surface:
                    scores = surface_scores(ours, theirs, info.spacing_mm, self.nsd_tolerance_mm)
                    row |= {m: _number(getattr(scores, m)) for m in METRICS[1:]}
                rows.append(row | {"empty": EMPTY[bool(ours.any()), bool(theirs.any())]})
            progress((number + 1) / len(cases))
        return rows


def summarise(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> dict[str, float | None]:
    """Mean over a volume's classes, then over volumes (as in the paper); per-class Dice; numbers of empty cases.

    empty_predictions: structures of which nothing was predicted; empty_truths: predicted ones that are not there. Both
    have Dice 0, NSD 0 and distances equal to the volume's diagonal. empty_both: structures that are left out.
    Undefined scores are left out of the means; a mean of nothing is None.
    """
    cases = list(dict.fromkeys(row["case"] for row in rows))
    out: dict[str, float | None] = {}
    for metric in METRICS:
        per_case = [_mean([r.get(metric) for r in rows if r["case"] == case]) for case in cases]
        out[metric] = _mean(per_case)
    for name in classes[1:]:
        out[f"dice_{name}"] = _mean([row["dice"] for row in rows if row["class"] == name])
    for kind, name in (("prediction", "empty_predictions"), ("truth", "empty_truths"), ("both", "empty_both")):
        out[name] = float(sum(row["empty"] == kind for row in rows))
    return out


@dataclass(frozen=True, eq=False)
class Validation:
    """Mean Dice of the validation volumes on the network's grid: mean over a volume's classes, then over volumes."""

    images: Tensor
    depths: tuple[int, ...]
    masks: np.ndarray
    classes: int

    @classmethod
    def load(
        cls, prepared: Prepared, cases: Sequence[str], vault: Vault, classes: int, device: str, cost_each: float
    ) -> Validation:
        """Bring the validation volumes to the device; their masks are billed in the ledger at ``cost_each`` a slice."""
        slices = prepared.slices(cases)
        masks = vault.masks(slices.rows, "validation", "validation masks", cost_each)
        return cls(torch.from_numpy(slices.images()).to(device), tuple(slices.table.depth.tolist()), masks, classes)

    def __call__(self, network: SegmentationModule) -> float:
        """Mean Dice in 0..1 of a network in evaluation mode; 0 when no volume holds any foreground."""
        prediction = predict_labels(network, self.images, self.depths)
        ends = np.cumsum(self.depths)[:-1]
        pairs = zip(np.split(prediction, ends), np.split(self.masks, ends), strict=True)
        scores = [_mean([_number(d) for d in dice_scores(*pair, self.classes)]) for pair in pairs]
        return _mean(scores) or 0.0


def examples(
    network: SegmentationModule, prepared: Prepared, cases: Sequence[str], vault: Vault, device: str, count: int
) -> dict[str, np.ndarray]:
    """Middle slices of the first volumes of ``count`` patients: image, truth and prediction on the network's grid.

    The image is grey: the mean of its channels.
    """
    first: dict[str, str] = {}
    for case in cases:
        first.setdefault(prepared.info(case).patient, case)
    chosen = list(first.values())[:count]
    slices = prepared.slices(chosen)
    volumes = [slices.table.of_volume(volume) for volume in range(len(chosen))]
    middle = np.array([positions[len(positions) // 2] for positions in volumes])
    truth = vault.masks(slices.rows[middle], "pictures", "test masks")
    predictions = []
    for positions in volumes:  # whole volumes, as in the evaluation
        prediction = predict_labels(network, torch.from_numpy(slices.images(positions)).to(device))
        predictions.append(prediction[len(positions) // 2])
    return {"image": slices.images(middle).mean(axis=1), "truth": truth, "prediction": np.stack(predictions),
            "case": np.array(chosen), "z": slices.table.z[middle]}  # fmt: skip


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [v for v in values if v is not None]
    return float(np.mean(defined)) if defined else None
