"""A round on two small scans: one oblique, one whose slices run against its first stored axis."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import StoredAxes
from bench.project.manifest import AskedSlice, Manifest, Scan, values_of
from bench.project.returns.taken import Taken, read_returns

CLASSES = ("background", "liver", "spleen", "kidney")


def oblique(spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> NDArray[np.float64]:
    """Affine of axes that are turned by 20 and then by 10 degrees."""
    a, b = np.radians([20.0, 10.0])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x * spacing
    affine[:3, 3] = origin
    return affine


def scan_of(case: str, shape: tuple[int, int, int], affine: NDArray[np.float64] | None, axes: StoredAxes) -> Scan:
    steps = (1.0, 1.0, 1.0) if affine is None else np.linalg.norm(affine[:3, :3], axis=0).tolist()
    rows = None if affine is None else tuple(map(tuple, affine.tolist()))
    return Scan(case, case, f"scans/{case}.nii.gz", shape, tuple(steps), rows, axes)


def asked(case: str, slices: list[int], rank: int = 1) -> list[AskedSlice]:
    return [AskedSlice(case, z, rank + n, 0.5, "uncertain", 2.0) for n, z in enumerate(slices)]


def manifest_of(kind: Any = "mask") -> Manifest:
    scans = (
        scan_of("p01", (7, 6, 5), oblique((0.8, 1.1, 3.0), (-30.0, 12.5, 40.0)), StoredAxes()),
        scan_of(
            "p02",
            (5, 8, 6),
            oblique((4.0, 0.7, 0.9), (5.0, -60.0, 7.0)),
            StoredAxes((0, 2, 1), (True, False, True)),
        ),
    )
    slices = (*asked("p01", [1, 3]), *asked("p02", [0, 2], rank=3))
    values, unmarked = values_of(kind, len(CLASSES))
    return Manifest("liver", 1, kind, CLASSES, values, unmarked, scans, slices)


def truth_of(manifest: Manifest, case: str, seed: int = 0) -> NDArray[np.uint8]:
    """Class numbers (D, H, W) with every class on every slice, and background on the outermost voxels."""
    scan = manifest.scan(case)
    labels = np.zeros((scan.depth, *scan.size), np.uint8)
    inner = labels[:, 1:-1, 1:-1]
    inner[...] = np.random.default_rng(seed).integers(0, len(manifest.classes), inner.shape)
    return labels


@dataclass
class Round:
    """A round, its folder, and ways to write what annotators write."""

    manifest: Manifest
    folder: Path

    @property
    def labels(self) -> Path:
        return self.folder / "segmentations"

    def save(self, path: Path, case: str, labels: NDArray[Any], affine: NDArray[np.float64] | None = None) -> Path:
        """Write class numbers (D, H, W) as the NIfTI file of a case."""
        scan = self.manifest.scan(case)
        path.parent.mkdir(parents=True, exist_ok=True)
        place = np.array(scan.affine) if affine is None else affine
        nibabel.save(nibabel.Nifti1Image(scan.axes.write(labels), place), path)
        return path

    def draw(self, case: str, slices: list[int] | None = None, folder: Path | None = None, seed: int = 0) -> Any:
        """Write the truth on some slices (None = the asked ones) of a case; return it, (D, H, W)."""
        labels = truth_of(self.manifest, case, seed)
        others = np.setdiff1d(np.arange(len(labels)), self.manifest.wanted(case) if slices is None else slices)
        labels[others] = 0
        self.save((folder or self.labels) / f"{case}.nii.gz", case, labels)
        return labels

    def say(self, text: str, name: str = "done.csv", folder: Path | None = None) -> Path:
        path = (folder or self.folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def say_all_done(self, folder: Path | None = None, cases: tuple[str, ...] = ("p01", "p02")) -> Path:
        rows = [f"{one.case},{self.index(one.case, one.z)}" for one in self.manifest.slices if one.case in cases]
        return self.say("case,index\n" + "\n".join(rows) + "\n", folder=folder)

    def look(self, files: Path | None = None, **settings: Any) -> Taken:
        """Look at the files, all of which were saved a while ago."""
        for path in self.folder.parent.rglob("*"):
            if path.is_file():
                os.utime(path, (1e9, 1e9))
        return read_returns(self.manifest, self.folder, files or self.folder, **settings)

    def index(self, case: str, z: int) -> int:
        scan = self.manifest.scan(case)
        return scan.axes.locate(z, scan.depth)[1]
