"""The user's own scans: folders of NIfTI files, described by the fields of the reader."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from alseg_core.data.grid import Grid, SliceAxis, stored_axes
from alseg_core.data.nifti import Source, check_grid, read_grid, read_image, read_labels
from alseg_core.data.readers.nifti_files import Folders, case_name, files_in, mismatches, name_of, unread
from alseg_core.data.readers.patient_facts import ONE_EACH, Facts, check_alike, from_names, from_pattern, from_table
from alseg_core.data.readers.patient_names import doubt
from alseg_core.data.readers.reader import CaseRef, read_parts, wrong
from alseg_core.data.readers.slice_axes import odd_axes
from alseg_core.data.splits import PART
from alseg_core.errors import DataError, some
from alseg_core.registry import OMIT_DEFAULT, component, nested
from alseg_core.vocabulary import AS_STORED, IGNORE, LabelArray, StoredAxes, Volume

VALUES_CURE = (
    "Name every class in the reader's field labels and in classes, or the stored values in the reader's field values."
)

Value = Annotated[int, Field(ge=-(2**24), le=2**24)]  # whole numbers that float32 holds


@component
class NiftiFolder:
    """Your own data: a folder of NIfTI images, with a folder of labels, of scribbles or of both.

    Labels and scribbles have the name of their image, or that name without nnU-Net's channel ``_0000``. If there is a
    folder of labels or scribbles, every image must have one. A label belongs to the voxel of the image with the same
    index: both headers must place it alike, to 1 % of the spacing and half a voxel, except that a label file with unit
    spacing and no position counts as saying nothing.

    Without a pattern and a csv, names tell the patients: words for visits, runs, time points, phases and sides are
    taken out, and every name that is left is a patient. Names that leave it open are refused, since scans of one
    patient could end up in different parts of a split.
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
    """Take labels and scribbles voxel by voxel, whatever their headers say about spacing, axes and position."""
    slice_axis: SliceAxis | None = dataclasses.field(default=None, metadata=OMIT_DEFAULT)
    """Axis that counts the slices: a stored one (first, second, third), coarsest, or that of a plane (axial, coronal,
    sagittal); scans are turned to it, all alike. null = the third, refused where it does not look like it."""
    geometry: Source | None = dataclasses.field(default=None, metadata=OMIT_DEFAULT)
    """Entry of the headers that is right where they hold several: sform, qform or pixdim; null = they must agree."""
    folders: Annotated[Folders, nested(Folders, "folders")] = dataclasses.field(
        default=Folders(), metadata=OMIT_DEFAULT
    )
    """Names of the folders, such as {images: imagesTr, labels: labelsTr}, as nnU-Net has them."""

    labelled: bool = dataclasses.field(default=True, metadata=OMIT_DEFAULT)
    """Whether labels and scribbles belong to the images; false = they are to be annotated, and no label is read."""
    validation: Annotated[Folders, nested(Folders, "validation")] | None = dataclasses.field(
        default=None, metadata=OMIT_DEFAULT
    )
    """Folders, below the same data folder, of fully labelled scans that validate what is learnt from others."""

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
        """Find one case per image, with the name of its file; ``root`` holds the folders."""
        if root is None or not (root / self.folders.images).is_dir():
            where = "no folder was given" if root is None else f"no folder {self.folders.images}/ was found at {root}"
            raise DataError(f"nifti_folder: {where}. Expected layout:\n{self.layout}")
        problems: list[str] = []
        folders = self.folders.below(root)
        files = self._files(root, folders, ("mask", "scribble") if self.labelled else (), problems)
        validating: dict[str, dict[str, Path]] = {}
        if self.validation is not None:
            validating = self._files(root, self.validation.below(root), ("mask",), problems)
            problems += [
                f"{files[image]['image']} and {validating[image]['image']} have the same name, and one is to annotate, "
                "the other for validation; keep one of them."
                for image in sorted(set(files) & set(validating))
            ]
        names = {image: self._case(image, parts) for image, parts in {**files, **validating}.items()}
        facts = self._facts(
            root, {image: parts["image"] for image, parts in {**files, **validating}.items()}, names, problems
        )
        refs = []
        for image, found in {**files, **validating}.items():
            own = facts.get(image, Facts(""))
            attributes = {**own.attributes, PART: "val"} if image in validating else own.attributes
            refs.append(CaseRef(names[image], own.patient or names[image], own.group, found, attributes))
        refs.sort(key=lambda ref: ref.case)
        problems += odd_axes(self._grids(refs), self.slice_axis, folders["image"])
        if problems:
            raise wrong(problems, f"the data at {root}", refs)
        return refs

    def _files(
        self, root: Path, folders: Mapping[str, Path], kinds: Sequence[str], problems: list[str]
    ) -> dict[str, dict[str, Path]]:
        """Return image -> its files by part; ``kinds`` of labels that belong to the images."""
        images = files_in(folders["image"], problems)
        problems += unread(root, folders if kinds else {"image": folders["image"]})[0]
        if not images and not problems:
            raise DataError(
                f"nifti_folder: {folders['image']} holds no .nii.gz or .nii file. Expected layout:\n{self.layout}"
            )
        parts = {part: files_in(folders[part], problems) for part in kinds}
        names = {image: case_name(image, parts.values()) for image in images}
        problems += mismatches(images, parts, names, folders)
        return {
            image: {
                "image": path,
                **{part: found[names[image]] for part, found in parts.items() if names[image] in found},
            }
            for image, path in images.items()
        }

    def _case(self, image: str, parts: Mapping[str, Path]) -> str:
        """Return the name of an image's case: its own, or that of its labels."""
        return case_name(image, [[name_of(path.name)] for part, path in parts.items() if part != "image"])

    def notes(self, root: Path) -> list[str]:
        """Return what is not read, turned or left open, and what identifies patients, for ``alseg data check``."""
        folders = self.folders.below(root)
        images = files_in(folders["image"], [])
        scans = self._grids(CaseRef(name, name, files={"image": path}) for name, path in images.items())
        lines = unread(root, folders)[1]
        turned = []
        for ref, grid in scans:
            with suppress(DataError):
                turned += [ref.case] if stored_axes(grid, self.slice_axis) != AS_STORED else []
        if turned:
            lines.append(f"turned, so that slices lie along the {self.slice_axis} axis: {some(turned)}")
        if blank := [ref.case for ref, grid in scans if not grid.codes]:
            lines.append(f"no direction of the axes in the header of {some(blank)}")
        by = f"csv {self.csv}" if self.csv is not None else f"pattern {self.pattern}" if self.pattern else "file names"
        lines.append(f"patients are identified by: {by}")
        with suppress(DataError):
            patients = {ref.patient for ref in self.scan(root)}
            if self.pattern != ONE_EACH and (found := doubt(patients)):
                lines.append(f"warning: patients {found.why.replace(' scans of', '')}; then they belong together")
        return lines

    def load(self, ref: CaseRef) -> Volume:
        """Load the image with its mask, its scribble, or both; the spacing is the image's."""
        known = dict(zip(self._values, self.labels, strict=True))
        parts = read_parts(
            ref,
            {
                "image": lambda path: read_image(path, self.geometry, self._axes(path)),
                "mask": lambda path: self._read_labels(path, known, ref),
                "scribble": lambda path: self._read_labels(path, {**known, self.unmarked: IGNORE}, ref),
            },
        )
        (image, spacing), mask, scribble = parts["image"], parts.get("mask"), parts.get("scribble")
        axes = self._axes(ref.files["image"])
        return Volume(image, mask, scribble, spacing, ref.case, ref.patient, ref.group, ref.attributes, axes)

    def _axes(self, image: Path) -> StoredAxes:
        """Return how an image is turned. Raises DataError naming the file."""
        grid = read_grid(image, self.geometry)
        try:
            return stored_axes(grid, self.slice_axis)
        except DataError as error:
            raise DataError(f"{image}: {error}") from None

    def _read_labels(self, path: Path, known: Mapping[int, int], ref: CaseRef) -> LabelArray:
        """Read class numbers (D, H, W), turned as the image. Raises DataError if the header places them elsewhere."""
        image, axes = ref.files["image"], None
        with suppress(DataError):  # the image's own problem, reported with the image
            axes = self._axes(image)
        labels = read_labels(path, known, axes or AS_STORED, VALUES_CURE)
        if not self.trust_grid:
            if axes is None:
                read_grid(path, self.geometry)
            else:
                check_grid(path, image, self.geometry)
        return labels

    def _grids(self, refs: Iterable[CaseRef]) -> list[tuple[CaseRef, Grid]]:
        """Return the scans with their grids, without those whose header cannot be used: loading them says why."""
        found = []
        for ref in refs:
            with suppress(DataError):
                found.append((ref, read_grid(ref.files["image"], self.geometry)))
        return found

    def _facts(
        self, root: Path, images: Mapping[str, Path], names: Mapping[str, str], problems: list[str]
    ) -> dict[str, Facts]:
        """Return patient, group and attributes of each image by its name."""
        if self.csv is not None:
            facts = from_table(root / self.csv, images, root / self.folders.images, problems)
        elif self.pattern is not None:
            facts = from_pattern(self.pattern, images, problems)
        else:
            facts = from_names(names, problems)
        check_alike(facts, problems)
        return facts
