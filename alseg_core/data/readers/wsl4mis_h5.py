"""ACDC as prepared by WSL4MIS: HDF5 files of volumes, and of slices with scribbles."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.data.hdf5 import read_arrays
from alseg_core.data.readers.acdc import UNMARKED, Acdc
from alseg_core.data.readers.reader import CaseRef, wrong
from alseg_core.data.readers.series import numbered, slices_of
from alseg_core.errors import DataError
from alseg_core.registry import component
from alseg_core.vocabulary import IGNORE, LabelArray, Volume

VOLUMES, SLICES = "ACDC_training_volumes", "ACDC_training_slices"
PHASES = ("ED", "ES")
Millimetres = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Frame = tuple[str, int]
"""(patient, number of the frame)."""


@component
class Wsl4misH5:
    """ACDC in the prepared HDF5 form of WSL4MIS (Luo et al., 2022), volumes and slices with scribbles.

    Images and masks are read from the volumes, or from the slices for a frame without a volume; scribbles are read from
    volumes that hold them, or else from the slices. Cases have the names of the raw form: the first of a patient's two
    frames is ED, the second ES, as in all of ACDC. A missing slice is noticed by the numbers of the other slices, but
    missing last slices only if the volume of the frame exists.

    The files do not hold the spacing. Its default is near the middle of ACDC (thickness 5 to 10 mm, pixels 0.7 to
    1.95 mm), so surface distances are in units of this nominal voxel and not in true millimetres, and a preparation by
    ``spacing_mm`` keeps the differences between scanners. Use the raw form where millimetres matter.
    """

    labels: ClassVar[tuple[int, ...]] = Acdc.labels
    paper: ClassVar[str] = (
        "Luo et al., Scribble-Supervised Medical Image Segmentation via Dual-Branch Network and Dynamically Mixed "
        "Pseudo Labels Supervision, MICCAI 2022; data: " + Acdc.paper
    )
    licence: ClassVar[str] = Acdc.licence
    source: ClassVar[str] = "https://github.com/HiLab-git/WSL4MIS (folder data/ACDC)"
    layout: ClassVar[str] = (
        "<folder>/[ACDC/]\n"
        "    ACDC_training_volumes/patientNNN_frameFF.h5           image, label (z, y, x)\n"
        "    ACDC_training_slices/patientNNN_frameFF_slice_S.h5    image, label, scribble (y, x); S = 0, 1, 2, ...\n"
        "  label: 0 background, 1 RV, 2 myocardium, 3 LV; scribble: the same, 4 = unmarked"
    )

    spacing_mm: tuple[Millimetres, Millimetres, Millimetres] = (10.0, 1.5, 1.5)
    """Nominal distance of voxels (z, y, x) of every volume in mm."""

    def scan(self, root: Path | None) -> list[CaseRef]:
        """Find the cases 'patientNNN_ED' and 'patientNNN_ES'; ``root`` holds the folder of volumes, slices or both."""
        problems: list[str] = []
        volumes, slices = ({}, {}) if root is None else _frames(root, problems)
        if not volumes and not slices:
            where = "no folder was given" if root is None else f"no patientNNN_frameFF*.h5 was found at {root}"
            raise DataError(f"wsl4mis_h5: {where}. Expected layout:\n{self.layout}\nGet the data from {self.source}.")
        broken = {frame: _gaps(frame, found) for frame, found in sorted(slices.items())}
        problems += [problem for gaps in broken.values() for problem in gaps]
        frames: dict[str, list[int]] = defaultdict(list)
        for patient, frame in sorted({*volumes, *slices}):
            frames[patient].append(frame)
        refs = []
        for patient, numbers in frames.items():
            if len(numbers) != len(PHASES):
                held = ", ".join(f"frame{number:02d}" for number in numbers)
                problems.append(f"{patient}: expected two frames, ED and ES, found {held} at {root}.")
                continue
            for phase, number in zip(PHASES, numbers, strict=True):
                found = slices.get((patient, number), {})
                files = numbered("slice", [found[z] for z in sorted(found)])
                if (patient, number) in volumes:
                    files = {**dict.fromkeys(("image", "mask"), volumes[patient, number]), **files}
                if not broken.get((patient, number)):
                    refs.append(CaseRef(f"{patient}_{phase}", patient, phase, files))
        if problems:
            raise wrong(problems, f"the WSL4MIS data at {root}", refs)
        return refs

    def load(self, ref: CaseRef) -> Volume:
        """Load image, mask and, if there is one, the scribble of a case."""
        paths = slices_of(ref, "slice")
        if "image" in ref.files:
            parts = read_arrays(ref.files["image"], ("image", "label"), ("scribble",))
            _same_shapes(ref.files["image"], parts, 3)
            if "scribble" not in parts and paths:
                scribble = _stacked(paths, ("scribble",))["scribble"]
                if scribble.shape != parts["image"].shape:
                    raise DataError(
                        f"{paths[0]} and its neighbours: {len(paths)} slices make shape {scribble.shape} (z, y, x), "
                        f"{ref.files['image']} has {parts['image'].shape}."
                    )
                parts["scribble"] = scribble
        else:
            parts = _stacked(paths, ("image", "label", "scribble"))
        where = ref.files.get("image", paths[0] if paths else None)
        mask = _labels(parts["label"], self.labels, f"{where}, label")
        given = None
        if "scribble" in parts:
            given = _labels(parts["scribble"], (*self.labels, UNMARKED), f"scribble of {where}")
            given[given == UNMARKED] = IGNORE
        image = parts["image"].astype(np.float32)
        return Volume(image, mask, given, self.spacing_mm, ref.case, ref.patient, ref.group, ref.attributes)


def _frames(root: Path, problems: list[str]) -> tuple[dict[Frame, Path], dict[Frame, dict[int, Path]]]:
    """Return the volume of each frame and its slices by number; frames that exist twice are added to ``problems``."""
    volumes: dict[Frame, Path] = {}
    slices: dict[Frame, dict[int, Path]] = defaultdict(dict)
    twice: dict[tuple[str, Frame], tuple[Path, Path]] = {}  # the first of each frame: a copy has hundreds of slices
    above = [root.parent] if root.name in (VOLUMES, SLICES) else []
    for base in (root / "ACDC", root, *above):
        for path in sorted((base / VOLUMES).glob("*.h5")):
            if found := re.fullmatch(r"(patient\d+)_frame(\d+)", path.stem):
                frame = found[1], int(found[2])
                if volumes.setdefault(frame, path) != path:
                    twice.setdefault(("volume", frame), (volumes[frame], path))
        for path in sorted((base / SLICES).glob("*.h5")):
            if found := re.fullmatch(r"(patient\d+)_frame(\d+)_slice_(\d+)", path.stem):
                frame, z = (found[1], int(found[2])), int(found[3])
                if slices[frame].setdefault(z, path) != path:
                    twice.setdefault(("slice", frame), (slices[frame][z], path))
    for (what, frame), (one, other) in twice.items():
        problems.append(f"a {what} of {frame[0]}, frame {frame[1]}, exists twice: {one} and {other}.")
    return volumes, dict(slices)


def _gaps(frame: Frame, found: dict[int, Path]) -> list[str]:
    """Return the slice numbers that are missing; they start at 0."""
    missing = sorted(set(range(max(found))) - set(found))
    if not missing:
        return []
    some = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
    return [f"{found[max(found)]}: it is slice {max(found)} of {frame[0]}, frame {frame[1]}, but there is no {some}."]


def _same_shapes(path: Path, arrays: dict[str, NDArray[Any]], ndim: int) -> None:
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or arrays["image" if "image" in arrays else "scribble"].ndim != ndim:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(f"{path}: expected {ndim}D arrays of one shape, got {found}.")


def _stacked(paths: list[Path], needed: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Stack slices in order to arrays (D, H, W). Raises one DataError with the problems of all slices."""
    read: list[dict[str, NDArray[Any]]] = []
    problems: list[str] = []
    for path in paths:
        try:
            arrays = read_arrays(path, needed)
            _same_shapes(path, arrays, 2)
        except DataError as error:
            problems.append(str(error))
            continue
        shape, first = (held[needed[0]].shape for held in (arrays, (read or [arrays])[0]))
        if shape != first:
            problems.append(f"{path}: shape {shape} (y, x) differs from {first} of the previous slices.")
        read.append(arrays)
    if problems:
        raise wrong(problems, f"the slices in {paths[0].parent}")
    return {name: np.stack([arrays[name] for arrays in read]) for name in needed}


def _labels(stored: NDArray[Any], known: tuple[int, ...], what: str) -> LabelArray:
    values = np.unique(stored)
    unknown = values[~np.isin(values, known)]
    if len(unknown):
        found = ", ".join(f"{value:g}" for value in unknown[:5])
        raise DataError(f"{what}: unknown label value {found}; known: {', '.join(map(str, known))}.")
    return stored.astype(np.uint8)
