from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alseg_core.config import RunConfig
from bench.study.identity import RunIdentity
from tests.bench.report.study_files import config_of
from tests.conftest import network_trainer


def test_identity_of_a_configuration_and_of_its_run_folder_agree(tiny: dict[str, Any], tmp_path: Path) -> None:
    config = RunConfig.load({**tiny, "seed": 4, "schedule": "dense"})
    identity, train = RunIdentity.of(config), network_trainer(config)
    assert (identity.recipe, identity.seed, identity.setting) == ("random", 4, ("tiny", "scribble", "dense"))
    assert (identity.budgets, identity.classes) == ((3, 6, 8), ("background", "wall", "cavity", "nodule"))
    assert (identity.network, identity.precision, identity.part) == ("unet_dual", train.precision, "test")
    assert (identity.steps, identity.learning_rate, identity.cover) == (60, train.lr, "pixels")
    assert RunIdentity.of_folder(tmp_path) is None
    (tmp_path / "config.json").write_text(json.dumps({"config": config.describe()}))
    assert RunIdentity.of_folder(tmp_path) == identity


def test_older_configurations_are_read_with_what_they_meant() -> None:
    old = RunIdentity.read(config_of("random", 1))
    assert (old.precision, old.part, old.root, old.members) == ("float32", "test", "/data", 1)
    bare = RunIdentity.read({"dataset": {"name": "d"}, "recipe": {"name": "r"}, "annotation": {"name": "m"}, "seed": 0})
    assert bare.setting == ("d", "m", "default") and bare.network is None and bare.classes == ()


@pytest.mark.parametrize("plain", [{}, {"dataset": {"name": "d"}, "recipe": {"name": "r"}}])
def test_what_is_no_configuration_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        RunIdentity.read(plain)
