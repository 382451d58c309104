"""A study whose seeds have patient splits of their own, from the forecast to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from alseg_core import loop
from alseg_core.errors import ConfigError
from alseg_core.results import RunFolder
from alseg_core.store import Store
from bench.datasets.check import check
from bench.planning.forecast import forecast
from bench.planning.stopwatch import Relative
from bench.planning.workload import plans_of
from bench.report.analysis import analyse
from bench.report.document import document
from bench.report.runs.provenance import ONE_SPLIT, OWN_SPLITS
from bench.report.runs.results import collect
from bench.study import Study
from bench.tuning.spec import Tuning
from tests.bench.conftest import write_study

SHORT = ["seeds=3", "recipes=random entropy", "train.scribble.iterations_full=20", "schedules.short=[3, 6]"]


def load(folder: Path, tiny: dict[str, Any], *settings: str) -> Study:
    return Study.find(str(write_study(folder, tiny)), [*SHORT, *settings])


def test_a_study_of_own_splits_from_forecast_to_report(tmp_path: Path, tiny: dict[str, Any]) -> None:
    configs = load(tmp_path, tiny, "split.seed=run").runs()
    store = Store(tmp_path / "out" / "store")
    plans = plans_of(configs, store.root, lambda *_: None)
    expected = forecast(configs, plans, dict.fromkeys(plans, 0), store, Relative(), 1)
    assert expected.total("shared_trainings") == 3  # entropy starts from random's network, seed by seed
    folders = [tmp_path / "out" / "runs" / config.key for config in configs]
    for config, folder in zip(configs, folders, strict=True):
        loop.run(config, folder, store)
    records = [RunFolder(folder).records() for folder in folders]
    tested = [{str(row["case"]) for row in record[0].volumes} for record in records]
    assert tested[0] == tested[1] and tested[2] == tested[3] and tested[4] == tested[5]  # recipes of a seed
    assert len({frozenset(cases) for cases in tested}) > 1
    for record, cases in zip(records, tested, strict=True):
        assert not cases & {str(pick["case"]) for part in record for pick in part.selected}
    assert [str(record[0].signals["training"]) for record in records] == ["own", "shared"] * 3

    results = collect(tmp_path / "out" / "runs")
    (section,) = document(results, analyse(results), []).sections
    assert OWN_SPLITS in section.sentences and OWN_SPLITS in section.facts.values()
    assert section.panel.rows[0].seeds == "3" and section.panel.rows[0].area is not None
    assert section.panel.rows[0].area.low < section.panel.rows[0].area.mean < section.panel.rows[0].area.high


def test_one_split_for_all_seeds_is_named_as_such(tmp_path: Path, tiny: dict[str, Any]) -> None:
    config = load(tmp_path, tiny).runs()[0]
    loop.run(config, tmp_path / "out" / config.key, Store(tmp_path / "out" / "store"))
    results = collect(tmp_path / "out")
    (section,) = document(results, analyse(results), []).sections
    assert OWN_SPLITS not in section.sentences and ONE_SPLIT in section.facts.values()


def test_runs_of_own_splits_have_keys_and_plans_of_their_own(tmp_path: Path, tiny: dict[str, Any]) -> None:
    fixed, anew = (load(tmp_path, tiny, *more).runs() for more in ([], ["split.seed=run"]))
    assert not {run.fingerprint for run in fixed} & {run.fingerprint for run in anew}
    assert [run.split for run in anew[::2]] == [
        load(tmp_path, tiny, f"split.seed={s}").runs()[0].split for s in (0, 1, 2)
    ]
    assert json.loads(json.dumps(anew[0].describe()))["dataset"]["split"]["seed"] == "run"


def test_settings_of_a_split_are_laid_over_the_presets(tmp_path: Path, tiny: dict[str, Any]) -> None:
    split = load(tmp_path, tiny, "split.seed=5").runs()[0].describe()["dataset"]["split"]
    assert split == {"name": "stratified", "by": "pathology", "train": 0.5, "val": 0.25, "test": 0.25, "seed": 5}
    with pytest.raises(ConfigError, match="sed"):
        load(tmp_path, tiny, "split.sed=run").runs()


def test_a_check_of_the_data_tries_several_splits(tmp_path: Path, tiny: dict[str, Any]) -> None:
    write_study(tmp_path, tiny)
    file = tmp_path / "tiny.yaml"
    content = yaml.safe_load(file.read_text())
    content["presets"]["quick"]["split"]["seed"] = "run"
    file.write_text(yaml.safe_dump(content))
    lines, problems = check(str(file), None)
    assert not problems and any("another split for each seed" in line for line in lines)


def test_a_tuning_needs_one_split() -> None:
    with pytest.raises(ConfigError, match="one split for all seeds"):
        Tuning.find("gcl_coreset", ["settings.split.seed=run"]).run()
