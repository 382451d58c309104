"""The study of thousands of runs: its files, and its runs written as finished ones without any computing."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from alseg_core.config import RunConfig
from alseg_core.evaluate import summarise
from alseg_core.loop import run
from alseg_core.results import RunFolder
from alseg_core.store import Store
from alseg_core.vocabulary import RoundRecord
from bench.launchers.study_run import write_index
from bench.study import Study

NAME = "many"
"""Name of the study."""
RECIPES = ("random", "strided", "coreset", "entropy", "margin")
"""Recipes of the catalogue that need no encoder; their runs of one seed share the training of the first round."""
ROUNDS = (3, 6, 12)
"""Labelled slices of each round."""
NOISE = 0.02
"""Standard deviation of what a run's Dice differs from that of the run it is written after."""


def write_files(folder: Path, runs: int, seconds: float, patients: int, **study: Any) -> Path:
    """Write the YAML files of a study of at least ``runs`` runs, of which each rests ``seconds``; return the study's.

    patients: number of patients of the phantom; each has two volumes, and a quarter of the patients are scored.
    study: further settings of the study.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rests = {"name": "scale.resting:Rests", "seconds": seconds / len(ROUNDS)}
    dataset = {
        "name": "restful",
        "reader": {"name": "phantom", "patients": patients, "size": 48},
        "classes": ["background", "wall", "cavity", "nodule"],
        "presets": {
            "quick": {
                "prepare": {"size": 16},
                "split": {"name": "stratified", "train": 0.5, "val": 0.25, "test": 0.25},
                "budgets": list(ROUNDS),
                "train": {"scribble": rests},
            }
        },
    }
    (folder / "restful.yaml").write_text(yaml.safe_dump(dataset))
    seeds = -(-runs // len(RECIPES))
    content = {"name": NAME, "datasets": [str(folder / "restful.yaml")], "recipes": list(RECIPES), "seeds": seeds}
    path = folder / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump({**content, **study}))
    return path


def write_runs(study: Path, out: Path) -> int:
    """Write every run of the study below ``out`` as a finished one; return how many.

    One run of each recipe is computed; the others are written after it by the same code that a run writes its folder
    with, each as its own configuration, with other scores.
    """
    found = Study.find(str(study))
    configs = found.runs()
    models: dict[str, tuple[RunFolder, list[RoundRecord]]] = {}
    for config in configs:
        folder = RunFolder(out / NAME / "runs" / config.key)
        if config.recipe.name in models:
            _write_after(*models[config.recipe.name], config, folder)
        else:
            models[config.recipe.name] = folder, run(config, folder.path, Store(out / "store"))
    write_index(out / NAME, found, configs, None)
    return len(configs)


def _write_after(model: RunFolder, records: list[RoundRecord], config: RunConfig, folder: RunFolder) -> None:
    """Write the run of ``config`` after a finished one of another seed."""
    identity, shift = records[0], np.random.default_rng([config.seed, len(config.recipe.name)]).normal(0, NOISE)
    with folder.session(config.describe(), config.fingerprint, str(identity.data_key)):
        for path in model.path.iterdir():
            if path.name not in ("config.json", "rounds.jsonl", "lock"):
                shutil.copyfile(path, folder.path / path.name)
        for record in records:
            rows = [{**row, "dice": _shifted(row["dice"], shift)} for row in record.volumes]
            summary = {**record.summary, **summarise(rows, config.dataset.classes, config.evaluate.table)}
            own: dict[str, Any] = {
                "seed": config.seed,
                "fingerprint": config.fingerprint,
                "volumes": rows,
                "summary": summary,
            }
            folder.append(dataclasses.replace(record, **own))


def _shifted(dice: object, shift: float) -> float | None:
    return None if dice is None else float(np.clip(float(str(dice)) + shift, 0, 1))
