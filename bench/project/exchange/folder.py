"""Writing the folder of a round."""

from __future__ import annotations

import dataclasses
import filecmp
import itertools
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alseg_core.atomic import replacing, write_atomic
from alseg_core.errors import ConfigError, DataError, ResultsError, unknown_name
from alseg_core.vocabulary import LabelArray
from bench.project import manifest as manifests
from bench.project.exchange import itksnap, mitk, names, slicer
from bench.project.exchange.places import Place, places_of
from bench.project.exchange.prefill import proposals, read_record, write_record
from bench.project.exchange.readme import readme
from bench.project.exchange.worklist import worklist
from bench.project.manifest import Manifest, Scan
from bench.project.nifti import read_header, write_voxels


def write_round(
    folder: Path,
    manifest: Manifest,
    project_folder: Path,
    prefill: Mapping[str, LabelArray] | None = None,
    *,
    everywhere: bool = False,
    copy_images: bool = False,
    thumbnails: bool = True,
) -> list[Path]:
    """Write the folder of a round, or complete one that was begun; return its files.

    No file that exists is written again, because annotators work in them. Paths in the files are relative for scans
    below the folder of the project and for copies, else absolute, so that a folder with copies can be sent anywhere.

    Args:
        folder: folder of the round; it is made if need be.
        manifest: what is asked.
        project_folder: folder that relative paths of scans start from.
        prefill: case -> proposed labels, (D, H, W) uint8 class numbers, of some scans or all. Where an earlier call has
            put proposals into the folder, those stand.
        everywhere: also propose labels on slices that are not asked.
        copy_images: copy the scans into the folder, byte by byte.
        thumbnails: draw the contact sheets.

    Raises ConfigError: nothing is asked, or proposals where annotators draw scribbles. DataError: a scan is missing or
    has changed its shape, a slice does not exist, a case cannot name a file, or proposals do not fit. ResultsError: the
    folder holds another round or something else, or cannot be written.
    """
    folder, project_folder = folder.resolve(), project_folder.resolve()
    if not manifest.slices:
        raise ConfigError("a round must ask for at least one slice.")
    names.check_cases([scan.case for scan in manifest.scans])
    _check_slices(manifest)
    labels = proposals(manifest, prefill, everywhere) if prefill else {}
    images = names.Images(folder, project_folder, copy_images)
    scans = [scan for scan in manifest.scans if manifest.wanted(scan.case)]
    headers = {scan.case: read_header(images.source(scan), scan) for scan in scans}
    places = {scan.case: places_of(manifest, scan, headers[scan.case]) for scan in scans}
    try:
        _claim(folder, manifest)
        labels = _recorded(folder, labels)
        files = [folder / manifests.NAME]
        if labels:
            files.append(folder / names.PREFILL)
        if copy_images:
            files += [_copy(images.source(scan), images.copy(scan)) for scan in scans]
        for scan in scans:
            path = folder / names.segmentation(scan.case)
            if _lacks(path):
                write_voxels(path, headers[scan.case], _stored(manifest, scan, labels.get(scan.case)))
            files.append(path)
        for name, text in _texts(manifest, places, images, labels, sheets=thumbnails).items():
            if _lacks(folder / name):
                write_atomic(folder / name, text)
            files.append(folder / name)
        if thumbnails:
            files += _sheets(folder, manifest, places, images, labels)
    except OSError as error:
        raise ResultsError(f"{folder} cannot be written ({error.filename}: {error.strerror or error}).") from None
    return files


def _check_slices(manifest: Manifest) -> None:
    """Raise DataError if a slice is asked that there is not, or that is asked twice."""
    scans = {scan.case: scan for scan in manifest.scans}
    seen = set()
    for asked in manifest.slices:
        if asked.case not in scans:
            raise DataError(f"a slice is asked of {unknown_name('case', asked.case, scans)}")
        if not 0 <= asked.z < scans[asked.case].depth:
            last = scans[asked.case].depth - 1
            raise DataError(f"slice {asked.z} of {asked.case} is asked, whose slices are numbered 0 to {last}.")
        if (asked.case, asked.z) in seen:
            raise DataError(f"slice {asked.z} of {asked.case} is asked twice.")
        seen.add((asked.case, asked.z))


def _claim(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, unless it is there. Raises ResultsError if the folder holds something else."""
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"{folder} is no folder; choose another name for the round.")
    if (folder / manifests.NAME).exists():
        if _plain(Manifest.read(folder)) != _plain(manifest):
            raise ResultsError(f"{folder} holds another round than the one to write; choose a new folder.")
        return
    if folder.exists() and (
        others := sorted(p.name for p in folder.iterdir() if p.suffix != ".tmp" and p.name[0] != ".")
    ):
        raise ResultsError(f"{folder} is not empty and holds no round, but {others[0]!r}; choose a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write(folder)


def _plain(manifest: Manifest) -> str:
    return json.dumps(dataclasses.asdict(manifest), sort_keys=True)


def _recorded(folder: Path, labels: Mapping[str, LabelArray]) -> dict[str, LabelArray]:
    """Return the proposals that the folder is to hold, and record them before the first of them is written.

    A label file that is there without a record was written without proposals.
    """
    path = folder / names.PREFILL
    found = read_record(path)
    if found is None:
        found = {case: array for case, array in labels.items() if not (folder / names.segmentation(case)).exists()}
        if found:
            write_record(path, found)
    return found


def _copy(source: Path, target: Path) -> Path:
    """Copy a scan with its date, unless it is there."""
    if not target.exists() or not filecmp.cmp(source, target):
        target.parent.mkdir(exist_ok=True)
        with source.open("rb") as old, replacing(target) as new:
            shutil.copyfileobj(old, new)
            new.flush()  # writing sets the date, and the file gets its name with the right one
            dates = os.fstat(old.fileno())
            os.utime(new.fileno(), ns=(dates.st_atime_ns, dates.st_mtime_ns))
    return target


def _lacks(path: Path) -> bool:
    """Return whether a file is not there, and make its folder."""
    path.parent.mkdir(exist_ok=True)
    return not path.exists()


def _stored(manifest: Manifest, scan: Scan, labels: LabelArray | None) -> NDArray[np.uint16]:
    """Return the content of a label file, as stored, (I, J, K) uint16."""
    if labels is None:
        return np.zeros(scan.shape, np.uint16)
    return scan.axes.write(np.array(manifest.values, np.uint16)[labels])


def _texts(
    manifest: Manifest,
    places: Mapping[str, Sequence[Place]],
    images: names.Images,
    labels: Mapping[str, LabelArray],
    sheets: bool,
) -> dict[str, str]:
    """Return the content of all files that are text, by name."""
    ranked = sorted(itertools.chain.from_iterable(places.values()), key=lambda place: place.asked.rank)
    links = {
        start: {case: images.link(own[0].scan, start) for case, own in places.items()}
        for start in ("itksnap", "slicer", "mitk")
    }
    saved_in = itksnap.ELSEWHERE if images.copied else images.folder / "itksnap"
    texts = {
        names.README: readme(manifest, copied=images.copied, prefilled=labels, sheets=sheets),
        names.WORKLIST: worklist(ranked),
        names.SNAP_LABELS: itksnap.label_descriptions(manifest),
        names.SLICER_CASES: slicer.case_table(links["slicer"]),
        names.MITK_TASKS: mitk.task_list(manifest, places, links["mitk"], labels),
        names.MITK_LABELS: mitk.label_suggestions(manifest),
    }
    for case, own in places.items():
        texts[names.workspace(case)] = itksnap.workspace(manifest, own, links["itksnap"][case], saved_in)
        texts[names.points(case)] = slicer.point_list(own)
    return texts


def _sheets(
    folder: Path,
    manifest: Manifest,
    places: Mapping[str, Sequence[Place]],
    images: names.Images,
    labels: Mapping[str, LabelArray],
) -> list[Path]:
    from bench.project.exchange.sheets import page, write_picture
    from bench.project.exchange.thumbnails import pictures_of

    sheet, html = folder / names.SHEET, folder / names.PAGE
    if not (sheet.exists() and html.exists()):
        pictures = []
        for case, own in places.items():
            pictures += pictures_of(images.source(own[0].scan), own, labels.get(case))
        pictures.sort(key=lambda picture: picture.place.asked.rank)
        write_picture(sheet, manifest, pictures)
        write_atomic(html, page(manifest, pictures))
    return [sheet, html]
