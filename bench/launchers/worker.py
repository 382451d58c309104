"""Executing one run, in whichever process a launcher chooses."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alseg_core.errors import AlsegError
from alseg_core.events import Listener
from bench.launchers.failures import reason_of
from bench.launchers.sampler import Sampler
from bench.launchers.watchdog import Watchdog


class RunFailedError(AlsegError):
    """A run failed. The message is the reason in one line, the cause is the original error."""


def run_one(
    raw: Mapping[str, Any],
    folder: Path,
    store_root: Path,
    listener: Listener | None = None,
    stalled_after: float | None = None,
) -> None:
    """Execute one run, or continue it with its first unfinished round.

    Like torch, numpy and scipy use as many threads as the run asks for; by themselves they would use all cores.

    Args:
        raw: configuration of the run as plain data.
        folder: run folder.
        store_root: folder of the store that all runs share.
        listener: is called with every event of the run.
        stalled_after: time without progress after which the run ends as failed, in minutes; None = never. Waiting for
            another run that makes something shared counts as progress, as that run has a time limit of its own. Outside
            the main thread the time limit ends the whole process; see :class:`bench.launchers.watchdog.Watchdog`.

    Raises RunFailedError after recording the reason in the run folder, for the report.
    """
    from threadpoolctl import threadpool_limits

    from alseg_core.config import RunConfig
    from alseg_core.loop import run
    from alseg_core.results import RunFolder
    from alseg_core.store import Store

    results = RunFolder(folder)
    try:
        config = RunConfig.load(raw)
        with (
            threadpool_limits(config.threads),
            Watchdog(stalled_after, results.fail) as watch,
            Sampler(folder) as sampler,
        ):
            run(config, folder, Store(store_root, watch.alive), [watch, sampler, *([listener] if listener else [])])
    except (Exception, SystemExit) as error:
        reason = reason_of(error, Path(os.path.commonpath([folder.absolute(), store_root.absolute()])))
        results.fail(reason, traceback.format_exc())
        traceback.clear_frames(error.__traceback__)  # or its tensors would stay in memory during the next run
        raise RunFailedError(reason) from error
