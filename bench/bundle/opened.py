"""A bundle that was unpacked and read: what the checks look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alseg_core.errors import DataError, ResultsError
from alseg_core.intact import seal
from alseg_core.visible import visible
from bench.bundle.archive import MANIFEST, unpacked
from bench.bundle.manifest import PLACE, Manifest
from bench.report.runs.discover import find
from bench.report.runs.provenance import by_setting
from bench.report.runs.run import Run
from bench.report.setting import Setting

if TYPE_CHECKING:
    from alseg_core.config import Dataset, RunConfig
    from alseg_core.data.readers import CaseRef
    from bench.bundle.loaded import Loaded


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Pick(_Part):
    case: str
    z: int = Field(ge=0)
    score: float | None


class _Read(_Part):
    who: str
    what: str
    slices: int = Field(ge=0)
    cost: float = Field(ge=0)


class _Round(_Part):
    """What the checks need of a round beyond what a report reads."""

    selected: list[_Pick] = Field(min_length=1)
    members: list[dict[str, float | None]] = Field(min_length=1)
    best: int = Field(ge=0)
    ledger: list[_Read]
    seed: int
    fingerprint: str
    data_key: str
    made_by: dict[str, str | None] = Field(min_length=1)


@dataclass(frozen=True, eq=False)
class Bundle:
    """An unpacked bundle whose files have been read."""

    path: Path
    """Its file."""
    folder: Path
    """Where it is unpacked: the folder of a study."""
    manifest: Manifest
    """What it says of itself."""
    runs: tuple[Run, ...]
    """Runs of its study, started or not."""
    data: Path | None = None
    """Folder of the raw scans, where it is given."""

    @property
    def settings(self) -> dict[Setting, list[Run]]:
        """Setting -> its runs."""
        return by_setting(self.runs)

    @property
    def started(self) -> list[Run]:
        """Runs that have finished rounds."""
        return [run for run in self.runs if run.records]

    @cached_property
    def loaded(self) -> dict[str, Loaded]:
        """Run -> its settings as this version loads them, of those that have started."""
        from bench.bundle.loaded import load

        return {run.key: load(run.config) for run in self.runs if run.config is not None}

    @cached_property
    def configs(self) -> dict[str, RunConfig]:
        """Run -> its configuration, of those that this version can load without code from elsewhere."""
        return {key: loaded.config for key, loaded in self.loaded.items() if loaded.config is not None}

    @cached_property
    def generated(self) -> dict[str, tuple[Dataset, list[CaseRef]]]:
        """Name of a dataset -> it and its cases, where its reader needs no folder, whatever folder the settings name.

        No voxels are made.
        """
        found: dict[str, tuple[Dataset, list[CaseRef]]] = {}
        for dataset in self._datasets:
            with suppress(DataError):  # its reader needs a folder
                found[dataset.name] = dataset, list(dataset.reader.scan(None))
        return found

    @cached_property
    def scanned(self) -> dict[str, list[CaseRef]]:
        """Name of a dataset -> its cases, of data that are generated or in :attr:`data`; no voxels are read.

        Raises AlsegError if the folder does not hold the data.
        """
        found = {name: cases for name, (_, cases) in self.generated.items()}
        for dataset in self._datasets:
            if dataset.name not in found and self.data is not None:
                found[dataset.name] = list(dataset.reader.scan(self.data))
        return found

    @property
    def _datasets(self) -> list[Dataset]:
        """The datasets that this version can load, one of each name."""
        known = (loaded.dataset for loaded in self.loaded.values())
        return list({dataset.name: dataset for dataset in known if dataset is not None}.values())


def label(run: Run) -> str:
    """Return how messages name a run."""
    dataset, annotation, schedule = run.setting
    return f"{dataset}/{annotation}/{schedule} {run.recipe} seed {run.seed}"


def evaluation_of(run: Run) -> Mapping[str, Any]:
    """Return the settings of the evaluation of a run, without those that it leaves at their defaults."""
    return (run.config or {}).get("evaluate") or {}


def scored_part(run: Run) -> str:
    """Return the part of the split that a run is scored on."""
    return str(evaluation_of(run).get("part", "test"))


@contextmanager
def opened(path: Path, data: Path | None = None) -> Iterator[Bundle]:
    """Unpack and read a bundle. Raises ResultsError naming the first fault of its form."""
    with unpacked(path) as folder:
        try:
            manifest = Manifest.read(folder)
            _check_seals(folder, manifest)
            runs = _runs(folder)
        except ResultsError as error:
            raise ResultsError(f"{path} is no bundle that can be read: {error}") from None
        if set(manifest.runs) != {run.key for run in runs}:
            raise ResultsError(f"{path} is no bundle that can be read: {MANIFEST} and study.json list different runs.")
        yield Bundle(path, folder, manifest, runs, data)


def _check_seals(folder: Path, manifest: Manifest) -> None:
    """Raise ResultsError unless the manifest lists exactly the other members as they are."""
    present = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}
    del present[MANIFEST]
    if set(present) != set(manifest.files):
        odd = sorted(set(present) ^ set(manifest.files))[0]
        raise ResultsError(f"{MANIFEST} and the archive list different members, such as {visible(odd, 200)}.")
    for name, file in present.items():
        if seal(file) != manifest.files[name]:
            raise ResultsError(f"{name} was changed since it was packed: its checksum is not that in {MANIFEST}.")


def _runs(folder: Path) -> tuple[Run, ...]:
    """Return the runs that study.json lists. Raises ResultsError where files do not have their form."""
    found = find([folder])
    if found.problems:
        raise ResultsError(found.problems[0].replace(f"{folder}/", ""))
    if any(run.home != folder for run in found.runs):
        raise ResultsError("it holds no study.json.")
    keys = {run.key for run in found.runs}
    for place in (folder / "runs").iterdir() if (folder / "runs").is_dir() else ():
        if place.name not in keys:
            raise ResultsError(f"run {visible(place.name)} is not listed in study.json.")
    for run in found.runs:
        for record in run.records:
            try:
                _Round.model_validate(vars(record))
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = visible(".".join(map(str, first["loc"])), PLACE)
                raise ResultsError(f"run {run.key}, round {record.round + 1}, {where}: {first['msg']}.") from None
        if run.records and not {"cases", "slices", "patient_of"} <= set(run.environment.get("data", {})):
            raise ResultsError(f"run {run.key}: environment.json names no cases, slices or patients of the data.")
    return tuple(found.runs)
