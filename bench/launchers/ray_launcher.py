"""The launcher ``ray``: runs in parallel on this machine, or on the cluster that RAY_ADDRESS names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.launchers.launcher import Launcher, Policy, TrialQueue
from bench.launchers.ray_cluster import Cluster
from bench.launchers.ray_join import shared

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from bench.study import Study
    from bench.study.job import Job, StudyListener


class RayLauncher(Launcher):
    """Execute runs and trials on Ray Tune, each in a worker process of its own; a lost one continues elsewhere."""

    @property
    def remote(self) -> str | None:
        """See :class:`Launcher`."""
        return "the cluster at RAY_ADDRESS" if shared() else None

    @property
    def starting(self) -> str:
        """See :class:`Launcher`."""
        return f"joining {self.remote}" if shared() else "starting Ray"

    def check(self, study: Study, configs: Sequence[RunConfig]) -> None:
        """See :class:`Launcher`; a cluster is checked once it is joined."""
        if not shared():
            super().check(study, configs)

    def places(self, study: Study, configs: Sequence[RunConfig]) -> int | None:
        """See :class:`Launcher`; on a cluster only the study's own limit is known."""
        if not shared():
            return super().places(study, configs)
        return study.concurrency and max(1, min(study.concurrency, len(configs)))

    @contextmanager
    def start(self, policy: Policy) -> Iterator[None]:
        """See :class:`Launcher`; Ray starts in a thread of its own while the data are prepared."""
        with Cluster(policy.places or 1) as self._cluster:
            yield

    def run(self, jobs: Sequence[Job], policy: Policy, tell: StudyListener) -> None:
        """See :class:`Launcher`."""
        from bench.launchers import ray_tune

        with self._cluster.guarded():
            ray_tune.execute(jobs, policy, tell, self._cluster)

    def search(self, queue: TrialQueue, policy: Policy) -> None:
        """See :class:`bench.launchers.launcher.TrialLauncher`."""
        self._cluster.wait()  # its thread imports Ray Tune; a second thread importing it would meet half-made modules
        from bench.launchers.ray_search import search

        with self._cluster.guarded():
            search(queue, policy, self._cluster)
