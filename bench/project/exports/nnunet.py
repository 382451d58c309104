"""A data set for nnU-Net, whose training leaves out the pixels that nobody annotated."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from alseg_core.atomic import write_atomic
from alseg_core.errors import ConfigError, DataError, ResultsError
from bench.project.exports.exported import TABLE, ExportedScan, annotated, image_of, table
from bench.project.exports.nifti_files import END, copy_image, is_nifti, write_labels

BACKGROUND, IGNORED = "background", "ignore"
"""Names that nnU-Net gives a meaning: class 0, and pixels that are left out of training."""
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
    numbers on annotated slices and the label "ignore" everywhere else, ``annotated.csv`` which slices these are. Scans
    without annotated slices are left out.

    Args:
        folder: folder of the raw data sets, $nnUNet_raw.
        name: name of the data set, of letters, digits and underscores.
        scans: scans with their labels; images must be NIfTI files.
        classes: names of the classes, background first; nnU-Net calls it "background" whatever its name.
        channel: name of the image's channel. "CT" makes nnU-Net normalise by the intensities of the whole data set.
        number: number of the data set, 1..999; those up to 500 are often taken.
        project: folder that relative paths of images start from; None = the current one.

    Raises ConfigError for names or numbers that nnU-Net does not take, DataError for labels or images that do not fit,
    ResultsError when there is a data set of this number already.
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
    taken = sorted(path.name for path in folder.glob(f"Dataset{number:03d}_*") if not path.name.endswith(".tmp"))
    if taken:
        raise ResultsError(f"{folder} has {taken[0]} already; delete it, or choose another number than {number}.")
    half = target.with_name(target.name + ".tmp")
    shutil.rmtree(half, ignore_errors=True)
    try:
        _write(half, named, images, classes, channel)
        half.rename(target)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    return target


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
        write_labels(labels, exported.scan, images[file], folder / "labelsTr" / f"{file}{END}")
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
    write_atomic(folder / TABLE, table(named, classes, END))


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
