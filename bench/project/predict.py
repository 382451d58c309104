"""Masks of all scans by the network of the last finished round, in the scans' own geometry."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from alseg_core.errors import ResultsError
from alseg_core.training.inference import Ensemble, chunk_size
from alseg_core.vocabulary import IGNORE, LabelArray
from bench.project.exchange.headers import read_header, write_voxels
from bench.project.manifest import Scan
from bench.project.project import Project, unusable
from bench.project.rounds import material_of
from bench.project.scans import scans


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the networks say about one scan, on its native grid (z, y, x)."""

    labels: LabelArray
    """(D, h, w) uint8 class numbers."""
    uncertainty: NDArray[np.float32]
    """(D, h, w) entropy of the mean class probabilities, as a share of its largest value, 0..1; 0 outside the grid."""


class Predictor:
    """The networks of the last finished round of a project."""

    def __init__(self, project: Project) -> None:
        """Load them. Raises ResultsError: no round is finished, or its networks are damaged."""
        records = project.results.records()
        if not records:
            raise ResultsError(
                f"{project.folder}: no network is trained yet; that happens when the slices of the first round are "
                f"there (alseg project status {project.folder} shows how far it is)."
            )
        self.round = records[-1].round
        self.config, self.material = material_of(project)
        self.device = self.config.resolve_device()
        try:
            state = project.results.load_state(records[-1])
        except ResultsError as error:
            raise ResultsError(
                f"{project.results.path}: {error}; put back a copy, or let alseg project next {project.folder} train "
                "the network of that round again."
            ) from None
        channels, classes = self.material.slices.channels, len(self.config.dataset.classes)
        self.ensemble = Ensemble.restore(state, self.config.train, channels, classes, self.device)

    def __call__(self, case: str) -> Prediction:
        """Return the prediction for a scan."""
        info = self.material.prepared.info(case)
        images = torch.from_numpy(self.material.prepared.slices([case]).images())
        step = (
            len(images) if self.config.train.volumetric else chunk_size((images.shape[2], images.shape[3]), self.device)
        )
        labels, entropy = [], []
        for chunk in images.split(step):
            total: torch.Tensor | None = None
            for probabilities in self.ensemble.probabilities(chunk):
                total = probabilities if total is None else total + probabilities
            assert total is not None
            mean = total / len(self.ensemble.members)
            labels.append(mean.argmax(dim=1).to(torch.uint8).cpu())
            entropy.append((torch.special.entr(mean).sum(dim=1) / math.log(mean.shape[1])).cpu())
        unsure = torch.cat(entropy).numpy().astype(np.float32)
        return Prediction(info.to_native(torch.cat(labels).numpy()), info.to_native(unsure))


def predict(
    project: Project,
    out: Path,
    keep_drawn: bool = True,
    progress: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> list[Path]:
    """Write ``masks/CASE.nii.gz`` and ``uncertainty/CASE.nii.gz`` for every scan; return the paths of the masks.

    keep_drawn: whether slices that annotators gave keep their labels, with uncertainty 0, where these are whole.
    Raises ResultsError as :class:`Predictor`, and when a file cannot be written.
    """
    predictor = Predictor(project)
    material = predictor.material
    infos = material.infos([*material.split.train, *material.split.val])
    found = scans(project, predictor.config, infos)
    drawn = project.returned.latest() if keep_drawn and project.decided.kind == "mask" else {}
    masks = []
    try:
        for done, info in enumerate(infos, start=1):
            prediction = predictor(info.case)
            labels, uncertainty = prediction.labels.copy(), prediction.uncertainty.copy()
            for (case, z), entry in drawn.items():
                if case == info.case and IGNORE not in (given := project.returned.read(entry)):
                    labels[z], uncertainty[z] = given, 0
            masks.append(_write(out / "masks", found[info.case], project, labels))
            _write(out / "uncertainty", found[info.case], project, uncertainty)
            progress(done, len(infos), info.case)
    except OSError as error:
        raise unusable(error, out) from None
    return masks


def proposals(project: Project, cases: list[str]) -> dict[str, LabelArray]:
    """Return case -> predicted labels (D, h, w) uint8, to hand out as a start. Raises ResultsError as Predictor."""
    predictor = Predictor(project)
    return {case: predictor(case).labels for case in cases}


def _write(folder: Path, scan: Scan, project: Project, values: NDArray[np.uint8] | NDArray[np.float32]) -> Path:
    """Write values (D, h, w) into a NIfTI file on the grid of the scan's image."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{scan.case}.nii.gz"
    write_voxels(path, read_header(project.folder / scan.image, scan), scan.axes.write(values))
    return path
