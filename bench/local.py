"""A study in this process, one run after another: no Ray, the same results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.worker import Job, RunEnded, RunRetried, StudyListener, reason_of, run_one


def execute(jobs: Sequence[Job], store_root: Path, retries: int, tell: StudyListener) -> None:
    """Run every job; one that fails is tried again ``retries`` times, then its reason is recorded and the next runs."""
    for job in jobs:
        tell(job.key, RunEnded(_attempt(job, store_root, retries, tell)))


def _attempt(job: Job, store_root: Path, retries: int, tell: StudyListener) -> str | None:
    for left in range(retries, -1, -1):
        try:
            run_one(job.raw, job.folder, store_root, partial(tell, job.key))
        except Exception as error:
            reason = reason_of(error)
            if left == 0:
                return reason
            tell(job.key, RunRetried(reason))
        else:
            return None
    raise AssertionError("unreachable: the last attempt returns")
