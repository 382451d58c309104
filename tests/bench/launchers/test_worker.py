"""What a run asks of the process that it runs in."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from threadpoolctl import threadpool_info

from alseg_core.config import RunConfig
from alseg_core.results import RunFolder
from bench.launchers.worker import RunFailedError, run_one
from bench.study import Study


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
    with pytest.raises(RunFailedError, match="RuntimeError: enough"):
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
import bench.launchers.ray_preload, ray.tune
from bench.launchers.worker import RunFailedError, run_one
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


TOGETHER = """
import pathlib, sys, time, yaml
import bench.launchers.ray_preload
from alseg_core.store import Store
from bench.launchers.worker import run_one
folder = pathlib.Path(sys.argv[1])
made = Store._make
def make(self, entry, key, maker):
    with (folder / "made").open("a") as file:
        file.write(entry.parent.name + "\\n")
    made(self, entry, key, maker)
Store._make = make
(folder / f"ready-{sys.argv[2]}").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
run_one(yaml.safe_load((folder / f"{sys.argv[2]}.yaml").read_text()), folder / sys.argv[2], folder / "store")
"""


@pytest.mark.slow
def test_runs_that_start_together_make_what_they_share_once(tiny: dict[str, Any], tmp_path: Path) -> None:
    """Prepared data, encoder and the first round's training, of three processes."""
    recipes = ["random", "entropy", "margin"]
    encoder = {"name": "contrastive", "init": "random", "image_size": 16, "epochs": 1}
    for name in recipes:
        run = {**tiny, "recipe": {"name": name, "strategy": name}, "cover": encoder}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(run))
    processes = [subprocess.Popen([sys.executable, "-c", TOGETHER, str(tmp_path), name]) for name in recipes]
    try:
        while len(list(tmp_path.glob("ready-*"))) < len(recipes):
            assert all(process.poll() is None for process in processes)
            time.sleep(0.02)
        (tmp_path / "go").touch()
        assert [process.wait() for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
    assert sorted((tmp_path / "made").read_text().split()) == ["encoder", "prepared", "training"]
    first = [RunFolder(tmp_path / name).records()[0] for name in recipes]
    assert sorted(str(record.signals["training"]) for record in first) == ["own", "shared", "shared"]
    assert first[0].summary == first[1].summary == first[2].summary
    assert first[0].cover_radius == first[1].cover_radius == first[2].cover_radius
