from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alseg_core.loop import Plan, plan
from alseg_core.store import Store
from bench.estimate import PASSES, _run_seconds, at_once, count, durations, wall
from bench.study import Study


def test_counts_and_time_of_a_study(study_file: Path, tmp_path: Path) -> None:
    study = Study.find(str(study_file), ["recipes=random strided", "members=2"])
    configs = study.runs()
    plans = {config.key: plan(config, Store(tmp_path)) for config in configs}
    work = count(configs, plans)
    steps = sum(plans[configs[0].key].iterations)
    assert (work.runs, work.rounds, work.trainings, work.steps) == (2, 6, 12, 2 * 2 * steps)
    one = wall(durations(configs, plans), 1)
    assert 0 < one < 600
    alone = wall(durations(configs[:1], plans), 2)
    assert alone == pytest.approx(one / 2, rel=0.9)  # one run is no faster for a second place


@pytest.mark.parametrize(
    ("cpus", "gpus", "limit", "cores", "devices", "expected"),
    [(1, 0, None, 8, 0, 8), (3, 0, None, 8, 0, 2), (1, 0.5, None, 8, 2, 4), (1, 0, 3, 8, 0, 3), (9, 0, None, 8, 0, 1)],
)
def test_runs_at_once(cpus: int, gpus: float, limit: int | None, cores: int, devices: int, expected: int) -> None:
    configs = Study.find("quick", ["seeds=10"]).runs()
    assert at_once(configs, cpus, gpus, limit, cores, devices) == expected


def test_estimate_follows_epochs_volumes_and_shared_first_rounds(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, epochs = ([*Study.find(str(study_file), s).runs()] for s in ([], ["train.scribble.epochs=2"]))
    steps = plan(epochs[0], Store(tmp_path)).iterations
    assert steps == tuple(2 * -(-labelled // 6) for labelled in (3, 6, 8)) != plan(plain[0], Store(tmp_path)).iterations
    small = "train.mask={iterations_full: 60, network: {name: unet3d, widths: [4, 8, 8]}}"
    volumes = Study.find(str(study_file), ["recipes=random_3d", small]).runs()
    plans = {config.key: plan(config, Store(tmp_path)) for config in volumes}
    assert 0 < wall(durations(volumes, plans), 1) < 600
    monkeypatch.setattr("bench.estimate._step_seconds", lambda config, plan: 0.01)  # whatever else the machine does
    alike = Study.find(str(study_file), ["recipes=random entropy", "schedules={first: [30]}"]).runs()
    plans = {config.key: plan(config, Store(tmp_path)) for config in alike}
    both, each = wall(durations(alike, plans), 1), [wall(durations([config], plans), 1) for config in alike]
    assert both < 0.9 * sum(each)


def test_an_encoder_and_a_shared_first_round_are_both_counted(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.estimate._step_seconds", lambda config, plan: 0.01)
    monkeypatch.setattr("bench.estimate._encoder_slice_seconds", lambda config, plan: 0.5)
    asked = ["recipes=random uncertain_coreset", "components.contrastive={init: random, epochs: 3, image_size: 16}"]
    configs = Study.find(str(study_file), asked).runs()
    plans = {config.key: plan(config, Store(tmp_path)) for config in configs}
    together, alone = durations(configs, plans), [durations([config], plans)[0] for config in configs]
    encoder, first = 0.5 * 3 * plans[configs[1].key].pool, 0.01 * plans[configs[1].key].iterations[0]
    assert together[0] == alone[0] and together[1] == pytest.approx(alone[1] - first)
    assert alone[1] > encoder > alone[0]


@pytest.mark.parametrize(
    ("recipe", "settings", "members", "looks"),
    [
        ("entropy", {}, 1, 1),
        ("entropy", {}, 5, 5),
        ("margin", {}, 5, 5),
        ("least_confidence", {}, 2, 2),
        ("clasp_pe", {}, 5, 5),
        ("clasp_pe", {"source": "dropout", "passes": 9}, 5, 9),
        ("entropy", {"source": "dropout", "passes": 7}, 5, 7),
        ("variance_ratio", {"passes": 6}, 1, 6),
        ("variance_ratio", {"passes": 6}, 2, 2),
        ("bald", {"passes": 8}, 5, 8),
        ("bald", {"passes": 8, "source": "auto"}, 5, 5),
        ("stochastic_batches", {}, 5, 5),
        ("stochastic_batches", {"score": {"name": "bald", "passes": 12}}, 1, 12),
        ("stochastic_batches", {"score": {"name": "bald", "passes": 12}}, 3, 3),
        ("uncertain_coreset", {"score": {"name": "entropy", "source": "dropout", "passes": 11}}, 5, 11),
        ("badge", {}, 1, 1),
    ],
)
def test_looks_at_the_pool(recipe: str, settings: dict[str, Any], members: int, looks: int) -> None:
    """Time of one query is that of as many passes over the pool as predictions are asked for."""
    study = {"name": "s", "datasets": ["phantom"], "recipes": [recipe], "members": members, "preset": "quick"}
    name = Study.load(study).runs()[0].describe()["recipe"]["strategy"]["name"]
    (config,) = Study.load({**study, "components": {name: settings}, "evaluate": {"surface": False}}).runs()

    def once(pool: int) -> float:
        plan = Plan(
            pool, (3, 6), (6, 12), val_slices=0, test_slices=0, test_volumes=1, channels=1, size=16, data_key=""
        )
        return _run_seconds(config, plan, step=1.0)

    assert once(100) - once(0) == pytest.approx(100 * looks * PASSES / config.train.batch)
