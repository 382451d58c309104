"""Leaving Ray without ending this process."""

from __future__ import annotations


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
