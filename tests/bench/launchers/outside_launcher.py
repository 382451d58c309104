"""A launcher from outside the package: a pool of processes. Shown in bench/launchers/README.md."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context

from bench.launchers.launcher import Launcher, Policy
from bench.launchers.run_queue import Attempt, RunQueue
from bench.launchers.worker import RunFailedError, run_one
from bench.study.job import Job, StudyListener


class ProcessPool(Launcher):
    """Execute runs in a pool of processes on this machine."""

    def run(self, jobs: Sequence[Job], policy: Policy, tell: StudyListener) -> None:
        queue = RunQueue(jobs, policy.retries, tell)
        running: dict[Future[None], Attempt] = {}
        with ProcessPoolExecutor(policy.places, get_context("spawn")) as pool:
            while not queue.over:
                while attempt := queue.start():
                    job = attempt.job
                    task = pool.submit(run_one, job.raw, job.folder, policy.store, None, policy.stalled_after)
                    running[task] = attempt
                for task in wait(running, return_when=FIRST_COMPLETED).done:
                    attempt = running.pop(task)
                    try:
                        task.result()
                    except RunFailedError as failure:
                        attempt.failed(str(failure))
                    else:
                        attempt.finished()
