"""DAVIS 2016: colour videos with one moving object, in the layout of 2016 or of the 2017 release."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from alseg_core.data.pictures import read_colour, read_foreground
from alseg_core.data.readers.reader import CaseRef, wrong
from alseg_core.data.readers.series import files_of, numbered, read_each, slices_of
from alseg_core.errors import DataError
from alseg_core.registry import component
from alseg_core.vocabulary import LabelArray, Volume


@component
class Davis:
    """DAVIS 2016 videos: the foreground object, with a sequence as volume and patient and frames as slices.

    Sequences are those of the official 2016 lists, with attribute "official" = train or val, or all of them without a
    list. Images are (D, H, W, 3). Values above 0 in a mask are foreground, so that masks with object numbers (2017) can
    be read too.
    """

    labels: ClassVar[tuple[int, ...]] = (0, 1)
    paper: ClassVar[str] = (
        "Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation, CVPR 2016"
    )
    licence: ClassVar[str] = "CC BY-NC 4.0, a few sequences under their own terms"
    source: ClassVar[str] = "https://davischallenge.org/davis2016/code.html (DAVIS-data.zip)"
    layout: ClassVar[str] = (
        "<folder>/[DAVIS/]\n"
        "    JPEGImages/480p/<sequence>/NNNNN.jpg\n"
        "    Annotations/480p/<sequence>/NNNNN.png     above 0 = foreground\n"
        "    ImageSets/{2016,480p}/{train,val}.txt     optional: sequences, or paths of their frames"
    )

    def scan(self, root: Path | None) -> list[CaseRef]:
        """Find one case per sequence, named after it; ``root`` is the folder DAVIS or the one above it."""
        base = next((b for b in _bases(root) if (b / "JPEGImages/480p").is_dir()), None)
        official = {} if base is None else _official(base)
        found = [] if base is None else sorted(path.name for path in _folders(base / "JPEGImages/480p"))
        if base is None or not (official or found):
            where = "no folder was given" if root is None else f"no sequence was found at {root}"
            raise DataError(f"davis: {where}. Expected layout:\n{self.layout}\nGet the data from {self.source}.")
        refs: list[CaseRef] = []
        problems: list[str] = []
        for name in sorted(official) or found:
            frames = files_of(base / "JPEGImages/480p" / name, ".jpg")
            masks = files_of(base / "Annotations/480p" / name, ".png")
            faults = _faults(base, name, frames, masks)
            parts = official.get(name, [])
            if len(parts) > 1:
                faults.append(f"{base / 'ImageSets'}: sequence {name!r} is listed in {' and '.join(parts)}.")
            facts = {"official": parts[0]} if parts else {}
            if not faults:
                refs.append(CaseRef(name, name, "video", numbered("image", frames) | numbered("mask", masks), facts))
            problems += faults
        if problems:
            raise wrong(problems, f"the DAVIS data at {base}", refs)
        return refs

    def load(self, ref: CaseRef) -> Volume:
        """Load the frames in order with their masks; pixels and frames count as 1 mm."""
        paths, pictures = slices_of(ref, "image"), slices_of(ref, "mask")
        frames, problems = read_each(paths, read_colour)
        masks, unreadable = read_each(pictures, read_foreground)
        problems = problems + unreadable or _misfits(paths, frames, pictures, masks)
        if problems:
            raise wrong(problems, f"sequence {ref.case!r}")
        return Volume(
            np.stack(frames), np.stack(masks), None, (1.0, 1.0, 1.0), ref.case, ref.patient, ref.group, ref.attributes
        )


def _bases(root: Path | None) -> list[Path]:
    return [] if root is None else [root, root / "DAVIS"]


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _official(base: Path) -> dict[str, list[str]]:
    """Return sequence -> the 2016 lists ("train", "val") that name it; empty without a list."""
    for folder in (base / "ImageSets/2016", base / "ImageSets/480p"):
        parts: dict[str, list[str]] = {}
        for part in ("train", "val"):
            path = folder / f"{part}.txt"
            lines = path.read_text(errors="replace").split("\n") if path.is_file() else []
            # a line is a name, or "/JPEGImages/480p/<sequence>/00000.jpg /Annotations/480p/<sequence>/00000.png "
            first = [line.split()[0] for line in lines if line.strip()]
            for name in dict.fromkeys(entry.split("/")[-2] if "/" in entry else entry for entry in first):
                parts.setdefault(name, []).append(part)
        if parts:
            return parts
    return {}


def _faults(base: Path, name: str, frames: Sequence[Path], masks: Sequence[Path]) -> list[str]:
    """Return the problems that the file names of a sequence show."""
    if not frames:
        return [f"{base / 'JPEGImages/480p' / name}: no frame of sequence {name!r} found (NNNNN.jpg)."]
    stems, drawn = {path.stem for path in frames}, {path.stem for path in masks}
    missing = [
        (path, base / "Annotations/480p" / name / f"{path.stem}.png") for path in frames if path.stem not in drawn
    ]
    missing += [
        (path, base / "JPEGImages/480p" / name / f"{path.stem}.jpg") for path in masks if path.stem not in stems
    ]
    return [f"{wanted}: file not found; {path} needs it." for path, wanted in missing]


def _misfits(
    paths: Sequence[Path], frames: Sequence[np.ndarray], pictures: Sequence[Path], masks: Sequence[LabelArray]
) -> list[str]:
    """Return the files whose size differs from the first frame's."""
    shape = frames[0].shape[:2]
    shapes = [*zip(paths, (frame.shape[:2] for frame in frames), strict=True)]
    shapes += zip(pictures, (mask.shape for mask in masks), strict=True)
    return [f"{path}: shape {ours} differs from {shape} of {paths[0]}." for path, ours in shapes if ours != shape]
