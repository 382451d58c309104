"""What a run asks of the process that it runs in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from threadpoolctl import threadpool_info

from alseg_core.config import RunConfig
from bench.study import Study
from bench.worker import run_one


def threads_of_numpy() -> set[int]:
    square = np.ones((64, 64))
    assert (square @ square)[0, 0] == 64
    return {library["num_threads"] for library in threadpool_info()}


@pytest.mark.parametrize("threads", [1, 2])
def test_numpy_and_torch_take_the_threads_of_the_run(
    threads: int, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny["threads"] = threads
    seen: list[tuple[set[int], int]] = []

    def material(config: RunConfig, store: object) -> None:  # the first thing a run does
        seen.append((threads_of_numpy(), torch.get_num_threads()))
        raise RuntimeError("enough")

    monkeypatch.setattr("alseg_core.loop.open_material", material)
    before = threads_of_numpy()
    with pytest.raises(RuntimeError, match="enough"):
        run_one(tiny, tmp_path / "run", tmp_path / "store")
    assert seen == [({threads}, threads)]
    assert threads_of_numpy() == before
    torch.set_num_threads(1)


@pytest.mark.parametrize("cpus", [1, 4])
def test_a_run_has_as_many_threads_as_cores(cpus: int, study_file: Path) -> None:
    study = Study.find(str(study_file), [f"resources.cpus={cpus}"])
    assert {config.threads for config in study.runs()} == {cpus}


TRIAL = """
import sys, pathlib, yaml
import bench.ahead, ray.tune
from bench.worker import run_one
run_one(yaml.safe_load(open(sys.argv[1])), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
print(*sorted({"mlflow", "matplotlib", "optuna", "monai"} & set(sys.modules)))
"""


def test_a_trial_imports_nothing_that_tracks_or_draws(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["evaluate"] = {"surface": False}  # MONAI imports all of that
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(tiny))
    command = [sys.executable, "-c", TRIAL, *(str(tmp_path / name) for name in ("run.yaml", "run", "store"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (tmp_path / "run" / "rounds.jsonl").exists()
    assert done.stdout.split() == []
