"""All runs of a dataset have its split, with no patient in two parts; it is made again where the scans are there."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alseg_core.data.splits import PARTS, Case, of_run, per_run
from alseg_core.errors import AlsegError
from bench.bundle.finding import Finding, note
from bench.bundle.fingerprint import with_names
from bench.bundle.loaded import load
from bench.bundle.opened import Bundle, label
from bench.bundle.private import CASE, PATIENT, pseudonym
from bench.report.runs.run import Run


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield patients in two parts, runs with another split or other data, and splits that the data do not give."""
    for run in bundle.started:
        yield from _overlap(run)
        yield from _counts(run)
        yield from _rooted(bundle, run)
    for dataset in dict.fromkeys(run.setting[0] for run in bundle.started):
        runs = [run for run in bundle.started if run.setting[0] == dataset]
        first = runs[0]
        known = bundle.loaded[first.key].dataset
        own = known is not None and per_run(known.split)
        for run in runs[1:]:
            if run.data_key != first.data_key:
                yield Finding(f"{label(run)} was made with other data, {run.data_key}, than {label(first)}")
            elif _origin(run) != _origin(first):
                yield Finding(f"{label(run)} reads or prepares the same data otherwise than {label(first)}")
            alike = next((other for other in runs if not own or other.seed == run.seed), first)
            if _data(run)["cases"] != _data(alike)["cases"]:
                yield Finding(f"{label(run)} has another split than {label(alike)}")
            elif any(_data(run).get(fact) != _data(alike).get(fact) for fact in ("slices", "volumes", "patient_of")):
                yield Finding(f"{label(run)} has other sizes or patients of the data than {label(alike)}")
    yield from _again(bundle)


def _data(run: Run) -> Mapping[str, Any]:
    data: Mapping[str, Any] = run.environment["data"]
    return data


def _overlap(run: Run) -> Iterator[Finding]:
    cases, owner = _data(run)["cases"], _data(run)["patient_of"]
    for one, other in itertools.combinations(PARTS, 2):
        if both := set(cases.get(one, ())) & set(cases.get(other, ())):
            yield Finding(f"{label(run)}: {len(both)} cases are in {one} and in {other}")
        elif both := {owner.get(case) for case in cases.get(one, ())} & {
            owner.get(case) for case in cases.get(other, ())
        }:
            yield Finding(f"{label(run)}: {len(both)} patients are in {one} and in {other}")


def _origin(run: Run) -> tuple[Any, Any]:
    """Return the settings that the key of the data depends on."""
    dataset = (run.config or {})["dataset"]
    return dataset.get("reader"), dataset.get("prepare")


def _counts(run: Run) -> Iterator[Finding]:
    """Check the numbers of volumes and patients, which reports show."""
    cases, owner = _data(run)["cases"], _data(run)["patient_of"]
    for part in PARTS:
        own = cases.get(part, ())
        for what, count in (("volumes", len(own)), ("patients", len({owner.get(case) for case in own}))):
            if (told := _data(run).get(what, {}).get(part, count)) != count:
                yield Finding(f"{label(run)}: {told} {what} of {part} are recorded, and {count} are listed")


def _rooted(bundle: Bundle, run: Run) -> Iterator[Finding]:
    """Check that data whose reader makes them are from no folder, as no study writes one."""
    root = (run.config or {})["dataset"].get("root")
    if root is not None and run.setting[0] in bundle.generated:
        yield Finding(f"{label(run)}: its scans are from {root}, and its reader generates them")


def _again(bundle: Bundle) -> Iterator[Finding]:
    """Divide the data that are there again, and compare."""
    try:
        scanned = bundle.scanned
    except AlsegError as error:
        yield note(f"the split was not made again: {error}")
        return
    unknown = {run.setting[0] for run in bundle.started} - set(scanned)
    if unknown:
        yield note(f"the split of {', '.join(sorted(unknown))} was not made again: its scans are not here (--data)")
    for run in bundle.started:
        cases = scanned.get(run.setting[0])
        if cases is None or bundle.loaded[run.key].dataset is None:
            continue
        names = {pseudonym(case.patient, PATIENT): case.patient for case in cases}
        named = load(with_names(run.config or {}, names))
        if named.dataset is None:
            yield Finding(f"{label(run)}: its split cannot be made of the data: {named.fault}")
            continue
        try:
            divided = dataclasses.asdict(of_run(named.dataset.split, run.seed).assign(cases))
        except AlsegError as error:
            yield Finding(f"{label(run)}: its split cannot be made of the data: {error}")
            continue
        told = {part: [pseudonym(case, CASE) for case in _data(run)["cases"].get(part, ())] for part in PARTS}
        made = {part: [pseudonym(case, CASE) for case in divided[part]] for part in PARTS}
        if told != made:
            wrong = ", ".join(part for part in PARTS if told[part] != made[part])
            yield Finding(f"{label(run)}: its split is not the one that its settings give ({wrong} differ)")
        yield from _owners(run, cases)


def _owners(run: Run, cases: Sequence[Case]) -> Iterator[Finding]:
    """Check whose the cases are, which intervals over patients depend on."""
    owner = {pseudonym(case.case, CASE): pseudonym(case.patient, PATIENT) for case in cases}
    told = {pseudonym(case, CASE): pseudonym(name, PATIENT) for case, name in _data(run)["patient_of"].items()}
    listed = {pseudonym(case, CASE) for part in _data(run)["cases"].values() for case in part}
    if wrong := sorted(case for case in {*told, *listed} if owner.get(case) != told.get(case)):
        yield Finding(f"{label(run)}: {len(wrong)} cases are of other patients in the data, such as {wrong[0]}")
