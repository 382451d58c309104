from __future__ import annotations

import subprocess
import sys

import pytest

from alseg_core.device import memory

FAULTS = """
import resource, sys
import numpy as np
from alseg_core.device.memory import keep_freed
if sys.argv[1] == "keep" and not keep_freed():
    sys.exit(3)
def layers():
    return [np.ones(n * 2**20, dtype=np.uint8) for n in (8, 4, 2, 4, 8)]
for _ in range(3):
    layers()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    layers()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    answer = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=False)
    if answer.returncode == 3:
        pytest.skip("this C library has no mallopt")
    return int(answer.stdout)


def test_memory_is_not_asked_for_again() -> None:
    """Ten times 26 MiB are 66,560 pages where every block comes from the system anew."""
    assert faults("keep") < faults("return") / 5


RESIDENT = """
import sys, threading
import numpy as np
from alseg_core.device.memory import keep_freed, return_freed
if not keep_freed():
    sys.exit(3)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) // 256
start, seen = resident(), []
for _ in range(6):  # a run has a thread of its own
    thread = threading.Thread(target=lambda: [np.ones(4 * 2**20, dtype=np.uint8) for _ in range(30)] and None)
    thread.start()
    thread.join()
    seen.append(resident() - start)
return_freed()
print(max(seen), resident() - start)
"""


def test_threads_share_what_is_kept_and_it_can_be_returned() -> None:
    answer = subprocess.run([sys.executable, "-c", RESIDENT], capture_output=True, text=True, check=False)
    if answer.returncode == 3:
        pytest.skip("this C library has no mallopt")
    most, left = map(int, answer.stdout.split())  # MiB; a thread needs 120
    assert most < 240 and left < 60


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert not memory.keep_freed()
