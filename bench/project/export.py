"""What was annotated so far, for other programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np

from alseg_core.errors import DataError
from alseg_core.vocabulary import LabelArray
from bench.project.exports import ExportedScan, export_nifti, export_nnunet
from bench.project.project import Project
from bench.project.rounds import material_of
from bench.project.scans import scans


def export(project: Project, kind: Literal["nnunet", "nifti"], out: Path, number: int = 900) -> list[str]:
    """Write every annotated slice; return lines for the user. Raises DataError if there is none."""
    latest = project.returned.latest()
    if not latest:
        raise DataError(f"{project.folder}: nothing is annotated yet.")
    config, material = material_of(project)
    cases = sorted({case for case, _ in latest})
    found = scans(project, config, material.infos(cases))
    labels: dict[str, dict[int, LabelArray]] = {case: {} for case in cases}
    for (case, z), entry in latest.items():
        labels[case][z] = np.asarray(project.returned.read(entry), np.uint8)
    exported = [ExportedScan(found[case], labels[case]) for case in cases]
    classes = config.dataset.classes
    if kind == "nnunet":
        name = re.sub(r"[^A-Za-z0-9]+", "_", project.name)
        # nnU-Net normalises Hounsfield units in a way of its own
        channel = "image" if config.dataset.prepare.window_hu is None else "CT"
        path = export_nnunet(out, name, exported, classes, channel, number=number, project=project.folder)
    else:
        path = export_nifti(out, exported, classes, project=project.folder)
    lines = [f"{len(latest)} slices of {len(cases)} scans: {path}"]
    if kind == "nnunet":
        lines.append(f"folds by patient: copy {path.name}/splits_final.json to nnUNet_preprocessed/{path.name}")
    return lines
