"""The scans that a study needs before it can start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.planning.workload import check_components

if TYPE_CHECKING:
    from bench.datasets.downloads import Download
    from bench.launchers.launcher import Launcher
    from bench.study import Study


def lacking(study: Study, launcher: Launcher) -> list[Download]:
    """Return what has to be downloaded before the study can run, once all else about it has been checked.

    Raises AlsegError if the study, other scans or the launcher cannot be used: better before a download than after it.
    """
    from bench.datasets.downloads import downloads_of

    found = downloads_of(study.files(), study.data)
    if found:
        configs = study.runs()
        study.check_folders(coming=[each.name for each in found])
        check_components(configs)
        launcher.check(study, configs)
    return found
