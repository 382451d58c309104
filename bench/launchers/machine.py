"""This machine: what its cores and GPUs can run, and how many runs at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alseg_core.errors import ConfigError
from bench.planning.cores import cores

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from bench.study import Study


def check_device(configs: Sequence[RunConfig]) -> None:
    """Raise AlsegError if the runs need a device that this machine does not have."""
    configs[0].resolve_device()


def check_resources(study: Study) -> None:
    """Raise ConfigError if one run needs more cores or GPUs than this machine has."""
    import torch

    wanted, gpus = study.resources, torch.cuda.device_count()
    if wanted.gpus > gpus or wanted.cpus > cores():
        raise ConfigError(
            f"resources: a run wants {wanted.cpus} CPUs and {wanted.gpus:g} GPUs, this machine has {cores()} and "
            f"{gpus} for this program; join a cluster with RAY_ADDRESS, or lower them: "
            f"--set resources.gpus={min(wanted.gpus, gpus):g} --set resources.cpus={min(wanted.cpus, cores())}"
        )


def places(study: Study, configs: Sequence[RunConfig]) -> int:
    """Return how many of the runs ``configs`` this machine executes at the same time."""
    import torch

    wanted = study.resources
    return at_once(configs, wanted.cpus, wanted.gpus, study.concurrency, cores(), torch.cuda.device_count())


def at_once(configs: Sequence[RunConfig], cpus: int, gpus: float, limit: int | None, cores: int, devices: int) -> int:
    """Return how many runs fit on ``cores`` and ``devices`` at the same time, at least 1."""
    fitting = cores // cpus
    if gpus > 0:
        fitting = min(fitting, int(devices / gpus))
    return max(1, min(fitting, limit or fitting, len(configs)))
