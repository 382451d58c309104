"""Who each scan is of: from a table, from a pattern of file names, or from the names alone."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alseg_core.data.readers.nifti_files import name_of
from alseg_core.data.readers.patient_names import alike, doubt, patients_of

CURE = (
    r"Give the reader a pattern, such as '(?P<patient>[^_]+)_(?P<group>.+)', or a csv; '(?P<patient>.+)' makes every "
    "scan a patient."
)


@dataclass(frozen=True)
class Facts:
    """What is known about a scan besides its voxels."""

    patient: str
    group: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def from_names(names: Mapping[str, str], problems: list[str]) -> dict[str, Facts]:
    """Return the facts that names give, by image. names: image -> case.

    Adds a problem where names leave it open which scans are of one patient: they would be in several parts of a split.
    """
    found = patients_of(names.values())
    facts = {image: Facts(*found[case]) for image, case in names.items()}
    if why := doubt({patient for patient, _ in found.values()}):
        problems.append(f"{why}, and neither pattern nor csv names the patients. {CURE}")
    return facts


def from_pattern(pattern: str, images: Mapping[str, Path], problems: list[str]) -> dict[str, Facts]:
    """Return what the groups of a regular expression give, by image; a name that does not match is a problem."""
    facts = {}
    for image, path in images.items():
        found = re.fullmatch(pattern, image)
        named = {key: value for key, value in found.groupdict().items() if value} if found else {}
        if "patient" not in named:
            problems.append(f"{path}: its name {image!r} does not match the pattern {pattern!r}.")
            continue
        facts[image] = Facts(named.pop("patient"), named.pop("group", ""), named)
    return facts


def from_table(path: Path, images: Mapping[str, Path], problems: list[str]) -> dict[str, Facts]:
    """Return the facts in the rows of a CSV file, by image; everything wrong with it is added to ``problems``."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: the csv cannot be read ({getattr(error, 'strerror', None) or error}).")
        return {}
    rows = csv.DictReader(lines)
    missing = {"file", "patient"} - set(rows.fieldnames or ())
    if missing:
        problems.append(
            f"{path}: no column {', '.join(sorted(missing))}; it has {', '.join(rows.fieldnames or ()) or 'none'}. "
            "Expected: file, patient, perhaps group, and attributes."
        )
        return {}
    facts: dict[str, Facts] = {}
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        named = {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
        file, patient = named.pop("file"), unicodedata.normalize("NFC", named.pop("patient"))
        name = name_of(file)
        if None in row or not patient:
            problems.append(f"{where}: {'more cells than columns' if None in row else 'the patient is empty'}.")
        elif name not in images:
            problems.append(f"{where}: there is no image {file!r} in {path.parent / 'images'}.")
        elif name in facts:
            problems.append(f"{where}: {file!r} exists twice.")
        else:
            facts[name] = Facts(patient, named.pop("group", ""), {key: v for key, v in named.items() if v})
            continue
        facts.setdefault(name, Facts(patient))
    problems += [f"{image}: no row of {path} says whose it is." for name, image in images.items() if name not in facts]
    return facts


def check_alike(facts: Mapping[str, Facts], problems: list[str]) -> None:
    """Add a problem for patients whose names differ in nothing that tells persons apart."""
    problems += [
        f"patients {one!r} and {other!r} differ in upper and lower case, blanks or leading zeros only. Are they one "
        "person? Write both alike in the names or the csv, or tell them apart."
        for one, other in alike({fact.patient for fact in facts.values() if fact.patient})
    ]
