"""Preparation: native scans become slices on one grid, stored on disk."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import ArgsKwargs

from alseg_core.data.contents import Contents
from alseg_core.data.in_plane import InPlane
from alseg_core.data.motion import motion_centre
from alseg_core.data.readers.reader import CaseRef, Reader, problems_of, wrong
from alseg_core.errors import DataError
from alseg_core.quantities import LARGEST_SIDE
from alseg_core.registry import OMIT_DEFAULT, component, describe
from alseg_core.store import Store
from alseg_core.vocabulary import IGNORE, LabelArray, Volume

FORMAT = 2
"""Version of the files that :func:`prepare` writes; increase it with any change that alters them."""

Progress = Callable[[int, int, str], None]
"""Called with (cases done, cases in total, id of the case just done)."""


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError("expected two ascending numbers")
    return pair


Percentile = Annotated[float, Field(ge=0, le=100)]
Intensity = Annotated[float, Field(allow_inf_nan=False)]


@component
class Prepare:
    """Preparation of native scans as network slices.

    Outside the native slice, images take the minimum of the volume and masks take background.
    """

    clip_percentile: Annotated[tuple[Percentile, Percentile], AfterValidator(_ascending)] | None = (0.0, 99.0)
    """Percentiles of the whole volume at which intensities are clipped; null = no clipping."""
    window_hu: Annotated[tuple[Intensity, Intensity], AfterValidator(_ascending)] | None = None
    """Values at which intensities are clipped, in place of percentiles; Hounsfield units for CT."""
    normalise: Literal["minmax", "zscore"] = "minmax"
    """Scaling per volume: minmax maps the ends of the clipping to 0 and 1, zscore gives mean 0 and deviation 1."""
    spacing_mm: Annotated[float, Field(ge=1e-4, le=1e4)] | None = None
    """In-plane distance of network pixels in mm; null = crop_fraction of the slice fills the grid."""
    crop_fraction: Annotated[float, Field(ge=0.01, le=1)] = 1.0
    """Central share of each side of the slice that fills the grid, where spacing_mm is null."""
    crop: Annotated[int, Field(ge=8, le=LARGEST_SIDE)] | None = None
    """Rows and columns of spacing_mm to cut or pad slices to before they are resampled to the grid."""
    size: Annotated[int, Field(ge=8, le=LARGEST_SIDE)] = 256
    """Rows and columns of the grid."""
    order: Literal[0, 1] = 1
    """Interpolation of images: 0 nearest, 1 linear; labels always take the nearest pixel."""
    antialias: bool = dataclasses.field(default=False, metadata=OMIT_DEFAULT)
    """Whether linear interpolation averages where it shrinks images, so that fine detail leaves no false pattern."""
    centre: Literal["slice", "motion"] = dataclasses.field(default="slice", metadata=OMIT_DEFAULT)
    """Centre of the grid: slice, the middle of the slice; motion, where the scans of a patient differ (two phases of a
    beating heart), found from their images. A patient whose scans do not share a native grid gets the middle."""

    @model_validator(mode="before")
    @classmethod
    def _one_clip(cls, given: ArgsKwargs) -> ArgsKwargs:
        """Let a window replace the default percentiles."""
        fields = dict(given.kwargs or {})
        if fields.get("window_hu") is not None and fields.setdefault("clip_percentile", None) is not None:
            raise ValueError("clip_percentile and window_hu exclude each other; give only one of them")
        return ArgsKwargs(given.args, fields)

    @model_validator(mode="after")
    def _pixels_have_a_size(self) -> Self:
        if self.crop is not None and self.spacing_mm is None:
            raise ValueError("crop counts pixels of spacing_mm; give spacing_mm too")
        return self

    @model_validator(mode="after")
    def _nearest_pixels_are_not_smoothed(self) -> Self:
        if self.antialias and self.order == 0:
            raise ValueError("antialias smooths for linear interpolation; give order 1 too")
        return self

    def geometry(
        self, shape: tuple[int, int], spacing_mm: tuple[float, float], centre: tuple[float, float] | None = None
    ) -> InPlane:
        """Return the grid for native slices of ``shape`` (h, w) with spacing (y, x) in mm.

        centre: native row and column of its centre; None = the middle of the slice.
        """
        zoom = 1 if self.crop is None else self.crop / self.size
        if self.spacing_mm is None:
            steps = [self.crop_fraction * length / self.size for length in shape]
        else:
            steps = [zoom * self.spacing_mm / step for step in spacing_mm]
        middle = (shape[0] - 1) / 2, (shape[1] - 1) / 2
        return InPlane(*(middle if centre is None else centre), steps[0], steps[1], self.size)

    def stages(
        self, shape: tuple[int, int], spacing_mm: tuple[float, float], centre: tuple[float, float] | None = None
    ) -> tuple[InPlane, ...]:
        """Return the grids to resample to in turn, each in pixels of the previous one; combined: :meth:`geometry`."""
        if self.crop is None:
            return (self.geometry(shape, spacing_mm, centre),)
        field = dataclasses.replace(self, crop=None, size=self.crop).geometry(shape, spacing_mm, centre)
        middle, step = (self.crop - 1) / 2, self.crop / self.size
        return field, InPlane(middle, middle, step, step, self.size)

    def labels_on_grid(
        self, labels: LabelArray, spacing_mm: tuple[float, float], centre: tuple[float, float] | None, fill: int
    ) -> LabelArray:
        """Resample native labels (D, h, w) to the network's grid, (D, size, size), by nearest neighbour.

        spacing_mm: in-plane, (y, x). centre: as in :meth:`geometry`. fill: label outside the native slice.
        """
        shape = labels.shape[1], labels.shape[2]
        for grid in self.stages(shape, spacing_mm, centre):
            labels = grid.forward(labels, 0, fill)
        return labels

    def intensities(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a clipped and normalised copy of a whole volume, float32; a constant volume becomes 0."""
        if self.window_hu is not None:
            low, high = np.array(self.window_hu, np.float32)
        elif self.clip_percentile is not None:
            low, high = np.percentile(image, self.clip_percentile).astype(np.float32)
        else:
            low, high = image.min(), image.max()
        scaled: NDArray[np.float32] = np.clip(image, low, high).astype(np.float32, copy=False)
        shift, scale = (low, high - low) if self.normalise == "minmax" else (scaled.mean(), scaled.std())
        # in place: a video at full resolution takes half a gigabyte
        scaled -= shift
        scaled /= scale if scale > 0 else 1
        return scaled


def prepare(
    reader: Reader,
    root: Path | None,
    settings: Prepare,
    store: Store,
    progress: Progress | None = None,
    refs: Sequence[CaseRef] | None = None,
) -> Path:
    """Prepare every case below ``root``, once for the same files and settings, and return the folder of the slices.

    Files are the same if their names and contents are, whatever their dates and folders: data are copied to other
    machines, and away from scratch disks. The checksum of a file is kept in the store as long as its place, size and
    date stay the same.

    The folder holds images.npy (M, C, H, W) float32; labels/masks.npy and labels/scribbles.npy (M, H, W) uint8, filled
    with ``IGNORE`` for cases without; labels/native.npy, flat uint8 with the native masks one after another; and
    index.json.

    refs: result of the reader's scan of ``root``, if the caller has it. Raises one DataError with the problems of all
    cases.
    """
    refs = reader.scan(root) if refs is None else refs
    twice = [case for case, count in Counter(ref.case for ref in refs).items() if count > 1]
    if twice:
        raise wrong([f"case {case!r} exists twice." for case in twice], f"the data at {root}")
    contents = Contents.in_store(store.root)
    key = {
        "format": FORMAT,
        "reader": describe(reader),
        "settings": describe(settings),
        "cases": [
            [
                ref.case,
                ref.patient,
                ref.group,
                ref.attributes,
                [_stamp(part, path, contents) for part, path in sorted(ref.files.items())],
            ]
            for ref in refs
        ],
    }
    contents.save()
    return store.fetch("prepared", key, lambda folder: _write(reader, refs, settings, folder, progress))


def _stamp(part: str, path: Path, contents: Contents) -> list[str | int]:
    return [part, path.name, path.stat().st_size, contents.of(path)]


def _write(reader: Reader, refs: Sequence[CaseRef], settings: Prepare, folder: Path, progress: Progress | None) -> None:
    (folder / "labels").mkdir()
    files: dict[str, _GrowingArray] = {}
    cases: list[dict[str, object]] = []
    problems: list[str] = []
    offset = 0
    done = 0
    for together in _loaded_together(refs, settings):
        volumes = [_load(reader, ref, problems) for ref in together]
        centre = None if problems else _centre([volume for volume in volumes if volume is not None], settings)
        for ref, volume in zip(together, volumes, strict=True):
            if volume is not None and not problems:
                parts, facts = _prepared(volume, settings, centre)
                for name, array in parts.items():
                    if name not in files:
                        files[name] = _GrowingArray(folder / name, array.shape[1:], array.dtype)
                    files[name].append(array)
                cases.append({**facts, "native_offset": offset if volume.mask is not None else None})
                offset += parts["labels/native.npy"].size
            done += 1
            if progress is not None:
                progress(done, len(refs), ref.case)
    for file in files.values():
        file.close()
    if problems:
        raise wrong(problems, "the data")
    (folder / "index.json").write_text(json.dumps({"labels": list(reader.labels), "cases": cases}, indent=1))


def _loaded_together(refs: Sequence[CaseRef], settings: Prepare) -> list[list[CaseRef]]:
    """Return the cases in groups: those of a patient where they share a centre, else single ones."""
    groups: dict[str, list[CaseRef]] = {}
    for ref in refs:
        groups.setdefault(ref.patient if settings.centre == "motion" else ref.case, []).append(ref)
    return list(groups.values())


def _load(reader: Reader, ref: CaseRef, problems: list[str]) -> Volume | None:
    """Return a case, or None after adding what is wrong with it to ``problems``."""
    try:
        volume = reader.load(ref)
        verify(volume, ref, reader.labels)
    except DataError as error:
        problems += problems_of(error)
        return None
    return volume


def _centre(volumes: Sequence[Volume], settings: Prepare) -> tuple[float, float] | None:
    """Return the native centre that the scans of a patient share; None = the middle of each slice."""
    grids = {(volume.image.shape, volume.spacing_mm[1:]) for volume in volumes}
    if settings.centre == "slice" or len(volumes) < 2 or len(grids) > 1:
        return None
    shape, spacing_mm = grids.pop()
    scans = [settings.intensities(volume.image) for volume in volumes]
    return motion_centre(scans, settings.geometry((shape[1], shape[2]), spacing_mm))


def verify(volume: Volume, ref: CaseRef, labels: Sequence[int]) -> None:
    """Raise DataError naming the files when the parts of a case do not fit together."""

    def name(part: str) -> str:
        """Return the part's file, the folder of its files if it has one per slice, or a description if it has none."""
        slices = [path.parent for entry, path in sorted(ref.files.items()) if entry.startswith(f"{part}/")]
        return str(ref.files.get(part, slices[0] if slices else f"{part} of case {ref.case!r}"))

    problems: list[str] = []
    if not np.isfinite(volume.image).all():
        problems.append(f"{name('image')}: the image holds NaN or infinite values.")
    for part, array, known in (("mask", volume.mask, labels), ("scribble", volume.scribble, [*labels, IGNORE])):
        if array is None:
            continue
        if array.shape != volume.image.shape[:3]:
            problems.append(
                f"{name(part)}: shape {array.shape} (z, y, x) differs from {volume.image.shape[:3]} of {name('image')}."
            )
        unknown = sorted(set(np.flatnonzero(np.bincount(array.ravel(), minlength=256)).tolist()) - set(known))
        if unknown:
            problems.append(f"{name(part)}: unknown label value {unknown}; known: {sorted(known)}.")
    if problems:
        raise wrong(problems, f"case {ref.case!r}")


def _prepared(
    volume: Volume, settings: Prepare, centre: tuple[float, float] | None
) -> tuple[dict[str, NDArray[Any]], dict[str, object]]:
    """Return the arrays of one case by file name, and its entry in the index."""
    depth, height, width = volume.image.shape[:3]
    native = (height, width), volume.spacing_mm[1:]
    image: NDArray[Any] = settings.intensities(volume.image)
    lowest = float(image.min())
    for grid in settings.stages(*native, centre):
        image = grid.forward(image, settings.order, lowest, settings.antialias)
    image = image[:, None] if image.ndim == 3 else np.moveaxis(image, 3, 1)
    blank = np.full((depth, settings.size, settings.size), IGNORE, np.uint8)
    parts: dict[str, NDArray[Any]] = {
        "images.npy": image,
        "labels/masks.npy": blank
        if volume.mask is None
        else settings.labels_on_grid(volume.mask, native[1], centre, 0),
        "labels/scribbles.npy": blank
        if volume.scribble is None
        else settings.labels_on_grid(volume.scribble, native[1], centre, IGNORE),
        "labels/native.npy": np.zeros(0, np.uint8) if volume.mask is None else volume.mask.ravel(),
    }
    facts: dict[str, object] = {
        "case": volume.case,
        "patient": volume.patient,
        "group": volume.group,
        "attributes": volume.attributes,
        "depth": depth,
        "native_shape": [height, width],
        "spacing_mm": list(volume.spacing_mm),
        "geometry": asdict(settings.geometry(*native, centre)),
        "has_mask": volume.mask is not None,
        "has_scribble": volume.scribble is not None,
        "axes": asdict(volume.axes),
        "classes": list(classes_of(volume)),
        "constant": is_constant(volume),
    }
    return parts, facts


def classes_of(volume: Volume) -> tuple[int, ...]:
    """Return the classes that the mask of a volume holds, or its scribble where it has no mask."""
    labels = volume.mask if volume.mask is not None else volume.scribble
    if labels is None:
        return ()
    counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)
    return tuple(int(label) for label in np.flatnonzero(counts[:IGNORE]))


def is_constant(volume: Volume) -> bool:
    """Return whether the image of a volume has one value only."""
    return bool((volume.image == volume.image.flat[0]).all())


class _GrowingArray:
    """An ``.npy`` file whose first axis grows, so that a dataset need not fit into memory."""

    def __init__(self, path: Path, row: tuple[int, ...], dtype: DTypeLike) -> None:
        self._file = path.open("wb")
        self._row, self._dtype, self._count = row, np.dtype(dtype), 0
        self._header()

    def append(self, rows: NDArray[Any]) -> None:
        if rows.shape[1:] != self._row or rows.dtype != self._dtype:
            raise DataError(f"slices of shape {rows.shape[1:]} do not fit those of the earlier cases, {self._row}.")
        self._file.write(np.ascontiguousarray(rows).data)
        self._count += len(rows)

    def close(self) -> None:
        # numpy pads the header for a growing first axis, so the final header fits in the place of the first
        self._file.seek(0)
        self._header()
        self._file.close()

    def _header(self) -> None:
        shape = (self._count, *self._row)
        facts = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, facts)
