"""Which cases train, validate and test; a patient is never in two parts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from alseg_core.errors import SplitError
from alseg_core.registry import Registry, component
from alseg_core.seeding import stream

PARTS = ("train", "val", "test")

NAMED = 30
"""Patients that a message names; of more it shows the ends."""


@dataclass(frozen=True)
class Split:
    """Case ids of each part, in the order of the data."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


class Case(Protocol):
    """What a split looks at; a case that was found and one that was prepared have it alike."""

    @property
    def case(self) -> str:
        """Unique id of the scan."""

    @property
    def patient(self) -> str:
        """Id of the person."""

    @property
    def attributes(self) -> dict[str, str]:
        """Further facts, such as the pathology."""


class Splitter(Protocol):
    """Divides a dataset by patient."""

    def assign(self, cases: Sequence[Case]) -> Split:
        """Split of the cases. Raises SplitError when the data cannot be divided this way."""
        ...


def expand(entries: Any) -> Any:
    """Patient ids of entries such as "patient001..patient080": an inclusive range with its zero padding."""
    if not isinstance(entries, (list, tuple)):
        raise ValueError("expected a list of patient ids or ranges")
    out: list[str] = []
    for entry in map(str, entries):
        if ".." not in entry:
            out.append(entry)
            continue
        found = re.fullmatch(r"(.*?)(\d+)\.\.(.*?)(\d+)", entry)
        if found is None or found[1] != found[3] or int(found[2]) > int(found[4]):
            raise ValueError(f"{entry!r} is no range like 'patient001..patient080'")
        out += [f"{found[1]}{i:0{len(found[2])}d}" for i in range(int(found[2]), int(found[4]) + 1)]
    return tuple(out)


Patients = Annotated[tuple[str, ...], BeforeValidator(expand), Field(min_length=1)]


@component
class ByPatient:
    """The listed patients in each part; "patient001..patient080" is an inclusive range.

    Patients that are not listed are unused.
    """

    train: Patients
    val: Patients
    test: Patients

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        listed = [*self.train, *self.val, *self.test]
        twice = sorted({patient for patient in listed if listed.count(patient) > 1})
        if twice:
            raise ValueError(f"each patient may be listed once; listed twice: {', '.join(twice)}")
        return self

    def assign(self, cases: Sequence[Case]) -> Split:
        """Split of the cases; a SplitError names the listed patients that the data lack."""
        present = {case.patient for case in cases}
        parts = {part: getattr(self, part) for part in PARTS}
        missing = {part: [p for p in ids if p not in present] for part, ids in parts.items()}
        lacking = [
            f"{part} lacks {len(ids)} of {len(parts[part])} patients ({_some(ids)})"
            for part, ids in missing.items()
            if ids
        ]
        if lacking:
            raise SplitError(
                f"the data hold {len(present)} patients ({_some(sorted(present))}), not all that this split lists: "
                f"{'; '.join(lacking)}. Is a folder of the dataset missing, such as the one with the test patients?"
            )
        return _divide(cases, {patient: part for part, ids in parts.items() for patient in ids})


@component
class Stratified:
    """Whole patients drawn at random, with the same shares of every stratum in each part.

    by: attribute whose values are the strata; null: all patients are one stratum, a plain random split. train, val,
    test: shares, sum 1; within a stratum the numbers follow the largest remainder. seed: of the draw.
    """

    by: str | None = "pathology"
    train: Annotated[float, Field(gt=0, lt=1)] = 0.65
    val: Annotated[float, Field(gt=0, lt=1)] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] = 0.25
    seed: int = 0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(f"train + val + test must be 1, got {self.train + self.val + self.test:g}")
        return self

    def assign(self, cases: Sequence[Case]) -> Split:
        """Split of the cases; SplitError for fewer than three patients or a patient without the attribute."""
        strata: dict[str, list[str]] = defaultdict(list)
        for patient, value in sorted(self._values(cases).items()):
            strata[value].append(patient)
        members: dict[str, list[str]] = {part: [] for part in PARTS}
        for value, patients in sorted(strata.items()):
            drawn = [patients[i] for i in stream(self.seed, "split", value).permutation(len(patients))]
            for part, count in zip(PARTS, apportion(len(drawn), (self.train, self.val, self.test)), strict=True):
                members[part] += drawn[:count]
                drawn = drawn[count:]
        for part in PARTS:
            if not members[part]:
                members[part].append(max(members.values(), key=len).pop())
        return _divide(cases, {patient: part for part, patients in members.items() for patient in patients})

    def _values(self, cases: Sequence[Case]) -> dict[str, str]:
        """Stratum of each patient, the empty one for all of them without an attribute to go by."""
        values: dict[str, set[str | None]] = defaultdict(set)
        for case in cases:
            values[case.patient].add("" if self.by is None else case.attributes.get(self.by))
        wrong = [patient for patient, found in values.items() if len(found) > 1 or None in found]
        if wrong:
            known = sorted({name for case in cases for name in case.attributes})
            raise SplitError(
                f"a split stratified by {self.by!r} needs one such attribute a patient; none or several in "
                f"{_some(wrong)}. Attributes in the data: {', '.join(known) or 'none'}."
            )
        if len(values) < len(PARTS):
            raise SplitError(f"train, val and test need at least 3 patients, the data hold {len(values)}.")
        return {patient: str(next(iter(found))) for patient, found in values.items()}


SPLITS: Registry[Splitter] = Registry("split", {"patients": ByPatient, "stratified": Stratified}, Splitter)


def apportion(count: int, shares: Sequence[float]) -> list[int]:
    """``count`` things in whole numbers by the largest remainder; ties go to the earlier share."""
    exact = np.asarray(shares) * count
    whole = np.floor(exact + 1e-9).astype(int)
    rest = np.argsort(-(exact - whole), kind="stable")[: count - int(whole.sum())]
    whole[rest] += 1
    return [int(n) for n in whole]


def _divide(cases: Sequence[Case], part_of: Mapping[str, str]) -> Split:
    """Split by the part of each patient: a patient has one, so no patient is in two."""
    return Split(*(tuple(case.case for case in cases if part_of.get(case.patient) == part) for part in PARTS))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED else f"{', '.join(names[:4])} ... {names[-1]}"
