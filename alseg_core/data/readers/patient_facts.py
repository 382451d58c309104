"""Who each scan is of: from a table, from a pattern of file names, or from the names alone."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alseg_core.data.readers.nifti_files import name_of
from alseg_core.data.readers.patient_names import alike, doubt, patients_of

ONE_EACH = "(?P<patient>.+)"
"""Pattern that makes every scan a patient."""
COLUMNS = ("file", "patient", "group")
"""Columns of the table with a meaning of their own; others are attributes."""


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
    if open_question := doubt({patient for patient, _ in found.values()}):
        pattern = open_question.pattern
        fits = all(re.fullmatch(pattern, image) for image in names)
        one = f"pattern: '{pattern}' makes them one patient, " if fits else "a csv tells whose they are, "
        problems.append(
            f"{open_question.why}, and neither pattern nor csv names the patients. Set one of the reader's fields: "
            f"{one}pattern: '{ONE_EACH}' makes every scan a patient."
        )
    return facts


def from_pattern(pattern: str, images: Mapping[str, Path], problems: list[str]) -> dict[str, Facts]:
    """Return what the groups of a regular expression give, by image; a name that does not match is a problem."""
    facts = {}
    for image, path in images.items():
        found = re.fullmatch(pattern, image)
        named = {key: value for key, value in found.groupdict().items() if value} if found else {}
        if "patient" not in named:
            problems.append(f"{path}: the whole name without suffix must match the pattern {pattern}, and does not.")
            continue
        facts[image] = Facts(named.pop("patient"), named.pop("group", ""), named)
    return facts


def from_table(path: Path, images: Mapping[str, Path], folder: Path, problems: list[str]) -> dict[str, Facts]:
    """Return the facts in the rows of a CSV file, by image; everything wrong with it is added to ``problems``.

    folder: that of the images, for messages.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        table = csv.DictReader(lines)
        table.fieldnames = _columns(table.fieldnames or ())
        rows = [(table.line_num, row) for row in table]
    except (OSError, ValueError, csv.Error) as error:
        problems.append(f"{path}: the csv cannot be read ({getattr(error, 'strerror', None) or error}).")
        return {}
    columns = list(table.fieldnames)
    missing = {"file", "patient"} - set(columns)
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if missing or repeated:
        what = f"no column {', '.join(sorted(missing))}" if missing else f"several columns {', '.join(repeated)}"
        problems.append(
            f"{path}: {what}; it has {', '.join(columns) or 'none'}. Expected: file, patient, perhaps group, and "
            "attributes."
        )
        return {}
    facts: dict[str, Facts] = {}
    for line, row in rows:
        where = f"{path}, line {line}"
        named = {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
        file, patient = named.pop("file"), unicodedata.normalize("NFC", named.pop("patient"))
        name = name_of(file)
        if None in row or not patient:
            problems.append(f"{where}: {'more cells than columns' if None in row else 'the patient is empty'}.")
        elif name not in images:
            problems.append(f"{where}: there is no image {file!r} in {folder}.")
        elif name in facts:
            problems.append(f"{where}: {file!r} exists twice.")
        else:
            facts[name] = Facts(patient, named.pop("group", ""), {key: v for key, v in named.items() if v})
            continue
        facts.setdefault(name, Facts(patient))
    problems += [f"{image}: no row of {path} says whose it is." for name, image in images.items() if name not in facts]
    return facts


def _columns(names: Sequence[str]) -> list[str]:
    """Return the names of columns without blanks around them, those with a meaning in small letters."""
    plain = [name.strip() for name in names]
    return [name.casefold() if name.casefold() in COLUMNS else name for name in plain]


def check_alike(facts: Mapping[str, Facts], problems: list[str]) -> None:
    """Add a problem for patients whose names differ in nothing that tells persons apart."""
    problems += [
        f"patients {one!r} and {other!r} differ in upper and lower case, blanks or leading zeros only. Are they one "
        "person? Write both alike in the names or the csv, or tell them apart."
        for one, other in alike({fact.patient for fact in facts.values() if fact.patient})
    ]
