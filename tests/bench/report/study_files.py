"""Studies on disk whose every number is known, without running one."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alseg_core.results import RunFolder
from alseg_core.rounds import Rounds
from alseg_core.vocabulary import RoundRecord
from bench.study.annotation_title import annotation_title

BUDGETS = [0.1, 0.2, 0.4]
LABELLED = [10, 20, 40]
CONFIG: dict[str, Any] = {
    "dataset": {
        "name": "d",
        "reader": {"name": "phantom"},
        "classes": ["background", "c0", "c1"],
        "root": "/data",
        "prepare": {"size": 48},
        "split": {"name": "stratified", "seed": 0},
    },
    "recipe": {"name": "random", "strategy": {"name": "random"}},
    "annotation": {"name": "mask"},
    "budgets": BUDGETS,
    "train": {"network": {"name": "unet"}, "iterations_full": 3000, "lr": 0.01, "optimiser": "sgd", "batch": 6},
    "schedule": "default",
    "seed": 0,
    "members": 1,
    "evaluate": {"surface": True},
    "cover": {"name": "pixels"},
    "device": "cpu",
    "threads": 1,
}
"""A run's configuration as old run folders have it."""

STEPS = np.array([-0.2, -0.1, 0.0])


def record(number: int, volumes: Mapping[str, Sequence[float | None]], **changes: Any) -> RoundRecord:
    """A round whose test volumes have the given Dice per class."""
    per_volume = [np.mean([d for d in dice if d is not None]) for dice in volumes.values()]
    rows = [
        {
            "case": case,
            "patient": f"p{case[1:]}",
            "class": f"c{i}",
            "dice": d,
            "hd95_mm": 10.0 - number,
            "assd_mm": None,
            "nsd": 0.5,
            "empty": "",
        }
        for case, dice in volumes.items()
        for i, d in enumerate(dice)
    ]
    summary = {
        "dice": float(np.mean(per_volume)),
        "hd95_mm": 10.0 - number,
        "assd_mm": None,
        "nsd": 0.5,
        "empty_predictions": 0.0,
    }
    fields: dict[str, Any] = {
        "round": number,
        "labelled": LABELLED[number],
        "fraction": BUDGETS[number],
        "cost": LABELLED[number] / 15,
        "cover_radius": 1.0,
        "selected": [],
        "members": [{"validation_dice": 0.5, "iterations": 3000.0}],
        "best": 0,
        "volumes": rows,
        "summary": summary,
        "seconds": {"train": 1.0},
        "ledger": [],
    }
    return RoundRecord(**{**fields, **changes})


def config_of(recipe: str, seed: int, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """:data:`CONFIG` of a recipe and seed; ``changes`` are dotted paths -> values."""
    config = copy.deepcopy(CONFIG)
    config["recipe"] = {"name": recipe, "strategy": {"name": recipe}}
    config["seed"] = seed
    for path, value in (changes or {}).items():
        place = config
        *where, last = path.split(".")
        for part in where:
            place = place[part]
        place[last] = value
    return config


def study(folder: Path, runs: Sequence[Mapping[str, Any]], name: str = "s", **content: Any) -> Path:
    """Study folder of runs {recipe, seed, dice}, with perhaps:

    failure: its reason. config: dotted changes of :data:`CONFIG`, None for a run without config.json. data_key. key.
    environment: content of environment.json. rounds: changes of the records.
    """
    index = []
    folder.mkdir(parents=True)
    for run in runs:
        config = config_of(run["recipe"], run["seed"], run.get("config"))
        dataset, annotation = config["dataset"]["name"], annotation_title(config["annotation"])
        changed = "".join(f"-{zlib.crc32(str(change).encode()):x}" for change in (run.get("config") or {}).items())
        key = run.get("key", f"{dataset}-{run['recipe']}-{config['annotation']['name']}-s{run['seed']}{changed}")
        place = RunFolder(folder / "runs" / key)
        index.append(
            {
                "key": key,
                "dataset": dataset,
                "annotation": annotation,
                "schedule": config["schedule"],
                "recipe": run["recipe"],
                "seed": run["seed"],
                "budgets": config["budgets"],
            }
        )
        if not run["dice"] and "failure" not in run:
            continue
        place.path.mkdir(parents=True)
        if run.get("config", {}) is not None:
            identity = {"fingerprint": "f", "data_key": run.get("data_key", "k")}
            (place.path / "config.json").write_text(json.dumps({**identity, "config": config}))
        if "environment" in run:
            (place.path / "environment.json").write_text(json.dumps(run["environment"]))
        for number, dice in enumerate(run["dice"]):
            volumes = {"v1": [dice - 0.05, dice - 0.05], "v2": [dice + 0.05, None]}
            line = dataclasses.asdict(record(number, volumes, **run.get("rounds", {})))
            with (place.path / "rounds.jsonl").open("a") as file:  # without checksums, so that tests may edit it
                file.write(json.dumps(line, separators=(",", ":")) + "\n")
        if "failure" in run:
            place.fail(run["failure"], "trace")
    (folder / "study.json").write_text(json.dumps({"name": name, "runs": index, **content}))
    return folder


def runs(recipes: Mapping[str, float], seeds: int, noise: float = 0.01, **more: Any) -> list[dict[str, Any]]:
    """Finished runs of recipes with the given mean Dice in the last round, all others in the same distance below."""
    rng = np.random.default_rng(0)
    return [
        {"recipe": recipe, "seed": seed, "dice": (level + rng.normal(0, noise) + STEPS).tolist(), **more}
        for recipe, level in recipes.items()
        for seed in range(seeds)
    ]


def sealed(path: Path, *changes: Mapping[str, Any]) -> None:
    """Give the lines of rounds.jsonl checksums, and further fields in turn, as the current version writes them."""
    rounds = Rounds()
    for line, change in zip(path.read_text().splitlines(), itertools.cycle(changes), strict=False):
        rounds = rounds.with_record(RoundRecord(**{**json.loads(line), **change}))
    path.write_text(rounds.text)
