"""Masks that exist before the first round: they are the labels of a round that nobody was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alseg_core.config import RunConfig
from alseg_core.data.readers.reader import wrong
from alseg_core.errors import DataError, some
from alseg_core.material import Material
from alseg_core.oracles.returned import Given
from alseg_core.pending import Pending
from alseg_core.vocabulary import IGNORE
from bench.project.manifest import AskedSlice, Manifest
from bench.project.project import Project
from bench.project.returns.tables import read_table
from bench.project.returns.taken import read_returns
from bench.project.scans import scans

BEFORE = "labels that were there before the first round"


def begin_with(
    project: Project, config: RunConfig, material: Material, masks: Path, table: Path | None, *, by_voxels: bool = False
) -> list[str]:
    """Take masks that exist, whole or on some slices, as the labels of round 0; return lines on them.

    masks: folder with a file per scan, named after it; 255 says "not annotated". table: CSV file with the columns case
    and index (along the stored axis, from 0); None = every slice that is not 255 throughout. by_voxels: take files
    without a position voxel by voxel, though their scan has one.

    Raises DataError with everything that is wrong with the files.
    """
    if not masks.is_dir():
        raise DataError(f"{masks} does not exist; --given wants the folder of the masks.")
    found = scans(project, config, material.infos(material.split.train))
    asked = [(case, z) for case, scan in sorted(found.items()) for z in range(scan.depth)]
    manifest = Manifest(
        project=project.name,
        round=0,
        kind="mask",
        classes=tuple(config.dataset.classes),
        values=tuple(range(len(config.dataset.classes))),
        unmarked=IGNORE,
        scans=tuple(found.values()),
        slices=tuple(AskedSlice(case, z, rank, None, BEFORE, 0.0) for rank, (case, z) in enumerate(asked, start=1)),
    )
    taken = read_returns(manifest, masks, masks, done="all", by_voxels=by_voxels)
    if taken.problems:
        raise wrong(taken.problems, f"the masks in {masks}")
    wanted = None if table is None else _listed(table, manifest)
    whole = project.decided.kind == "mask"
    kept, partly = [], []
    for given in taken.given:
        unmarked = given.labels == IGNORE
        if unmarked.all() or (wanted is not None and (given.case, given.z) not in wanted):
            continue
        if whole and unmarked.any():
            partly.append(f"{given.case} {given.z}")
            continue
        kept.append(Given(given.case, given.z, given.labels, None, "", given.source, given.sha256))
    lacking = sorted((wanted or set()) - {(given.case, given.z) for given in kept})
    if lacking:
        names = [f"{case} {z}" for case, z in lacking]
        raise DataError(f"{table}: {some(names)} have no mask in {masks}, or one that is not whole.")
    if not kept:
        raise DataError(f"{masks} holds no annotated slice of the scans.")
    if not any((given.labels[given.labels != IGNORE] > 0).any() for given in kept):
        raise DataError(
            f"the masks in {masks} hold background only; is 0 the value of what is not annotated? It is 255."
        )
    project.returned.add(kept)
    project.results.path.mkdir(parents=True, exist_ok=True)
    selected = [{"case": given.case, "z": given.z, "score": None} for given in kept]
    Pending(0, selected, config.fingerprint, material.prepared.key, signals={"given": len(kept)}).write(
        project.results.path
    )
    lines = [f"given: {len(kept)} annotated slices of {len({given.case for given in kept})} scans"]
    if partly:
        lines.append(f"left out, as some of their pixels are not annotated: {some(partly)}")
    lines += _plain(kept)
    return [*lines, *(f"note: {note}" for note in taken.notes)]


def _plain(kept: Sequence[Given]) -> list[str]:
    """Return a line for each scan with slices that hold nothing but background, and what to do about them."""
    lines = []
    for case in sorted({given.case for given in kept}):
        slices = [given.labels for given in kept if given.case == case]
        if plain := sum(not ((labels > 0) & (labels != IGNORE)).any() for labels in slices):
            lines.append(f"note: {case}: {plain} of {len(slices)} slices hold nothing but background")
    if lines:
        lines.append(
            "note: they are trained on as background; where nobody has looked yet, start again with 255 there, or name "
            "the annotated slices with --given-slices"
        )
    return lines


def _listed(path: Path, manifest: Manifest) -> set[tuple[str, int]]:
    """Return the slices (case, z) in a table. Raises DataError naming each wrong line."""
    marks, problems = read_table(path, path.name, manifest, listed=True)
    if problems:
        raise wrong(problems, str(path))
    return {(mark.case, mark.z) for mark in marks if mark.done}
