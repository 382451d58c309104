"""CSV files that say which slices are done and what time they took, as people and Excel save them."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alseg_core.errors import DataError, ResultsError, shown, some
from alseg_core.intact import content_of
from bench.project.manifest import Manifest
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
OPEN = frozenset({"", "no", "n", "0", "0.0", "false", "f", "nein", "falsch", "non", "faux", "-", "todo", "open"})
"""What people write for "not done"."""
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
INDEX = Column(("index", "slice"))
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
            are case, index (or slice; 0-based along the stored axis), and any of done, minutes, annotator and axis.
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
    done, minutes = _finished(FINISHED.of(row), listed), _minutes(MINUTES.of(row) or "")
    if not done and minutes is None:
        return None
    case, z = _slice(row, manifest)
    return Mark(case, z, done, minutes, ANNOTATOR.of(row) or annotator, where)


def _slice(row: dict[str, str], manifest: Manifest) -> tuple[str, int]:
    case, index, cases = CASE.of(row) or "", INDEX.of(row) or "", [scan.case for scan in manifest.scans]
    if case not in cases:
        raise DataError(f"there is no case {shown(case)} in this round; there are {some(cases)}.")
    scan = manifest.scan(case)
    axis = AXIS.of(row)
    if axis and AXES.get(axis.split()[0].casefold(), scan.axes.order[0]) != scan.axes.order[0]:
        raise DataError(
            f"axis {shown(axis)} is not that of the slices of {case}, which is {'ijk'[scan.axes.order[0]]}."
        )
    number = _number(index)
    z = slice_at(manifest, case, int(number)) if number is not None and number.is_integer() else None
    if z is None:
        raise DataError(f"there is no slice {shown(index)} in {case}; they are numbered 0 to {scan.depth - 1}.")
    return case, z


def _finished(text: str | None, listed: bool) -> bool:
    if text is None:
        return listed
    if text.casefold() in DONE:
        return True
    if text.casefold() in OPEN:
        return False
    raise DataError(f"done must be yes or no, got {shown(text)}.")


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
        if not any(name in head for name in CASE.names) or not any(name in head for name in INDEX.names):
            found = ", ".join(filter(None, head)) or "none"
            raise DataError(f"it needs the columns case and index (or slice); its columns are {found}.")
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
