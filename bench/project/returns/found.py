"""Which files annotators gave, and the case and the annotator of each."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alseg_core.errors import DataError, some
from bench.project.manifest import Manifest

READ = (".seg.nrrd", ".nii.gz", ".nrrd", ".nii")
"""Ends of the names of label files."""
POINTS = ".mrk.json"
"""End of the names of point lists."""
HANDED_OUT = ".nii.gz"
"""End of the names of the files that annotators are given to draw into."""
OTHER = (".mha", ".mhd", ".nhdr", ".gipl", ".img", ".hdr", ".dcm", ".mrb", ".zip", ".7z", ".tar", ".tar.gz", ".tgz")
"""Ends of the names of files that may hold labels and are not read."""
PASSING = (".tmp", ".part", ".partial", ".crdownload", ".lock", ".lck", ".bak", ".swp", "~")
"""Ends of the names of files that programs keep for a while."""
SYSTEM = ("thumbs.db", "desktop.ini")
"""Files of the operating system."""
WORDS = frozenset(
    {
        "label",
        "labels",
        "labelmap",
        "seg",
        "segs",
        "segmentation",
        "segmentations",
        "segmented",
        "mask",
        "masks",
        "annotation",
        "annotations",
        "annotated",
        "result",
        "results",
        "final",
        "gt",
        "done",
        "edited",
        "corrected",
        "scribble",
        "scribbles",
        "copy",
        "points",
        "point",
        "slices",
        "worklist",
    }
)
"""Words that programs and people put beside the name of a case."""
STRUCTURE = frozenset(
    {"segmentations", "segmentation", "labels", "results", "final", "mitk", "slicer", "itksnap", "returned", "returns"}
)
"""Folders that say nothing about who drew."""
IMAGES = "images"
"""Folder of the scans themselves."""


@dataclass(frozen=True)
class File:
    """A file and what its name says."""

    path: Path
    name: str
    """Its path below the folder that was looked at."""
    case: str
    annotator: str
    """Name of the sub-folder of its annotator; "" without one."""


@dataclass
class Found:
    """The files of a folder."""

    labels: list[File] = field(default_factory=list)
    points: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    """CSV files that may say what is done: done*.csv and worklist*.csv."""
    problems: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    """Files that may hold labels, and whose case is not known or that cannot be read."""


@dataclass(frozen=True)
class Names:
    """Finds the case in a name."""

    cases: tuple[str, ...]
    folder: str
    """Name of the folder of the round, which is no annotator."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Other scans of the project -> what to say of them, such as "it was asked for in round 1"."""

    def case(self, relative: Path) -> str:
        """Return the case of a file, given its path below the folder. Raises DataError without the file's name.

        Its name is that of the case, or has further words such as "seg" beside it; or it consists of such words and
        lies in a folder with the name of the case. The name of a case itself goes before longer readings.
        """
        exact = _exact(relative, [*self.cases, *self.elsewhere])
        found = [exact] if exact is not None else _inside(relative, self.cases) or _inside(relative, self.elsewhere)
        if len(found) == 1 and found[0] in self.elsewhere:
            more = self.elsewhere[found[0]]
            raise DataError(f"{found[0]} is a scan of the project, but not of this round{more and f'; {more}'}.")
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(f"its name could be that of {' or '.join(found)}; name it after one of them.")
        stem = _plain(stem_of(relative.name))
        alike = [case for case in self.cases if _numbers(case) == _numbers(stem)]  # other numbers: another patient
        near = difflib.get_close_matches(stem, alike, n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise DataError(f"its name is that of no case of this round ({some(self.cases)}).{hint}")

    def annotator(self, relative: Path) -> str:
        """Return the first folder above a file that is that of an annotator, or ""."""
        known = {*STRUCTURE, _folded(self.folder), *map(_folded, self.cases)}
        return next((part for part in relative.parent.parts if _folded(part) not in known), "")


def look(names: Names, manifest: Manifest, round_folder: Path, files: Path) -> Found:
    """Return what a folder, or a single file, holds. Raises DataError if it does not exist."""
    images = {place for scan in manifest.scans for place in _places(scan.image, round_folder)}
    found, others = Found(), list[str]()
    if not files.exists():
        raise DataError(f"{files} does not exist; give the folder, or the file, that the annotators gave back.")
    for path in sorted(_walk(files)) if files.is_dir() else [files]:
        relative = path.relative_to(files) if files.is_dir() else Path(path.name)
        lower = path.name.lower()
        if lower.endswith(POINTS):
            found.points.append(path)
        elif lower.endswith(".csv") and lower.startswith(("done", "worklist")):
            found.tables.append(path)
        elif lower.endswith(READ):
            if path.resolve() in images:
                continue
            try:
                found.labels.append(File(path, relative.as_posix(), names.case(relative), names.annotator(relative)))
            except DataError as error:
                found.problems.append(f"{relative.as_posix()}: {error}")
                found.strays.append(relative.as_posix())
        elif lower.endswith(OTHER):
            others.append(relative.as_posix())
    found.strays += others
    if others:
        found.problems.append(
            f"{some(others, 3)}: files of this kind are not read; give {', '.join(READ[::-1])} (unpacked)."
        )
    return found


def stem_of(name: str) -> str:
    """Return the name of a file without its ending, that of two parts included."""
    end = next((end for end in (*READ, POINTS) if name.lower().endswith(end)), "")
    return name[: len(name) - len(end)]


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        lower = path.name.lower()
        if lower.startswith((".", "~$", "__macosx")) or lower.endswith(PASSING) or lower in SYSTEM:
            continue
        if not path.is_dir():
            yield path
        elif lower != IMAGES and not path.is_symlink():  # a link to a folder above would never end
            yield from _walk(path)


def _places(image: str, round_folder: Path) -> list[Path]:
    return [(above / image).resolve() for above in (round_folder, *round_folder.resolve().parents[:2])]


def _plain(name: str) -> str:
    """Return a name with its accents as one system writes them, whichever wrote the file."""
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _plain(name).casefold()


def _exact(relative: Path, cases: Collection[str]) -> str | None:
    """Return the case that a file is named after, nothing added."""
    stem = stem_of(relative.name)
    for plain in (_plain, _folded):
        exact = [case for case in cases if plain(case) == plain(stem)]
        if len(exact) == 1:
            return exact[0]
    return None


def _inside(relative: Path, cases: Collection[str]) -> list[str]:
    """Return the cases whose name is in that of a file, or in those of its folders where it says nothing itself."""
    stem = _plain(stem_of(relative.name))
    inside = [case for case in cases if _beside(stem, case)]
    if not inside and _only_words(stem):
        folders = {_folded(part) for part in relative.parent.parts}
        inside = [case for case in cases if _folded(case) in folders]
    return inside


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"[0-9]+", name)]


def _beside(stem: str, case: str) -> bool:
    """Return whether a name is that of a case between words."""
    before, _, after = _folded(stem).partition(_folded(case))
    if len(before) + len(after) == len(_folded(stem)):
        return False
    joined = (not before or before[-1] in " _-.") and (not after or after[0] in " _-.(")
    return joined and all(_only_words(part) for part in (before, after) if part)


def _only_words(text: str) -> bool:
    """Return whether a text consists of :data:`WORDS`, and of the number that tells copies apart."""
    parts: Sequence[str] = re.split(r"[ _.\-]+", _folded(text).strip(" _.-"))
    return all(part in WORDS or re.fullmatch(r"\(\d+\)", part) for part in parts)
