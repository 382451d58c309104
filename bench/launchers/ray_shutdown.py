"""Leaving Ray without ending this process."""

from __future__ import annotations

import atexit
from typing import Any

_kept: list[Any] = []
"""What would wait for Ray's servers when it is freed."""


def shut_down() -> None:
    """Leave Ray and end the processes that it has started, if there are any.

    Ray ends the whole process, with exit code 1, when one of its objects is freed while it shuts down, and another
    thread may collect garbage at any time. Objects find Ray through ``global_worker``, so it is hidden from them first.
    """
    import ray
    from ray._private import worker

    worker.disconnect()
    core = vars(worker.global_worker).pop("core_worker", None)
    if core is not None:
        core.shutdown_driver()
    ray.shutdown()


def cut_off() -> None:
    """Keep this process away from a Ray whose servers are gone: any call would wait for them, then end the process."""
    import ray
    from ray._private import auto_init_hook, worker
    from ray.experimental import internal_kv

    auto_init_hook.enable_auto_connect = False  # a call would start another Ray
    worker.global_worker.set_is_connected(False)
    _kept.append(vars(worker.global_worker).pop("core_worker", None))
    internal_kv._internal_kv_reset()
    atexit.unregister(ray.shutdown)
