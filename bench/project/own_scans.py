"""How scans without labels are read and prepared: a dataset file from what their names and headers say."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alseg_core.data.readers.nifti_files import Folders
from alseg_core.errors import ConfigError, DataError
from alseg_core.registry import describe
from bench.scaffold import sizes as by_analogy
from bench.scaffold.reader_fields import Inferred, infer
from bench.study import find

CT_WINDOW = (-160, 240)
"""Window for soft tissue, in Hounsfield units."""
OWN_SPLIT = {"name": "to_annotate"}


@dataclass(frozen=True, eq=False)
class OwnScans:
    """Scans to annotate, and how they are read."""

    root: Path
    """Folder that holds the folders of all scans."""
    content: dict[str, Any]
    """Content of the dataset file."""
    remarks: tuple[str, ...]
    """What was inferred and should be looked at."""
    validation: bool
    """Whether there are fully labelled scans."""


def check_apart(folder: Path, images: Path, validation: Path | None) -> None:
    """Raise ConfigError for a project inside a folder of scans, where its own files would be taken for scans."""
    home = folder.resolve()
    for scans in (images, *(() if validation is None else (validation / "images", validation / "labels"))):
        if home.is_relative_to(scans.resolve()):
            raise ConfigError(
                f"{folder} lies in {scans}, among the scans, and its own files would be taken for scans; choose a "
                f"folder beside it, such as {scans.resolve().parent / home.name}."
            )


def own_scans(
    name: str, images: Path, classes: Sequence[str], validation: Path | None, given: Mapping[str, Any]
) -> OwnScans:
    """Look at the names and headers of scans.

    Args:
        name: name of the dataset.
        images: folder of the scans.
        classes: names of the classes, background first.
        validation: folder with ``images/`` and ``labels/`` of fully labelled scans.
        given: fields of the reader that the user sets.

    Raises ConfigError: no such folder; DataError: scans that cannot be read as they are.
    """
    for folder in (images, *(() if validation is None else (validation / "images", validation / "labels"))):
        if not folder.is_dir():
            layout = "" if folder == images else "; validation scans lie in images/, their masks in labels/"
            raise ConfigError(f"folder {folder} does not exist{layout}.")
    images = images.resolve()
    root = images.parent if validation is None else Path(os.path.commonpath([images.parent, validation.resolve()]))
    fields: dict[str, Any] = {"labels": list(range(len(classes))), "labelled": False}
    if validation is not None:
        below = validation.resolve().relative_to(root)
        fields["validation"] = {"images": str(below / "images"), "labels": str(below / "labels")}
    if (table := given.get("csv")) is not None:
        if not Path(table).is_file():
            raise ConfigError(f"--csv {table} does not exist; it is a table with the columns file and patient.")
        given = {**given, "csv": os.path.relpath(Path(table).resolve(), root)}
    try:
        inferred = infer(root, Folders(images=str(images.relative_to(root))), {**fields, **given})
    except DataError as error:
        raise DataError(
            f"{error}\nFields of the reader are set with --pattern REGEX, --csv FILE and --slice-axis AXIS."
        ) from None
    content = _content(name, inferred, classes, root)
    remarks = tuple(f"{key}: {why}" for key, why in inferred.why.items() if key not in (*fields, *given))
    return OwnScans(root, content, remarks, validation is not None)


def _content(name: str, inferred: Inferred, classes: Sequence[str], root: Path) -> dict[str, Any]:
    """Return the dataset file: presets "quick", sized by analogy with ACDC, and "paper"."""
    template = find("dataset", "nifti_folder")
    reader = inferred.reader()
    pool = [ref for ref in inferred.refs if "mask" not in ref.files]
    sizes = by_analogy.read_sizes(reader, inferred.refs, {})
    size, spacing_mm = by_analogy.grid(sizes.widest_mm, sizes)
    slices = sum(sizes.depths[ref.case] for ref in pool)
    clip: dict[str, Any] = {"clip_percentile": [0, 99]}
    if by_analogy.looks_like_ct(reader, inferred.refs):
        clip = {"window_hu": list(CT_WINDOW)}
        inferred.why["window_hu"] = "intensities look like those of CT, so a window for soft tissue was taken"
    quick, paper = template["presets"]["quick"], template["presets"]["paper"]
    train = {**quick["train"], "iterations_full": by_analogy.steps(slices), "iterations_least": by_analogy.LEAST_STEPS}
    if size < by_analogy.DEEP:  # one level less, for few pixels
        train["network"] = {"widths": [8, 16, 32, 64], "dropouts": [0, 0, 0.1, 0.2]}
    # as in the quick study: weights of ImageNet would have to be downloaded
    encoder = {**quick["components"]["contrastive"], "init": "random", "encoder_seed": 0}
    components = {**quick["components"], "contrastive": encoder}
    prepared = {"normalise": "minmax", "spacing_mm": spacing_mm, "size": size, "antialias": True}
    return {
        "name": name,
        "title": f"Scans of the project {name}",
        "reader": describe(reader),
        "classes": list(classes),
        "prepare": {"quick": {**clip, **prepared}, "paper": {**template["prepare"]["paper"], **clip}},
        "splits": {"project": OWN_SPLIT},
        "presets": {
            "quick": {**quick, "split": "project", "train": train, "components": components},
            "paper": {**paper, "split": "project"},
        },
        "citation": "Yours.",
        "licence": "That of the data",
        "source": "A folder of your own",
        "get": f"These are your own files, in {root}",
    }
