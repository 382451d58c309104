"""What is to be done for a study: its runs, those of their rounds that are on disk, and the data that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.study.job import Job

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.loop import Plan
    from bench.planning.forecast import Forecast
    from bench.planning.stopwatch import Clock
    from bench.study import Study
    from bench.terminal.progress import Display


@dataclass(frozen=True)
class Agenda:
    """A study that can be run here. done: finished rounds by key of the run.

    places: runs that will go on at the same time, None on a cluster that nobody has asked yet.
    """

    study: Study
    configs: Sequence[RunConfig]
    jobs: Sequence[Job]
    done: Mapping[str, int]
    places: int | None
    folder: Path
    store: Path

    @classmethod
    def of(cls, study: Study, out: Path, local: bool) -> Agenda:
        """Nothing is written. Raises AlsegError for what is wrong with the study, or asked of a machine without it."""
        from alseg_core.results import RunFolder

        configs, folder = study.runs(), out / study.name
        study.check_folders()
        check_machine(study, configs, local)
        jobs = [Job.of(config, folder) for config in configs]
        done = {job.key: min(len(RunFolder(job.folder).records()), job.rounds) for job in jobs}
        left = [config for config, job in zip(configs, jobs, strict=True) if done[job.key] < job.rounds]
        return cls(study, configs, jobs, done, places_of(study, left, local), folder, out / "store")

    @property
    def todo(self) -> list[Job]:
        """The jobs with rounds left."""
        return [job for job in self.jobs if self.done[job.key] < job.rounds]

    def prepare(self, clock: Clock, display: Display) -> Forecast:
        """Prepare the data in the store and say what the runs will do.

        Raises AlsegError: every complaint about data, and about run folders that do not belong to them.
        """
        from alseg_core.results import RunFolder
        from alseg_core.store import Store
        from bench.planning.forecast import forecast

        plans = plans_of(self.configs, self.store, display)
        for job, config in zip(self.jobs, self.configs, strict=True):
            RunFolder(job.folder).check(config.fingerprint, plans[job.key].data_key)
        return forecast(self.configs, plans, self.done, Store(self.store), clock, self.places)


def plans_of(configs: Sequence[RunConfig], store: Path, display: Display) -> Mapping[str, Plan]:
    """Prepare the data of every run and check them; runs that differ in recipe and seed alone share a plan.

    A recipe that reads ground truth asks more of the data, so it shares none with those that do not.
    """
    from alseg_core.errors import DataError, SplitError
    from alseg_core.loop import plan
    from alseg_core.store import Store, digest

    shared: dict[str, Plan] = {}
    plans: dict[str, Plan] = {}
    for config in configs:
        same = {key: value for key, value in config.describe().items() if key not in ("recipe", "seed")}
        kind = digest({**same, "reads_ground_truth": config.recipe.strategy.reads_ground_truth})
        if kind not in shared:
            name = config.dataset.name
            try:
                shared[kind] = plan(config, Store(store), lambda *at, name=name: display.preparing(name, *at[:2]))
            except SplitError as error:
                raise SplitError(f"{name}: {error}{_other_splits(name)}") from None
            except DataError as error:
                raise DataError(f"{error}{_other_annotation(config, configs, store)}") from None
        plans[config.key] = shared[kind]
    return plans


def places_of(study: Study, left: Sequence[RunConfig], local: bool) -> int | None:
    """Runs of ``left`` at once; None on a cluster, which is asked later."""
    import torch

    from bench.launchers.ray_cluster import shared
    from bench.planning.forecast import at_once, cores

    if local:
        return 1
    if shared():
        return study.concurrency and max(1, min(study.concurrency, len(left)))
    wanted = study.resources
    return at_once(left, wanted.cpus, wanted.gpus, study.concurrency, cores(), torch.cuda.device_count())


def check_machine(study: Study, configs: Sequence[RunConfig], local: bool) -> None:
    """What is asked of this machine must be there, or Ray would wait for it for ever; a cluster is asked later."""
    import torch

    from alseg_core.errors import ConfigError
    from bench.launchers.ray_cluster import shared
    from bench.planning.forecast import cores

    for config in {(c.cover, c.recipe.embed, c.train.network): c for c in configs}.values():
        config.check()
    if not local and shared():
        return
    configs[0].resolve_device()
    wanted, there = study.resources, torch.cuda.device_count()
    if not local and (wanted.gpus > there or wanted.cpus > cores()):
        raise ConfigError(
            f"resources: a run wants {wanted.cpus} CPUs and {wanted.gpus:g} GPUs, "
            f"this machine has {cores()} and {there}; "
            f"join a cluster with RAY_ADDRESS, or lower them: "
            f"--set resources.gpus={min(wanted.gpus, there):g} --set resources.cpus={min(wanted.cpus, cores())}"
        )


def _other_annotation(config: RunConfig, configs: Sequence[RunConfig], store: Path) -> str:
    """Hint at the study's other annotation of the same data, where these allow it."""
    from alseg_core.errors import DataError
    from alseg_core.loop import plan
    from alseg_core.store import Store

    others = {other.annotation_name: other for other in configs if other.dataset == config.dataset}
    for name, other in others.items():
        if name != config.annotation_name:
            try:
                plan(other, Store(store))
            except DataError:
                continue
            return f" Annotation {name!r} alone can be had: --set annotations={name} (ANNOTATION={name})."
    return ""


def _other_splits(dataset: str) -> str:
    """Hint at the splits of a dataset of the catalogue."""
    from bench.study import catalogue, read_yaml

    known = catalogue("dataset")
    names = list(read_yaml(known[dataset]).get("splits") or {}) if dataset in known else []
    return f" Splits of {dataset}: {', '.join(names)} (--set split=NAME)." if names else ""
