from __future__ import annotations

from pathlib import Path

import pytest

from alseg_core.loop import plan
from alseg_core.store import Store
from bench.estimate import at_once, count, seconds
from bench.study import Study


def test_counts_and_time_of_a_study(study_file: Path, tmp_path: Path) -> None:
    study = Study.find(str(study_file), ["recipes=random strided", "members=2"])
    configs = study.runs()
    plans = {config.key: plan(config, Store(tmp_path)) for config in configs}
    work = count(configs, plans)
    steps = sum(plans[configs[0].key].iterations)
    assert (work.runs, work.rounds, work.trainings, work.steps) == (2, 6, 12, 2 * 2 * steps)
    one = seconds(configs, plans, 1)
    assert 0 < one < 600
    assert seconds(configs[:1], plans, 2) == pytest.approx(one / 2, rel=0.9)  # one run is no faster for a second place


@pytest.mark.parametrize(
    ("cpus", "gpus", "limit", "cores", "devices", "expected"),
    [(1, 0, None, 8, 0, 8), (3, 0, None, 8, 0, 2), (1, 0.5, None, 8, 2, 4), (1, 0, 3, 8, 0, 3), (9, 0, None, 8, 0, 1)],
)
def test_runs_at_once(cpus: int, gpus: float, limit: int | None, cores: int, devices: int, expected: int) -> None:
    configs = Study.find("quick", ["seeds=10"]).runs()
    assert at_once(configs, cpus, gpus, limit, cores, devices) == expected


def test_estimate_follows_epochs_volumes_and_shared_first_rounds(study_file: Path, tmp_path: Path) -> None:
    plain, epochs = ([*Study.find(str(study_file), s).runs()] for s in ([], ["train.scribble.epochs=2"]))
    steps = plan(epochs[0], Store(tmp_path)).iterations
    assert steps == tuple(2 * -(-labelled // 6) for labelled in (3, 6, 8)) != plan(plain[0], Store(tmp_path)).iterations
    volumes = Study.find(str(study_file), ["recipes=random_3d", "train.mask.iterations_full=60"]).runs()
    plans = {config.key: plan(config, Store(tmp_path)) for config in volumes}
    assert 0 < seconds(volumes, plans, 1) < 600
    alike = Study.find(str(study_file), ["recipes=random entropy", "schedules={first: [30]}"]).runs()
    plans = {config.key: plan(config, Store(tmp_path)) for config in alike}
    both, each = seconds(alike, plans, 1), [seconds([config], plans, 1) for config in alike]
    assert both < 0.9 * sum(each)
