"""Check of raw scans: their contents, every problem, and a contact sheet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from alseg_core.data.readers.reader import CaseRef
from alseg_core.errors import DataError
from bench.datasets.contact_sheet import Tile, check_path, places, tiles_of, write_sheet
from bench.datasets.contents import Contents, class_name
from bench.datasets.preset_fit import PresetFit, Scan
from bench.study import DatasetFile, find
from bench.study.dataset_file import DATA_HINT

EXAMPLES = 4
"""Most scans that the example of a patient shows."""
Progress = Callable[[int, int, str], None]
"""Called with (cases done, cases in total, id of the case)."""


def check(
    dataset: str, folder: str | None, sheet: Path | None = None, progress: Progress | None = None
) -> tuple[list[str], list[str]]:
    """Read every scan; return lines on the contents and on which presets would work, and all problems.

    sheet: PNG to write, with some slices and their labels. Raises DataError when the folder does not have the layout
    that the dataset's reader expects, ResultsError when the sheet cannot be written.
    """
    from alseg_core.data.prepare import classes_of, is_constant, verify
    from alseg_core.data.readers import READERS
    from alseg_core.data.readers.reader import DataProblems, Noting, problems_of

    file = DatasetFile(dataset, find("dataset", dataset))
    file.check_folder(folder, DATA_HINT)
    root = file.root(folder)
    reader = READERS.build(file.content.get("reader"))
    if sheet is not None:
        check_path(sheet)  # before hours of reading
    problems: list[str] = []
    try:
        refs = reader.scan(Path(root) if root else None)
    except DataProblems as error:  # the other cases are read nevertheless
        refs, problems = list(error.usable), problems_of(error)
    else:
        problems += [f"case {case!r} exists twice" for case, n in Counter(ref.case for ref in refs).items() if n > 1]
    shown = places(len(refs)) if sheet is not None else {}
    tiles: list[Tile] = []
    contents = Contents()
    scans: list[Scan] = []
    for at, ref in enumerate(refs):
        try:
            volume = reader.load(ref)
            verify(volume, ref, reader.labels)
        except DataError as error:
            problems += problems_of(error)
        else:
            contents.add(volume)
            has_mask, has_scribble = volume.mask is not None, volume.scribble is not None
            held, flat = classes_of(volume), is_constant(volume)
            facts = (ref.case, ref.patient, ref.attributes, len(volume.image), has_mask, has_scribble, held, flat)
            scans.append(Scan(*facts))
            tiles += tiles_of(volume, shown.get(at, ()))
        if progress is not None:
            progress(at + 1, len(refs), ref.case)
    lines = [f"{file.name}: {len(refs)} cases of {len({ref.patient for ref in refs})} patients", *_patients(refs)]
    groups = Counter(ref.group for ref in refs if ref.group)
    if groups:
        lines.append("groups: " + ", ".join(f"{name} {count}" for name, count in sorted(groups.items())))
    classes = [str(name) for name in file.content.get("classes") or []]
    lines += contents.lines(classes)
    if constant := [scan.case for scan in scans if scan.constant]:
        lines.append(f"warning: the image of {', '.join(constant)} is constant: it shows nothing to segment")
    if root and isinstance(reader, Noting):
        lines += reader.notes(Path(root))
    fits = list(PresetFit(dataset, root, scans).lines(file.content))
    lines += fits
    if fits and not any(": works" in line for line in fits) and not problems:
        problems.append("no preset works with these scans; what each lacks is said above.")
    if sheet is not None and tiles:
        write_sheet(sheet, lines[0], tiles, [class_name(classes, label) for label in reader.labels])
        lines.append(f"contact sheet: {sheet}")
    return lines, grouped(problems, root)


def _patients(refs: Sequence[CaseRef]) -> list[str]:
    """Return a line on what counts as a patient: how many scans each has, and an example."""
    scans: dict[str, list[str]] = {}
    for ref in refs:
        scans.setdefault(ref.patient, []).append(ref.case)
    if not scans:
        return []
    counts = Counter(map(len, scans.values()))
    patient = max(scans, key=lambda name: len(scans[name]))
    spread = ", ".join(f"{count} with {n} scan{'s' * (n > 1)}" for n, count in sorted(counts.items()))
    shown = ", ".join(scans[patient][:EXAMPLES]) + (" ..." if len(scans[patient]) > EXAMPLES else "")
    return [f"patients: {spread}; for example patient {patient}: {shown}"]


def grouped(problems: Sequence[str], root: str | None) -> list[str]:
    """Group equal problems of several files to one entry each, with the names of the files below ``root``.

    A problem of a file is ``<path>: <what>``. Where the description repeats the name of the file, the group shows "*".
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
