from __future__ import annotations

import pytest

from bench.launchers.machine import at_once
from bench.study import Study


@pytest.mark.parametrize(
    ("cpus", "gpus", "limit", "cores", "devices", "expected"),
    [(1, 0, None, 8, 0, 8), (3, 0, None, 8, 0, 2), (1, 0.5, None, 8, 2, 4), (1, 0, 3, 8, 0, 3), (9, 0, None, 8, 0, 1)],
)
def test_runs_at_once(cpus: int, gpus: float, limit: int | None, cores: int, devices: int, expected: int) -> None:
    configs = Study.find("quick", ["seeds=10"]).runs()
    assert at_once(configs, cpus, gpus, limit, cores, devices) == expected
