"""Scripts in the place of annotators: they fill the files of a round the way each program saves them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from bench.project.manifest import Manifest, Scan

Truth = Mapping[str, NDArray[np.uint8]]
"""Case -> true labels as stored, (I, J, K)."""


def annotate(round_folder: Path, truth: Truth, program: str, leave_out: int = 0) -> None:
    """Draw every asked slice but the last ``leave_out`` in a program, and say so."""
    manifest = Manifest.read(round_folder)
    kept = manifest.slices[: len(manifest.slices) - leave_out]
    said = {}
    for scan in manifest.scans:
        slices = [asked.z for asked in kept if asked.case == scan.case]
        drawn = np.zeros(scan.shape, np.uint16)
        for z in slices:
            axis, index = scan.axes.locate(z, scan.depth)
            place = tuple(index if i == axis else slice(None) for i in range(3))
            drawn[place] = truth[scan.case][place]
            said[scan.case, z] = "yes" if drawn[place].any() else "empty"
        PROGRAMS[program](round_folder, scan, drawn, manifest)
    _say_done(round_folder, said)


def _itksnap(round_folder: Path, scan: Scan, drawn: NDArray[np.uint16], manifest: Manifest) -> None:
    """NIfTI on the image's grid, in the file that was handed out."""
    path = round_folder / "segmentations" / f"{scan.case}.nii.gz"
    template = nib.load(path)
    nib.save(nib.Nifti1Image(drawn, template.affine, template.header), path)


def _slicer(round_folder: Path, scan: Scan, drawn: NDArray[np.uint16], manifest: Manifest) -> None:
    """``.seg.nrrd`` in LPS, cropped to the segments, its second axis reversed."""
    found = np.argwhere(drawn)
    low, high = (found.min(axis=0), found.max(axis=0) + 1) if len(found) else (np.zeros(3, int), np.ones(3, int))
    voxels = drawn[tuple(slice(a, b) for a, b in zip(low, high, strict=True))][:, ::-1]
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ scan.placed
    start = to_lps @ [low[0], high[1] - 1, low[2], 1.0]
    directions = to_lps[:3, :3] * [1, -1, 1]
    header = {
        "type": "uint8",
        "dimension": 3,
        "space": "left-posterior-superior",
        "sizes": voxels.shape,
        "space directions": directions.T,
        "space origin": start[:3],
        "kinds": ["domain", "domain", "domain"],
        "encoding": "gzip",
    }
    drawable = [(name, value) for name, value in zip(manifest.classes, manifest.values, strict=True) if value]
    for number, (name, value) in enumerate(drawable):
        fields = {"ID": f"Segment_{number + 1}", "Name": name, "LabelValue": str(value), "Layer": "0"}
        header |= {f"Segment{number}_{key}": value for key, value in fields.items()}
    nrrd.write(str(round_folder / "segmentations" / f"{scan.case}.seg.nrrd"), voxels.astype(np.uint8), header)


def _mitk(round_folder: Path, scan: Scan, drawn: NDArray[np.uint16], manifest: Manifest) -> None:
    """A label map as NRRD, where the task list wants the result."""
    image = sitk.ReadImage(str(round_folder / "segmentations" / f"{scan.case}.nii.gz"))
    labels = sitk.GetImageFromArray(drawn.transpose(2, 1, 0))
    labels.CopyInformation(image)
    sitk.WriteImage(labels, str(round_folder / "mitk" / f"{scan.case}.nrrd"))


PROGRAMS = {"itksnap": _itksnap, "slicer": _slicer, "mitk": _mitk}


def _say_done(round_folder: Path, said: Mapping[tuple[str, int], str]) -> None:
    """Fill in the column done of the work list, and the minutes."""
    path = round_folder / "worklist.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if (row["case"], int(row["z"])) in said:
            row |= {"done": said[row["case"], int(row["z"])], "minutes": "2.5"}
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
