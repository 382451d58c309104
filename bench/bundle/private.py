"""What a bundle leaves out: names of cases and patients, and folders of the machine that made it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alseg_core.vocabulary import RoundRecord

CASE, PATIENT = "c-", "p-"
"""Beginnings of the pseudonyms of cases and of patients."""
PSEUDONYM = re.compile(r"[cp]-[0-9a-f]{12}")
"""A pseudonym."""
PATH = "PATH/"
"""What stands for the folders of an absolute path; its last part stays."""
REST = r"[^\s'\",;:()\[\]{}<>|]*"
"""The rest of a path in a text."""
ABSOLUTE = re.compile(rf"file://{REST}|(?<![\w.:/\\~-])(?:~\w*/|/|[A-Za-z]:[\\/]|\\\\)(?=[^\s/\\]){REST}")
"""An absolute path in a text, of Linux or Windows; addresses on the web are none."""
WITHHELD = "not shown: it may name cases, and no run of the study tells their names"
"""What stands for the reason of a failure that came before the cases were known."""


def pseudonym(name: str, kind: str) -> str:
    """Return what stands for the name of a case or patient, the same in every bundle; kind: CASE or PATIENT.

    It has no salt, so that bundles on the same data can be compared. Whoever guesses a name can tell that it was right.
    A pseudonym stands for itself.
    """
    if PSEUDONYM.fullmatch(name) and name.startswith(kind):
        return name
    return kind + hashlib.sha256(f"alseg {kind}{name}".encode()).hexdigest()[:12]


def without_paths(text: str) -> str:
    """Return a text with :data:`PATH` for the folders of every absolute path."""
    return ABSOLUTE.sub(_last, text)


def _last(found: re.Match[str]) -> str:
    """Return the last part of a path, with what stands for its folders."""
    return PATH + re.split(r"[\\/]", found[0].rstrip("\\/"))[-1]


@dataclasses.dataclass(frozen=True)
class Private:
    """What must not be in a bundle."""

    names: Mapping[str, str]
    """Name of a case or patient -> its pseudonym; empty where names may be shown."""
    hidden: bool
    """Whether names are hidden."""
    folders: tuple[str, ...] = ()
    """Folders of this machine, the longest first; their names may hold blanks."""

    @classmethod
    def of(cls, cases: Iterable[str], patients: Iterable[str], folders: Iterable[Path], hidden: bool) -> Private:
        """Return what to hide of these cases, patients and folders."""
        names = {name: pseudonym(name, PATIENT) for name in patients} | {name: pseudonym(name, CASE) for name in cases}
        known = sorted({str(folder) for folder in folders if len(folder.parts) > 1}, key=len, reverse=True)
        return cls(dict(sorted(names.items(), key=lambda pair: -len(pair[0]))) if hidden else {}, hidden, tuple(known))

    def case(self, name: Any) -> Any:
        """Return what stands for a case."""
        return pseudonym(str(name), CASE) if self.hidden else name

    def patient(self, name: Any) -> Any:
        """Return what stands for a patient; None for None."""
        return pseudonym(str(name), PATIENT) if self.hidden and name is not None else name

    def text(self, text: str) -> str:
        """Return a text without folders of this machine and without names that are known."""
        for folder in self.folders:
            text = re.sub(re.escape(folder) + REST, _last, text)
        text = without_paths(text)
        for name, other in self.names.items():
            if name in text:
                text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", other, text)
        return text

    def reason(self, reason: str) -> str:
        """Return the reason of a failure, or that it cannot be shown."""
        return self.text(reason) if self.names or not self.hidden else WITHHELD

    def plain(self, value: Any) -> Any:
        """Return plain data with every text as :meth:`text` gives it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.plain(inner) for key, inner in value.items()}
        return [self.plain(inner) for inner in value] if isinstance(value, list | tuple) else value

    def paths(self, value: Any) -> Any:
        """Return plain data without folders of this machine; names stay."""
        return dataclasses.replace(self, names={}).plain(value)

    def config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration without folders; patients that its split lists are hidden."""
        plain: dict[str, Any] = self.paths(config)
        split = plain["dataset"].get("split")
        plain["dataset"]["split"] = self._split(split) if self.hidden else split
        return plain

    def _split(self, split: Any) -> Any:
        """Return a split with pseudonyms in the place of the patients, which are the texts in its lists."""
        if not isinstance(split, Mapping):
            return split
        return {
            key: [self.patient(name) for name in value] if isinstance(value, list) else value
            for key, value in split.items()
        }

    def environment(self, environment: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of environment.json; of the data, cases and patients are hidden."""
        plain: dict[str, Any] = self.paths(environment)
        if "data" in plain:
            data = plain["data"]
            parts = {part: [self.case(case) for case in cases] for part, cases in data.get("cases", {}).items()}
            owners = {self.case(case): self.patient(owner) for case, owner in data.get("patient_of", {}).items()}
            plain["data"] = {
                **data,
                **({"cases": parts} if "cases" in data else {}),
                **({"patient_of": owners} if "patient_of" in data else {}),
                **({"warnings": self.plain(data["warnings"])} if "warnings" in data else {}),
                **({"validation": self._slices(data["validation"])} if "validation" in data else {}),
            }
        return plain

    def _slices(self, slices: Iterable[Any]) -> list[Any]:
        return [[self.case(case), z] for case, z in slices]

    def record(self, record: RoundRecord, files: Mapping[str, str]) -> RoundRecord:
        """Return the record of a round; files: the seals of the bundle's own files, which take the place of its own."""
        return dataclasses.replace(
            record,
            selected=[{**pick, "case": self.case(pick["case"])} for pick in record.selected],
            volumes=[self._row(row) for row in record.volumes],
            slices=[self._row(row) for row in record.slices],
            signals=self.plain(record.signals),
            files=dict(files),
        )

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        owner = {"patient": self.patient(row["patient"])} if "patient" in row else {}
        return {**row, "case": self.case(row["case"]), **owner}
