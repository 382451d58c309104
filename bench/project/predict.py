"""Masks of all scans by the network of the last finished round, in the scans' own geometry."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from alseg_core.atomic import write_atomic
from alseg_core.errors import ResultsError, plural
from alseg_core.training.inference import Ensemble, chunk_size
from alseg_core.vocabulary import IGNORE, LabelArray
from bench.project.exchange.places import AXES
from bench.project.manifest import Scan
from bench.project.nifti import END, read_header, write_voxels
from bench.project.project import Project, unusable
from bench.project.rounds import material_of
from bench.project.scans import scans
from bench.project.together import together

ABOUT = "about.csv"
"""Table that tells what is what in the files."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the networks say about one scan, on its native grid (z, y, x)."""

    labels: LabelArray
    """(D, h, w) uint8 class numbers."""
    uncertainty: NDArray[np.float32]
    """(D, h, w) entropy of the mean class probabilities, as a share of its largest value, 0..1; 0 outside the
    network's grid, since viewers stumble over NaN."""
    outside: float
    """Share of a slice that lies outside the network's grid, 0..1. Labels there are background, which nobody saw."""


class Predictor:
    """The networks of the last finished round of a project."""

    def __init__(self, project: Project) -> None:
        """Load them. Raises ResultsError: no round is finished, or its networks are damaged."""
        records = project.results.records()
        if not records:
            raise ResultsError(
                f"{project.folder}: no network is trained yet; that happens when the slices of the first round are "
                f"there (alseg project status {project.typed} shows how far it is)."
            )
        self.round = records[-1].round
        self.config, self.material = material_of(project)
        self.device = self.config.resolve_device()
        try:
            state = project.results.load_state(records[-1])
        except ResultsError as error:
            raise ResultsError(
                f"{project.results.path}: {error}; put back a copy, or let alseg project next {project.typed} train "
                "the network of that round again."
            ) from None
        channels, classes = self.material.slices.channels, len(self.config.dataset.classes)
        self.ensemble = Ensemble.restore(state, self.material.trainer, channels, classes, self.device)

    def __call__(self, case: str) -> Prediction:
        """Return the prediction for a scan."""
        info = self.material.prepared.info(case)
        images = torch.from_numpy(self.material.prepared.slices([case]).images())
        size = images.shape[2], images.shape[3]
        step = chunk_size(size, self.device) if self.ensemble.window is None else len(images)
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
        seen = info.to_native(np.ones((1, *size), np.uint8))
        return Prediction(info.to_native(torch.cat(labels).numpy()), info.to_native(unsure), float((seen == 0).mean()))


@dataclass(frozen=True)
class Predicted:
    """What was written."""

    masks: Sequence[Path]
    """Paths of the masks."""
    lines: Sequence[str]
    """What to tell the user."""


def predict(
    project: Project,
    out: Path,
    keep_drawn: bool = True,
    progress: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> Predicted:
    """Write ``masks/CASE.nii.gz`` and ``uncertainty/CASE.nii.gz`` for every scan, and ``about.csv`` that tells of each.

    All files appear at the end, ``about.csv`` last; until then those of a command before stay. Its columns are: case;
    round, whose network it is; axis and drawn, the slices that keep the labels people gave (indices along the stored
    axis from 0, with uncertainty 0); outside_grid, the share of each slice that the network does not see (0..1, in the
    files background with uncertainty 0); network_foreground, voxels that the network gives any class but background.

    keep_drawn: whether slices that annotators gave keep their labels, where these are whole.
    Raises ResultsError as :class:`Predictor`, and when a file cannot be written.
    """
    predictor = Predictor(project)
    material = predictor.material
    infos = material.infos([*material.split.train, *material.split.val])
    found = scans(project, predictor.config, infos)
    drawn = project.returned.latest() if keep_drawn and project.decided.kind == "mask" else {}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["case", "round", "axis", "drawn", "outside_grid", "network_foreground"])
    number, empty = project.shown(predictor.round), 0
    try:
        with together(out, last=ABOUT) as half:
            for done, info in enumerate(infos, start=1):
                prediction, scan = predictor(info.case), found[info.case]
                labels, uncertainty = prediction.labels.copy(), prediction.uncertainty.copy()
                kept = []
                for (case, z), entry in drawn.items():
                    if case == info.case and IGNORE not in (given := project.returned.read(entry)):
                        labels[z], uncertainty[z] = given, 0
                        kept.append(scan.axes.locate(z, scan.depth)[1])
                _write(half / "masks", scan, project, labels)
                _write(half / "uncertainty", scan, project, uncertainty)
                count = int((prediction.labels > 0).sum())
                empty += not count
                axis = AXES[scan.axes.locate(0, scan.depth)[0]]
                told = " ".join(map(str, sorted(kept)))
                table.writerow([info.case, number or "given", axis, told, f"{prediction.outside:.3f}", count])
                progress(done, len(infos), info.case)
            write_atomic(half / ABOUT, text.getvalue())
    except OSError as error:
        raise unusable(error, out) from None
    lines = [f"{len(infos)} masks: {out / 'masks'}; uncertainty: {out / 'uncertainty'}; what is what: {out / ABOUT}"]
    if empty:
        lines.append(f"the network predicts background everywhere in {empty} of {plural(len(infos), 'scan')}")
    return Predicted([out / "masks" / f"{info.case}{END}" for info in infos], lines)


def proposals(project: Project, cases: list[str]) -> dict[str, LabelArray]:
    """Return case -> predicted labels (D, h, w) uint8, to hand out as a start. Raises ResultsError as Predictor."""
    predictor = Predictor(project)
    return {case: predictor(case).labels for case in cases}


def _write(folder: Path, scan: Scan, project: Project, values: NDArray[np.uint8] | NDArray[np.float32]) -> None:
    """Write values (D, h, w) into a NIfTI file on the grid of the scan's image."""
    folder.mkdir(parents=True, exist_ok=True)
    write_voxels(folder / f"{scan.case}{END}", read_header(project.folder / scan.image, scan), scan.axes.write(values))
