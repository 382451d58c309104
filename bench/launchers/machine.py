"""This machine: what its cores and GPUs can run, and how many runs they take at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alseg_core.errors import ConfigError

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from bench.study import Study


def check(study: Study, configs: Sequence[RunConfig], local: bool) -> None:
    """Raise AlsegError if one run needs a device, more cores or more GPUs than this machine has."""
    import torch

    from bench.launchers.ray_cluster import shared

    if not local and shared():
        return
    configs[0].resolve_device()
    wanted, gpus = study.resources, torch.cuda.device_count()
    if not local and (wanted.gpus > gpus or wanted.cpus > cores()):
        raise ConfigError(
            f"resources: a run wants {wanted.cpus} CPUs and {wanted.gpus:g} GPUs, this machine has {cores()} and "
            f"{gpus}; join a cluster with RAY_ADDRESS, or lower them: "
            f"--set resources.gpus={min(wanted.gpus, gpus):g} --set resources.cpus={min(wanted.cpus, cores())}"
        )


def places(study: Study, configs: Sequence[RunConfig], local: bool) -> int | None:
    """Number of runs of ``configs`` that execute at the same time; None on a cluster, which is asked later."""
    import torch

    from bench.launchers.ray_cluster import shared

    if local:
        return 1
    if shared():
        return study.concurrency and max(1, min(study.concurrency, len(configs)))
    wanted = study.resources
    return at_once(configs, wanted.cpus, wanted.gpus, study.concurrency, cores(), torch.cuda.device_count())


def at_once(configs: Sequence[RunConfig], cpus: int, gpus: float, limit: int | None, cores: int, devices: int) -> int:
    """Number of runs that fit on ``cores`` and ``devices`` at the same time, at least 1."""
    fitting = cores // cpus
    if gpus > 0:
        fitting = min(fitting, int(devices / gpus))
    return max(1, min(fitting, limit or fitting, len(configs)))


def cores() -> int:
    """Number of CPU cores of this machine."""
    return os.cpu_count() or 1
