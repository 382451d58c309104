"""One run, the same way whoever calls: this process, a Ray worker on this machine or one on another."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from alseg_core.errors import AlsegError
from alseg_core.events import Listener
from bench.launchers.failures import reason_of
from bench.launchers.watchdog import Watchdog


class RunFailedError(AlsegError):
    """A run failed; the message is its reason in one line, the cause what it raised."""


def run_one(
    raw: Mapping[str, Any],
    folder: Path,
    store_root: Path,
    listener: Listener | None = None,
    stalled_after: float | None = None,
) -> None:
    """Run, or continue, one experiment. A failure is left in the run folder for the report; raises RunFailedError.

    stalled_after: minutes without a word from the run after which it is ended, None = never; in another thread than
    the main one it takes the process along (:class:`bench.launchers.watchdog.Watchdog`). Waiting for what another run
    makes is no silence, as that one has a time limit of its own.
    numpy and scipy compute on as many threads as the run asks for, as torch does: by themselves they take all cores.
    """
    from threadpoolctl import threadpool_limits

    from alseg_core.config import RunConfig
    from alseg_core.loop import run
    from alseg_core.results import RunFolder
    from alseg_core.store import Store

    results = RunFolder(folder)
    try:
        config = RunConfig.load(raw)
        with threadpool_limits(config.threads), Watchdog(stalled_after, results.fail) as watch:
            run(config, folder, Store(store_root, watch.alive), [watch, *([listener] if listener else [])])
    except (Exception, SystemExit) as error:
        reason = reason_of(error, Path(os.path.commonpath([folder.absolute(), store_root.absolute()])))
        with suppress(OSError):  # on a full disk; who started the run hears the reason all the same
            results.fail(reason, traceback.format_exc())
        traceback.clear_frames(error.__traceback__)  # or they would keep their tensors beside the next run's
        raise RunFailedError(reason) from error
