"""The launcher ``local``: one run after another in this process, with the same results as any other launcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.launchers import machine
from bench.launchers.failures import reason_of
from bench.launchers.launcher import Launcher, Policy, TrialQueue
from bench.launchers.run_queue import RunQueue
from bench.launchers.worker import RunFailedError, run_one
from bench.study.job import Job, StudyListener

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from bench.study import Study


class LocalLauncher(Launcher):
    """Execute runs and trials one after another in this process, whatever resources the study asks for."""

    def check(self, study: Study, configs: Sequence[RunConfig]) -> None:
        """See :class:`Launcher`."""
        machine.check_device(configs)

    def places(self, study: Study, configs: Sequence[RunConfig]) -> int:
        """See :class:`Launcher`."""
        return 1

    def run(self, jobs: Sequence[Job], policy: Policy, tell: StudyListener) -> None:
        """See :class:`Launcher`."""
        queue = RunQueue(jobs, policy.retries, tell)
        while attempt := queue.start():
            try:
                run_one(attempt.job.raw, attempt.job.folder, policy.store, attempt.event, policy.stalled_after)
            except RunFailedError as failure:
                attempt.failed(str(failure))
            else:
                attempt.finished()

    def search(self, queue: TrialQueue, policy: Policy) -> None:
        """See :class:`bench.launchers.launcher.TrialLauncher`."""
        while attempt := queue.start():
            try:
                for rung in queue.work(attempt.folder, policy.store, policy.stalled_after, attempt.event):
                    if attempt.report(rung):
                        break
            except Exception as error:
                attempt.end(reason_of(error))
            else:
                attempt.end()
