"""Runs and tunings that cannot be: each is one clear error that names the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench.study.loading import BIG, load_run, load_tuning, refused

RUN: list[tuple[str, Any, str]] = [
    ("datset", {}, "Did you mean 'dataset'?"),
    ("dataset", 3, "dataset: a mapping was wanted, got 3"),
    ("dataset", None, "dataset: a mapping was wanted, got null"),
    ("dataset.root", 3, "root: text was wanted, got 3"),
    ("dataset.prepare", None, "prepare: a mapping was wanted, got null"),
    ("dataset.prepare.size", 1048576, "size"),
    ("dataset.prepare.crop", 1048576, "crop"),
    ("dataset.split", None, "split"),
    ("dataset.classes", "abcd", "classes: a list was wanted, got 'abcd'"),
    ("dataset.classes", ["a", "a", "b", "c"], "'a' is listed twice"),
    ("recipe", "random", "recipe: a mapping was wanted, got 'random'"),
    ("recipe", [], "recipe: a mapping was wanted"),
    ("recipe.trian", {}, "unknown field 'trian'"),
    ("annotation", None, "annotation"),
    ("annotation", {"name": "scribble", 3: 4}, "unknown field 3"),
    ("budgets", 3, "budgets: a list was wanted, got 3"),
    ("budgets", "3", "budgets: a list was wanted, got '3'"),
    ("budgets", [True, 3], "budgets.0"),
    ("budgets", [float("nan")], "budgets.0"),
    ("budgets", [3, 2], "budgets must grow"),
    ("budgets", [BIG], "at most 1000000000"),
    ("seed", True, "seed: a whole number was wanted, got true"),
    ("seed", BIG, "seed: Input should be less than"),
    ("seed", 1.0, "seed: a whole number was wanted, got 1.0"),
    ("members", True, "members: a whole number was wanted"),
    ("members", BIG, "members: Input should be less than"),
    ("validation", True, "validation: "),
    ("schedule", 3, "schedule: text was wanted, got 3"),
    ("schedule", "s" * 300, "at most 100 characters"),
    ("threads", True, "threads: a whole number was wanted"),
    ("threads", BIG, "threads: Input should be less than"),
    ("keep_network", "maybe", "keep_network: true or false was wanted"),
    ("device", 3, "device: text was wanted, got 3"),
    ("train", None, "trainer"),
    ("train", "network", "is missing"),
    ("cover", {"name": "contrastive", "image_size": 1048576}, "image_size: Input should be less than"),
    ("cover", {"name": "contrastive", "views": 3}, "views: a mapping was wanted, got 3"),
    ("cover", {"name": "contrastive", "views": {"scale": [1.2, 0.8]}}, "scale"),
    ("cover", {"name": "contrastive", "views": {"scale": [True, 2]}}, "scale.0: a number was wanted"),
    ("cover", {"name": "contrastive", "temperature": float("inf")}, "temperature: a finite number was wanted"),
    ("cover", {"name": "contrastive", "encoder_seed": BIG}, "encoder_seed: Input should be less than"),
]
"""Place in the file of a run, value and part of the message."""

TUNING: list[tuple[str, Any, str]] = [
    ("nme", "x", "Did you mean 'name'?"),
    ("name", "store", "uses itself"),
    ("name", "..", "name"),
    ("name", 3, "name: text was wanted, got 3"),
    ("recipe", None, "recipe: text was wanted, got null"),
    ("recipe", "gcl_corset", "Did you mean 'gcl_coreset'?"),
    ("recipe", "oracle_greedy", "reads ground truth"),
    ("dataset", 3, "dataset: text was wanted, got 3"),
    ("dataset", "phantm", "Did you mean 'phantom'?"),
    ("study", "qick", "Did you mean 'quick'?"),
    ("settings", 3, "settings: a mapping was wanted, got 3"),
    ("settings", {"sedes": 3}, "unknown field 'sedes'"),
    ("settings", {"annotations": "scribble mask"}, "one kind of annotation"),
    ("settings", {"split": {"seed": "run"}}, "one split for all seeds"),
    ("settings", {"resources": 3}, "resources: a mapping was wanted, got 3"),
    ("trials", -1, "trials"),
    ("trials", 0, "trials"),
    ("trials", True, "trials: a whole number was wanted"),
    ("trials", 2.5, "trials: a whole number was wanted"),
    ("trials", BIG, "trials: Input should be less than"),
    ("seed", BIG, "seed: Input should be less than"),
    ("seed", -1, "seed"),
    ("startup", BIG, "startup: Input should be less than"),
    ("proxy", 3, "proxy: a mapping was wanted, got 3"),
    ("proxy", {"seeds": True}, "seeds: a whole number was wanted"),
    ("proxy", {"seeds": BIG}, "seeds: Input should be less than"),
    ("proxy", {"budgets": BIG}, "budgets: Input should be less than"),
    ("proxy", {"share": float("nan")}, "share"),
    ("proxy", {"share": 0}, "share"),
    ("proxy", {"reduction": 1}, "reduction"),
    ("proxy", {"reduction": BIG}, "reduction: Input should be less than"),
    ("full", {"top": BIG}, "top: Input should be less than"),
    ("full", {"seeds": BIG}, "seeds: Input should be less than"),
    ("full", {"tpo": 1}, "Did you mean 'top'?"),
    ("space", None, "space"),
    ("space", {}, "space"),
    ("space", 3, "space"),
    ("space", {"embed.epochs": 3}, "space embed.epochs"),
    ("space", {"embed.epochs": {"low": 1, "high": 3}}, "kind is missing"),
    ("space", {"embed.epochs": {"kind": 3}}, "space embed.epochs"),
    ("space", {"embed.epochs": {"kind": "itn", "low": 1, "high": 3}}, "Did you mean 'int'?"),
    ("space", {"embed.epochs": {"kind": "int", "name": "float", "low": 1, "high": 3}}, "unknown field 'name'"),
    ("space", {"embed.epochs": {"kind": "int", "low": 1}}, "low and high"),
    ("space", {"embed.epochs": {"kind": "int", "low": 3, "high": 1}}, "low < high"),
    ("space", {"embed.epochs": {"kind": "int", "low": True, "high": 300}}, "low: a number was wanted"),
    ("space", {"embed.epochs": {"kind": "int", "low": 1, "high": float("inf")}}, "high: a finite number was wanted"),
    ("space", {"embed.epochs": {"kind": "int", "low": float("nan"), "high": 3}}, "low: a finite number was wanted"),
    ("space", {"embed.epochs": {"kind": "int", "low": 1, "high": 300, "step": 0.5}}, "step"),
    ("space", {"embed.epochs": {"kind": "int", "low": 1, "high": 300, "without": 0.5}}, "without"),
    ("space", {"embed.epochs": {"kind": "int", "low": 1.5, "high": 300}}, "low"),
    ("space", {"embed.epochs": {"kind": "float", "low": 1, "high": 300}}, "kind int"),
    ("space", {"embed.lr": {"kind": "float", "low": 0, "high": 1, "log": True}}, "above 0 with log"),
    ("space", {"embed.lr": {"kind": "float", "low": 1e-9, "high": 1, "log": 1}}, "log: true or false was wanted"),
    ("space", {"embed.lr": {"kind": "float", "low": "0", "high": 1}}, "low: a number was wanted"),
    ("space", {"embed.lr": {"kind": "float", "low": 1e-9, "high": 1, "step": 5}}, "step"),
    ("space", {"embed.lr": {"kind": "float", "times": [2, 0.5]}}, "low < high"),
    ("space", {"embed.lr": {"kind": "float", "times": 3}}, "times: a list was wanted"),
    ("space", {"embed.lr": {"kind": "float", "low": 1, "high": 2}}, "own value 0.0003 is outside"),
    ("space", {"embed.init": {"kind": "float", "low": 1, "high": 2}}, "a range is for numbers"),
    ("space", {"embed.lrr": {"kind": "float", "low": 1, "high": 2}}, "Did you mean 'embed.lr'?"),
    ("space", {"lr": {"kind": "float", "low": 1, "high": 2}}, "setting in space"),
    ("space", {"embed": {"kind": "categorical", "choices": [1]}}, "setting in space"),
    ("space", {"embed.name": {"kind": "categorical", "choices": ["pixels"]}}, "setting in space"),
    ("space", {"embed.init": {"kind": "categorical", "choices": []}}, "choices"),
    ("space", {"embed.init": {"kind": "categorical", "choices": 3}}, "choices"),
    ("space", {"embed.init": {"kind": "categorical", "choices": "random"}}, "choices"),
    ("space", {"embed.init": {"kind": "categorical", "choices": [["a"]]}}, "choices"),
    ("space", {"embed.init": {"kind": "categorical", "choices": ["imagenet"]}}, "own value 'random'"),
    ("space", {"embed.init": {"kind": "categorical", "choices": ["random", "random"]}}, "'random' is listed twice"),
    ("space", {"embed.views": {"kind": "categorical", "choices": {"own": 3}}}, "choices"),
    ("space", {"embed.init": {"kind": "categorical", "choices": {"own": {}}}}, "embed.init"),
    ("space", {"embed.views": {"kind": "categorical", "choices": {"own": {}, "bad": {"degres": 1}}}}, "'degrees'"),
]
"""Place in a tuning file, value and part of the message."""


@pytest.mark.parametrize(("place", "value", "message"), RUN)
def test_a_wrong_field_of_a_run_is_named(place: str, value: Any, message: str) -> None:
    refused(load_run, place, value, message=message)


@pytest.mark.parametrize(("place", "value", "message"), TUNING)
def test_a_wrong_field_of_a_tuning_is_named(place: str, value: Any, message: str, tmp_path: Path) -> None:
    refused(load_tuning, tmp_path, place, value, message=message)
