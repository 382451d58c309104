"""Labels that annotators gave, slice by slice. Nothing is overwritten: a corrected slice supersedes the one before."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from alseg_core.atomic import replacing, write_atomic
from alseg_core.errors import LabelsAwaited, ResultsError, plural
from alseg_core.intact import content_of
from alseg_core.vocabulary import LabelArray

LIST = "labels.jsonl"
"""File that lists every slice ever given, oldest first."""
CHECK = "check"
"""Key of the checksum of a line."""


@dataclass(frozen=True, eq=False)
class Given:
    """One slice as an annotator gave it."""

    case: str
    """Id of the scan."""
    z: int
    """0-based number of the slice in the scan as it is read, (z, y, x)."""
    labels: LabelArray
    """Its labels, (h, w) uint8 class numbers on the native grid, IGNORE where nothing is marked."""
    round: int | None = None
    """0-based number of the request for it; None for one that was there before, or that nobody asked for."""
    annotator: str = ""
    """Who drew it; "" if not known."""
    source: str = ""
    """Name of the file that it came in."""
    sha256: str = ""
    """Checksum of that file."""
    minutes: float | None = None
    """Time that it took; None if not known."""
    as_proposed: bool = False
    """Whether it is exactly as a network proposed it."""


@dataclass(frozen=True)
class Entry:
    """One line of the list: where the labels of a slice are, and where they came from."""

    case: str
    z: int
    array: str
    """Name of the file with the labels, which is a checksum of its content."""
    round: int | None
    annotator: str
    source: str
    sha256: str
    minutes: float | None
    taken: str
    """When it was taken, in UTC, as in "2026-11-30T22:40:05Z"."""
    as_proposed: bool = False
    """Whether it is exactly as a network proposed it; lists of older versions do not say so."""


@dataclass(frozen=True)
class Returned:
    """The folder of the labels that annotators gave: a list, and one file per slice and version."""

    folder: Path

    def add(self, given: Sequence[Given]) -> list[Entry]:
        """Keep slices; return the entries of those whose labels, or whose time, are new.

        A slice that is given again without a time keeps its former time. Missing or damaged files are written again.
        The slices count once the list is on disk, all of them together. One writer at a time is the caller's care.
        """
        history = self.history()
        known = _latest(history)
        taken = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        new = []
        for slice_ in given:
            content = _packed(slice_.labels)
            name = f"{hashlib.sha256(content).hexdigest()[:32]}.npy"
            before = known.get((slice_.case, slice_.z))
            minutes = slice_.minutes if slice_.minutes is not None or before is None else before.minutes
            entry = Entry(
                slice_.case,
                slice_.z,
                name,
                slice_.round,
                slice_.annotator,
                slice_.source,
                slice_.sha256,
                minutes,
                taken,
                slice_.as_proposed,
            )
            path = self.folder / name
            if content_of(path) != content:
                self.folder.mkdir(parents=True, exist_ok=True)
                with replacing(path) as file:
                    file.write(content)
            if before is None or (before.array, before.minutes) != (name, minutes):
                new.append(entry)
        if new:
            write_atomic(self.folder / LIST, _lines([*history, *new]))
        return new

    def history(self) -> list[Entry]:
        """Return every entry, oldest first, without a last line that is cut off (:meth:`notes` tells of it).

        Raises ResultsError naming the first line that is damaged in another way, doubled, moved, or follows a lost one.
        """
        return self._read()[0]

    def notes(self) -> list[str]:
        """Return a line if the list ends in a line that is cut off, as a power cut can leave it: what it said is lost.

        Raises ResultsError as :meth:`history` does.
        """
        entries, cut = self._read()
        if not cut:
            return []
        return [
            f"{self.folder / LIST} ends in a line that is cut off, after {len(entries)} whole ones; it is left out: "
            "give what was given last once more"
        ]

    def _read(self) -> tuple[list[Entry], bool]:
        """Return the entries, and whether the list ends in a line that is cut off."""
        path = self.folder / LIST
        entries: list[Entry] = []
        before = ""
        *whole, last = (content_of(path) or b"").split(b"\n")
        for number, line in enumerate([*whole, last] if last else whole, start=1):
            try:
                entry, before = _entry(line, before)
            except ValueError as error:
                if number > len(whole):  # every line ends with a line end
                    return entries, True
                first = f", or keep only its first {plural(number - 1, 'line')}" if entries else ", or move it away"
                raise ResultsError(
                    f"{path}, line {number} is damaged ({error}); put back a copy of the file{first} and give what was "
                    "given since once more."
                ) from None
            entries.append(entry)
        return entries, False

    def latest(self) -> dict[tuple[str, int], Entry]:
        """Return (case, z) -> the entry that counts, which is its last one."""
        return _latest(self.history())

    def labels(self, slices: Iterable[tuple[str, int]]) -> list[LabelArray]:
        """Return the labels (h, w) uint8 of slices (case, z).

        Raises LabelsAwaited with the slices that nobody has given yet; ResultsError for a file that is damaged.
        """
        wanted, known = list(slices), self.latest()
        missing = [key for key in wanted if key not in known]
        if missing:
            raise LabelsAwaited(missing)
        return [self.read(known[key]) for key in wanted]

    def read(self, entry: Entry) -> LabelArray:
        """Return the labels (h, w) uint8 of an entry. Raises ResultsError if its file is missing or damaged."""
        path = self.folder / entry.array
        content = content_of(path)
        if content is None or hashlib.sha256(content).hexdigest()[:32] != path.stem:
            why = "is missing" if content is None else "is damaged"
            raise ResultsError(
                f"{path} with the labels of {entry.case}, slice {entry.z}, {why}; put back a copy, or give the labels "
                f"once more (they came from {entry.source or 'an unnamed file'})."
            )
        labels: LabelArray = np.load(io.BytesIO(content), allow_pickle=False)
        return labels


def _latest(entries: Sequence[Entry]) -> dict[tuple[str, int], Entry]:
    return {(entry.case, entry.z): entry for entry in entries}


def _lines(entries: Sequence[Entry]) -> str:
    """Return the list: a JSON mapping a line, with a checksum over it and the line before, so that gaps are found."""
    lines = []
    before = ""
    for entry in entries:
        before = _checksum(asdict(entry), before)
        lines.append(json.dumps({**asdict(entry), CHECK: before}, separators=(",", ":")) + "\n")
    return "".join(lines)


def _entry(line: bytes, before: str) -> tuple[Entry, str]:
    """Return the entry of a line, and its checksum. before: that of the line before. Raises ValueError: damaged."""
    try:
        content = json.loads(line)
        check = content.pop(CHECK)
        entry = Entry(**content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError("it is no entry of the list") from None
    if check != _checksum(content, before):
        raise ValueError("its checksum does not fit: it, or the line before it, was changed or lost")
    return entry, check


def _checksum(content: Mapping[str, object], before: str) -> str:
    text = before + json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _packed(labels: LabelArray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(labels, dtype=np.uint8), allow_pickle=False)
    return buffer.getvalue()
