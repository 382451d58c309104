"""The text that tells an annotator what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Collection

from bench.project.exchange.colours import drawn
from bench.project.manifest import Manifest

WIDTH = 100
"""Most letters in a line."""


def readme(manifest: Manifest, *, copied: bool, prefilled: Collection[str], sheets: bool) -> str:
    """Return the text.

    Args:
        manifest: what is asked.
        copied: whether the scans are in the folder of the round.
        prefilled: cases whose files hold proposals.
        sheets: whether there are contact sheets.
    """
    slices, scans = len(manifest.slices), len(manifest.scans)
    minutes = sum(asked.minutes for asked in manifest.slices)
    title = f"{manifest.project}, round {manifest.round + 1}"
    blocks = [
        f"{title}\n{'=' * len(title)}",
        _text(
            f"Please annotate {slices} slice{'s' * (slices != 1)} of {scans} scan{'s' * (scans != 1)}, about "
            f"{minutes:.0f} minutes in all. worklist.csv lists them, the most useful one first; "
            + ("contact_sheet.html shows them. " if sheets else "")
            + "Slices that are not on the list need no labels, and are not used if they have some."
        ),
        "What to draw\n------------",
        _what(manifest),
        _values(manifest),
    ]
    if prefilled:
        blocks.append(
            _text(
                "The files hold proposals of a network on the asked slices. They may be wrong: correct them, and erase "
                "what is no part of a class."
            )
        )
    blocks += [
        "Where slices are\n----------------",
        _text(
            "The contact sheet shows slices as the training program reads them; programs turn and mirror them, each in "
            "its own way. In worklist.csv, z is the number of the slice there; axis and index tell the slice of the "
            "file, counted from 0 along its first (i), second (j) or third (k) axis, and plane the view in which it "
            "is seen. itksnap_slice is the number that ITK-SNAP shows (from 1). mitk_slice is the voxel index that "
            "MITK shows (from 0). right_mm, anterior_mm and superior_mm are the position of the centre of the slice as "
            "3D Slicer shows it, and left_mm, posterior_mm and superior_mm as DICOM gives it."
        ),
        "ITK-SNAP\n--------",
        _text(
            "Open itksnap/CASE.itksnap (File > Open Workspace). It loads the scan, the file to draw into and the "
            "classes. Each asked slice has a text in its middle; the annotation tool goes from one to the next. Draw, "
            "and save the segmentation (Segmentation > Save) under its own name, segmentations/CASE.nii.gz. Without a "
            "workspace: itksnap -g SCAN -s segmentations/CASE.nii.gz -l itksnap/labels.txt"
        ),
        "3D Slicer\n---------",
        _text(
            "Load the scan, segmentations/CASE.nii.gz as a segmentation, and slicer/CASE.mrk.json. A click on a point "
            'in the Markups module shows its slice. If the scan lies askew, use "Rotate to volume plane" of the '
            "slice view first. Name segments exactly as the classes above, and save the segmentation as CASE.seg.nrrd "
            "in the folder segmentations. slicer/cases.csv is a list of the scans for the extension SlicerCaseIterator."
        ),
        "MITK\n----",
        _text(
            "Open mitk/tasks.json in MITK FlowBench: it has a task for each scan, which tells the slices. Add all "
            "labels in the order of their values, also those that you do not need. MITK writes mitk/CASE.nrrd."
        ),
        "Other programs\n--------------",
        _text(
            "Any program will do that saves labels as NIfTI or NRRD. Do not crop, resample or turn the scan. Keep the "
            "name of the case as the name of the file."
        ),
        "When a slice is done\n--------------------",
        _text(
            "A slice counts only if you say that it is done, since nothing tells a slice without any structure from "
            "one that nobody has looked at. Write yes into the column done of worklist.csv, or empty if "
            "there is nothing to draw on it (a file without any change counts only so), or keep a file done.csv "
            "in this folder with the columns case and index, as in worklist.csv. Both may have the columns minutes "
            "(the time that you took) and annotator (your name). In 3D Slicer you may instead let the label of the "
            'point start with "done". You may send slices in parts, and correct them later.'
        ),
        "This folder\n-----------",
        _text(
            (
                "The scans are in the folder images; the folder can be moved and sent as it is."
                if copied
                else "The scans are not in this folder; it must stay where it is, next to them."
            )
            + " Do not change manifest.json"
            + (" and prefill.npz." if prefilled else ".")
        ),
    ]
    return "\n\n".join(blocks) + "\n"


def _what(manifest: Manifest) -> str:
    if manifest.kind == "mask":
        return _text(
            "Give every pixel of an asked slice its class. What has no class is background: it keeps the value 0."
        )
    return _text(
        "Draw a few strokes through each class that an asked slice shows, background included, and leave unmarked "
        "what you are not sure about. Unmarked pixels keep the value 0; background has a label of its own."
    )


def _values(manifest: Manifest) -> str:
    left = "background" if manifest.unmarked is None else "not marked"
    rows = [(0, left, ""), *drawn(manifest)]
    return "\n".join(f"  {value:3d}  {name}" for value, name, _ in rows)


def _text(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
