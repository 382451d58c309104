from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from alseg_core.device.usage import FILE, NAMES, Meter, Usage, append, recorded


def test_cpu_time_counts_from_the_measurement_before_and_memory_is_that_of_now() -> None:
    meter, start = Meter(), time.process_time()
    while time.process_time() - start < 0.1:
        pass
    busy = meter.read()
    block = np.ones(2**25)  # 256 MB
    time.sleep(0.2)
    idle = meter.read()
    assert busy.cpu_percent > 0 and idle.cpu_percent < 150  # other threads of the process may work
    assert idle.memory_gb - busy.memory_gb == pytest.approx(block.nbytes / 2**30, abs=0.05)
    assert abs(idle.time - time.time()) < 60 and busy.gpu_percent is None and busy.gpu_memory_gb is None


def test_lines_are_added_and_damaged_ones_left_out(tmp_path: Path) -> None:
    first, second = Usage(1.7e9, 98.5, 1.25, None, None), Usage(1.7e9 + 10, None, 1.5, 75.0, 2.0)
    append(tmp_path, first)
    append(tmp_path, second)
    path = tmp_path / FILE
    assert path.read_text().splitlines()[0] == ",".join(NAMES) and recorded(tmp_path) == [first, second]
    path.write_text(path.read_text()[:-8])  # cut off by a kill: the next line joins what is left
    append(tmp_path, second)
    append(tmp_path, second)
    assert recorded(tmp_path) == [first, second]
    path.write_bytes(b"\xff\x00,nan,inf\n1,2\n" + path.read_bytes())
    assert recorded(tmp_path) == [first, second]


def test_a_folder_without_the_file_has_no_samples(tmp_path: Path) -> None:
    assert recorded(tmp_path) == recorded(tmp_path / "absent") == []
    (tmp_path / FILE).mkdir()
    assert recorded(tmp_path) == []
    with pytest.raises(OSError, match="directory"):
        append(tmp_path, Usage(0.0, None, None, None, None))


def test_the_gpu_is_the_one_that_holds_the_run_and_may_not_tell_how_busy_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a driver that answers; CI has no GPU."""

    def missing(device: int) -> int:
        raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * 2**30 * device)
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 70 + device)
    usage = Meter().read()
    assert (usage.gpu_percent, usage.gpu_memory_gb) == (71.0, 3.0)
    monkeypatch.setattr(torch.cuda, "utilization", missing)
    usage = Meter().read()
    assert (usage.gpu_percent, usage.gpu_memory_gb) == (None, 3.0)
