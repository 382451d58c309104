"""From a trained network to scores of whole volumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from alseg_core.data.prepared import CaseInfo, Prepared
from alseg_core.device.feed import placed
from alseg_core.metrics.overlap import dice, dice_scores, overlaps
from alseg_core.metrics.surface import surface_scores
from alseg_core.models import SegmentationModule
from alseg_core.models.folding import folded
from alseg_core.oracles import Vault
from alseg_core.registry import component
from alseg_core.training.inference import label_chunks, predict_labels
from alseg_core.vocabulary import LabelArray

METRICS = ("dice", "hd95_mm", "assd_mm", "nsd")
"""Scores of a test volume and class, as they are named in run folders."""


PIXELS = 2**24
"""Pixels of volumes that are read and predicted at once, several volumes in a chunk, before they are scored."""

EMPTY = {(True, True): "", (False, True): "prediction", (True, False): "truth", (False, False): "both"}
"""Name of the case by (something predicted, something there)."""


@component
class Evaluation:
    """How volumes are scored, in their native geometry and in millimetres.

    part: which ones: "test", or "val" where a choice hangs on the scores; then the labels of test volumes are sealed.
    surface: compute HD95, ASSD and NSD too. nsd_tolerance_mm: distance up to which two surfaces agree.
    """

    part: Literal["test", "val"] = "test"
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
        threads: int = 1,
        seen: Callable[[str, LabelArray, LabelArray], None] | None = None,
    ) -> list[dict[str, object]]:
        """One row a volume and foreground class: {"case", "patient", "class", <metrics>, "empty"}; undefined is None.

        empty: what holds none of the structure: "prediction", "truth", "both", or "" (neither). threads: volumes that
        are scored at once. seen: called with each case, its predicted labels (D, size, size) and its
        native truth (D, h, w).
        """
        network = folded(network).to(device)
        rows: list[dict[str, object]] = []
        done = 0
        with ThreadPoolExecutor(threads) as pool:
            for group in _groups(prepared, cases):
                slices = prepared.slices(group)
                depths = slices.table.depth
                labels = predict_labels(network, torch.from_numpy(slices.images()), depths.tolist())
                truths = [self._truth(vault, case) for case in group]
                volumes = np.split(labels, np.cumsum(depths)[:-1])
                for case, volume, truth in zip(group, volumes, truths, strict=True):
                    if seen is not None:
                        seen(case, volume, truth)
                infos = [prepared.info(case) for case in group]
                for scored in pool.map(partial(self._score, classes), infos, volumes, truths):
                    rows += scored
                    done += 1
                    progress(done / len(cases))
        return rows

    def _truth(self, vault: Vault, case: str) -> LabelArray:
        if self.part == "test":
            return vault.native_mask(case, "evaluation", "test masks")
        return vault.native_mask(case, "evaluation", "validation masks", cost_each=0.0)  # bought for the training

    def _score(
        self, classes: Sequence[str], info: CaseInfo, labels: LabelArray, truth: LabelArray
    ) -> list[dict[str, object]]:
        """Rows of one volume. labels: (D, size, size), truth: (D, h, w)."""
        prediction = info.to_native(labels)
        overlap = dice_scores(prediction, truth, len(classes))
        rows: list[dict[str, object]] = []
        for label, name in list(enumerate(classes))[1:]:
            ours, theirs = prediction == label, truth == label
            who: dict[str, object] = {"case": info.case, "patient": info.patient, "class": name}
            row = {**who, "dice": _number(overlap[label - 1])}
            if self.surface:
                scores = surface_scores(ours, theirs, info.spacing_mm, self.nsd_tolerance_mm)
                row |= {m: _number(getattr(scores, m)) for m in METRICS[1:]}
            rows.append(row | {"empty": EMPTY[bool(ours.any()), bool(theirs.any())]})
        return rows


def _groups(prepared: Prepared, cases: Sequence[str]) -> Iterator[list[str]]:
    """The cases in their order, in groups of at most :data:`PIXELS`, or of one."""
    group: list[str] = []
    pixels = 0
    for case in cases:
        info = prepared.info(case)
        more = info.depth * info.geometry.size**2
        if group and pixels + more > PIXELS:
            yield group
            group, pixels = [], 0
        group.append(case)
        pixels += more
    if group:
        yield group


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
    masks: Tensor
    classes: int

    @classmethod
    def load(
        cls, prepared: Prepared, cases: Sequence[str], vault: Vault, classes: int, device: str, cost_each: float
    ) -> Validation:
        """Bring the validation volumes to the device, if they fit, else to pinned memory, from where they are sent.

        Their masks are billed in the ledger at ``cost_each`` a slice.
        """
        slices = prepared.slices(cases)
        masks = vault.masks(slices.rows, "validation", "validation masks", cost_each)
        images, truth = placed([torch.from_numpy(slices.images()), torch.from_numpy(masks)], device)
        return cls(images, tuple(slices.table.depth.tolist()), truth, classes)

    def __call__(self, network: SegmentationModule) -> float:
        """Mean Dice in 0..1 of a network in evaluation mode; 0 when no volume holds any foreground."""
        parts, start = [], 0
        for labels in label_chunks(network, self.images, self.depths):
            truth = self.masks[start : start + len(labels)].to(labels.device, non_blocking=True)
            parts.append(overlaps(labels, truth, self.classes))
            start += len(labels)
        slices = torch.cat(parts).cpu().numpy()  # the only time that the host waits for the device
        volumes = np.add.reduceat(slices, np.cumsum((0, *self.depths[:-1])), axis=0)
        return _mean([_mean([_number(d) for d in dice(volume)]) for volume in volumes]) or 0.0


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [v for v in values if v is not None]
    return float(np.mean(defined)) if defined else None
