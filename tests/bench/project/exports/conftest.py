"""Scans of a phantom as NIfTI files, with some of their slices annotated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest

from alseg_core.vocabulary import AS_STORED, IGNORE, LabelArray, StoredAxes
from bench.project.exports import ExportedScan
from bench.project.manifest import Scan

CLASSES = ("background", "wall", "cavity")
CORONAL = StoredAxes((1, 2, 0), (True, True, False))
"""Slices along the second stored axis, from its far end; rows run against the third."""


@dataclass(frozen=True)
class Written:
    """A scan on disk and everything that is known of it."""

    exported: ExportedScan
    path: Path
    voxels: np.ndarray
    affine: np.ndarray


@pytest.fixture
def make_scan(tmp_path: Path) -> Callable[..., Written]:
    """Write an image of 6 x 7 x 5 voxels that is oblique, scaled and of type int16; annotate slices 1 and 3."""

    def make(
        case: str = "P1", axes: StoredAxes = AS_STORED, file: str = "", trailing: int = 0, second: bool = False
    ) -> Written:
        rng = np.random.default_rng(len(case))
        stored = rng.integers(-1000, 1000, (6, 7, 5)).astype(np.int16)
        turn = np.deg2rad(20)
        rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        affine = np.eye(4)
        affine[:3, :3] = rotation @ np.diag([-0.8, -1.25, 3.0])
        affine[:3, 3] = 31.5, -20.25, 7
        kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
        image = kind(stored.reshape(*stored.shape, *[1] * trailing), affine)
        image.header.set_qform(affine, code=1)
        image.header.set_xyzt_units("mm")
        image.header["cal_max"] = 900
        image.header["descrip"] = b"a scanner's own words"
        path = tmp_path / "scans" / (file or f"{case.replace('/', '-')}.nii.gz")
        path.parent.mkdir(exist_ok=True)
        nibabel.save(image, path)
        scan = Scan(
            case=case,
            patient=case.partition("_")[0],
            image=str(path.relative_to(tmp_path)),
            shape=(6, 7, 5),
            spacing_mm=(0.8, 1.25, 3.0),
            affine=tuple(map(tuple, affine.tolist())),
            axes=axes,
        )
        labels: dict[int, LabelArray] = {z: rng.integers(0, len(CLASSES), scan.size).astype(np.uint8) for z in (1, 3)}
        labels[3][:, 0] = IGNORE  # a column that nobody marked
        return Written(ExportedScan(scan, labels), path, stored, affine)

    return make
