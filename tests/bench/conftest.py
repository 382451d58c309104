"""A study small enough that all its runs take seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

BROKEN: dict[str, Any] = {
    "name": "broken",
    "strategy": {"name": "coreset", "start": "random"},
    "embed": {"name": "contrastive", "init": "random", "image_size": 16, "epochs": 1, "lr": 1e30},
}
"""A recipe that is valid and fails once it runs: its loss is soon no number."""


@pytest.fixture
def study_file(tmp_path: Path, tiny: dict[str, Any]) -> Path:
    """YAML file of a study of two recipes on a tiny phantom dataset."""
    dataset = {**tiny["dataset"], "presets": {}}
    preset = {key: dataset.pop(key) for key in ("prepare", "split")}
    dataset["presets"] = {"quick": {**preset, "budgets": tiny["budgets"], "train": {"scribble": tiny["train"]}}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(dataset))
    study = {"name": "small", "datasets": [str(tmp_path / "tiny.yaml")], "recipes": ["random", "strided"], "retries": 1}
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(study))
    return path
