"""Protocol of readers: they find the cases of a dataset on disk and load them one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from alseg_core.errors import DataError
from alseg_core.vocabulary import Volume

SHOWN = 20
"""Most problems that one message lists; it counts the rest."""


@dataclass(frozen=True)
class CaseRef:
    """One scan that was found but not yet loaded."""

    case: str
    """Unique id of the scan."""
    patient: str
    """Id of the person."""
    group: str = ""
    """Phase or modality."""
    files: dict[str, Path] = field(default_factory=dict)
    """Part ("image", "mask", "scribble") -> path, for the parts that exist; empty for generated data."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Further facts to stratify splits by, such as the pathology."""


class Reader(Protocol):
    """Finds and loads the scans of one dataset."""

    paper: ClassVar[str]
    """What to cite."""
    licence: ClassVar[str]
    """Terms of the data."""
    source: ClassVar[str]
    """Where to get the data."""
    layout: ClassVar[str]
    """Expected folders and files."""

    @property
    def labels(self) -> tuple[int, ...]:
        """Class numbers 0..K-1 that a mask may hold: a constant of the class, or a field that the user sets."""
        ...

    def scan(self, root: Path | None) -> list[CaseRef]:
        """Return the cases below ``root``, sorted by id, without reading voxels.

        Raises one :class:`DataProblems` that lists every problem and holds the cases that can be read nevertheless.
        """
        ...

    def load(self, ref: CaseRef) -> Volume:
        """Load a scan in its native geometry. Raises DataError naming every file with a problem."""
        ...


@runtime_checkable
class Noting(Protocol):
    """A reader that has more to say about a folder in ``alseg data check``."""

    def notes(self, root: Path) -> list[str]:
        """Return lines about the data below ``root``, such as files that are not read."""
        ...


class DataProblems(DataError):
    """Several problems at once.

    problems: all of them, whereas the message counts the ones beyond :data:`SHOWN`. usable: cases without a problem.
    """

    def __init__(self, message: str, problems: Sequence[str] = (), usable: Sequence[CaseRef] = ()) -> None:
        super().__init__(message)
        self.problems, self.usable = tuple(problems), tuple(usable)


def wrong(problems: Sequence[str], where: str, usable: Sequence[CaseRef] = ()) -> DataProblems:
    """Return the error to raise for all problems found in ``where``."""
    return DataProblems(complaint(problems, where), problems, usable)


def problems_of(error: DataError) -> list[str]:
    """Return the problems of an error, one entry each."""
    return list(error.problems) if isinstance(error, DataProblems) else [str(error)]


def read_parts(ref: CaseRef, readers: Mapping[str, Callable[[Path], Any]]) -> dict[str, Any]:
    """Read the file of each part that the case has, with the function for that part.

    All files are tried before one DataError names every file that cannot be read.
    """
    parts: dict[str, Any] = {}
    problems: list[str] = []
    for part, read in readers.items():
        if part in ref.files:
            try:
                parts[part] = read(ref.files[part])
            except DataError as error:
                problems += problems_of(error)
    if problems:
        raise wrong(problems, f"case {ref.case!r}")
    return parts


def complaint(problems: Sequence[str], where: str) -> str:
    """Return one message for all problems found in ``where``."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"{len(problems)} problems in {where}:", *(f"  - {problem}" for problem in problems[:SHOWN])]
    if len(problems) > SHOWN:
        lines.append(f"  ... and {len(problems) - SHOWN} more.")
    return "\n".join(lines)
