"""What a reader is: it finds the cases of one dataset on disk and loads them one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from alseg_core.vocabulary import Volume

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
        """Cases below ``root``, sorted by id, without reading voxels. One DataError lists everything that is wrong."""
        ...

    def load(self, ref: CaseRef) -> Volume:
        """The scan in its native geometry. Raises DataError naming the file."""
        ...


def complaint(problems: Sequence[str], where: str) -> str:
    """One message for all problems found in ``where``."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"{len(problems)} problems in {where}:", *(f"  - {problem}" for problem in problems[:SHOWN])]
    if len(problems) > SHOWN:
        lines.append(f"  ... and {len(problems) - SHOWN} more.")
    return "\n".join(lines)
