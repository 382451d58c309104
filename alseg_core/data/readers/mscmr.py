"""MS-CMR: late-enhancement cardiac MRI, as prepared by CycleMix or in the official raw form."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import ClassVar

from alseg_core.data.nifti import read_image, read_labels
from alseg_core.data.readers.reader import CaseRef, read_parts, wrong
from alseg_core.errors import DataError
from alseg_core.registry import component
from alseg_core.vocabulary import IGNORE, LabelArray, Volume

UNMARKED = 4
"""Value of an unmarked pixel in the published scribble files."""

RAW = {0: 0, 600: 1, 200: 2, 500: 3}
"""Class number of each value in the official files: 600 RV, 200 myocardium, 500 LV."""


@component
class Mscmr:
    """MS-CMR late-enhancement cardiac MRI: RV, myocardium and LV (Zhuang, 2019).

    The form of the folder is recognised by its files. In the CycleMix form the training subjects have scribbles and no
    masks. Spacing is read from the image only: a label file may have a wrong spacing on the right grid.
    """

    labels: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    paper: ClassVar[str] = (
        "Zhuang, Multivariate Mixture Model for Myocardial Segmentation Combining Multi-Source Images, IEEE TPAMI "
        "41(12), 2019; scribbles and split: Zhang and Zhuang, CycleMix, CVPR 2022"
    )
    licence: ClassVar[str] = "registration with the organisers, no redistribution"
    source: ClassVar[str] = (
        "https://zmiclab.github.io/zxh/0/mscmrseg19 (prepared form with scribbles: https://github.com/BWGZK/CycleMix)"
    )
    layout: ClassVar[str] = (
        "<folder>/[MSCMR_dataset/]{train,val,TestSet}/\n"
        "    images/subjectN_DE.nii.gz                 the scan\n"
        "    labels/subjectN_DE_scribble.nii.gz        in train: labels 0..3, 4 = unmarked\n"
        "    labels/subjectN_DE_manual.nii.gz          in val and TestSet: 0 background, 1 RV, 2 myocardium, 3 LV\n"
        "or, as released by the organisers, anywhere below <folder>:\n"
        "    patientN_LGE.nii.gz                       the scan\n"
        "    patientN_LGE_manual.nii.gz                0 background, 200 myocardium, 500 LV, 600 RV"
    )

    def scan(self, root: Path | None) -> list[CaseRef]:
        """Find the cases 'subjectN'; ``root`` holds MSCMR_dataset/, or train/, val/ and TestSet/, or raw files."""
        refs: list[CaseRef] = []
        problems: list[str] = []
        if root is not None:
            bases = (root, root / "MSCMR_dataset")
            parts = [base / part for base in bases for part in ("train", "val", "TestSet") if (base / part).is_dir()]
            refs, problems = _prepared_form(parts)
            if not refs and not problems:  # folders of these names may hold anything
                refs, problems = _raw_form(root)
        refs.sort(key=lambda ref: ref.case)
        if problems:
            raise wrong(problems, f"the MS-CMR data at {root}", refs)
        if not refs:
            where = "no folder was given" if root is None else f"no subject was found at {root}"
            raise DataError(f"mscmr: {where}. Expected layout:\n{self.layout}\nGet the data from {self.source}.")
        return refs

    def load(self, ref: CaseRef) -> Volume:
        """Load the image with the mask, the scribble or both."""
        parts = read_parts(
            ref,
            {
                "image": read_image,
                "mask": self._mask,
                "scribble": lambda path: read_labels(path, (*self.labels, UNMARKED)),
            },
        )
        image, spacing = parts["image"]
        mask = parts.get("mask")
        scribble = None
        if "scribble" in parts:
            scribble = parts["scribble"]
            scribble[scribble == UNMARKED] = IGNORE
        return Volume(image, mask, scribble, spacing, ref.case, ref.patient, ref.group, ref.attributes)

    def _mask(self, path: Path) -> LabelArray:
        return read_labels(path, RAW if path.name.endswith("_LGE_manual.nii.gz") else self.labels)


def _prepared_form(parts: list[Path]) -> tuple[list[CaseRef], list[str]]:
    """Return the cases of the folders train, val and TestSet, and their problems."""
    refs: dict[str, CaseRef] = {}
    problems: list[str] = []
    for part in parts:
        subjects: dict[str, dict[str, Path]] = defaultdict(dict)
        for folder, pattern in (("images", r"(subject\d+)_DE\.nii\.gz"), ("labels", r"(subject\d+)_DE_(\w+)\.nii\.gz")):
            for path in sorted((part / folder).glob("*.nii.gz")):
                if found := re.fullmatch(pattern, path.name):
                    kind = "image" if folder == "images" else {"manual": "mask"}.get(found[2], found[2])
                    subjects[found[1]][kind] = path
        for name, files in subjects.items():
            wanted = ("mask", "scribble") if part.name == "train" else ("mask",)
            if "image" not in files:
                problems.append(f"{part / 'images' / name}_DE.nii.gz: file not found, but its labels exist.")
            elif not any(kind in files for kind in wanted):
                ending = "scribble" if part.name == "train" else "manual"
                problems.append(f"{part / 'labels' / name}_DE_{ending}.nii.gz: file not found, but its image exists.")
            elif name in refs:
                problems.append(f"case {name!r} exists twice: {refs[name].files['image']} and {files['image']}.")
            else:
                known = {kind: path for kind, path in files.items() if kind in ("image", "mask", "scribble")}
                refs[name] = CaseRef(name, name, "LGE", known)
    return list(refs.values()), problems


def _raw_form(root: Path) -> tuple[list[CaseRef], list[str]]:
    """Return the cases of the official files anywhere below ``root``, and their problems."""
    patients: dict[int, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(root.rglob("patient*_LGE*.nii.gz")):
        if found := re.fullmatch(r"patient(\d+)_LGE(_manual)?\.nii\.gz", path.name):
            patients[int(found[1])]["mask" if found[2] else "image"].append(path)
    refs: list[CaseRef] = []
    problems: list[str] = []
    for number, found_files in patients.items():
        for part, ending, other in (("image", "", "mask"), ("mask", "_manual", "image")):
            paths = found_files[part]
            if not paths:
                name = f"patient{number}_LGE{ending}.nii.gz"
                problems.append(f"{name}: not found below {root}; {found_files[other][0]} needs it.")
            elif len(paths) > 1:
                problems.append(f"case 'subject{number}' exists twice: {paths[0]} and {paths[1]}.")
        files = {part: paths[0] for part, paths in found_files.items() if paths}
        if len(files) == 2:
            refs.append(CaseRef(f"subject{number}", f"subject{number}", "LGE", files))
    return refs, problems
