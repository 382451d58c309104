"""Small scans to annotate, and settings with which a network trains in a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from alseg_core.data.readers import READERS
from bench.project.create import Wishes

CLASSES = ("background", "wall", "cavity", "nodule")
SMALL = (
    "train.mask.network={widths: [4, 8], dropouts: [0.1, 0.2]}",
    "train.mask.iterations_full=900",
    "train.mask.iterations_least=60",
    "train.mask.validate_every=20",
    "components.contrastive={image_size: 16, epochs: 1, init: random}",
)
FAST = (*SMALL, "train.mask.iterations_full=60", "train.mask.iterations_least=20")
"""Networks that learn hardly anything, where only their files matter."""


def save(path: Path, voxels: np.ndarray, spacing_mm: Sequence[float]) -> None:
    """Write (z, y, x) voxels as a scan that stands a little askew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    z, y, x = spacing_mm
    turn = np.array([[0.98, -0.199, 0], [0.199, 0.98, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-x, -y, z])
    affine[:3, 3] = [31, 42, -20]
    nib.save(nib.Nifti1Image(np.ascontiguousarray(voxels.transpose(2, 1, 0)), affine), path)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``scans/`` to annotate, ``val/`` with labels, and ``all/``: everything as the benchmark wants it."""
    root = tmp_path_factory.mktemp("data")
    reader = READERS.build({"name": "phantom", "patients": 6, "size": 48})
    for ref in reader.scan(None):
        volume, name = reader.load(ref), f"{ref.case}.nii.gz"
        for folder in [root / "all"] + ([root / "val"] if ref.patient == "phantom005" else []):
            save(folder / "images" / name, volume.image, volume.spacing_mm)
            save(folder / "labels" / name, volume.mask, volume.spacing_mm)
        if ref.patient < "phantom005":
            save(root / "scans" / name, volume.image, volume.spacing_mm)
    return root


def truth_of(folder: Path) -> dict[str, np.ndarray]:
    """Case -> labels as stored."""
    return {path.name[:-7]: np.asanyarray(nib.load(path).dataobj) for path in sorted(folder.glob("*.nii.gz"))}


def wishes(folders: Path, **other: Any) -> Wishes:
    """What the user asks for, small."""
    own = {"kind": "mask", "recipe": "entropy", "batch": 5, "planned": 3, "settings": SMALL}
    scans = {"images": folders / "scans", "classes": CLASSES, "validation": folders / "val"}
    return Wishes(**{**own, **scans, **other})
