"""The user's own scans: folders of NIfTI files, described by the fields of the reader."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from alseg_core.data.nifti import Spacing, read_image, read_orientation
from alseg_core.data.readers.reader import CaseRef, read_parts, wrong
from alseg_core.errors import DataError
from alseg_core.registry import component
from alseg_core.vocabulary import IGNORE, LabelArray, Volume

SUFFIXES = (".nii.gz", ".nii")
TOLERANCE = 0.01
"""Relative difference between the spacings of an image and its labels that counts as rounding."""

Value = Annotated[int, Field(ge=-(2**24), le=2**24)]  # whole numbers that float32 holds


@component
class NiftiFolder:
    """Your own data: a folder of NIfTI images, with a folder of labels, of scribbles or of both.

    Labels and scribbles have the name of their image, or that name without nnU-Net's channel ``_0000``. If there is a
    folder of labels or scribbles, every image must have one. A label belongs to the voxel of the image with the same
    index: the spacing of both headers must agree to 1 %, except that a label file with spacing exactly 1, 1, 1 counts
    as having none; and their axes must point the same way, unless the affine of the label file is the identity.

    Without a pattern and a csv, every scan is a patient of its own. This is refused where names look like several scans
    of one patient, which would end up in different parts of a split.
    """

    paper: ClassVar[str] = "none: the user's own data"
    licence: ClassVar[str] = "that of the data"
    source: ClassVar[str] = "a folder of your own"
    layout: ClassVar[str] = (
        "<folder>/\n"
        "    images/NAME.nii.gz       3D scans, .nii or .nii.gz\n"
        "    labels/NAME.nii.gz       full labels of the same grid (or none)\n"
        "    scribbles/NAME.nii.gz    optional: labels of some pixels, the others hold the value `unmarked`"
    )

    labels: Annotated[tuple[int, ...], Field(min_length=2, max_length=IGNORE)] = (0, 1)
    """Class numbers 0..K-1, 0 = background."""
    values: tuple[Value, ...] | None = None
    """Stored label value of each class, in the order of labels; null = the class numbers themselves."""
    unmarked: Value = IGNORE
    """Value of unmarked pixels in the scribbles; not the value of a class."""
    pattern: str | None = None
    """Regular expression for file names without suffix; its groups give patient, group (a phase) and attributes."""
    csv: str | None = None
    """Table in the data folder with the columns file, patient, perhaps group, and attributes; in place of a pattern."""
    trust_grid: bool = False
    """Take labels and scribbles voxel by voxel, whatever their headers say about spacing and axes."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.labels != tuple(range(len(self.labels))):
            raise ValueError(f"labels are the class numbers 0..K-1, for example [0, 1, 2], got {list(self.labels)}")
        if self.values is not None and len(set(self.values)) != len(self.labels):
            raise ValueError(
                f"values must be {len(self.labels)} different numbers, one a class, got {list(self.values)}"
            )
        if self.unmarked in self._values:
            raise ValueError(f"unmarked must not be the value of a class, got {self.unmarked}")
        if self.pattern is not None:
            if self.csv is not None:
                raise ValueError("pattern and csv exclude each other; give one of them")
            try:
                groups = re.compile(self.pattern).groupindex
            except re.error as error:
                raise ValueError(f"pattern {self.pattern!r} is no regular expression: {error}") from None
            if "patient" not in groups:
                raise ValueError(r"pattern needs a group (?P<patient>...), such as (?P<patient>p\d+)_(?P<group>.+)")
        return self

    @property
    def _values(self) -> tuple[int, ...]:
        return self.labels if self.values is None else self.values

    def scan(self, root: Path | None) -> list[CaseRef]:
        """Find one case per image, with the name of its file; ``root`` holds images/."""
        if root is None or not (root / "images").is_dir():
            where = "no folder was given" if root is None else f"no folder images/ was found at {root}"
            raise DataError(f"nifti_folder: {where}. Expected layout:\n{self.layout}")
        problems: list[str] = []
        images = _files(root / "images", problems)
        if not images and not problems:
            raise DataError(
                f"nifti_folder: {root / 'images'} holds no .nii.gz or .nii file. Expected layout:\n{self.layout}"
            )
        parts = {"mask": _files(root / "labels", problems), "scribble": _files(root / "scribbles", problems)}
        names = {image: _name(image, parts.values()) for image in images}
        _check_pairs(images, parts, names, root, problems)
        facts = self._facts(root, images, problems)
        if self.pattern is None and self.csv is None:
            _check_one_scan_each(names.values(), problems)
        refs = []
        for image, path in images.items():
            case = names[image]
            files = {"image": path, **{part: found[case] for part, found in parts.items() if case in found}}
            own = facts.get(image, _Facts(""))
            refs.append(CaseRef(case, own.patient or case, own.group, files, own.attributes))
        for case, files_of in _repeated({image: names[image] for image in images}).items():
            problems.append(f"case {case!r} exists twice: {' and '.join(str(images[image]) for image in files_of)}.")
        refs.sort(key=lambda ref: ref.case)
        if problems:
            raise wrong(problems, f"the data at {root}", refs)
        return refs

    def load(self, ref: CaseRef) -> Volume:
        """Load the image with its mask, its scribble, or both; the spacing is the image's."""
        known = dict(zip(self._values, self.labels, strict=True))
        parts = read_parts(
            ref,
            {
                "image": read_image,
                "mask": lambda path: _labels(path, known),
                "scribble": lambda path: _labels(path, {**known, self.unmarked: IGNORE}),
            },
        )
        image, spacing = parts["image"]
        labels = {part: read for part, read in parts.items() if part != "image"}
        if not self.trust_grid:
            problems = [
                problem
                for part, (_, own) in labels.items()
                for problem in _other_grid(ref.files[part], own, ref.files["image"], spacing)
            ]
            if problems:
                raise wrong(problems, f"case {ref.case!r}")
        mask, scribble = (labels[part][0] if part in labels else None for part in ("mask", "scribble"))
        return Volume(image, mask, scribble, spacing, ref.case, ref.patient, ref.group, ref.attributes)

    def _facts(self, root: Path, images: dict[str, Path], problems: list[str]) -> dict[str, _Facts]:
        """Return patient, group and attributes of each image by its name."""
        if self.csv is not None:
            return _table(root / self.csv, images, problems)
        if self.pattern is None:
            return {}
        facts = {}
        for image, path in images.items():
            found = re.fullmatch(self.pattern, image)
            named = {key: value for key, value in found.groupdict().items() if value} if found else {}
            if "patient" not in named:
                problems.append(f"{path}: its name {image!r} does not match the pattern {self.pattern!r}.")
                continue
            facts[image] = _Facts(named.pop("patient"), named.pop("group", ""), named)
        return facts


@dataclass(frozen=True)
class _Facts:
    patient: str
    group: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def _files(folder: Path, problems: list[str]) -> dict[str, Path]:
    """Return name without suffix -> path of the NIfTI files in a folder; empty if the folder does not exist."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
        if suffix is None or path.name.startswith("."):
            continue
        name = path.name.removesuffix(suffix)
        if name in found:
            problems.append(f"{path} and {found[name].name} have the same name; keep one of them.")
        found[name] = path
    return found


def _name(image: str, others: Iterable[Collection[str]]) -> str:
    """Return the name of an image's case: its own, or the name without nnU-Net's channel if its labels have that."""
    base = image.removesuffix("_0000")
    found = [name for names in others for name in (image, base) if name in names]
    return image if image in found or not found else base


def _check_pairs(
    images: dict[str, Path], parts: dict[str, dict[str, Path]], names: dict[str, str], root: Path, problems: list[str]
) -> None:
    folders = {"mask": root / "labels", "scribble": root / "scribbles"}
    labelled = [part for part, folder in folders.items() if folder.is_dir()]
    for image, path in images.items():
        if labelled and not any(names[image] in parts[part] for part in labelled):
            wanted = " or ".join(f"{folders[part].name}/{names[image]}.nii.gz" for part in labelled)
            problems.append(f"{path}: there is no {wanted} to go with it.")
    for part in labelled:
        problems.extend(
            f"{parts[part][name]}: there is no images/{name}.nii.gz to go with it."
            for name in sorted(set(parts[part]) - set(names.values()))
        )


def _repeated(names: dict[str, str]) -> dict[str, list[str]]:
    """Return the values that several keys have, with those keys."""
    keys = defaultdict(list)
    for key, name in names.items():
        keys[name].append(key)
    return {name: found for name, found in keys.items() if len(found) > 1}


def _table(path: Path, images: dict[str, Path], problems: list[str]) -> dict[str, _Facts]:
    """Read the facts about the images from the rows of a CSV file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: the csv cannot be read ({getattr(error, 'strerror', None) or error}).")
        return {}
    rows = csv.DictReader(lines)
    missing = {"file", "patient"} - set(rows.fieldnames or ())
    if missing:
        problems.append(
            f"{path}: no column {', '.join(sorted(missing))}; it has {', '.join(rows.fieldnames or ()) or 'none'}. "
            "Expected: file, patient, perhaps group, and attributes."
        )
        return {}
    facts: dict[str, _Facts] = {}
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        named = {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
        file, patient = named.pop("file"), named.pop("patient")
        name = next((file.removesuffix(suffix) for suffix in SUFFIXES if file.endswith(suffix)), file)
        if None in row or not patient:
            problems.append(f"{where}: {'more cells than columns' if None in row else 'the patient is empty'}.")
        elif name not in images:
            problems.append(f"{where}: there is no image {file!r} in {path.parent / 'images'}.")
        elif name in facts:
            problems.append(f"{where}: {file!r} exists twice.")
        else:
            facts[name] = _Facts(patient, named.pop("group", ""), {key: v for key, v in named.items() if v})
            continue
        facts.setdefault(name, _Facts(patient))
    problems += [f"{image}: no row of {path} says whose it is." for name, image in images.items() if name not in facts]
    return facts


def _other_grid(path: Path, own: Spacing, image: Path, spacing: Spacing) -> list[str]:
    """Return how the grid in the header of a label file differs from the image's."""
    rule = "images and labels must lie on one grid (the reader's field trust_grid: true takes them voxel by voxel)."
    if own != (1, 1, 1) and not np.allclose(own, spacing, rtol=TOLERANCE, atol=0):
        return [f"{path}: spacing {_mm(own)} (z, y, x) differs from {_mm(spacing)} of {image}; {rule}"]
    ours, theirs = read_orientation(path), read_orientation(image)
    if ours.default or not (ours.codes and theirs.codes) or ours.codes == theirs.codes:
        return []
    return [f"{path}: axes {', '.join(ours.codes)} differ from {', '.join(theirs.codes)} of {image}; {rule}"]


def _labels(path: Path, known: dict[int, int]) -> tuple[LabelArray, Spacing]:
    """Read class numbers (D, H, W) uint8 and the spacing of a file. known: stored value -> class number."""
    stored, spacing = read_image(path)
    values = np.unique(stored)
    unknown = values[~np.isin(values, list(known))]
    if len(unknown):
        found = ", ".join(f"{value:g}" for value in unknown[:5])
        found += f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise DataError(
            f"{path}: unknown label value {found}; known: {', '.join(map(str, sorted(known)))}. "
            "Set them with the reader's fields labels, values and unmarked."
        )
    codes = np.array([known[int(value)] for value in values], np.uint8)
    return codes[np.searchsorted(values, stored)], spacing


def _mm(spacing: Spacing) -> str:
    return " x ".join(f"{step:.3g}" for step in spacing) + " mm"


def _check_one_scan_each(names: Iterable[str], problems: list[str]) -> None:
    """Add a problem when names share a numbered beginning, such as p04_ed and p04_es: they look like one patient."""
    scans: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        beginning = re.split(r"[_.-]", name, maxsplit=1)[0]
        if beginning != name and re.search(r"\d", beginning):
            scans[beginning].append(name)
    several = [found for found in scans.values() if len(found) > 1]
    if several:
        problems.append(
            f"{' and '.join(several[0][:2])} look like scans of one patient, and neither pattern nor csv names the "
            r"patients. Give the reader a pattern, such as '(?P<patient>[^_]+)_(?P<group>.+)', or a csv; "
            r"'(?P<patient>.+)' makes every scan a patient."
        )
