"""Patients in the names of scans: which part says visit, phase or side, and where a name alone cannot be trusted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

SEPARATORS = r"[_\-. ]"
NUMBERED = (
    "session|ses|visit|vis|run|repeat|rep|acquisition|acq|echo|timepoint|time|tp|scan|exam|series|day|week|wk|month|mo|"
    "year|yr|frame|phase|followup|fu|stage|side|v|t|d|w|m|y"
)
"""Words that count the scans of a patient when a number, or BIDS's label after a hyphen, follows them."""
ATTACHED = "session|ses|visit|run|timepoint|tp|scan|frame|phase|day|week|month|year"
"""Those that are recognised between two numbers without a separator, as in patient1visit2."""
WORDS = (
    "ed|es|pre|post|preop|postop|baseline|bl|followup|fu|initial|first|second|final|arterial|art|portal|venous|ven|"
    "delayed|late|native|nc|noncontrast|contrast|ce|inphase|outphase|left|right|l|r|lh|rh|lt|rt|rest|stress|retest|"
    "t1|t1w|t1c|t1ce|t1gd|t1n|t2|t2w|t2f|flair|adc|dwi|swi|pd|pdw|dti|bold|lge|cine|ct|cta|cbct|mr|mri|pet|"
    "axial|ax|sagittal|sag|coronal|cor"
)
"""Words that tell the scans of a patient apart by themselves: phases, sides, contrasts, planes."""
SCAN = re.compile(
    rf"(?<![^_\-. ])(?:(?:{NUMBERED}){SEPARATORS}?\d+|(?:session|ses|run|acq|echo|rec|dir|ce|part|task)-[a-z0-9]+|"
    rf"(?:{WORDS}))(?![^_\-. ])|(?<=\d)(?:{ATTACHED})\d+(?![^_\-. ])",
    re.IGNORECASE,
)
"""A part of a name, between separators, that says which scan of a patient this is."""
BIDS = re.compile(r"(sub-[A-Za-z0-9]+)(?:_(.+))?")
"""A name as in BIDS: the subject, and everything else."""
DATE = re.compile(r"(19|20)\d{2}[01]\d[0-3]\d")
"""A date such as 20260131."""
MOST_VISITS = 9
"""A number that ends in a visit counts at most this many of them."""


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
    patient = re.sub(rf"{SEPARATORS}{{2,}}", "_", SCAN.sub("", name)).strip("_-. ")
    return (patient, "_".join(scans)) if scans and patient else (name, "")


def doubt(patients: Collection[str]) -> str | None:
    """Return why these names of patients may hold several scans of one person, or None."""
    varying = _without_constant_parts(sorted(patients))
    return _shared_beginning(varying) or _numbered_visits(varying)


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


def _without_constant_parts(names: Sequence[str]) -> dict[str, list[str]]:
    """Return name -> its parts between separators, without those at the ends that all names share."""
    parts = {name: re.split(SEPARATORS, name) for name in names}
    if len(parts) > 1:
        for end in (0, -1):
            while len({own[end] for own in parts.values()}) == 1 and all(len(own) > 1 for own in parts.values()):
                for own in parts.values():
                    del own[end]
    return parts


def _shared_beginning(parts: Mapping[str, Sequence[str]]) -> str | None:
    """Return a doubt when names share a beginning that looks like a patient.

    It ends in a number, as in p04_a and p04_b, or 01a and 01b; or what follows is a letter or a date, as in smith_a.
    """
    scans: dict[str, list[str]] = defaultdict(list)
    for name, found in parts.items():
        numbered = next((i for i, part in enumerate(found) if re.search(r"\d", part)), None)
        if numbered is None or (len(found) == numbered + 1 > 1 and DATE.fullmatch(found[-1])):
            if len(found) > 1 and (re.fullmatch(r"[A-Za-z]", found[-1]) or numbered is not None):
                scans["_".join(found[:-1])].append(name)
            continue
        lettered = re.fullmatch(r"(.*\d)[A-Za-z]", found[numbered])
        if len(found) > numbered + 1 or lettered:
            last = lettered[1] if lettered else found[numbered]
            scans["_".join([*found[:numbered], last])].append(name)
    several = next((found for found in scans.values() if len(found) > 1), None)
    return f"{several[0]} and {several[1]} look like scans of one patient" if several else None


def _numbered_visits(parts: Mapping[str, Sequence[str]]) -> str | None:
    """Return a doubt when numbers seem to hold a patient and a visit, such as 0800, 0801 and 0900."""
    names: dict[str, str] = {}
    for name, found in parts.items():
        number = re.fullmatch(r"[A-Za-z]*(\d{3,})", found[0]) if len(found) == 1 else None
        if number is None:
            return None
        names[number[1]] = name
    if len({len(number) for number in names}) != 1:
        return None
    numbers = sorted(map(int, names))
    if all(after == before + 1 for before, after in pairwise(numbers)):
        return None  # counted through
    for digits in (1, 2):
        groups: dict[str, list[int]] = defaultdict(list)
        for text in sorted(names):
            groups[text[:-digits]].append(int(text[-digits:]))
        starts = {visits[0] for visits in groups.values()}
        counted = all(visits == list(range(visits[0], visits[0] + len(visits))) for visits in groups.values())
        most = max(map(len, groups.values()))
        if len(groups) > 1 and counted and len(starts) == 1 and min(starts) <= 1 and 1 < most <= MOST_VISITS:
            first = next(group for group, visits in groups.items() if len(visits) > 1)
            one, other = (names[f"{first}{visit:0{digits}d}"] for visit in groups[first][:2])
            return f"{one} and {other} may be visits {groups[first][0]} and {groups[first][1]} of one patient"
    return None
