"""Which presets and splits of a dataset would work with the scans of a folder, without preparing them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from alseg_core.errors import AlsegError, DataError

if TYPE_CHECKING:
    from alseg_core.data.prepared import CaseInfo

FEW_SLICES = 8
"""Below this first budget a preset is called too small for the data."""
FEW_VOLUMES = 2
"""Below so many validation volumes too."""
ANNOTATIONS = ("scribble", "mask")


@dataclass(frozen=True)
class Scan:
    """What is known of a case that could be read; depth: its slices."""

    case: str
    patient: str
    attributes: dict[str, str]
    depth: int
    has_mask: bool
    has_scribble: bool


def presets(dataset: str, content: Mapping[str, Any], folder: str | None, scans: Sequence[Scan]) -> Iterator[str]:
    """One line for every preset: what it would have to work with, or why it would not and what else would."""
    splits = content.get("splits") or {}
    for preset in content.get("presets") or {}:
        try:
            yield f"preset {preset}: {_fits(dataset, preset, None, folder, scans)}"
        except AlsegError as error:
            others = [split for split in splits if _works(dataset, preset, split, folder, scans)]
            hint = "".join(f"; it works with --set split={split}" for split in others[:1])
            yield f"preset {preset}: does not work here: {str(error).rstrip('.')}{hint}"


def _works(dataset: str, preset: str, split: str, folder: str | None, scans: Sequence[Scan]) -> bool:
    try:
        _fits(dataset, preset, split, folder, scans)
    except AlsegError:
        return False
    return True


def _fits(dataset: str, preset: str, split: str | None, folder: str | None, scans: Sequence[Scan]) -> str:
    """Volumes and slices of each part. Raises AlsegError where no annotation, or something else, would work."""
    works, wrong = [], []
    sizes = ""
    for annotation in ANNOTATIONS:
        try:
            sizes = _sizes(dataset, preset, split, annotation, folder, scans)
        except DataError as error:
            wrong.append(error)
        else:
            works.append(annotation)
    if not works:
        raise wrong[0]
    without = "" if len(works) == len(ANNOTATIONS) else f", ANNOTATION={works[0]} alone"
    return f"works ({sizes}{without})"


def _sizes(
    dataset: str, preset: str, split: str | None, annotation: str, folder: str | None, scans: Sequence[Scan]
) -> str:
    """The checks that a run makes of its data. Raises what they raise."""
    from bench.study import Study

    asked = {"name": "check", "datasets": [dataset], "recipes": ["random"], "preset": preset, "split": split}
    (config,) = Study.load({**asked, "annotations": [annotation], "data": folder}).runs()
    divided = config.dataset.split.assign(scans)
    known = {scan.case: scan for scan in scans}
    train, val, test = ([known[case] for case in part] for part in (divided.train, divided.val, divided.test))
    lacking = [scan.case for scan in (*val, *test) if not scan.has_mask]
    if lacking:
        raise DataError(f"val and test cases need masks; none for {', '.join(lacking[:5])}")
    config.annotation.check(cast("Sequence[CaseInfo]", train))
    budgets = config.counts(sum(scan.depth for scan in train))
    volumes = " / ".join(str(len(part)) for part in (train, val, test))
    told = f"{volumes} volumes to train / validate / test, {', '.join(map(str, budgets))} slices to label"
    if budgets[0] < FEW_SLICES:
        more = ",".join(str(FEW_SLICES * 2**i) for i in range(3))
        told += f"; fewer than {FEW_SLICES} slices teach a network little: --set schedules.mine=[{more}]"
    if len(val) < FEW_VOLUMES:
        told += f"; {len(val)} volume(s) to choose networks by are few: a split with a larger val would be better"
    return told
