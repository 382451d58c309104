"""The trials of a tuning as Ray Tune sees them, and what the launcher ``ray`` knows without starting Ray."""

from __future__ import annotations

import pickle
from pathlib import Path

import optuna
import pytest

from bench.launchers.launcher import Rung, TrialLauncher
from bench.launchers.ray_launcher import RayLauncher
from bench.launchers.run_queue import DIED
from bench.study import Study
from bench.tuning.optuna_search import OptunaQueue
from tests.bench.tuning.test_tuning_study import suggest, trials


def test_tune_gets_trials_one_by_one_and_those_that_die_again(tmp_path: Path) -> None:
    from bench.launchers.ray_search import QueueScheduler, QueueSearcher

    found = trials(f"sqlite:///{tmp_path}/a.db", total=2)

    def prepare(trial: optuna.Trial) -> Path:
        suggest(trial)
        return tmp_path / str(trial.number)

    told: list[tuple[int, str]] = []
    queue = OptunaQueue(found, 1, 1, prepare, lambda number, outcome: told.append((number, outcome)))
    searcher = QueueSearcher(queue, lambda: 1)
    assert searcher.suggest("1") == {"folder": str(tmp_path / "0")}
    assert searcher.suggest("2") is None  # no room
    assert not searcher.report("1", {"rung": Rung(1, 0.5)})
    searcher.on_trial_complete("1")
    for attempt in "34":
        assert searcher.suggest(attempt) == {"folder": str(tmp_path / "1")} and not queue.over
        searcher.on_trial_complete(attempt, error=True)
    assert searcher.suggest("5") == searcher.FINISHED and queue.over
    assert told == [(0, "0.500 after 1 seed"), (1, f"failed: {DIED}")]
    for part in (searcher, QueueScheduler(searcher)):
        assert not hasattr(pickle.loads(pickle.dumps(part)), "_queue")


def test_a_trial_that_is_poor_stops_where_it_is_and_an_interrupted_one_stays(tmp_path: Path) -> None:
    from bench.launchers.ray_search import QueueSearcher

    found = trials(f"sqlite:///{tmp_path}/a.db", total=6)

    def prepare(trial: optuna.Trial) -> Path:
        suggest(trial)
        return tmp_path / str(trial.number)

    searcher = QueueSearcher(OptunaQueue(found, 2, 0, prepare, lambda number, outcome: None), lambda: 1)
    stopped = []
    for number, value in enumerate([0.5, 0.6, 0.1, 0.2]):
        assert searcher.suggest(str(number)) is not None
        stopped.append(searcher.report(str(number), {"rung": Rung(1, value)}))
        if not stopped[-1]:
            searcher.report(str(number), {"rung": Rung(2, value)})
        searcher.on_trial_complete(str(number))
    assert stopped == [False, False, True, True]
    searcher.suggest("interrupted")
    searcher.on_trial_complete("interrupted")
    states = [trial.state.name for trial in found.all()]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED", "RUNNING"]


def test_a_cluster_is_named_and_its_places_are_not_known(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = RayLauncher()
    assert isinstance(launcher, TrialLauncher)
    few, many = Study.find(str(study_file), ["concurrency=1"]), Study.find(str(study_file), ["resources.gpus=99"])
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert launcher.remote is None and launcher.places(few, few.runs()) == 1
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert launcher.remote == "the cluster at RAY_ADDRESS"
    launcher.check(many, many.runs())  # a joined cluster may have them
    assert launcher.places(many, many.runs()) is None and launcher.places(few, few.runs()) == 1
