"""The files in the folders images, labels and scribbles: which belong together, and which are not read."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Self

from pydantic import model_validator

from alseg_core.errors import shown, some
from alseg_core.registry import component

SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
SCAN_LIKE = re.compile(
    r"\.(nii|hdr|img|mgh|mgz|mha|mhd|nrrd|nhdr|dcm|ima|h5|hdf5|npy|npz|zip|tar|tgz|rar|7z)(\.(gz|bz2|xz|zst))?$",
    re.IGNORECASE,
)
"""Names of files that may hold scans."""
CHANNEL = "_0000"
"""nnU-Net's first channel, at the end of the name of an image."""


@component
class Folders:
    """Where the files are, below the data folder."""

    images: str = "images"
    """Folder of the images."""
    labels: str = "labels"
    """Folder of the full labels."""
    scribbles: str = "scribbles"
    """Folder of the scribbles."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [PurePath(name) for name in (self.images, self.labels, self.scribbles)]
        for name in names:
            if not name.parts or name.is_absolute() or ".." in name.parts:
                raise ValueError(f"a folder below the data folder was wanted, such as imagesTr, got {shown(str(name))}")
        if len(set(names)) < len(names):
            raise ValueError(
                f"images, labels and scribbles need folders of their own, got {', '.join(map(str, names))}"
            )
        return self

    def below(self, root: Path) -> dict[str, Path]:
        """Return part of a case ("image", "mask", "scribble") -> its folder."""
        return {"image": root / self.images, "mask": root / self.labels, "scribble": root / self.scribbles}


def name_of(file: str) -> str:
    """Return the name of a file without suffix, in the composed form of Unicode: systems differ in the form."""
    return unicodedata.normalize("NFC", SUFFIX.sub("", file))


def files_in(folder: Path, problems: list[str]) -> dict[str, Path]:
    """Return name -> path of the NIfTI files in a folder; empty if the folder does not exist."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not SUFFIX.search(path.name) or path.name.startswith(".") or not path.is_file():
            continue
        name = name_of(path.name)
        if name in found:
            problems.append(f"{path} and {found[name].name} have the same name; keep one of them.")
        found[name] = path
    return found


def unread(root: Path, folders: Mapping[str, Path]) -> tuple[list[str], list[str]]:
    """Return (problems, notes): files below ``root`` that may hold scans and are not read, and all others.

    folders: part of a case -> its folder.
    """
    problems, notes = [], []
    for folder in folders.values():
        scans: list[str] = []
        others: list[str] = []
        for where, _, names in os.walk(folder):
            for name in sorted(names):
                path = Path(where, name)
                if Path(where) == folder and SUFFIX.search(name) and not name.startswith(".") and path.is_file():
                    continue
                listed = scans if SCAN_LIKE.search(name) and not name.startswith(".") else others
                listed.append(str(path.relative_to(root)))
        if scans:
            problems.append(
                f"{folder}: {len(scans)} of its files may hold scans and are not read: {some(scans)}. Only .nii and "
                f".nii.gz files directly in {folder.name}/ are; move or convert them, or take them out of the folder."
            )
        if others:
            notes.append(f"not read: {some(others)}")
    tops = {folder.relative_to(root).parts[0] for folder in folders.values()}
    beside = [f"{path.name}/" for path in sorted(root.iterdir()) if path.is_dir() and path.name not in tops]
    beside += [path.name for path in sorted(root.iterdir()) if path.is_file() and SCAN_LIKE.search(path.name)]
    if beside:
        notes.append(f"not read, beside {folders['image'].name}/: {some(beside)}")
    return problems, notes


def case_name(image: str, others: Iterable[Collection[str]]) -> str:
    """Return the name of an image's case: its own, or the name without nnU-Net's channel if its labels have that."""
    base = image.removesuffix(CHANNEL)
    found = [name for names in others for name in (image, base) if name in names]
    return image if image in found or not found else base


def mismatches(
    images: Mapping[str, Path],
    parts: Mapping[str, Mapping[str, Path]],
    names: Mapping[str, str],
    folders: Mapping[str, Path],
) -> list[str]:
    """Return the images without labels, the labels without image, and names that two images share.

    parts: "mask" and "scribble" -> name -> path. names: image -> case. folders: part -> its folder.
    """
    problems = []
    labelled = [part for part in parts if folders[part].is_dir()]
    known = {name for part in labelled for name in parts[part]}
    for image, path in images.items():
        if labelled and names[image] not in known:
            wanted = " or ".join(f"{folders[part].name}/{names[image]}.nii.gz" for part in labelled)
            problems.append(f"{path}: there is no {wanted} to go with it{_guess(image, images, known)}.")
    for part in labelled:
        problems.extend(
            f"{parts[part][name]}: there is no {folders['image'].name}/{name}.nii.gz to go with it."
            for name in sorted(set(parts[part]) - set(names.values()))
        )
    cases = defaultdict(list)
    for image, path in images.items():
        cases[names[image]].append(str(path))
    problems += [
        f"case {case!r} exists twice: {' and '.join(paths)}." for case, paths in cases.items() if len(paths) > 1
    ]
    return problems


def _guess(image: str, images: Collection[str], labels: Collection[str]) -> str:
    """Return what may be wrong with an image that has no labels."""
    channel = re.fullmatch(r"(.+)_(\d{4})", image)
    if channel and channel[2] != CHANNEL[1:] and channel[1] + CHANNEL in images:
        return f"; it looks like channel {channel[2]} of its scan, and one channel of a scan is read: take it out"
    same = next((name for name in sorted(labels) if name.casefold() == image.casefold()), None)
    if same is not None:
        return f"; {same} differs in upper and lower case only"
    longer = next((name for name in sorted(labels) if re.match(rf"{re.escape(image)}[_\-. ]", name)), None)
    return f"; labels have the name of their image, without additions such as that of {longer}" if longer else ""
