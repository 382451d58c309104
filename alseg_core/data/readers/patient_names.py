"""Patients in the names of scans: which part says visit, phase or side, and where a name alone cannot be trusted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP = r"[_\-. ]"
"""A separator between the parts of a name."""
START, END = rf"(?:(?<=^)|(?<={GAP}))", rf"(?=$|{GAP})"
"""Where a part begins and ends."""
COUNTED = (
    "session|ses|visit|vis|run|repeat|rep|acquisition|acq|echo|timepoint|time|tp|scan|exam|series|day|week|wk|month|mo|"
    "year|yr|frame|phase|followup|fu|stage|side"
)
"""Words that count the scans of a patient when a number of one or two digits, or a letter, follows them."""
LETTERS = "v|t|d|w|m|y"
"""Letters that do so with the number directly behind them."""
SPANS = "days?|weeks?|months?|years?"
"""Units of time after a number, as in 6months."""
WORDS = (
    "ed|es|pre|post|preop|postop|before|after|baseline|bl|followup|fu|initial|first|second|final|arterial|art|portal|"
    "venous|ven|delayed|late|native|nc|noncontrast|contrast|ce|inphase|outphase|left|right|l|r|lh|rh|lt|rt|rest|stress|"
    "retest|t1|t1w|t1c|t1ce|t1gd|t1n|t2|t2w|t2f|flair|adc|dwi|swi|pd|pdw|dti|bold|lge|cine|ct|cta|cbct|mr|mri|pet|"
    "axial|ax|sagittal|sag|coronal|cor"
)
"""Words that tell the scans of a patient apart by themselves: phases, sides, contrasts, planes."""
SCAN = re.compile(
    rf"{START}(?:(?:{COUNTED}){GAP}?(?:\d{{1,2}}|[a-z])|(?:{LETTERS})\d{{1,3}}|(?:ct|mri?|pet)\d{{1,2}}|\d+(?:{SPANS})|"
    rf"(?:{WORDS})){END}|(?<=\d)(?:(?:{COUNTED})\d{{1,2}}|pre|post|baseline|followup|left|right){END}",
    re.IGNORECASE,
)
"""A part of a name that says which scan of a patient this is."""
BIDS = re.compile(r"(sub-[A-Za-z0-9]+)(?:_(.+))?")
"""A name as in BIDS: the subject, and everything else."""
NO_PERSON = re.compile(
    r"(?:tr|train|training|ts|test|testing|val|valid|validation|case|control|normal|healthy|patient|scan|image|img|site|"
    r"center|centre|vol|volume|pat|subject|subj|sub|pt|id)s?[a-z]?|[a-z]",
    re.IGNORECASE,
)
"""Names without a number that stand for many persons, or go before the number of one."""
DATE = rf"(?:(?:19|20)\d{{2}}{GAP}?[01]\d{GAP}?[0-3]\d|[0-3]\d{GAP}?[01]\d{GAP}?(?:19|20)\d{{2}})"
"""A date, the year or the day first."""
ENDINGS = (
    (rf"(.+){GAP}{DATE}", rf"(?P<patient>.+?){GAP}(?P<group>{DATE})"),
    (rf"{DATE}{GAP}(.+)", rf"(?P<group>{DATE}){GAP}(?P<patient>.+)"),
    (rf"(.+){GAP}[A-Za-z]", rf"(?P<patient>.+){GAP}(?P<group>[A-Za-z])"),
    (rf"[A-Za-z]{GAP}(.+\d.*)", rf"(?P<group>[A-Za-z]){GAP}(?P<patient>.+)"),
    (r"(.*\d)[A-Za-z]", r"(?P<patient>.*\d)(?P<group>[A-Za-z])"),
    (rf"(.+){GAP}[IVX]{{1,4}}", rf"(?P<patient>.+){GAP}(?P<group>[IVX]+)"),
    (r"(.*\d)[A-Za-z]{1,2}\d{1,2}", r"(?P<patient>.*\d)(?P<group>[A-Za-z]+\d+)"),
    (rf"([A-Za-z]+){GAP}?\d\d[01]\d[0-3]\d", rf"(?P<patient>[A-Za-z]+){GAP}?(?P<group>\d{{6}})"),
)
"""(Expression, pattern): what may tell the scans of a patient apart; the group is the rest, the pattern the cure."""
MOST_VISITS = 9
"""A number that counts the visits of a patient is at most this."""


@dataclass(frozen=True)
class Doubt:
    """Why names leave it open which scans are of one patient."""

    why: str
    """Two names, and what they look like."""
    pattern: str
    """Pattern for the reader that makes them scans of one patient."""


def patients_of(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the (patient, scan) that each name stands for; the scan is empty where the name is the patient.

    Names as in BIDS are divided after the subject. In others, words for visits, runs, time points, phases, sides and
    contrasts are taken out, if some names are equal without them.
    """
    names = sorted(set(names))
    bids = [BIDS.fullmatch(name) for name in names]
    if names and all(bids):
        return {name: (found[1], found[2] or "") for name, found in zip(names, bids, strict=True) if found}
    divided = {name: _divided(name) for name in names}
    patients = {patient for patient, _ in divided.values()}
    if len(patients) == len(names) or (len(patients) == 1 and not re.search(r"\d", min(patients))):
        return {name: (name, "") for name in names}
    return divided


def _divided(name: str) -> tuple[str, str]:
    """Return a name without the parts that tell scans of a patient apart, and these parts."""
    scans = [found[0] for found in SCAN.finditer(name)]
    patient = re.sub(rf"{GAP}{{2,}}", "_", SCAN.sub("", name)).strip("_-. ")
    person = bool(patient) and not NO_PERSON.fullmatch(patient)
    return (patient, "_".join(scans)) if scans and person else (name, "")


def doubt(patients: Collection[str]) -> Doubt | None:
    """Return why these names of patients may hold several scans of one person, or None."""
    names = sorted(patients)
    return next((found for check in (_ends, _beginnings, _counts, _visits_in_numbers) if (found := check(names))), None)


def alike(patients: Collection[str]) -> list[tuple[str, str]]:
    """Return pairs of names that differ in upper and lower case, blanks or leading zeros only."""
    found: dict[str, str] = {}
    pairs = []
    for patient in sorted(set(patients)):
        plain = re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"\s+", "", patient).casefold())
        if plain in found:
            pairs.append((found[plain], patient))
        found.setdefault(plain, patient)
    return pairs


def _ends(names: Sequence[str]) -> Doubt | None:
    """Doubt names that are equal but for a letter, a Roman numeral or a date at one end."""
    for expression, pattern in ENDINGS:
        rests = defaultdict(list)
        for name in names:
            if (found := re.fullmatch(expression, name)) and not NO_PERSON.fullmatch(found[1]):
                rests[found[1]].append(name)
        # a single rest without a number is the name of the dataset
        if len(rests) > 1 or re.search(r"\d", min(rests, default="")):
            pair = _pair(rests)
            if pair:
                return Doubt(f"{pair[0]} and {pair[1]} look like scans of one patient", pattern)
    return None


def _beginnings(names: Sequence[str]) -> Doubt | None:
    """Doubt names that share a numbered beginning, such as p04_a1 and p04_b1, unless long numbers follow."""
    rests = defaultdict(list)
    for name, parts in _varying(names).items():
        numbered = next((i for i, part in enumerate(parts[:-1]) if re.search(r"\d", part)), None)
        if numbered is not None and (not re.fullmatch(r"\d{3,}", parts[-1]) or int(parts[-1]) <= MOST_VISITS):
            rests["_".join(parts[: numbered + 1])].append(name)
    pair = _pair(rests)
    if pair is None:
        return None
    return Doubt(
        f"{pair[0]} and {pair[1]} look like scans of one patient", rf"(?P<patient>.+){GAP}(?P<group>[^_\-. ]+)"
    )


def _counts(names: Sequence[str]) -> Doubt | None:
    """Doubt names that are counted in several series of a few, such as smith1, smith2 and jones1."""
    series: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found = re.fullmatch(rf"(.*[A-Za-z]){GAP}?\d{{1,2}}", name)
        series[found[1] if found else name].append(name)
    shared = {rest: found for rest, found in series.items() if len(found) > 1}
    persons = all(not any(NO_PERSON.fullmatch(part) for part in re.split(GAP, rest)) for rest in shared)
    several = len(series) > 1 or re.search(r"\d", min(series, default=""))
    if not (shared and persons and several) or max(map(len, shared.values())) > MOST_VISITS:
        return None
    one, other = next(iter(shared.values()))[:2]
    return Doubt(f"{one} and {other} may be scans of one patient", rf"(?P<patient>.*[A-Za-z]){GAP}?(?P<group>\d*)")


def _visits_in_numbers(names: Sequence[str]) -> Doubt | None:
    """Doubt numbers that seem to hold a patient and a visit, such as 0800, 0801 and 0900."""
    numbers: dict[str, str] = {}
    for name, parts in _varying(names).items():
        number = re.fullmatch(r"[A-Za-z]*(\d{3,})", parts[0]) if len(parts) == 1 else None
        if number is None:
            return None
        numbers[number[1]] = name
    if len({len(number) for number in numbers}) != 1:
        return None
    if all(after == before + 1 for before, after in pairwise(sorted(map(int, numbers)))):
        return None  # counted through
    for digits in (1, 2):
        visits: dict[str, list[int]] = defaultdict(list)
        for text in sorted(numbers):
            visits[text[:-digits]].append(int(text[-digits:]))
        starts = {counted[0] for counted in visits.values()}
        complete = all(counted == list(range(counted[0], counted[0] + len(counted))) for counted in visits.values())
        most = max(map(len, visits.values()))
        if len(visits) > 1 and complete and len(starts) == 1 and min(starts) <= 1 and 1 < most <= MOST_VISITS:
            patient = next(patient for patient, counted in visits.items() if len(counted) > 1)
            first, second = visits[patient][:2]
            one, other = (numbers[f"{patient}{visit:0{digits}d}"] for visit in (first, second))
            why = f"{one} and {other} may be visits {first} and {second} of one patient"
            return Doubt(why, rf"(?P<patient>.+)(?P<group>\d{{{digits}}})")
    return None


def _varying(names: Sequence[str]) -> dict[str, list[str]]:
    """Return name -> its parts between separators, without those at the ends that all names share."""
    parts = {name: re.split(GAP, name) for name in names}
    if len(parts) > 1:
        for end in (0, -1):
            while len({own[end] for own in parts.values()}) == 1 and all(len(own) > 1 for own in parts.values()):
                for own in parts.values():
                    del own[end]
    return parts


def _pair(rests: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Return two names with the same rest, or None."""
    return next(((found[0], found[1]) for found in rests.values() if len(found) > 1), None)
