"""A data set for nnU-Net, whose training leaves out the pixels that nobody annotated."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from alseg_core.atomic import write_atomic
from alseg_core.errors import ConfigError, DataError, ResultsError
from bench.project.exports.exported import TABLE, ExportedScan, annotated, image_of, table
from bench.project.nifti import END, copy_image, is_nifti, read_header, write_voxels

BACKGROUND, IGNORED = "background", "ignore"
"""Names that nnU-Net gives a meaning: class 0, and pixels that are left out of training."""
SPLITS = "splits_final.json"
"""File of the folds. nnU-Net looks for it beside the preprocessed data; its own folds may part a patient's scans."""
CONTENT = {"imagesTr", "labelsTr", "dataset.json", SPLITS, TABLE}
"""What an export consists of."""
FOLDS = 5
"""Folds that nnU-Net trains."""
NUMBERS = range(1, 1000)
"""Numbers of data sets."""


def export_nnunet(
    folder: Path,
    name: str,
    scans: Sequence[ExportedScan],
    classes: Sequence[str],
    channel: str = "image",
    *,
    number: int = 500,
    project: Path | None = None,
) -> Path:
    """Write a data set for nnU-Net (version 2); return its folder, ``folder``/Dataset<number>_<name>.

    ``imagesTr`` holds the images of all scans with annotated slices, their voxels unchanged, ``labelsTr`` the class
    numbers on annotated slices and the label "ignore" everywhere else, ``annotated.csv`` which slices these are,
    ``splits_final.json`` five folds by patient, or as many as there are patients: copied to the folder of the
    preprocessed data set, they take the place of nnU-Net's own (for a fold that is not in it, nnU-Net draws a split
    that may part patients). Scans without annotated slices are left out.

    Args:
        folder: folder of the raw data sets, $nnUNet_raw.
        name: name of the data set, of letters, digits and underscores.
        scans: scans with their labels; images must be NIfTI files.
        classes: names of the classes, background first; nnU-Net calls it "background" whatever its name.
        channel: name of the image's channel. "CT" makes nnU-Net normalise by the intensities of the whole data set.
        number: number of the data set, 1..999; those up to 500 are often taken.
        project: folder that relative paths of images start from; None = the current one.

    Raises ConfigError for names or numbers that nnU-Net does not take, DataError for labels or images that do not fit,
    ResultsError when there is another data set of this number already. A former export is replaced as a whole: a
    folder of the same name that holds nothing but the files above, of these scans or of some of them.
    """
    _check_names(name, classes, number)
    named = annotated(scans, classes)
    images = {file: image_of(exported.scan, project or Path()) for file, exported in named.items()}
    for path in images.values():
        if not is_nifti(path):
            raise DataError(
                f"{path}: nnU-Net gets NIfTI files (.nii or .nii.gz) from here; convert the image, and give the "
                "project the converted one."
            )
    target = folder / f"Dataset{number:03d}_{name}"
    former = target if _ours(target, {exported.scan.case for exported in named.values()}) else None
    there = sorted(path for path in folder.glob(f"Dataset{number:03d}_*") if not path.name.endswith(".tmp"))
    if foreign := [path.name for path in there if path != former]:
        raise ResultsError(
            f"{folder} has {foreign[0]} already, and it is no former export of this project as it was written; "
            f"move it away, or choose another number than {number}."
        )
    half, old = (target.with_name(f"{target.name}.{end}") for end in ("tmp", "old.tmp"))
    shutil.rmtree(half, ignore_errors=True)
    try:
        _write(half, named, images, classes, channel)
        shutil.rmtree(old, ignore_errors=True)
        if former is not None:
            former.rename(old)
        half.rename(target)
    finally:
        for left in (half, old):
            shutil.rmtree(left, ignore_errors=True)
    return target


def _ours(folder: Path, cases: Set[str]) -> bool:
    """Return whether a folder is a former export: with no file of another kind, and no scan but those of ``cases``."""
    if not (folder / TABLE).is_file() or {path.name for path in folder.iterdir()} - CONTENT:
        return False
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        return {row.get("case") for row in csv.DictReader(file)} <= cases


def _write(
    folder: Path,
    named: Mapping[str, ExportedScan],
    images: Mapping[str, Path],
    classes: Sequence[str],
    channel: str,
) -> None:
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for file, exported in named.items():
        copy_image(images[file], exported.scan, folder / "imagesTr" / f"{file}_0000{END}")
        labels = exported.volume(unknown=len(classes))
        write_voxels(folder / "labelsTr" / f"{file}{END}", read_header(images[file], exported.scan), labels)
    facts = {
        "channel_names": {"0": channel},
        "labels": {
            BACKGROUND: 0,
            **{label: i for i, label in enumerate(classes) if i},
            IGNORED: len(classes),
        },
        "numTraining": len(named),
        "file_ending": END,
    }
    write_atomic(folder / "dataset.json", json.dumps(facts, indent=1) + "\n")
    write_atomic(folder / SPLITS, json.dumps(_splits(named), indent=1) + "\n")
    write_atomic(folder / TABLE, table(named, classes, END))


def _splits(named: Mapping[str, ExportedScan]) -> list[dict[str, list[str]]]:
    """Return the folds, none of which has scans of one patient on both sides; as even as their scans allow."""
    scans = Counter(exported.scan.patient for exported in named.values())
    folds: list[set[str]] = [set() for _ in range(min(FOLDS, len(scans)))]
    for patient in sorted(scans, key=lambda patient: (-scans[patient], patient)):
        min(folds, key=lambda fold: sum(scans[other] for other in fold)).add(patient)
    return [
        {
            "train": [name for name, exported in named.items() if exported.scan.patient not in fold],
            "val": [name for name, exported in named.items() if exported.scan.patient in fold],
        }
        for fold in folds
    ]


def _check_names(name: str, classes: Sequence[str], number: int) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise ConfigError(f"export: a name of letters, digits and underscores was wanted, got {name!r}.")
    if number not in NUMBERS:
        raise ConfigError(f"export: the number of an nnU-Net data set is 1 to 999, got {number}.")
    for label in classes[1:]:
        if label in (BACKGROUND, IGNORED):
            raise ConfigError(
                f"export: nnU-Net gives the name {label!r} a meaning of its own, and a foreground class has it; "
                "rename the class."
            )
