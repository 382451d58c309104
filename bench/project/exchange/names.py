"""Names of the files of a round, and how they name each other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alseg_core.errors import DataError
from bench.project.manifest import Scan

README = "README.txt"
WORKLIST = "worklist.csv"
SHEET = "contact_sheet.png"
PAGE = "contact_sheet.html"
PREFILL = "prefill.npz"
SNAP_LABELS = "itksnap/labels.txt"
SLICER_CASES = "slicer/cases.csv"
MITK_TASKS = "mitk/tasks.json"
MITK_LABELS = "mitk/labels.json"

FORBIDDEN = set('<>:"/\\|?*') | {chr(code) for code in range(32)}
"""Characters that some system does not allow in the name of a file."""


def segmentation(case: str) -> str:
    """Return the file that the labels of a case are drawn into, relative to the folder of the round."""
    return f"segmentations/{case}.nii.gz"


def workspace(case: str) -> str:
    """Return the workspace of a case in ITK-SNAP, relative to the folder of the round."""
    return f"itksnap/{case}.itksnap"


def points(case: str) -> str:
    """Return the points of a case in 3D Slicer, relative to the folder of the round."""
    return f"slicer/{case}.mrk.json"


def result(case: str) -> str:
    """Return the file that MITK writes for a case, relative to the folder of the round."""
    return f"mitk/{case}.nrrd"


def check_cases(cases: Sequence[str]) -> None:
    """Raise DataError if the id of a case cannot name files on every usual system."""
    seen: dict[str, str] = {}
    for case in cases:
        bad = sorted(FORBIDDEN & set(case))
        if bad or not case or case.startswith(".") or case.endswith((".", " ")):
            why = (
                f"it contains {' '.join(map(repr, bad))}"
                if bad
                else "it is empty, or starts or ends with a dot or space"
            )
            raise DataError(f"case {case!r} cannot be the name of a file everywhere: {why}; rename the scan.")
        twin = seen.setdefault(case.casefold(), case)
        if twin != case:
            raise DataError(
                f"cases {twin!r} and {case!r} differ by capital letters only, which Windows and macOS do not tell "
                "apart in the names of files; rename one of the scans."
            )


@dataclass(frozen=True)
class Images:
    """Where the scans of a round are."""

    folder: Path
    """Folder of the round, resolved."""
    project_folder: Path
    """Folder of the project, resolved."""
    copied: bool
    """Whether the folder of the round has copies of the scans."""

    def source(self, scan: Scan) -> Path:
        """Return the file of a scan."""
        return self.project_folder / scan.image

    def copy(self, scan: Scan) -> Path:
        """Return the copy of a scan in the folder of the round."""
        name = Path(scan.image).name.lower()
        suffix = ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix
        return self.folder / "images" / f"{scan.case}{suffix}"

    def link(self, scan: Scan, start: str) -> str:
        """Return the path of a scan as a file in sub-folder ``start`` of the round names it.

        It is relative for a copy and for a scan below the folder of the project, so that the folder of the round, or
        that of the project, can be moved as a whole; else absolute.
        """
        if self.copied:
            return f"../images/{self.copy(scan).name}"
        if Path(scan.image).is_absolute():
            return Path(scan.image).as_posix()
        try:
            return Path(os.path.relpath(self.source(scan), self.folder / start)).as_posix()
        except ValueError:  # another drive
            return self.source(scan).as_posix()
