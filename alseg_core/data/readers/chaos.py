"""CHAOS: abdominal CT with the liver; a DICOM series and a folder of 1-bit pictures per patient."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np

from alseg_core.data.dicom import DicomSlice, read_slice
from alseg_core.data.pictures import read_one_object
from alseg_core.data.readers.reader import CaseRef, wrong
from alseg_core.data.readers.series import files_of, numbered, read_each, slices_of
from alseg_core.errors import DataError
from alseg_core.registry import component
from alseg_core.vocabulary import LabelArray, Volume

GAP = 1.5
"""A step along z of at least this many median steps means that a slice is missing."""


@component
class Chaos:
    """CHAOS abdominal CT: the liver in 20 healthy donors (Kavur et al., 2021).

    The n-th mask belongs to the n-th DICOM file by name, so the masks must be numbered without gaps. z usually descends
    with the names; images and masks are returned with z ascending. Intensities are Hounsfield units. The distance of
    slices is the median step of their positions, which is not the slice thickness.
    """

    labels: ClassVar[tuple[int, ...]] = (0, 1)
    paper: ClassVar[str] = (
        "Kavur et al., CHAOS Challenge - combined (CT-MR) healthy abdominal organ segmentation, Medical Image Analysis "
        "69, 2021"
    )
    licence: ClassVar[str] = "CC BY-NC-SA 4.0"
    source: ClassVar[str] = "https://zenodo.org/records/3431873 (CHAOS_Train_Sets.zip)"
    layout: ClassVar[str] = (
        "<folder>/[CHAOS_Train_Sets/][Train_Sets/][CT/]<number>/\n"
        "    DICOM_anon/*.dcm                          one slice each\n"
        "    Ground/liver_GT_NNN.png                   1-bit, in the order of the DICOM names: 0 background, 1 liver"
    )

    def scan(self, root: Path | None) -> list[CaseRef]:
        """Find the cases 'ct_01', 'ct_02', ...; ``root`` is the folder of the patients or one of those above it."""
        folders = [] if root is None else _patient_folders(root)
        if not folders:
            where = "no folder was given" if root is None else f"no patient folder was found at {root}"
            raise DataError(f"chaos: {where}. Expected layout:\n{self.layout}\nGet the data from {self.source}.")
        first: dict[str, Path] = {}
        refs: list[CaseRef] = []
        problems: list[str] = []
        for folder in folders:
            case = f"ct_{int(folder.name):02d}"
            if case in first:
                problems.append(f"case {case!r} exists twice: {first[case]} and {folder}.")
            first.setdefault(case, folder)
            images, masks = files_of(folder / "DICOM_anon", ".dcm"), files_of(folder / "Ground", ".png")
            faults = _faults(folder, images, masks)
            problems += faults
            if not faults:
                refs.append(CaseRef(case, case, "CT", numbered("image", images) | numbered("mask", masks)))
        refs.sort(key=lambda ref: ref.case)
        if problems:
            raise wrong(problems, f"the CHAOS data at {root}", refs)
        return refs

    def load(self, ref: CaseRef) -> Volume:
        """Load the image in Hounsfield units and the liver mask, with z ascending."""
        paths, pictures = slices_of(ref, "image"), slices_of(ref, "mask")
        slices, problems = read_each(paths, read_slice)
        masks, unreadable = read_each(pictures, read_one_object)
        problems = problems + unreadable or _misfits(paths, slices, pictures, masks) or _wrong_heights(paths, slices)
        if problems:
            raise wrong(problems, f"case {ref.case!r}")
        heights = np.array([entry.z_mm for entry in slices])
        upwards = slice(None, None, 1 if heights[-1] > heights[0] else -1)
        image = np.stack([entry.pixels for entry in slices[upwards]])
        spacing = (float(np.median(np.abs(np.diff(heights)))), *slices[0].spacing_mm)
        return Volume(image, np.stack(masks[upwards]), None, spacing, ref.case, ref.patient, ref.group, ref.attributes)


def _patient_folders(root: Path) -> list[Path]:
    """Return the folders named by numbers, where at least one of them holds a case."""
    folders: list[Path] = []
    for above in ("", "CHAOS_Train_Sets", "Train_Sets", "CHAOS_Train_Sets/Train_Sets"):
        for base in (root / above, root / above / "CT"):
            if base.is_dir():
                found = [folder for folder in base.iterdir() if folder.is_dir() and folder.name.isdecimal()]
                if any((folder / part).is_dir() for folder in found for part in ("DICOM_anon", "Ground")):
                    folders += found
    return sorted(folders, key=lambda folder: (int(folder.name), folder))


def _faults(folder: Path, images: Sequence[Path], masks: Sequence[Path]) -> list[str]:
    """Return the problems that the file names of a patient show."""
    parts = ((folder / "DICOM_anon", images, ".dcm"), (folder / "Ground", masks, ".png"))
    missing = [
        f"{part}: {f'no {suffix} file in it' if part.is_dir() else 'folder not found'}."
        for part, files, suffix in parts
        if not files
    ]
    if missing:
        return missing
    if len(images) != len(masks):
        return [f"{folder}: {len(images)} DICOM files and {len(masks)} masks; each slice needs one of both."]
    return _gaps(masks)


def _gaps(masks: Sequence[Path]) -> list[str]:
    """Return the places where the numbers of the masks, the last ones in their names, are not consecutive.

    Equal counts of masks and slices do not prove that they pair: if one of each is missing, the masks in between belong
    to other slices.
    """
    found = [re.findall(r"\d+", path.stem) for path in masks]
    problems = [f"{path}: no number in its name." for path, held in zip(masks, found, strict=True) if not held]
    if problems:
        return problems
    order = "masks pair with DICOM files in order"
    for (before, first), (after, second) in pairwise(zip(masks, (int(held[-1]) for held in found), strict=True)):
        if second == first:
            problems.append(f"{after}: the same number as {before.name}; {order}.")
        elif second != first + 1:
            problems.append(f"{before.parent}: no mask between {before.name} and {after.name}; {order}.")
    return problems


def _misfits(
    paths: Sequence[Path], slices: Sequence[DicomSlice], pictures: Sequence[Path], masks: Sequence[LabelArray]
) -> list[str]:
    """Return the files that do not belong together."""
    first, problems = slices[0], []
    for path, entry, picture, mask in zip(paths, slices, pictures, masks, strict=True):
        for what, ours, theirs in (
            ("shape", entry.pixels.shape, first.pixels.shape),
            ("pixel spacing", entry.spacing_mm, first.spacing_mm),
        ):
            if ours != theirs:
                problems.append(f"{path}: {what} {ours} differs from {theirs} of {paths[0]}; one series is expected.")
        if mask.shape != entry.pixels.shape:
            problems.append(f"{picture}: shape {mask.shape} differs from {entry.pixels.shape} of {path}.")
    series = Counter(entry.series for entry in slices)
    # an anonymiser may give every file its own series; a few series for many slices are different scans
    if 1 < len(series) < len(slices):
        most = series.most_common(1)[0][0]
        odd = next(path for path, entry in zip(paths, slices, strict=True) if entry.series != most)
        problems.append(f"{odd.parent}: {len(series)} series are mixed, one is expected; {odd.name} is of another one.")
    return problems


def _wrong_heights(paths: Sequence[Path], slices: Sequence[DicomSlice]) -> list[str]:
    """Return the problems of slice positions: repeated, not in the order of the names, or with a gap."""
    folder = paths[0].parent
    if len(paths) == 1:
        return [f"{folder}: a volume needs two slices or more, since their positions give its spacing."]
    first: dict[float, Path] = {}
    repeated = []
    for path, entry in zip(paths, slices, strict=True):
        if entry.z_mm in first:
            repeated.append(f"{path}: at the same position, z = {entry.z_mm:g} mm, as {first[entry.z_mm]}.")
        first.setdefault(entry.z_mm, path)
    if repeated:
        return repeated
    steps = np.diff([entry.z_mm for entry in slices])
    turns = np.flatnonzero(np.sign(steps) != np.sign(np.median(steps))).tolist()
    if turns:
        return [
            f"{folder}: z runs against the order of the file names at {paths[i].name}, {paths[i + 1].name}; masks are "
            "paired by name, so the names must follow the positions."
            for i in turns
        ]
    median = float(np.median(np.abs(steps)))
    return [
        f"{folder}: {abs(steps[i]):g} mm between {paths[i].name} and {paths[i + 1].name}, {median:g} mm elsewhere; "
        "slices are missing."
        for i in np.flatnonzero(np.abs(steps) >= GAP * median).tolist()
    ]
