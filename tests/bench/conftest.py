"""A study whose runs take seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

BROKEN: dict[str, Any] = {
    "name": "broken",
    "strategy": {"name": "coreset", "start": "random"},
    "embed": {"name": "contrastive", "init": "random", "image_size": 16, "epochs": 3, "lr": 1e9, "weight_decay": 1e9},
}
"""A valid recipe whose runs fail: at this learning rate the loss of the encoder becomes NaN."""


@pytest.fixture
def study_file(tmp_path: Path, tiny: dict[str, Any]) -> Path:
    """YAML file of a study that compares two recipes on a tiny phantom dataset."""
    return write_study(tmp_path, tiny)


def write_study(folder: Path, tiny: dict[str, Any]) -> Path:
    """Write a study of two recipes on the dataset of ``tiny``; return its YAML file."""
    dataset = {**tiny["dataset"], "presets": {}}
    preset = {key: dataset.pop(key) for key in ("prepare", "split")}
    dataset["presets"] = {"quick": {**preset, "budgets": tiny["budgets"], "train": {"scribble": tiny["train"]}}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(dataset))
    study = {"name": "small", "datasets": [str(folder / "tiny.yaml")], "recipes": ["random", "strided"], "retries": 1}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(study))
    return path
