"""What the raw scans of a dataset hold, what is wrong with them, and what they look like."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alseg_core.errors import DataError
from alseg_core.vocabulary import IGNORE, Volume
from bench.datasets.contact_sheet import Tile, places, tiles_of, write_sheet
from bench.datasets.preset_fit import Scan, presets
from bench.study import DatasetFile, find


@dataclass
class _Seen:
    """What the volumes read so far hold.

    labels: class -> cases. marked: class -> [pixels that a scribble marks, pixels of the class], where a mask tells
    them. right: [marked pixels that the mask agrees with, marked pixels]. bare: class -> marked pixels of cases without
    mask, of ``bare_pixels``.
    """

    depths: list[int] = field(default_factory=list)
    spacings: list[tuple[float, ...]] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    masks: int = 0
    scribbles: int = 0
    labels: Counter[int] = field(default_factory=Counter)
    marked: dict[int, list[int]] = field(default_factory=dict)
    right: list[int] = field(default_factory=lambda: [0, 0])
    bare: Counter[int] = field(default_factory=Counter)
    bare_pixels: int = 0

    def add(self, volume: Volume) -> None:
        self.depths.append(len(volume.image))
        self.spacings.append(volume.spacing_mm)
        self.shapes.append(volume.image.shape[1:3])
        self.masks += volume.mask is not None
        self.scribbles += volume.scribble is not None
        there = _counts(volume.mask) if volume.mask is not None else np.zeros(0, int)
        self.labels.update({int(v): 1 for v in np.flatnonzero(there)})
        if volume.scribble is None:
            return
        drawn = _counts(volume.scribble)
        drawn[IGNORE] = 0
        if volume.mask is None:
            self.bare.update({int(v): int(drawn[v]) for v in np.flatnonzero(drawn)})
            self.bare_pixels += volume.scribble.size
            return
        agree = volume.scribble == volume.mask
        correct = _counts(volume.mask[agree])
        for v in np.flatnonzero(there):
            entry = self.marked.setdefault(int(v), [0, 0])
            entry[0] += int(correct[v])
            entry[1] += int(there[v])
        self.right[0] += int(agree.sum())
        self.right[1] += int(drawn.sum())


def _counts(labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=256)


def check(
    dataset: str, folder: str | None, sheet: Path | None = None, tell: Callable[[int, int, str], None] | None = None
) -> tuple[list[str], list[str]]:
    """Read every scan. Returns lines on what is there and which presets would work, and everything that is wrong.

    sheet: PNG to write, with some slices and their labels. tell: called as (cases done, cases in all, id of the case).
    Raises DataError when the folder does not hold the layout that the dataset's reader expects.
    """
    from alseg_core.data.prepare import verify
    from alseg_core.data.readers import READERS
    from alseg_core.data.readers.reader import DataProblems, problems_of

    file = DatasetFile(dataset, find("dataset", dataset))
    root = file.root(folder, "Then: alseg data check {entry} --data FOLDER")
    reader = READERS.build(file.content.get("reader"))
    problems: list[str] = []
    try:
        refs = reader.scan(Path(root) if root else None)
    except DataProblems as error:  # what is sound is read nevertheless
        refs, problems = list(error.usable), problems_of(error)
    else:
        problems += [f"case {case!r} is there twice" for case, n in Counter(ref.case for ref in refs).items() if n > 1]
    shown = places(len(refs)) if sheet is not None else {}
    tiles: list[Tile] = []
    seen = _Seen()
    scans: list[Scan] = []
    for at, ref in enumerate(refs):
        try:
            volume = reader.load(ref)
            verify(volume, ref, reader.labels)
        except DataError as error:
            problems += problems_of(error)
        else:
            seen.add(volume)
            has_mask, has_scribble = volume.mask is not None, volume.scribble is not None
            scans.append(Scan(ref.case, ref.patient, ref.attributes, len(volume.image), has_mask, has_scribble))
            tiles += tiles_of(volume, shown.get(at, ()))
        if tell is not None:
            tell(at + 1, len(refs), ref.case)
    lines = [f"{file.name}: {len(refs)} cases of {len({ref.patient for ref in refs})} patients"]
    groups = Counter(ref.group for ref in refs if ref.group)
    if groups:
        lines.append("groups: " + ", ".join(f"{name} {count}" for name, count in sorted(groups.items())))
    names = [str(name) for name in file.content.get("classes") or []]
    lines += _lines(seen, names)
    lines += presets(dataset, file.content, root, scans)
    if sheet is not None and tiles:
        write_sheet(sheet, lines[0], tiles, [_name(names, label) for label in reader.labels])
        lines.append(f"contact sheet: {sheet}")
    return lines, grouped(problems, root)


def grouped(problems: Sequence[str], root: str | None) -> list[str]:
    """What is wrong, one entry a kind: what is said of several files is said once, with their names below ``root``.

    A problem of a file is ``<path>: <what>``; where that names the file again, the kind has * in its place.
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for problem in problems:
        path, _, what = problem.partition(": ")
        if root is not None and what and Path(path).is_relative_to(root):
            own = Path(path).relative_to(root)
            name = re.escape(own.name.partition(".")[0])
            kind = re.sub(rf"(?<=/){name}|{name}(?=[._-])", "*", what)  # as a file's name, not as a word
            kinds.setdefault(kind, []).append((problem, str(own)))
        else:
            kinds.setdefault(problem, []).append((problem, ""))
    return [
        f"{len(members)} files: {kind} In {root}: {', '.join(name for _, name in members)}"
        if len(members) > 1
        else members[0][0]
        for kind, members in kinds.items()
    ]


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if label < len(names) else f"class {label} without a name"


def _lines(seen: _Seen, names: Sequence[str]) -> list[str]:
    lines = []
    if seen.depths:
        depth, spacing, shape = (np.array(part) for part in (seen.depths, seen.spacings, seen.shapes))
        lines.append(f"slices: {depth.sum()}, {depth.min()} to {depth.max()} a case")
        least, most = shape.min(axis=0), shape.max(axis=0)
        lines.append(f"rows x columns: {least[0]}x{least[1]} to {most[0]}x{most[1]}")
        spans = (f"{axis} {spacing[:, i].min():.2f} to {spacing[:, i].max():.2f}" for i, axis in enumerate("zyx"))
        lines.append("spacing (mm): " + ", ".join(spans))
    if seen.masks:
        held = (f"{v} {_name(names, v)} in {seen.labels[v]} cases" for v in sorted(seen.labels))
        lines.append("labels: " + ", ".join(held))
    lines.append(f"masks: {seen.masks} cases; scribbles: {seen.scribbles} cases")
    if seen.marked:
        shares = (f"{_name(names, v)} {100 * n / of:.2g} %" for v, (n, of) in sorted(seen.marked.items()))
        agree = 100 * seen.right[0] / max(seen.right[1], 1)
        lines.append(f"marked by scribbles: {', '.join(shares)} of the class; {agree:.2f} % agree with the mask")
    if seen.bare:
        shares = (f"{_name(names, v)} {100 * seen.bare[v] / seen.bare_pixels:.2g} %" for v in sorted(seen.bare))
        lines.append(f"marked by scribbles, in cases without mask: {', '.join(shares)} of all pixels")
    return lines
