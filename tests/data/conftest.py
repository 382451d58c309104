"""Small scans in NIfTI and in the layout of ACDC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from alseg_core.data.prepare import verify
from alseg_core.data.readers import READERS
from alseg_core.vocabulary import Volume


def write_nifti(path: Path, array: np.ndarray, spacing_mm: tuple[float, ...] = (8.0, 1.5, 1.25)) -> None:
    """Write a (z, y, x, ...) array with spacing (z, y, x) as NIfTI, which stores (x, y, z, ...)."""
    spacing = tuple(reversed(spacing_mm[:3]))
    stored = array.transpose(2, 1, 0, *range(3, array.ndim))
    file = nibabel.Nifti1Image(stored, np.diag([*spacing, 1.0]))
    file.header.set_zooms(spacing + (1.0,) * (array.ndim - 3))
    nibabel.save(file, path)


def read_all(reader_name: str, root: Path) -> dict[str, Volume]:
    """Load and verify every case that a reader finds."""
    reader = READERS.build(reader_name)
    volumes = {}
    for ref in reader.scan(root):
        volumes[ref.case] = reader.load(ref)
        verify(volumes[ref.case], ref, reader.labels)
    return volumes


@pytest.fixture
def write_volume() -> Callable[..., None]:
    return write_nifti


@pytest.fixture
def write_acdc() -> Callable[..., Path]:
    """``write_acdc(root, patients=4, part="training", ...)`` writes database/<part> and returns the root."""

    def write(
        root: Path,
        patients: int | Sequence[int] = 4,
        part: str = "training",
        shape: tuple[int, int, int] = (3, 30, 24),
        scribbles: bool = True,
        frames: tuple[int, int] = (1, 12),
        spacing_mm: tuple[float, float, float] = (8.0, 1.5, 1.25),
    ) -> Path:
        numbers = range(1, patients + 1) if isinstance(patients, int) else patients
        groups = ("DCM", "HCM", "MINF", "NOR", "RV")
        for number in numbers:
            name = f"patient{number:03d}"
            folder = root / "database" / part / name
            folder.mkdir(parents=True)
            info = f"ED: {frames[0]}\nES: {frames[1]}\nGroup: {groups[number % 5]}\nHeight: 150.0\nNbFrame: 12\n"
            (folder / "Info.cfg").write_text(info)
            for frame in frames:
                rng = np.random.default_rng([number, frame])
                stem = folder / f"{name}_frame{frame:02d}"
                write_nifti(Path(f"{stem}.nii.gz"), rng.integers(0, 200, shape).astype(np.int16), spacing_mm)
                mask = np.zeros(shape, np.uint8)
                mask[1:, 8:20, 6:9], mask[1:, 8:20, 9:12], mask[1:, 8:20, 12:18] = 1, 2, 3
                write_nifti(Path(f"{stem}_gt.nii.gz"), mask, spacing_mm)
                if scribbles:
                    scribble = np.full(shape, 4, np.uint8)
                    scribble[1:, 10, 6:18] = mask[1:, 10, 6:18]
                    scribble[:, 2, :] = 0
                    write_nifti(Path(f"{stem}_scribble.nii.gz"), scribble, spacing_mm)
            write_nifti(folder / f"{name}_4d.nii.gz", np.zeros((*shape, 2), np.int16), spacing_mm)
        return root

    return write


@pytest.fixture
def edit() -> Callable[[Path, Callable[[np.ndarray], Any]], None]:
    """``edit(path, change)`` rewrites a scan with ``change(array)`` in (z, y, x) order, as float32 or uint8."""

    def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
        file = nibabel.load(path)
        array = np.asarray(file.dataobj).transpose(2, 1, 0).copy()
        write_nifti(path, change(array), tuple(reversed(file.header.get_zooms())))

    return rewrite
