"""What annotators say: which slices are done, and the time that they took. That a slice has pixels says nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from alseg_core.errors import some
from bench.project.manifest import Manifest


@dataclass(frozen=True)
class Mark:
    """What is said about one slice."""

    case: str
    z: int
    done: bool | None
    """None if only its time is known."""
    minutes: float | None
    annotator: str
    """Who says so; "" if not known."""
    where: str
    """File and line, or point."""
    empty: bool = False
    """Whether nothing is to be seen there, and the slice is done as it is."""
    returned: bool = True
    """Whether it came with the files; such marks go before those that lie in the folder of the round."""


@dataclass
class Marks:
    """What is said about all slices."""

    marks: list[Mark] = field(default_factory=list)

    def of(self, case: str, z: int, annotator: str) -> list[Mark]:
        """Return what is said about a slice for an annotator; what is said of nobody holds for everybody."""
        names = ("", annotator.casefold())
        here = [mark for mark in self.marks if (mark.case, mark.z) == (case, z)]
        return here if not annotator else [mark for mark in here if mark.annotator.casefold() in names]

    def done(self, case: str, annotator: str) -> set[int]:
        """Return the slices of a scan that an annotator says are done, and does not also say are not."""
        slices = {mark.z for mark in self.marks if mark.case == case}
        said = {z: self._said(case, z, annotator) for z in slices}
        lost = self.contradictions(case, annotator)
        return {z for z, marks in said.items() if z not in lost and any(mark.done for mark in marks)}

    def empty(self, case: str, annotator: str) -> set[int]:
        """Return the slices among :meth:`done` where nothing is to be seen, as the annotator says."""
        done = self.done(case, annotator)
        return {z for z in done if any(mark.empty for mark in self._said(case, z, annotator))}

    def denied(self, case: str, annotator: str) -> set[int]:
        """Return the slices of a scan that an annotator says are not done, whatever else is said."""
        slices = {mark.z for mark in self.marks if mark.case == case}
        return {z for z in slices if any(not mark.done for mark in self._said(case, z, annotator))}

    def contradictions(self, case: str, annotator: str) -> dict[int, tuple[Mark, Mark]]:
        """Return slice -> a mark that says done, and one of the same person that says not done."""
        found: dict[int, tuple[Mark, Mark]] = {}
        for z in sorted({mark.z for mark in self.marks if mark.case == case}):
            said = self._said(case, z, annotator)
            for yes, no in itertools.product(said, said):
                same = bool(annotator) or yes.annotator.casefold() == no.annotator.casefold()
                if yes.done and not no.done and same:
                    found.setdefault(z, (yes, no))
        return found

    def _said(self, case: str, z: int, annotator: str) -> list[Mark]:
        """Return the marks that say done or not done: those that came with the files, else those of the round."""
        said = [mark for mark in self.of(case, z, annotator) if mark.done is not None]
        return [mark for mark in said if mark.returned] or said

    def minutes(self, case: str, z: int, annotator: str) -> float | None:
        """Return the time that a slice took, as it was said last."""
        said = [mark.minutes for mark in self.of(case, z, annotator) if mark.minutes is not None]
        return said[-1] if said else None

    def who(self, case: str, z: int) -> str:
        """Return who is said to have done a slice, several joined by "+"."""
        return "+".join(sorted({mark.annotator for mark in self.of(case, z, "") if mark.done and mark.annotator}))


def slice_at(manifest: Manifest, case: str, index: int) -> int | None:
    """Return the slice (z) at a 0-based index along the stored axis of the slices; None if there is none."""
    scan = manifest.scan(case)
    if not 0 <= index < scan.depth:
        return None
    return scan.axes.locate(index, scan.depth)[1]  # mirroring undoes itself


def numbers(manifest: Manifest, case: str, slices: Iterable[int]) -> str:
    """Return slices as the work list counts them: by their index along the stored axis, from 0, ascending."""
    scan = manifest.scan(case)
    return some([str(index) for index in sorted(scan.axes.locate(z, scan.depth)[1] for z in slices)], 12)


def counted(manifest: Manifest, case: str, slices: Iterable[int]) -> str:
    """Return "slice 3" or "slices 3, 4" as the work list counts them."""
    found = list(slices)
    return f"slice{'s' if len(found) > 1 else ''} {numbers(manifest, case, found)}"
