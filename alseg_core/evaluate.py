"""From a trained network to scores of whole volumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

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
        threads: int = 1,
    ) -> list[dict[str, object]]:
        """One row a volume and foreground class: {"case", "class", <metrics>, "empty"}; undefined scores are None.

        empty: what holds none of the structure: "prediction", "truth", "both", or "" (neither). threads: volumes that
        are scored at once.
        """
        network = folded(network).to(device)
        rows: list[dict[str, object]] = []
        done = 0
        with ThreadPoolExecutor(threads) as pool:
            for group in _groups(prepared, cases):
                slices = prepared.slices(group)
                depths = slices.table.depth
                labels = predict_labels(network, torch.from_numpy(slices.images()), depths.tolist())
                truths = [vault.native_mask(case, "evaluation", "test masks") for case in group]
                volumes = np.split(labels, np.cumsum(depths)[:-1])
                infos = [prepared.info(case) for case in group]
                for scored in pool.map(partial(self._score, classes), infos, volumes, truths):
                    rows += scored
                    done += 1
                    progress(done / len(cases))
        return rows

    def _score(
        self, classes: Sequence[str], info: CaseInfo, labels: LabelArray, truth: LabelArray
    ) -> list[dict[str, object]]:
        """Rows of one volume. labels: (D, size, size), truth: (D, h, w)."""
        prediction = info.to_native(labels)
        overlap = dice_scores(prediction, truth, len(classes))
        rows: list[dict[str, object]] = []
        for label, name in list(enumerate(classes))[1:]:
            ours, theirs = prediction == label, truth == label
            row: dict[str, object] = {"case": info.case, "class": name, "dice": _number(overlap[label - 1])}
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
