"""Which presets and splits of a dataset would work with the scans of a folder, without preparing them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from alseg_core.errors import AlsegError, DataError

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.data.prepared import CaseInfo

FEW_SLICES = 8
"""A preset whose first budget has fewer slices is reported as too small for the data."""

SPLITS_TRIED = 5
"""Seeds that are tried of a split that each seed of a study draws anew."""

FEW_VOLUMES = 2
"""A split with fewer validation volumes is reported as too small."""


@dataclass(frozen=True)
class Scan:
    """A case that could be read."""

    case: str
    patient: str
    attributes: dict[str, str]
    depth: int
    """Number of slices."""
    has_mask: bool
    has_scribble: bool
    classes: tuple[int, ...] = ()
    """Classes that its mask holds, or its scribble where it has no mask."""
    constant: bool = False
    """Whether its image has one value only."""


@dataclass(frozen=True)
class PresetFit:
    """The scans of a folder, and the dataset whose presets are tried on them."""

    dataset: str
    """Name or YAML file of the dataset."""
    folder: str | None
    """Folder of the raw scans, None for generated data."""
    scans: Sequence[Scan]

    def lines(self, content: Mapping[str, Any]) -> Iterator[str]:
        """Yield one line per preset: the sizes it would work with, or why it would not and which split would.

        content: that of the dataset file.
        """
        splits = content.get("splits") or {}
        for preset in content.get("presets") or {}:
            try:
                yield f"preset {preset}: {self._fit(preset, None)}"
            except AlsegError as error:
                others = [split for split in splits if self._works(preset, split)]
                hint = "".join(f"; it works with --set split={split}" for split in others[:1])
                yield f"preset {preset}: does not work here: {str(error).rstrip('.')}{hint}"

    def _works(self, preset: str, split: str) -> bool:
        try:
            self._fit(preset, split)
        except AlsegError:
            return False
        return True

    def _fit(self, preset: str, split: str | None) -> str:
        """Return the sizes of each part. Raises AlsegError when the preset works with no kind of annotation."""
        from alseg_core.oracles import ORACLES

        working, errors = [], []
        kinds = list(reversed(ORACLES))  # the weaker ones need less of the data
        sizes = ""
        for annotation in kinds:
            try:
                sizes = self._sizes(preset, split, annotation)
            except DataError as error:
                errors.append(error)
            else:
                working.append(annotation)
        if not working:
            raise errors[0]
        only = "" if len(working) == len(kinds) else f", ANNOTATION={' or '.join(working)} only"
        return f"works ({sizes}{only})"

    def _sizes(self, preset: str, split: str | None, annotation: str) -> str:
        """Make the checks that a run makes of its data, and raise what they raise."""
        from alseg_core.data.splits import per_run
        from bench.study import Study

        study = {"name": "check", "datasets": [self.dataset], "recipes": ["random"], "preset": preset, "split": split}
        more = {"annotations": [annotation], "data": self.folder, "seeds": SPLITS_TRIED}
        first, *others = Study.load({**study, **more}).runs()
        if not per_run(first.dataset.split):
            return self._sizes_of(first)
        for config in others:
            self._sizes_of(config)
        return f"{self._sizes_of(first)}; another split for each seed, this is that of seed 0"

    def _sizes_of(self, config: RunConfig) -> str:
        """Return the sizes of a run. Raises what the run would raise of its data."""
        from alseg_core.data.class_check import check_classes

        divided = config.split.assign(self.scans)
        known = {scan.case: scan for scan in self.scans}
        train, val, test = ([known[case] for case in part] for part in (divided.train, divided.val, divided.test))
        without = [scan.case for scan in (*val, *test) if not scan.has_mask]
        if without:
            raise DataError(f"val and test cases need masks; none for {', '.join(without[:5])}")
        config.annotation.check(cast("Sequence[CaseInfo]", train))
        warnings = check_classes(config.dataset.classes, train, val, test)
        budgets = config.counts(sum(scan.depth for scan in train))
        volumes = " / ".join(str(len(part)) for part in (train, val, test))
        sizes = f"{volumes} volumes to train / validate / test, {', '.join(map(str, budgets))} slices to label"
        if budgets[0] < FEW_SLICES:
            more = ",".join(str(FEW_SLICES * 2**i) for i in range(3))
            sizes += f"; fewer than {FEW_SLICES} slices teach a network little: --set schedules.mine=[{more}]"
        if len(val) < FEW_VOLUMES:
            sizes += f"; {len(val)} validation volume(s) are few to choose networks by: use a split with a larger val"
        return "; ".join([sizes, *warnings])
