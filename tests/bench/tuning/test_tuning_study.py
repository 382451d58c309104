"""Optuna's study of a tuning, on real storages and synthetic values; the scores and what is concluded from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import optuna
import pytest
from scipy import stats

from alseg_core.errors import AlsegError, ConfigError
from alseg_core.vocabulary import RoundRecord
from bench.tracking import shown
from bench.tuning.full_loop import Candidate, Verdict
from bench.tuning.importance import importances
from bench.tuning.storage import VARIABLE, open_storage, storage_url
from bench.tuning.trial import score
from bench.tuning.trials import TrialPlan, Trials, outcome

OWN = {"x": 0.5, "kind": "a"}


def trials(url: str, total: int = 12, seed: int = 0, **changes: Any) -> Trials:
    settings: dict[str, Any] = {"made_with": {"space": 1}, "folder": "/runs/tune", "reduction": 2} | changes
    plan = TrialPlan(name="tune", own=OWN, total=total, seed=seed, startup=4, **settings)
    return Trials.open(open_storage(url), plan)


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    return {"x": trial.suggest_float("x", 0, 1), "kind": trial.suggest_categorical("kind", ["a", "b"])}


def value(params: dict[str, Any]) -> float:
    return float(params["x"] + 0.01 * (params["kind"] == "a"))


def go(found: Trials, trial: optuna.Trial, rungs: int = 2) -> None:
    """Judge one trial as the search does."""
    worth = value(suggest(trial))
    for rung in range(1, rungs + 1):
        if found.reached(trial, rung, worth + 0.001 * rung) and rung < rungs:
            found.stopped(trial)
            return
    found.completed(trial, worth + 0.001 * rungs)


def params(found: Trials) -> list[dict[str, Any]]:
    return [trial.params for trial in found.all()]


def run(url: str, **settings: Any) -> list[dict[str, Any]]:
    found = trials(url, **settings)
    while found.wanted():
        go(found, found.ask())
    return params(found)


def test_the_same_seed_proposes_the_same(tmp_path: Path) -> None:
    first = run(f"sqlite:///{tmp_path}/a.db")
    assert first == run(f"sqlite:///{tmp_path}/b.db") == run(f"journal://{tmp_path}/c.journal")
    assert first[0] == OWN and len(first) == 12
    assert first != run(f"sqlite:///{tmp_path}/d.db", seed=1)


def proposed(found: Trials, at_once: int, liar: bool) -> list[dict[str, Any]]:
    """What TPE proposes by itself, asked for ``at_once`` trials before it is told their values."""
    while found.wanted():
        batch: list[tuple[optuna.Trial, Any]] = []
        for _ in range(at_once):
            number = 0 if not batch and found.all()[0].state.name == "WAITING" else len(found.all())
            seed = int(np.random.SeedSequence([0, number]).generate_state(1)[0])
            found.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4, constant_liar=liar)
            batch.append((trial := found.study.ask(), suggest(trial)))
        for trial, point in batch:
            found.completed(trial, value(point))
    return params(found)


@pytest.mark.parametrize("at_once", [1, 4])
def test_trials_that_run_at_the_same_time_are_told_to_the_sampler(at_once: int, tmp_path: Path) -> None:
    """Then it takes them for poor ones; one at a time there are none, and it proposes as without."""
    found = trials(f"journal://{tmp_path}/ours.journal", total=24)
    while found.wanted():
        batch = [(trial := found.ask(), suggest(trial)) for _ in range(at_once)]
        for trial, point in batch:
            found.completed(trial, value(point))
    told, untold = (
        proposed(trials(f"journal://{tmp_path}/{liar}.journal", total=24), at_once, liar) for liar in (True, False)
    )
    assert params(found) == told and (told == untold) == (at_once == 1)


def test_it_learns_what_is_good(tmp_path: Path) -> None:
    found = [point["x"] for point in run(f"journal://{tmp_path}/a.journal", total=40)]
    assert np.mean(found[-10:]) > 0.7 > np.mean(found[:5])


def test_a_study_that_was_cut_off_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cut.db"
    found = trials(url, total=5)
    while found.wanted():
        go(found, found.ask())
    found = trials(url)
    suggest(found.ask())  # proposed, and then the process ends
    again = trials(url)
    left = again.left_running()
    assert [trial.number for trial in left] == [5] and again.wanted() == 6
    go(again, left[0])
    while again.wanted():
        go(again, again.ask())
    assert params(again) == run(f"sqlite:///{tmp_path}/whole.db")


def test_more_trials_are_added_to_those_there_are(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    first = run(url, total=6)
    assert run(url, total=9)[:6] == first and len(params(trials(url))) == 9
    assert trials(url, total=9).wanted() == 0


def test_the_lower_half_is_stopped_and_the_recipe_as_it_is_never(tmp_path: Path) -> None:
    found = trials(f"sqlite:///{tmp_path}/a.db", total=30)
    seen: list[float] = []
    for number, worth in enumerate(np.random.default_rng(0).permutation(30) / 30):
        trial = found.ask()
        suggest(trial)
        seen.append(worth)
        keep = max(
            1, len(seen) // 2
        )  # asynchronous successive halving, Li et al. 2020, among all trials that reached this rung
        poor = worth < sorted(seen, reverse=True)[keep - 1]
        assert found.reached(trial, 1, worth) == (poor and number > 0)
        found.stopped(trial) if poor else found.completed(trial, worth)


def test_the_recipe_as_it_is_goes_on_when_it_is_poor(tmp_path: Path) -> None:
    found = trials(f"sqlite:///{tmp_path}/a.db")
    own, others = found.ask(), [found.ask() for _ in range(3)]
    assert [found.reached(trial, 1, 0.5 + i) for i, trial in enumerate(others)] == [False] * 3
    assert found.reached(own, 1, 0.0) is False
    assert found.own().number == own.number == 0


def test_a_failed_trial_does_not_count_and_one_that_cannot_be_run_does(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    found = trials(url, total=3)
    found.failed(found.ask(), "the disk is full")
    assert found.wanted() == 3 and outcome(found.all()[0]) == "failed: the disk is full"
    found = trials(url, total=3)
    own = found.ask()
    assert suggest(own) == OWN and found.own().number == 1  # the recipe as it is gets another try
    found.completed(own, 0.1)
    refused = found.ask()
    suggest(refused)
    found.refused(refused, "all weights are 0")
    assert found.wanted() == 1 and outcome(found.all()[2]) == "cannot be run: all weights are 0"
    assert [trial.number for trial in found.complete()] == [1]


@pytest.mark.parametrize("change", [{"made_with": {"space": 2}}, {"folder": "/elsewhere"}, {}])
def test_a_study_made_with_other_settings_is_not_mixed_up(tmp_path: Path, change: dict[str, Any]) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    trials(url)
    if not change:
        assert trials(url).wanted() == 12
        return
    with pytest.raises(ConfigError, match="give this one another name"):
        trials(url, **change)


def test_where_the_storage_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert storage_url(tmp_path, None) == f"sqlite:///{tmp_path}/optuna.db"
    monkeypatch.setenv(VARIABLE, "sqlite:///there.db")
    assert storage_url(tmp_path, None) == "sqlite:///there.db"
    assert storage_url(tmp_path, "sqlite:///given.db") == "sqlite:///given.db"
    assert shown("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    for wrong in ("nonsense", "grpc://nowhere", "postgresql://me:secret@host:port/db"):
        with pytest.raises(ConfigError, match="is not an Optuna storage URL") as error:
            open_storage(wrong)
        assert "secret" not in str(error.value)
    with pytest.raises(AlsegError, match="cannot be opened"):
        open_storage(f"sqlite:///{tmp_path}/absent/a.db")


def records(labelled: list[int], dice: list[float | None]) -> list[RoundRecord]:
    return [
        cast(RoundRecord, SimpleNamespace(labelled=n, summary={"dice": d})) for n, d in zip(labelled, dice, strict=True)
    ]


def test_score_is_the_area_under_the_budget_curve() -> None:
    # by hand: (2 * (.2 + .4) / 2 + 4 * (.4 + .8) / 2) / 6
    assert score(records([2, 4, 8], [0.2, 0.4, 0.8])) == pytest.approx((0.6 + 2.4) / 6)
    assert score(records([5], [0.3])) == 0.3
    with pytest.raises(AlsegError, match="no Dice"):
        score(records([2, 4], [0.2, None]))


def verdict(scores: list[list[float]]) -> Verdict:
    rows = [Candidate(number, number == 0, {}, []) for number in range(len(scores))]
    return Verdict(rows, np.array(scores))


def test_the_gain_is_paired_over_seeds() -> None:
    own, other = [0.5, 0.7, 0.4], [0.55, 0.72, 0.49]
    gain, half = verdict([own, other]).gain(1)
    interval = stats.ttest_rel(other, own).confidence_interval(0.95)
    assert (gain - half, gain + half) == pytest.approx((interval.low, interval.high))
    assert np.isnan(verdict([[0.5], [0.6]]).gain(1)[1])


def test_the_recipe_as_it_is_wins_ties_and_against_what_failed() -> None:
    assert verdict([[0.5, 0.7], [0.6, 0.6]]).best == 0
    assert verdict([[0.5, 0.7], [np.nan, 0.9], [0.6, 0.5]]).best == 0
    assert verdict([[0.5, 0.7], [np.nan, 0.9], [0.7, 0.7]]).best == 2


def test_importance_finds_the_setting_that_matters(tmp_path: Path) -> None:
    found = trials(f"sqlite:///{tmp_path}/a.db", total=40)
    rng = np.random.default_rng(0)
    assert importances(found) == {}
    while found.wanted():
        trial = found.ask()
        point = suggest(trial)
        trial.suggest_float("y", 0, 1)
        if found.reached(trial, 1, point["x"] + 0.01 * rng.normal()):
            found.stopped(trial)  # stopped trials count as well
        else:
            found.completed(trial, 0.0)
    importance = importances(found)
    assert next(iter(importance)) == "x" and importance["x"] > 0.7 and set(importance) == {"x", "y", "kind"}


def test_a_process_that_is_killed_in_a_trial_costs_nothing(tmp_path: Path) -> None:
    url = f"journal://{tmp_path}/a.journal"
    code = (
        "import sys, time; from tests.bench.tuning.test_tuning_study import *\n"
        f"found = trials({url!r})\n"
        "for _ in range(4): go(found, found.ask())\n"
        "trial = found.ask(); point = suggest(trial); found.reached(trial, 1, value(point) + 0.001)\n"
        "print('there', flush=True); time.sleep(600)\n"
    )
    root = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None and process.stdout.readline() == "there\n"
    process.kill()
    process.communicate()

    found = trials(url)
    left = found.left_running()
    assert [trial.number for trial in left] == [4]
    go(found, left[0])
    while found.wanted():
        go(found, found.ask())
    whole = trials(f"journal://{tmp_path}/whole.journal")
    while whole.wanted():
        go(whole, whole.ask())
    assert params(found) == params(whole) and [t.params for t in found.complete()] == [
        t.params for t in whole.complete()
    ]


def test_another_process_sees_the_trials(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    run(url, total=3)
    code = f"import optuna; print(len(optuna.load_study(study_name='tune', storage={url!r}).trials))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "3"
