from __future__ import annotations

import os
import subprocess
import sys

import pytest

FREED_MEANWHILE = """
import threading, time
from bench.launchers.ray_cluster import Cluster

def free() -> None:
    while freeing.is_set():
        references.pop()
        if len(references) % 20 == 0:
            time.sleep(1e-5)

freeing = threading.Event()
freeing.set()
with Cluster(1) as cluster:
    cluster.wait()
    import ray

    one = ray.put(1)
    references = [ray.ObjectRef(one.binary()) for _ in range(1_000_000)]
    other = threading.Thread(target=free)
    other.start()
left = len(references)
freeing.clear()
other.join()
print("freed all the time" if 0 < left < 1_000_000 else f"{left} left")
"""


@pytest.mark.slow
def test_an_object_that_another_thread_frees_while_ray_shuts_down_does_not_end_the_process() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    program = [sys.executable, "-c", FREED_MEANWHILE]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (0, "freed all the time\n"), done.stdout + done.stderr
