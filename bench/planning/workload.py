"""The work that a study has to do: its runs, the rounds of them that are already on disk, and the data they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.study.job import Job

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.material import Plan
    from bench.planning.forecast import Forecast
    from bench.planning.stopwatch import Clock
    from bench.study import Study

Preparing = Callable[[str, int, int], None]
"""Callback with the name of a dataset, the number of scans prepared so far, and their total."""


@dataclass(frozen=True)
class Workload:
    """The runs of a study and how far each one is."""

    study: Study
    """The study."""
    configs: Sequence[RunConfig]
    """Configurations of all its runs."""
    jobs: Sequence[Job]
    """Jobs of all its runs, in the order of ``configs``."""
    done: Mapping[str, int]
    """Number of finished rounds, by the key of the run."""
    folder: Path
    """Folder of the study."""
    store: Path
    """Folder of the store that all runs share."""

    @classmethod
    def of(cls, study: Study, out: Path) -> Workload:
        """Read the state of a study in the output folder ``out``, without writing anything.

        Raises AlsegError if the study is invalid or if a file that it names is missing.
        """
        from alseg_core.results import RunFolder

        configs, folder = study.runs(), out / study.name
        study.check_folders()
        check_components(configs)
        jobs = [Job.of(config, folder) for config in configs]
        done = {job.key: min(len(RunFolder(job.folder).records()), job.rounds) for job in jobs}
        return cls(study, configs, jobs, done, folder, out / "store")

    @property
    def todo(self) -> list[Job]:
        """Jobs with unfinished rounds."""
        return [job for job in self.jobs if self.done[job.key] < job.rounds]

    @property
    def unfinished(self) -> list[RunConfig]:
        """Configurations of the runs with unfinished rounds."""
        return [config for config, job in zip(self.configs, self.jobs, strict=True) if self.done[job.key] < job.rounds]

    def prepare(self, clock: Clock, places: int | None, preparing: Preparing) -> Forecast:
        """Prepare the data in the store and forecast the runs.

        Args:
            clock: measures how long training steps take.
            places: number of runs that execute at the same time; None if unknown.
            preparing: is called for every prepared scan.

        Raises AlsegError if the data are unusable, or if a run folder was made with other data or settings.
        """
        from alseg_core.results import RunFolder
        from alseg_core.store import Store
        from bench.planning.forecast import forecast

        plans = plans_of(self.configs, self.store, preparing)
        for job, config in zip(self.jobs, self.configs, strict=True):
            RunFolder(job.folder).check(config.fingerprint, plans[job.key].data_key)
        found = forecast(self.configs, plans, self.done, Store(self.store), clock, places)
        return dataclasses.replace(found, warnings=warnings_of(self.configs, plans))


def check_components(configs: Sequence[RunConfig]) -> None:
    """Raise AlsegError if a component of a run cannot be used, such as a network whose file of weights is missing."""
    for config in {(c.cover, c.recipe.embed, c.train): c for c in configs}.values():
        config.check()


def warnings_of(configs: Sequence[RunConfig], plans: Mapping[str, Plan]) -> tuple[str, ...]:
    """Return what the plans warn of, each with the datasets and, where some seeds only are concerned, the seeds."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for config in configs:
        for text in plans[config.key].warnings:
            found = seeds.setdefault((config.dataset.name, text), [])
            if config.seed not in found:
                found.append(config.seed)
    every = {config.seed for config in configs}
    return tuple(
        f"{name}: {text}" + ("" if set(found) == every else f" (seeds {', '.join(map(str, found))})")
        for (name, text), found in seeds.items()
    )


def plans_of(configs: Sequence[RunConfig], store: Path, preparing: Preparing) -> Mapping[str, Plan]:
    """Prepare and check the data of every run, and return the plan of each run by its key.

    Runs that differ only in recipe and seed share a plan, unless each seed has a split of its own, or just one of the
    recipes reads ground truth: such a recipe needs more of the data.
    """
    from alseg_core.errors import DataError, SplitError
    from alseg_core.material import plan
    from alseg_core.registry import describe
    from alseg_core.store import Store, digest

    shared: dict[str, Plan] = {}
    plans: dict[str, Plan] = {}
    for config in configs:
        same = {key: value for key, value in config.describe().items() if key not in ("recipe", "seed")}
        reads = config.recipe.strategy.reads_ground_truth
        kind = digest({**same, "split": describe(config.split), "reads_ground_truth": reads})
        if kind not in shared:
            name = config.dataset.name
            try:
                shared[kind] = plan(config, Store(store), lambda *at, name=name: preparing(name, *at[:2]))
            except SplitError as error:
                raise SplitError(f"{name}: {error}{_other_splits(name)}") from None
            except DataError as error:
                raise DataError(f"{error}{_other_annotation(config, configs, store)}") from None
        plans[config.key] = shared[kind]
    return plans


def _other_annotation(config: RunConfig, configs: Sequence[RunConfig], store: Path) -> str:
    """Return a hint at another annotation of the study for which the data suffice; empty if there is none."""
    from alseg_core.errors import DataError
    from alseg_core.material import plan
    from alseg_core.store import Store

    others = {other.annotation_name: other for other in configs if other.dataset == config.dataset}
    for name, other in others.items():
        if name != config.annotation_name:
            try:
                plan(other, Store(store))
            except DataError:
                continue
            return f" Annotation {name!r} alone would work: --set annotations={name} (ANNOTATION={name})."
    return ""


def _other_splits(dataset: str) -> str:
    """Return a hint at the splits of a dataset of the catalogue; empty if it has none."""
    from bench.study import catalogue, read_yaml

    known = catalogue("dataset")
    names = list(read_yaml(known[dataset]).get("splits") or {}) if dataset in known else []
    return f" Splits of {dataset}: {', '.join(names)} (--set split=NAME)." if names else ""
