"""ACDC: cardiac cine MRI, two phases a patient, in the official raw layout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from alseg_core.data.nifti import check_grid, read_image, read_labels
from alseg_core.data.readers.reader import CaseRef, read_parts, wrong
from alseg_core.errors import DataError
from alseg_core.registry import component
from alseg_core.vocabulary import IGNORE, Volume

UNMARKED = 4
"""Value of an unmarked pixel in the published scribble files."""


@component
class Acdc:
    """ACDC cardiac cine MRI: RV, myocardium and LV at end-diastole and end-systole (Bernard et al., 2018).

    The two frames are read from Info.cfg: ED is not frame 1 in every patient. Scribbles (Valvano et al., 2021) are read
    if they are beside the scans.
    """

    labels: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    paper: ClassVar[str] = (
        "Bernard et al., Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures Segmentation and "
        "Diagnosis, IEEE TMI 37(11), 2018; scribbles: Valvano et al., IEEE TMI 40(8), 2021"
    )
    licence: ClassVar[str] = "CC BY-NC-SA 4.0"
    source: ClassVar[str] = (
        "https://humanheart-project.creatis.insa-lyon.fr/database (scribbles: "
        "https://vios-s.github.io/multiscale-adversarial-attention-gates)"
    )
    layout: ClassVar[str] = (
        "<folder>/[database/]{training,testing}/patientNNN/\n"
        "    Info.cfg                                  lines 'ED: 1', 'ES: 12', 'Group: DCM'\n"
        "    patientNNN_frameFF.nii.gz                 the scan, FF = ED and ES\n"
        "    patientNNN_frameFF_gt.nii.gz              labels 0 background, 1 RV, 2 myocardium, 3 LV\n"
        "    patientNNN_frameFF_scribble.nii.gz        optional: labels 0..3, 4 = unmarked"
    )

    def scan(self, root: Path | None) -> list[CaseRef]:
        """Find the cases 'patientNNN_ED' and 'patientNNN_ES'; ``root`` holds database/, or training/ and testing/."""
        folders = [] if root is None else _patient_folders(root)
        if not folders:
            where = "no folder was given" if root is None else f"no patient folder was found at {root}"
            raise DataError(f"acdc: {where}. Expected layout:\n{self.layout}\nGet the data from {self.source}.")
        refs: dict[str, CaseRef] = {}
        problems: list[str] = []
        for folder in folders:
            found, faults = _patient(folder)
            problems += faults
            for ref in found:
                if ref.case in refs:
                    first = refs[ref.case].files["image"]
                    problems.append(f"case {ref.case!r} exists twice: {first} and {ref.files['image']}.")
                refs[ref.case] = ref
        if problems:
            raise wrong(problems, f"the ACDC data at {root}", [refs[case] for case in sorted(refs)])
        return [refs[case] for case in sorted(refs)]

    def load(self, ref: CaseRef) -> Volume:
        """Load image, mask and, if there is one, the scribble of a case."""
        parts = read_parts(
            ref,
            {
                "image": read_image,
                "mask": lambda path: read_labels(path, self.labels),
                "scribble": lambda path: read_labels(path, (*self.labels, UNMARKED)),
            },
        )
        for part in ("mask", "scribble"):
            if part in ref.files:
                check_grid(ref.files[part], ref.files["image"])
        image, spacing = parts["image"]
        scribble = None
        if "scribble" in parts:
            scribble = parts["scribble"]
            scribble[scribble == UNMARKED] = IGNORE
        return Volume(image, parts["mask"], scribble, spacing, ref.case, ref.patient, ref.group, ref.attributes)


def _patient_folders(root: Path) -> list[Path]:
    parts = [base / part for base in (root, root / "database") for part in ("training", "testing")]
    return sorted(
        folder
        for part in [*parts, root]
        if part.is_dir()
        for folder in part.iterdir()
        if folder.is_dir() and re.fullmatch(r"patient\d+", folder.name)
    )


def _patient(folder: Path) -> tuple[list[CaseRef], list[str]]:
    """Return the cases of one patient folder, and its problems."""
    info_file = folder / "Info.cfg"
    if not info_file.is_file():
        return [], [f"{info_file}: file not found; it says which frames are ED and ES."]
    lines = (line.partition(":") for line in info_file.read_text(errors="replace").splitlines())
    info = {key.strip(): value.strip() for key, colon, value in lines if colon}
    attributes = {"pathology": info["Group"]} if "Group" in info else {}
    refs, problems = [], []
    for phase in ("ED", "ES"):
        if not info.get(phase, "").isdecimal():
            problems.append(f"{info_file}: expected a line '{phase}: <frame number>', got {info.get(phase)!r}.")
            continue
        stem = f"{folder.name}_frame{int(info[phase]):02d}"
        files = {"image": folder / f"{stem}.nii.gz", "mask": folder / f"{stem}_gt.nii.gz"}
        missing = [path for path in files.values() if not path.is_file()]
        problems += [f"{path}: file not found ({phase} of {folder.name})." for path in missing]
        scribble = folder / f"{stem}_scribble.nii.gz"
        if scribble.is_file():
            files["scribble"] = scribble
        if not missing:
            refs.append(CaseRef(f"{folder.name}_{phase}", folder.name, phase, files, attributes))
    return refs, problems
