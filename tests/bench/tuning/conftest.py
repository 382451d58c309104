"""A tuning whose trials take seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture
def tuning_file(tmp_path: Path, tiny: dict[str, Any]) -> Path:
    """YAML file of a tuning of gcl_coreset on a tiny phantom dataset."""
    dataset = {**tiny["dataset"], "presets": {}}
    preset = {key: dataset.pop(key) for key in ("prepare", "split")}
    contrastive = {"init": "random", "image_size": 16, "epochs": 2, "batch": 32}
    preset |= {"budgets": tiny["budgets"], "train": {"scribble": tiny["train"]}}
    dataset["presets"] = {"quick": {**preset, "components": {"contrastive": contrastive}}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(dataset))
    tuning = {
        "name": "small",
        "recipe": "gcl_coreset",
        "dataset": str(tmp_path / "tiny.yaml"),
        "settings": {"annotations": "scribble"},
        "trials": 3,
        "startup": 2,
        "full": {"top": 1, "seeds": 1},
        "space": {
            "embed.w_ntxent": {"kind": "float", "low": 0.1, "high": 2.0, "log": True, "without": 0},
            "embed.w_patient": {"kind": "float", "low": 0.01, "high": 1.0, "log": True},
            "embed.epochs": {"kind": "int", "times": [0.5, 1.0]},
            "embed.views": {"kind": "categorical", "choices": {"published": {}, "weak": {"degrees": 5.0}}},
        },
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(tuning))
    return path
