"""Splits into training, validation and test cases; a patient is never in two parts."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from alseg_core.errors import SplitError
from alseg_core.quantities import Seed
from alseg_core.registry import OMIT_DEFAULT, Registry, component
from alseg_core.seeding import stream

PARTS = ("train", "val", "test")
"""Names of the parts of a split."""

PER_RUN = "run"
"""Value of a splitter's field ``seed`` that stands for the root seed of the run."""

LONGEST_RANGE = 100_000
"""Most patients of a range such as "patient001..patient080"."""

NAMED = 30
"""Most patients that a message names in full; of longer lists it shows the ends."""


@dataclass(frozen=True)
class Split:
    """Case ids of each part, in the order of the data."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


class Case(Protocol):
    """The facts that a split uses; both cases on disk and prepared cases have them."""

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
        """Return the split of the cases. Raises SplitError when the data cannot be divided this way."""
        ...


def expand(entries: Any) -> Any:
    """Expand entries such as "patient001..patient080", an inclusive range with zero padding, to patient ids."""
    if not isinstance(entries, (list, tuple)):
        raise ValueError("expected a list of patient ids or ranges")
    out: list[str] = []
    if any(isinstance(entry, bool) or not isinstance(entry, str | int) for entry in entries):
        raise ValueError("patient ids are texts or whole numbers")
    for entry in map(str, entries):
        if ".." not in entry:
            out.append(entry)
            continue
        found = re.fullmatch(r"(.*?)(\d+)\.\.(.*?)(\d+)", entry)
        if found is None or found[1] != found[3] or int(found[2]) > int(found[4]):
            raise ValueError(f"{entry!r} is no range like 'patient001..patient080'")
        first, last = int(found[2]), int(found[4])
        if last - first >= LONGEST_RANGE:
            raise ValueError(f"{entry!r} has {last - first + 1} patients, a range has at most {LONGEST_RANGE}")
        out += [f"{found[1]}{i:0{len(found[2])}d}" for i in range(first, last + 1)]
    return tuple(out)


Patients = Annotated[tuple[str, ...], BeforeValidator(expand), Field(min_length=1)]


@component
class ByPatient:
    """A split that lists the patients of each part; patients that are not listed are unused."""

    train: Patients
    """Training patients, as ids or inclusive ranges such as patient001..patient080."""
    val: Patients
    """Validation patients."""
    test: Patients
    """Test patients."""

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        listed = [*self.train, *self.val, *self.test]
        twice = sorted(patient for patient, count in Counter(listed).items() if count > 1)
        if twice:
            raise ValueError(f"each patient may be listed once; listed twice: {', '.join(twice)}")
        return self

    def assign(self, cases: Sequence[Case]) -> Split:
        """Return the split of the cases. Raises SplitError naming the listed patients that the data lack."""
        parts = {part: getattr(self, part) for part in PARTS}
        _check_present(cases, parts)
        return _divide(cases, {patient: part for part, ids in parts.items() for patient in ids})


@component
class Stratified:
    """A random split by patient, with the same shares of every stratum in each part.

    The shares add up to 1; within a stratum the numbers of patients follow the largest remainder.
    """

    by: str | None = "pathology"
    """Attribute whose values are the strata; null = a plain random split."""
    train: Annotated[float, Field(gt=0, lt=1)] = 0.65
    """Share of training patients."""
    val: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of validation patients."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of test patients."""
    seed: Seed | Literal["run"] = 0
    """Seed of the draw; "run" takes the run's, so that every seed of a study has a split of its own."""
    patients: Patients | None = dataclasses.field(default=None, metadata=OMIT_DEFAULT)
    """Patients to draw from, as ids or inclusive ranges, whatever else is in the folder; null = all in the folder."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(f"train + val + test must be 1, got {self.train + self.val + self.test:g}")
        return self

    def assign(self, cases: Sequence[Case]) -> Split:
        """Return the split of the cases; those of patients who are not drawn from are unused.

        Raises SplitError: fewer than 3 patients, one without the attribute, or one that the data lack. A split per run
        must be given the run's seed first (:func:`of_run`).
        """
        if isinstance(self.seed, str):
            raise SplitError("this split takes the seed of a run, and there is no run here; give seed a number.")
        if self.patients is not None:
            _check_present(cases, {"the draw": self.patients})
            cases = [case for case in cases if case.patient in set(self.patients)]
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
        """Return the stratum of each patient; without an attribute to stratify by, all are in one."""
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


PART = "part"
"""Attribute by which a reader says what a case is for."""


@component
class ToAnnotate:
    """No test patients: labelled validation scans validate, and all others are the pool to annotate.

    The reader gives validation scans the attribute part, "val".
    """

    def assign(self, cases: Sequence[Case]) -> Split:
        """Return the split of the cases. Raises SplitError: nothing to annotate, or a patient in both parts."""
        parts: dict[str, set[str]] = {"train": set(), "val": set()}
        for case in cases:
            parts["val" if case.attributes.get(PART) == "val" else "train"].add(case.patient)
        if both := sorted(parts["train"] & parts["val"]):
            raise SplitError(
                f"{_some(both)}: scans of one patient are both to annotate and for validation, and a network must not "
                "be validated on patients that it is trained on. Take them out of one of the two folders."
            )
        if not parts["train"]:
            raise SplitError("there is no scan to annotate: all of them are for validation.")
        return _divide(cases, {patient: part for part, patients in parts.items() for patient in patients})


SPLITS: Registry[Splitter] = Registry(
    "split", {"patients": ByPatient, "stratified": Stratified, "to_annotate": ToAnnotate}, Splitter
)


def per_run(splitter: Splitter) -> bool:
    """Return whether each root seed has a split of its own: the splitter has a field ``seed`` that is "run"."""
    return getattr(splitter, "seed", None) == PER_RUN


def of_run(splitter: Splitter, seed: int) -> Splitter:
    """Return the splitter of a run with root seed ``seed``."""
    return dataclasses.replace(splitter, seed=seed) if per_run(splitter) else splitter  # type: ignore[type-var]


def apportion(count: int, shares: Sequence[float]) -> list[int]:
    """Divide ``count`` items by the largest remainder; ties go to the earlier share."""
    exact = np.asarray(shares) * count
    whole = np.floor(exact + 1e-9).astype(int)
    rest = np.argsort(-(exact - whole), kind="stable")[: count - int(whole.sum())]
    whole[rest] += 1
    return [int(n) for n in whole]


def _check_present(cases: Sequence[Case], parts: Mapping[str, Sequence[str]]) -> None:
    """Raise SplitError naming the patients that a split lists and the data lack."""
    present = {case.patient for case in cases}
    missing = {part: [patient for patient in ids if patient not in present] for part, ids in parts.items()}
    problems = [
        f"{part} lacks {len(ids)} of {len(parts[part])} patients ({_some(ids)})" for part, ids in missing.items() if ids
    ]
    if problems:
        raise SplitError(
            f"the data hold {len(present)} patients ({_some(sorted(present))}), not all that this split lists: "
            f"{'; '.join(problems)}. Is a folder of the dataset missing, such as the one with the test patients?"
        )


def _divide(cases: Sequence[Case], part_of: Mapping[str, str]) -> Split:
    """Return the split by the part of each patient: one per patient, so no patient is in two parts."""
    return Split(*(tuple(case.case for case in cases if part_of.get(case.patient) == part) for part in PARTS))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED else f"{', '.join(names[:4])} ... {names[-1]}"
