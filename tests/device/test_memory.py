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


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not memory.keep_freed()
