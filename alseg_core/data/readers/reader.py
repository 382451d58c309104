"""What a reader is: it finds the cases of one dataset on disk and loads them one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from alseg_core.errors import DataError
from alseg_core.vocabulary import Volume

Part = tuple[NDArray[Any], tuple[float, float, float]]
"""Voxels (D, H, W) and their spacing (z, y, x) in mm."""

SHOWN = 20
"""Problems that one message lists before it only counts the rest."""


@dataclass(frozen=True)
class CaseRef:
    """One scan that was found and not yet loaded.

    case: unique id. patient: id of the person. group: phase or modality. files: path of each part ("image", "mask",
    "scribble") that exists; empty for generated data. attributes: further facts, such as the pathology.
    """

    case: str
    patient: str
    group: str = ""
    files: dict[str, Path] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)


class Reader(Protocol):
    """Finds and loads the scans of one dataset.

    labels: class numbers a mask may hold, 0..K-1: a constant of the class, or a field where only the user knows them.
    paper: what to cite. licence: terms of the data. source: where to get it. layout: expected folders and files.
    """

    paper: ClassVar[str]
    licence: ClassVar[str]
    source: ClassVar[str]
    layout: ClassVar[str]

    @property
    def labels(self) -> tuple[int, ...]:
        """Class numbers a mask may hold."""
        ...

    def scan(self, root: Path | None) -> list[CaseRef]:
        """Cases below ``root``, sorted by id, without reading voxels.

        One :class:`DataProblems` lists everything that is wrong, and holds the cases that can be read nevertheless.
        """
        ...

    def load(self, ref: CaseRef) -> Volume:
        """The scan in its native geometry. Raises DataError naming the file, or all files that are wrong."""
        ...


class DataProblems(DataError):
    """Several things that are wrong at once.

    problems: all of them, also where the message only counts the last ones. usable: cases that they do not concern.
    """

    def __init__(self, message: str, problems: Sequence[str] = (), usable: Sequence[CaseRef] = ()) -> None:
        super().__init__(message)
        self.problems, self.usable = tuple(problems), tuple(usable)


def wrong(problems: Sequence[str], where: str, usable: Sequence[CaseRef] = ()) -> DataProblems:
    """The error to raise for all problems found in ``where``."""
    return DataProblems(complaint(problems, where), problems, usable)


def problems_of(error: DataError) -> list[str]:
    """What is wrong, one entry a problem."""
    return list(error.problems) if isinstance(error, DataProblems) else [str(error)]


def read_parts(ref: CaseRef, readers: Mapping[str, Callable[[Path], Part]]) -> dict[str, Part]:
    """What the reader of each part makes of the part's file, for the parts that the case has.

    All files are tried before one error names those that cannot be read.
    """
    parts: dict[str, Part] = {}
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
    """One message for all problems found in ``where``."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"{len(problems)} problems in {where}:", *(f"  - {problem}" for problem in problems[:SHOWN])]
    if len(problems) > SHOWN:
        lines.append(f"  ... and {len(problems) - SHOWN} more.")
    return "\n".join(lines)
