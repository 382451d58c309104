from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from alseg_core.config import RunConfig
from alseg_core.material import Plan, plan
from alseg_core.store import Store
from bench.launchers.launcher import Policy
from bench.launchers.local import LocalLauncher
from bench.planning.forecast import PASSES, Course, Forecast, Round, forecast
from bench.planning.order import wall
from bench.planning.stopwatch import Relative, Stopwatch
from bench.planning.workload import plans_of
from bench.study import Study
from bench.study.job import Job
from tests.conftest import network_trainer

CONTRASTIVE = "components.contrastive={init: random, epochs: 3, image_size: 16}"


class Fixed:
    """Whatever else the machine does: a step takes .01 s, a slice of an encoder's epoch .5 s."""

    measured = True
    busy: str | None = None

    def step(self, config: RunConfig, plan: Plan) -> float:
        return 0.01

    def encoder_slice(self, training: object, config: RunConfig, plan: Plan) -> float:
        return 0.5


def foretold(
    configs: Sequence[RunConfig], root: Path, done: int = 0, clock: Any = None, places: int | None = 1
) -> Forecast:
    plans = {config.key: plan(config, Store(root)) for config in configs}
    rounds = {config.key: done for config in configs}
    return forecast(configs, plans, rounds, Store(root), clock or Fixed(), places)


def test_counts_and_time_of_a_study(study_file: Path, tmp_path: Path) -> None:
    configs = Study.find(str(study_file), ["recipes=random strided", "members=2"]).runs()
    told = foretold(configs, tmp_path, clock=Stopwatch())
    assert (told.total("trainings"), told.total("shared_trainings"), told.total("encoders")) == (12, 0, 0)
    assert len(told.left) == 2 and 0 < told.wall < 600
    assert 0 < told.disk < 1e6 and told.stored > 0


def test_wall_time_is_that_of_the_fullest_place() -> None:
    assert wall([], 3) == 0 and wall([5, 1], 4) == 5 and wall([2, 2, 2], 2) == 4 and wall([3, 1, 4, 2], 1) == 10
    times = [7.0, 5.0, 4.0, 3.0, 2.0]
    best = min(  # over every way to give five runs to two places
        max(sum(t for t, at in zip(times, places, strict=True) if at == place) for place in (0, 1))
        for places in itertools.product((0, 1), repeat=5)
    )
    assert best <= wall(times, 2) <= 7 / 6 * best  # what longest first is known to keep (Graham, 1969)


def test_what_is_finished_is_not_counted(study_file: Path, tmp_path: Path) -> None:
    configs = Study.find(str(study_file)).runs()
    whole, last, none = (foretold(configs, tmp_path, done) for done in (0, 2, 3))
    assert [told.total("trainings") for told in (whole, last, none)] == [6, 2, 0]
    for config in configs:
        course = last.courses[config.key]
        assert course.left == pytest.approx(course.rounds[2].seconds)
        assert whole.courses[config.key].left == pytest.approx(course.seconds)
    assert none.left == {} and none.wall == 0 and none.disk == none.stored == 0


def test_estimate_follows_epochs_and_volumes(study_file: Path, tmp_path: Path) -> None:
    plain, epochs = ([*Study.find(str(study_file), s).runs()] for s in ([], ["train.scribble.epochs=2"]))
    steps = plan(epochs[0], Store(tmp_path)).iterations
    assert steps == tuple(2 * -(-labelled // 6) for labelled in (3, 6, 8)) != plan(plain[0], Store(tmp_path)).iterations
    small = "train.mask={iterations_full: 60, network: {name: unet3d, widths: [4, 8, 8]}}"
    volumes = Study.find(str(study_file), ["recipes=random_3d", small]).runs()
    assert 0 < foretold(volumes, tmp_path, clock=Stopwatch()).wall < 600


def test_networks_planned_for_data_are_forecast_and_shared(study_file: Path, tmp_path: Path) -> None:
    """A run is run for real; another recipe finds its first training, and an estimate times the planned network."""
    network = "train.scribble={network: {name: dynunet_dual, width: 2, cap: 4}, iterations_full: 20, batch: 1}"
    configs = Study.find(str(study_file), ["recipes=random entropy", network]).runs()
    told = foretold(configs, tmp_path, clock=Stopwatch())
    assert told.total("shared_trainings") == 1 and 0 < told.wall < 600 and told.stored > 1000
    job = Job.of(configs[0], tmp_path / "study")
    LocalLauncher().run([job], Policy(tmp_path / "study", tmp_path), lambda key, event: None)
    assert foretold(configs[1:], tmp_path).total("shared_trainings") == 1


def test_first_rounds_and_encoders_are_counted_once(study_file: Path, tmp_path: Path) -> None:
    asked = ["recipes=random entropy uncertain_coreset gcl_coreset gcl_ablation_v", "members=2", CONTRASTIVE]
    configs = Study.find(str(study_file), asked).runs()
    together = foretold(configs, tmp_path)
    alone = {config.key: foretold([config], tmp_path).courses[config.key] for config in configs}
    keys = {config.recipe.name: config.key for config in configs}
    plan_ = plan(configs[0], Store(tmp_path))
    train = together.courses[keys["random"]].rounds[0].train
    encoder = 0.5 * 3 * plan_.pool

    def less(recipe: str) -> float:
        return alone[keys[recipe]].left - together.courses[keys[recipe]].left

    assert less("random") == 0 and less("gcl_ablation_v") == 0  # the first of their kind
    assert less("entropy") == pytest.approx(train) == pytest.approx(less("uncertain_coreset"))
    assert less("gcl_coreset") == pytest.approx(encoder)
    # the encoder is wanted when the strategy is first asked: after the random round, or in it
    assert [r.embed > 0 for r in alone[keys["uncertain_coreset"]].rounds] == [False, True, False]
    assert [r.embed > 0 for r in alone[keys["gcl_coreset"]].rounds] == [True, False, False]
    assert (together.total("trainings"), together.total("shared_trainings")) == (5 * 3 * 2, 2 * 2)
    assert (together.total("encoders"), together.distinct_encoders, together.total("new_encoders")) == (3, 2, 2)
    assert together.total("saved") == pytest.approx(2 * train + encoder)


@pytest.mark.slow
def test_what_the_store_holds_is_not_counted(study_file: Path, tmp_path: Path) -> None:
    """Runs are run for real; a second study asks for the same encoder and first round, and for others."""
    store = tmp_path / "store"
    configs = Study.find(str(study_file), ["recipes=random gcl_coreset", CONTRASTIVE]).runs()
    before = foretold(configs, store)
    assert (before.total("shared_trainings"), before.total("new_encoders")) == (0, 1)
    jobs = [Job.of(config, tmp_path / "study") for config in configs]
    LocalLauncher().run(jobs, Policy(tmp_path / "study", store), lambda key, event: None)
    assert len(list((store / "training").glob("*/key.json"))) == 1
    assert len(list((store / "encoder").glob("*/key.json"))) == 1

    def asked(*settings: str) -> tuple[int, int]:
        others = Study.find(str(study_file), ["recipes=entropy gcl_coreset", CONTRASTIVE, *settings]).runs()
        told = foretold(others, store)
        return told.total("shared_trainings"), told.total("new_encoders")

    assert asked() == (1, 0)
    assert asked("members=2") == (1, 0)  # the first of two networks
    assert asked("seeds=[1]") == (0, 1)
    assert asked("train.scribble.lr=0.5") == (0, 0)
    assert asked("components.contrastive.epochs=4") == (1, 1)
    assert asked("schedules.other=[4, 6]") == (0, 0)


def test_shares_without_a_measurement(study_file: Path, tmp_path: Path) -> None:
    configs = Study.find(str(study_file), ["recipes=random gcl_coreset", CONTRASTIVE]).runs()
    told = foretold(configs, tmp_path, clock=Relative(), places=None)
    assert not told.measured and told.places is None
    one, other = told.courses.values()
    assert other.rounds[0].embed > 0 and one.rounds[0].train == other.rounds[0].train >= one.steps[0]


def test_seconds_gone_follow_the_phases() -> None:
    course = Course((Round(8, 1, 4, 2), Round(0, 1, 12, 2)), (10, 30))
    assert course.seconds == 30 and course.seconds_of(1) == 15
    for number, phase, fraction, gone in (
        (0, "embed 0%", 0.0, 0),
        (0, "embed 50%", 0.0, 4),
        (0, "select", 0.0, 8),
        (0, "train", 0.0, 9),
        (0, "train", 5 / 40, 11),
        (0, "evaluate 50%", 10 / 40, 14),
        (1, "select", 10 / 40, 15),
        (1, "train", 25 / 40, 22),
        (1, "evaluate 100%", 1.0, 30),
    ):
        assert course.elapsed(number, phase, fraction) == pytest.approx(gone), (number, phase)


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
def test_looks_at_the_pool(recipe: str, settings: dict[str, Any], members: int, looks: int, tmp_path: Path) -> None:
    """Time of one query is that of as many passes over the pool as predictions are asked for."""
    study = {"name": "s", "datasets": ["phantom"], "recipes": [recipe], "members": members, "preset": "quick"}
    name = Study.load(study).runs()[0].describe()["recipe"]["strategy"]["name"]
    (config,) = Study.load({**study, "components": {name: settings}, "evaluate": {"surface": False}}).runs()
    task = Plan(
        100,
        (3, 6),
        (6, 12),
        val_slices=0,
        test_slices=0,
        test_volumes=1,
        channels=1,
        size=16,
        data_key="",
        trainer=config.train,
    )
    if config.recipe.embed is not None:  # an encoder is asked for in the store, by the data's key
        described = config.describe()
        config = RunConfig.load({**described, "recipe": {**described["recipe"], "embed": "pixels"}})
    done = {config.key: 1}  # so is a training that first rounds share
    course = forecast([config], {config.key: task}, done, Store(tmp_path), Fixed(), 1).courses[config.key]
    assert course.rounds[0].select == 0
    assert course.rounds[1].select == pytest.approx(100 * looks * PASSES * 0.01 / network_trainer(config).batch)


def test_a_study_of_many_runs_is_planned_in_one_go(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = Study.find(str(study_file), ["seeds=6"]).runs()
    plans = plans_of(configs, tmp_path, lambda *_: None)
    digests: list[int] = []
    key = RunConfig.key.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(RunConfig, "key", property(lambda self: digests.append(self.seed) or key(self)))
    told = forecast(configs, plans, dict.fromkeys(plans, 0), Store(tmp_path), Relative(), 2)
    assert len(told.courses) == len(digests) == 12
