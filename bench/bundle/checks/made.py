"""Generated data are made again where scores are, which takes milliseconds a case: their structures and slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alseg_core.data.prepare import classes_of
from alseg_core.data.readers import CaseRef, Reader
from alseg_core.data.readers.phantom import Phantom
from bench.bundle.checks.scores import truth_holds
from bench.bundle.finding import Finding, note
from bench.bundle.opened import Bundle, label, scored_part
from bench.bundle.private import CASE, pseudonym
from bench.report.runs.run import Run

MOST_PIXELS = 2**26
"""Most pixels of the scored cases, one slice of each, that are made again: some 4000 of the default size."""
LARGEST = 512
"""Largest side of a slice that is made, in pixels; a stranger's settings may ask for any."""


@dataclass(frozen=True)
class _Made:
    """What a case holds."""

    slices: int
    classes: tuple[int, ...]


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield runs whose scored cases hold other structures or numbers of slices than generating them gives."""
    for name, (dataset, cases) in bundle.generated.items():
        refs = {pseudonym(case.case, CASE): case for case in cases}
        known: dict[str, _Made] = {}
        for run in (run for run in bundle.started if run.setting[0] == name):
            scored = [pseudonym(case, CASE) for case in run.environment["data"]["cases"].get(scored_part(run), ())]
            if not set(scored) <= set(refs):
                continue  # told by the check of the split
            if not _small(dataset.reader, len(set(scored) | set(known))):
                yield note(f"structures of {name} were not made again: its scored cases are many or large")
                break
            known |= {case: _make(dataset.reader, refs[case]) for case in scored if case not in known}
            yield from _slices(run, sum(known[case].slices for case in scored))
            yield from _structures(run, known)


def _small(reader: Reader, cases: int) -> bool:
    side = reader.size if isinstance(reader, Phantom) else LARGEST
    return side <= LARGEST and cases * side**2 <= MOST_PIXELS


def _make(reader: Reader, ref: CaseRef) -> _Made:
    volume = reader.load(ref)
    return _Made(len(volume.image), classes_of(volume))


def _slices(run: Run, made: int) -> Iterator[Finding]:
    part = scored_part(run)
    told = run.environment["data"]["slices"].get(part)
    if part != "none" and told != made:
        yield Finding(f"{label(run)}: {told} slices of {part} volumes are recorded, and the data have {made}")


def _structures(run: Run, known: dict[str, _Made]) -> Iterator[Finding]:
    number = {name: value for value, name in enumerate((run.config or {})["dataset"]["classes"])}
    for record in run.records:
        for row in record.volumes:
            made, name = known.get(pseudonym(str(row["case"]), CASE)), str(row["class"])
            if made is None or name not in number:
                continue  # told by the check of the means
            holds = truth_holds(row)
            if holds != (number[name] in made.classes):
                does = f"{'holds' if holds else 'lacks'} {name}, unlike the data"
                yield Finding(f"{label(run)}, round {record.round + 1}: the truth of {row['case']} {does}")
