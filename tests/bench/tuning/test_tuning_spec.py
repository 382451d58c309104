"""Tuning files, and errors in them before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from alseg_core.errors import ConfigError
from bench.study import Study, find
from bench.tuning.parameters import PARAMETERS
from bench.tuning.places import get
from bench.tuning.recipe import content
from bench.tuning.spec import Tuning, tunings
from tests.conftest import network_trainer


def tuning(path: Path, *settings: str, **changes: Any) -> Tuning:
    """The tuning in that file with changes and settings."""
    raw = yaml.safe_load(path.read_text()) | changes
    (path.parent / "changed.yaml").write_text(yaml.safe_dump(raw))
    return Tuning.find(str(path.parent / "changed.yaml"), settings)


def draws(kind: dict[str, Any], own: Any, count: int = 200) -> list[Any]:
    """Return the values that a parameter suggests to a number of trials."""
    parameter = PARAMETERS.build(kind)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [parameter.suggest(study.ask(), "embed.x", own) for _ in range(count)]


@pytest.mark.parametrize("name", sorted(tunings()))
def test_a_tuning_of_the_catalogue_has_its_recipes_own_settings_in_its_space(name: str) -> None:
    found = Tuning.find(name)
    raw = found.run()
    point = found.default(raw)
    trial = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0)).ask()  # another may turn all weights off
    assert found.settings_of(point, raw) == found.own(raw)
    suggested = found.suggest(trial, raw)
    assert found.trial_runs(raw, suggested)[0].evaluate.part == "val"
    assert found.settings_of(trial.params, raw) == suggested


def test_the_issues_hyper_parameters_are_tuned() -> None:
    space = Tuning.find("gcl_coreset").space
    weights = [f"embed.w_{name}" for name in ("ntxent", "patient", "volume", "slice")]
    others = [f"embed.{name}" for name in ("temperature", "projection", "lr", "batch", "epochs", "views")]
    assert list(space) == [*weights, *others]


def test_ranges_stay_within_their_bounds() -> None:
    numbers = draws({"name": "float", "low": 0.01, "high": 1.0, "log": True, "without": 0}, 0.5)
    used = [value for value in numbers if value != 0]
    assert 60 < len(used) < 140 and all(0.01 <= value <= 1 for value in used)
    assert 0.3 < sum(value < 0.1 for value in used) / len(used) < 0.7  # uniform in the logarithm
    assert all(value == float(f"{value:.4g}") for value in numbers)
    assert set(draws({"name": "int", "times": [0.5, 2.0]}, 6)) == set(range(3, 13))
    assert set(draws({"name": "int", "times": [0.5, 2.0], "log": True}, 1)) == {1, 2}
    assert set(draws({"name": "int", "low": 2, "high": 10, "step": 4}, 2)) == {2, 6, 10}


def test_choices_are_values_or_settings_laid_over_the_recipes_own() -> None:
    assert set(draws({"name": "categorical", "choices": [32, 64]}, 64)) == {32, 64}
    own = {"degrees": 15.0, "flip": 0.5}
    laid = draws({"name": "categorical", "choices": {"same": {}, "weak": {"degrees": 5.0}}}, own)
    assert {value["degrees"] for value in laid} == {15.0, 5.0} and {value["flip"] for value in laid} == {0.5}


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"embed.w_patint": {"kind": "float", "low": 0, "high": 1}}, "Did you mean 'embed.w_patient'"),
        ({"embed.w_patient": {"kind": "flat", "low": 0, "high": 1}}, "Did you mean 'float'"),
        ({"embed.w_patient": {"low": 0, "high": 1}}, "kind is missing"),
        ({"embed.w_patient": {"kind": "float", "low": 0, "hihg": 1}}, "Did you mean 'high'"),
        ({"embed.w_patient": {"kind": "float", "low": 1, "high": 0}}, "low < high"),
        ({"embed.w_patient": {"kind": "float", "low": 0, "high": 1, "log": True}}, "both above 0"),
        ({"embed.w_patient": {"kind": "float", "low": 0, "high": 1, "without": 0}}, "outside the range"),
        ({"embed.w_patient": {"kind": "float", "low": 0.5, "high": 1}}, "own value 0.05 is outside"),
        ({"embed.projection": {"kind": "categorical", "choices": [1, 2]}}, "none of the choices"),
        ({"strategy.start": {"kind": "float", "low": 0, "high": 1}}, "try categorical"),
        ({"embed.name": {"kind": "categorical", "choices": ["pixels"]}}, "unknown setting"),
        ({}, "a mapping of settings"),
    ],
)
def test_a_wrong_space_is_said_with_what_exists(tuning_file: Path, space: dict[str, Any], words: str) -> None:
    def build() -> None:
        found = tuning(tuning_file, space=space)
        found.default(found.run())

    with pytest.raises(ConfigError) as error:
        build()
    assert words in str(error.value)


def test_settings_that_do_not_go_together_are_a_config_error(tuning_file: Path) -> None:
    found = tuning(tuning_file)
    raw = found.run()
    nothing = dict.fromkeys(("embed.w_ntxent", "embed.w_patient", "embed.w_volume"), 0)
    with pytest.raises(ConfigError, match="must be above 0"):
        found.trial_runs(raw, found.own(raw) | nothing)


def test_what_cannot_be_tuned(tuning_file: Path) -> None:
    with pytest.raises(ConfigError, match="reads ground truth"):
        tuning(tuning_file, recipe="oracle_foreground").run()
    with pytest.raises(ConfigError, match="one kind of annotation"):
        tuning(tuning_file, "settings.annotations=[scribble, mask]").run()
    with pytest.raises(ConfigError, match="Did you mean 'gcl_coreset'"):
        Tuning.find("gcl_corset")


def test_the_proxy_is_cheap_and_the_last_judgement_has_other_seeds(tuning_file: Path) -> None:
    found = tuning(tuning_file, "proxy.share=0.5", "proxy.budgets=2", "full.seeds=3")
    raw = found.run()
    values = found.own(raw) | {"embed.w_patient": 0.7}
    proxy, full = found.trial_runs(raw, values), found.full_runs(raw, values)
    assert [run.seed for run in proxy] == [0, 1] and [run.seed for run in full] == [2, 3, 4]
    assert {run.budgets for run in proxy} == {(3, 6)} and {run.budgets for run in full} == {(3, 6, 8)}
    short, long = network_trainer(proxy[0]), network_trainer(full[0])
    assert short.iterations_full == 30 and long.iterations_full == 60
    least = tuning(tuning_file, "proxy.share=0.5", "settings.train.scribble.iterations_least=40")
    assert [run.steps(14) for run in least.trial_runs(least.run(), values)] == [(20, 20)] * 2
    assert {run.evaluate.part for run in [*proxy, *full]} == {"val"}
    assert get(proxy[0].describe(), "embed.w_patient") == get(full[2].describe(), "embed.w_patient") == 0.7


def test_a_tuned_recipe_is_run_by_a_study_as_it_was_tuned(tuning_file: Path, tmp_path: Path) -> None:
    """The preset's own number of epochs is one of the things that were tuned."""
    found = tuning(tuning_file)
    raw = found.run()
    views = get(raw, "embed.views") | {"degrees": 5.0}
    settings = found.own(raw) | {"embed.w_patient": 0.7, "embed.epochs": 1, "embed.views": views}
    made = content(found, "tiny", raw, settings, "gained")
    assert made["tuned"]["embed"]["views"] == {"degrees": 5.0}
    path = tmp_path / f"{made['name']}.yaml"
    path.write_text(yaml.safe_dump(made))
    assert find("recipe", str(path))["name"] == "small_tuned_tiny"

    study = Study.load({**find("study", "quick"), **found.settings, "datasets": found.dataset, "recipes": [str(path)]})
    run, tried = study.runs()[0], found.full_runs(raw, settings)[0]
    assert (run.recipe.strategy, run.recipe.embed) == (tried.recipe.strategy, tried.recipe.embed)


def test_a_tuned_recipe_without_better_settings_is_the_recipe(tuning_file: Path) -> None:
    found = tuning(tuning_file)
    raw = found.run()
    made, recipe = content(found, "tiny", raw, found.own(raw), "nothing"), find("recipe", "gcl_coreset")
    assert {**made, "name": "", "summary": ""} == {**recipe, "name": "", "summary": ""}
