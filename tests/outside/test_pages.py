"""The examples of the pages of strategies, embedders, networks and losses work as they stand, from their own folder."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alseg_core.embed.conformance import CHECKS as EMBEDDER_CHECKS
from alseg_core.embed.conformance import POINTWISE
from alseg_core.errors import ConfigError
from alseg_core.loop import run
from alseg_core.losses.conformance import CHECKS as LOSS_CHECKS
from alseg_core.losses.conformance import MARKED_ONLY
from alseg_core.models.conformance import CHECKS as NETWORK_CHECKS
from alseg_core.results import RunFolder
from alseg_core.store import Store
from alseg_core.strategies.conformance import CHECKS as STRATEGY_CHECKS
from bench.study import Study
from tests.readme_blocks import write_blocks
from tests.strategies.conftest import make_view

CORE = Path(__file__).parents[2] / "alseg_core"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``page(room)`` writes the examples of a room's page to the current folder and returns it."""

    def write(room: str) -> Path:
        for name in write_blocks(CORE / room / "README.md", tmp_path):
            monkeypatch.delitem(sys.modules, Path(name).stem, raising=False)
        return tmp_path

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return write


def runs_once(recipe: str, study_file: Path, folder: Path) -> dict[str, Any]:
    """Run the study of ``study_file`` with one recipe and give the description of its run."""
    (config,) = Study.find(str(study_file), [f"recipes=[{recipe}]"]).runs()
    run(config, folder / config.key, Store(folder / "store"))
    assert len(RunFolder(folder / config.key).records()) == len(config.budgets)
    return config.describe()


def test_strategy(page: Any, study_file: Path) -> None:
    folder = page("strategies")
    shown = importlib.import_module("test_middle")
    for check in STRATEGY_CHECKS:
        shown.test_middle(check)
    view = make_view(depths=(9, 5), labelled=0)
    picks = shown.Middle().select(view, 2, np.random.default_rng(0)).positions
    assert sorted(zip(view.table.volume[picks], view.table.z[picks], strict=True)) == [(0, 4), (1, 2)]
    described = runs_once("low_middle.yaml", study_file, folder)
    assert described["recipe"]["strategy"] == {"name": "middle:Middle", "height": 0.33}


def test_embedder(page: Any, study_file: Path) -> None:
    folder = page("embed")
    shown = importlib.import_module("test_histogram")
    for check in (*EMBEDDER_CHECKS, *POINTWISE):
        shown.test_histogram(check)
    described = runs_once("histogram_coreset.yaml", study_file, folder)
    assert described["recipe"]["embed"] == {"name": "histogram:Histogram", "bins": 8}


def test_network_and_loss(page: Any, study_file: Path) -> None:
    folder = page("models")
    shown = importlib.import_module("test_flat")
    for check in NETWORK_CHECKS:
        shown.test_flat(check)
    for loss_check in (*LOSS_CHECKS, *MARKED_ONLY):
        shown.test_focal(loss_check)
    described = runs_once("flat_coreset.yaml", study_file, folder)
    assert described["train"]["network"] == {"name": "flat:Flat", "width": 8}
    assert described["train"]["loss"] == {"name": "focal:Focal", "gamma": 2.0}


def test_a_loss_of_two_heads_is_refused_for_a_network_of_one(page: Any, study_file: Path) -> None:
    page("models")
    with pytest.raises(ConfigError, match="loss dmpls needs a network with 2 heads, flat:Flat has 1"):
        Study.find(str(study_file), ["train.scribble.network.name=flat:Flat"]).runs()
