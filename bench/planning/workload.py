"""The work that a study has to do: its runs, the rounds of them that are already on disk, and the data they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
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

Stage = Callable[[str], AbstractContextManager[object]]
"""Callback with what is going on; it returns the context manager inside which that goes on."""
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
    damaged: Mapping[str, str]
    """What is wrong with run folders, by the key of the run. Such a run is mended or fails, and concerns no other."""
    data: Mapping[str, str]
    """Key of the data that a run was made from, by the key of the run, where it has started."""
    folder: Path
    """Folder of the study."""
    store: Path
    """Folder of the store that all runs share."""

    @classmethod
    def of(cls, study: Study, out: Path) -> Workload:
        """Read the state of a study in the output folder ``out``, without writing anything.

        Raises AlsegError if the study is invalid or if a file that it names is missing.
        """
        configs, folder = study.runs(), out / study.name
        study.check_folders()
        check_components(configs)
        jobs = [Job.of(config, folder) for config in configs]
        found = {job.key: _State.of(job, config) for job, config in zip(jobs, configs, strict=True)}
        done = {key: state.rounds for key, state in found.items()}
        damaged = {key: state.fault for key, state in found.items() if state.fault}
        data = {key: state.data_key for key, state in found.items() if state.data_key}
        return cls(study, configs, jobs, done, damaged, data, folder, out / "store")

    @property
    def todo(self) -> list[Job]:
        """Jobs with unfinished rounds or a damaged folder."""
        return [job for job in self.jobs if self.done[job.key] < job.rounds or job.key in self.damaged]

    @property
    def unfinished(self) -> list[RunConfig]:
        """Configurations of the jobs in :attr:`todo`."""
        keys = {job.key for job in self.todo}
        return [config for config in self.configs if config.key in keys]

    def prepare(self, clock: Clock, places: int | None, preparing: Preparing, stage: Stage = nullcontext) -> Forecast:
        """Prepare the data in the store and forecast the runs.

        Args:
            clock: measures how long training steps take.
            places: number of runs that execute at the same time; None if unknown.
            preparing: is called for every prepared scan.
            stage: called with what is going on; a context that lasts as long as that.

        Raises AlsegError if the data are unusable, or if a run was made with other data.
        """
        from alseg_core.results import RunFolder
        from alseg_core.store import Store
        from bench.planning.forecast import forecast
        from bench.planning.ineffective import ineffective

        with stage("checking the data"):
            plans = plans_of(self.configs, self.store, preparing)
        for job, config in zip(self.jobs, self.configs, strict=True):
            data = plans[job.key].data_key
            if job.key not in self.damaged and self.data.get(job.key, data) != data:
                folder = RunFolder(job.folder)
                folder.check(folder.records(), config.fingerprint, data)
        # a damaged run takes no time: it ends at once, or as if it had not been damaged if it can be mended
        done = {job.key: job.rounds if job.key in self.damaged else self.done[job.key] for job in self.jobs}
        with stage("measuring this machine" if clock.measured else "counting what is to do"):
            found = forecast(self.configs, plans, done, Store(self.store), clock, places)
        warnings = (*warnings_of(self.configs, plans), *ineffective(self.study, self.configs, plans))
        return dataclasses.replace(found, warnings=warnings)


@dataclass(frozen=True)
class _State:
    """What is on disk of a run: its finished rounds, what is wrong with its folder, the key of its data."""

    rounds: int = 0
    fault: str | None = None
    data_key: str | None = None

    @classmethod
    def of(cls, job: Job, config: RunConfig) -> _State:
        from alseg_core.errors import ResultsError
        from alseg_core.results import RunFolder

        folder = RunFolder(job.folder)
        try:
            records = folder.records()
            fault = folder.check(records, config.fingerprint)
            identity = None if fault else folder.identity()
        except ResultsError as error:
            return cls(fault=f"{error} The run fails until then; the others do not.")
        if fault:
            fault += "; the run will write it again from its rounds"
        return cls(min(len(records), job.rounds), fault, None if identity is None else identity["data_key"])


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
            return f" Annotation {name!r} alone would work: --set annotations={name}."
    return ""


def _other_splits(dataset: str) -> str:
    """Return a hint at the splits of a dataset of the catalogue; empty if it has none."""
    from bench.study import catalogue, read_yaml

    known = catalogue("dataset")
    names = list(read_yaml(known[dataset]).get("splits") or {}) if dataset in known else []
    return f" Splits of {dataset}: {', '.join(names)} (--set split=NAME)." if names else ""
