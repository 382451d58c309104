"""CSV files that say which slices are done and what time they took, as people and Excel save them."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alseg_core.errors import DataError, ResultsError, shown, some
from alseg_core.intact import content_of
from bench.project.manifest import Manifest, Scan
from bench.project.returns.marks import Mark, slice_at

DONE = frozenset(
    {
        "yes",
        "y",
        "x",
        "1",
        "1.0",
        "true",
        "t",
        "ja",
        "j",
        "wahr",
        "oui",
        "o",
        "vrai",
        "si",
        "sí",
        "s",
        "done",
        "ok",
        "fertig",
        "✓",
        "✔",
    }
)
"""What people write for "done"."""
OPEN = frozenset({"no", "n", "0", "0.0", "false", "f", "nein", "falsch", "non", "faux", "-", "todo", "open"})
"""What people write for "not done"; an empty cell says nothing."""
EMPTY = frozenset({"empty", "leer", "vide"})
"""What people write for "done, and nothing is to be seen there"."""
LONGEST_MINUTES = 24 * 60
"""A longer time for one slice is a slip."""
AXES = {
    name: axis for axis, names in enumerate(("0 i x first", "1 j y second", "2 k z third")) for name in names.split()
}
"""Names of the stored axes."""


@dataclass(frozen=True)
class Column:
    """A column of a table under each name that it may have."""

    names: tuple[str, ...]

    def of(self, row: Mapping[str, str]) -> str | None:
        """Return its text in a row; None if the table does not have it."""
        return next((row[name].strip() for name in self.names if name in row), None)


CASE = Column(("case",))
SLICES = {"index": 0, "itksnap_slice": 1, "mitk_slice": 0}
"""Columns that tell the slice, and the number that each begins to count with along the stored axis."""
AXIS = Column(("axis",))
FINISHED = Column(("done",))
MINUTES = Column(("minutes", "min"))
ANNOTATOR = Column(("annotator",))


def read_table(
    path: Path, name: str, manifest: Manifest, *, listed: bool, annotator: str = "", others: bool = False
) -> tuple[list[Mark], list[str]]:
    """Return what a table says about slices, and its problems, one line each.

    Args:
        path: a CSV file, separated by comma, semicolon or tab, in UTF-8, UTF-16 or the encoding of Windows. Its columns
            are case, those of :data:`SLICES` (one or more), and any of done, minutes, annotator and axis.
        name: how to call it in problems.
        manifest: the round.
        listed: whether a row says that its slice is done where the table has no column done.
        annotator: who a row speaks for that names nobody.
        others: whether rows may be about scans that are not in this round, as in a list of times that is continued.
    """
    try:
        rows = _rows(path)
    except DataError as error:
        return [], [f"{name}: {error}"]
    marks, problems = [], []
    cases = {scan.case for scan in manifest.scans}
    for line, row in rows:
        if others and CASE.of(row) not in cases:
            continue
        where = f"{name}, line {line}"
        try:
            mark = _mark(row, where, manifest, listed, annotator)
        except DataError as error:
            problems.append(f"{where}: {error}")
            continue
        if mark is not None:
            marks.append(mark)
    return marks, problems


def _mark(row: dict[str, str], where: str, manifest: Manifest, listed: bool, annotator: str) -> Mark | None:
    if not any(row.values()):
        return None
    said = FINISHED.of(row)
    done, minutes = _finished(said, listed), _minutes(MINUTES.of(row) or "")
    if done is None and minutes is None:
        return None
    case, z = _slice(row, manifest)
    empty = said is not None and said.casefold() in EMPTY
    return Mark(case, z, done, minutes, ANNOTATOR.of(row) or annotator, where, empty)


def _slice(row: dict[str, str], manifest: Manifest) -> tuple[str, int]:
    case, cases = CASE.of(row) or "", [scan.case for scan in manifest.scans]
    if case not in cases:
        raise DataError(f"there is no case {shown(case)} in this round; there are {some(cases)}.")
    scan = manifest.scan(case)
    axis = AXIS.of(row)
    if axis and AXES.get(axis.split()[0].casefold(), scan.axes.order[0]) != scan.axes.order[0]:
        raise DataError(
            f"axis {shown(axis)} is not that of the slices of {case}, which is {'ijk'[scan.axes.order[0]]}."
        )
    told = {name: row[name].strip() for name in SLICES if row.get(name, "").strip()}
    if not told:
        raise DataError(f"it tells no slice of {case}.")
    found = {name: _index(name, text, scan) for name, text in told.items()}
    if len(set(found.values())) > 1:
        both = " and ".join(f"{name} {text}" for name, text in told.items())
        raise DataError(f"{both} are not the same slice of {case}.")
    z = slice_at(manifest, case, next(iter(found.values())))
    assert z is not None
    return case, z


def _index(name: str, text: str, scan: Scan) -> int:
    """Return the 0-based index that a column tells. Raises DataError if there is no such slice."""
    number, first = _number(text), SLICES[name]
    if number is None or not number.is_integer() or not first <= number < first + scan.depth:
        raise DataError(
            f"there is no slice {shown(text)} in {scan.case}; {name} counts from {first} to {first + scan.depth - 1}."
        )
    return int(number) - first


def _finished(text: str | None, listed: bool) -> bool | None:
    """Return whether a row says done; None if it says neither."""
    if text is None:
        return listed or None
    if not text:
        return None
    if text.casefold() in DONE | EMPTY:
        return True
    if text.casefold() in OPEN:
        return False
    raise DataError(f"done must be yes, no or empty, got {shown(text)}.")


def _minutes(text: str) -> float | None:
    if not text:
        return None
    minutes = _number(text)
    if minutes is None or not 0 <= minutes <= LONGEST_MINUTES:
        raise DataError(f"minutes must be a number from 0 to {LONGEST_MINUTES}, got {shown(text)}.")
    return minutes


def _number(text: str) -> float | None:
    """Return a number with a point or a comma before its decimals; None if it is no finite one."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows with their line numbers. Raises DataError without the file's name."""
    text = _text(path)
    first = text.split("\n", 1)[0]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(",;\t", key=first.count))
    try:
        head = [column.strip().casefold() for column in next(reader, [])]
        if not any(name in head for name in CASE.names) or not any(name in head for name in SLICES):
            found = ", ".join(filter(None, head)) or "none"
            why = " slice alone does not say how it counts." if "slice" in head else ""
            raise DataError(
                "it needs the columns case and one of index (from 0), itksnap_slice (from 1) and mitk_slice (from 0); "
                f"its columns are {found}.{why}"
            )
        return [(reader.line_num, dict(zip(head, row, strict=False))) for row in reader]
    except csv.Error as error:
        raise DataError(f"it is no CSV file ({error}).") from None


def _text(path: Path) -> str:
    try:
        content = content_of(path)
    except ResultsError as error:
        raise DataError(str(error)) from None
    if content is None:
        raise DataError("it does not exist.")
    encodings = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError("it is no text.")
