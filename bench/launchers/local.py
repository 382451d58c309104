"""A study in this process, one run after another: no Ray, the same results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.launchers.worker import RunFailedError, run_one
from bench.study.job import Job, RunEnded, RunRetried, StudyListener


def execute(
    jobs: Sequence[Job], store_root: Path, retries: int, tell: StudyListener, stalled_after: float | None = None
) -> None:
    """Run every job; one that fails is tried again ``retries`` times, then its reason is recorded and the next runs.

    stalled_after: see :func:`bench.launchers.worker.run_one`.
    """
    for job in jobs:
        tell(job.key, RunEnded(_attempt(job, store_root, retries, tell, stalled_after)))


def _attempt(job: Job, store_root: Path, retries: int, tell: StudyListener, stalled_after: float | None) -> str | None:
    for left in range(retries, -1, -1):
        try:
            run_one(job.raw, job.folder, store_root, partial(tell, job.key), stalled_after)
        except RunFailedError as failure:
            if left == 0:
                return str(failure)
            tell(job.key, RunRetried(str(failure)))
        else:
            return None
    raise AssertionError("unreachable: the last attempt returns")
