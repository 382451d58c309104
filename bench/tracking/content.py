"""Name, tags, parameters and metrics of a run in MLflow, from its job and its records alone."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alseg_core.device.usage import NAMES, Usage
from alseg_core.embed.quality import OWN, QUALITY
from alseg_core.errors import ResultsError
from alseg_core.metrics.curve import AUBC_DICE, aubc
from alseg_core.metrics.metric import DICE
from alseg_core.oracles.annotator import LABEL_DICE
from alseg_core.visible import visible
from alseg_core.vocabulary import RoundRecord
from bench.study.foreign import mapping
from bench.study.job import Job

KEY, STUDY, FOLDER = "alseg.key", "alseg.study", "alseg.folder"
LAST = "annotation/round"
"""Metric sent in one batch with the others of a round: if the store has it, it has the round."""
MACHINE = "machine"
"""Section of metrics about the machine; MLflow keeps ``system`` for those that it measures itself."""
VALUE_LIMIT = 500
"""Longest value of a parameter or tag, in characters."""


def run_name(job: Job) -> str:
    """Return the name of the run, what differs most first, because the UI truncates long names."""
    run = job.identity
    schedule = "" if run.schedule == "default" else f"-{run.schedule}"
    return f"{run.recipe}-s{run.seed}-{run.dataset}-{run.annotation}{schedule}"


def tags_of(job: Job) -> dict[str, str]:
    """Return the tags that runs are grouped and found by."""
    run = job.identity
    return {
        KEY: job.key,
        "dataset": run.dataset,
        "recipe": run.recipe,
        "annotation": run.annotation,
        "schedule": run.schedule,
        "seed": str(run.seed),
        FOLDER: visible(str(job.folder)),
    }


def source_tags(study: str) -> dict[str, str]:
    """Return the tags for user and source."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unknown"
    return {"mlflow.user": user, "mlflow.source.type": "LOCAL", "mlflow.source.name": f"alseg bench ({study})"}


def commit_of(folder: Path) -> dict[str, str]:
    """Return the tag for the commit of the code that made the run, if it is recorded."""
    commit = _environment(folder).get("commit")
    return {"mlflow.source.git.commit": str(commit)} if commit else {}


def dataset_of(job: Job, data_key: str) -> dict[str, str]:
    """Return the fields of MLflow's ``Dataset``: name, digest, source and profile."""
    counts = _environment(job.folder).get("data", {})
    return {
        "name": job.identity.dataset,
        "digest": data_key[:36],
        "source_type": "local",
        "source": json.dumps({"uri": job.identity.root or "generated"}),
        "profile": json.dumps({name: counts[name] for name in ("patients", "volumes", "slices") if name in counts}),
    }


def _environment(folder: Path) -> dict[str, Any]:
    try:
        return mapping(folder / "environment.json")
    except ResultsError:  # the report tells that it is damaged
        return {}


def flatten(value: Any, prefix: str = "") -> dict[str, str]:
    """Return nested settings as ``{"train.network.name": "unet"}``, lists and empty mappings as JSON.

    Settings that are None are left out: a page that compares runs shows every name, and these say nothing.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping) and value:
        items = [flatten(inner, f"{prefix}.{key}" if prefix else str(key)) for key, inner in value.items()]
        return {key: text for item in items for key, text in item.items()}
    return {prefix: visible(value) if isinstance(value, str) else json.dumps(value)}


def metrics_of(record: RoundRecord) -> dict[str, float]:
    """Return every defined number of a round by name.

    The part of a name before "/" is a section of charts in the UI; mean scores have none and keep their names in
    reports.
    """
    numbers = {
        "annotation/cover_radius": record.cover_radius,
        "annotation/cost": record.cost,
        "annotation/minutes": record.minutes,
        "annotation/validation_minutes": record.validation_minutes,
        "annotation/label_dice": _label_dice(record),
        "annotation/fraction": record.fraction,
        "annotation/marked": record.marked,
        "annotation/foreground": record.foreground,
        **_embedding(record),
        **{f"seconds/{part}": value for part, value in record.seconds.items()},
        **{f"cpu_seconds/{part}": value for part, value in record.cpu_seconds.items()},
        f"{MACHINE}/peak_mb": record.peak_mb,
        LAST: record.round,
    }
    return scores_of(record) | _shown(numbers)


def scores_of(record: RoundRecord) -> dict[str, float]:
    """Return the defined scores of a round's best network by name."""
    return _shown({_scored(name): value for name, value in record.summary.items()})


def usage_metrics(usage: Usage) -> dict[str, float]:
    """Return what the process of a run used of its machine at one time, by name."""
    return _shown({f"{MACHINE}/{name}": getattr(usage, name) for name in NAMES if name != "time"})


def _shown(numbers: Mapping[str, float | None]) -> dict[str, float]:
    return {_safe(name): rounded(value) for name, value in numbers.items() if value is not None and np.isfinite(value)}


def _label_dice(record: RoundRecord) -> float | None:
    """Return the mean Dice of an erring annotator's masks with the truth; None where nobody errs."""
    known = record.signals.get(LABEL_DICE)
    return None if known is None else float(str(known))


def rounded(value: float) -> float:
    """Return a number as the UI should show it, which shows all digits: 4 decimals below 1, 2 above."""
    return round(float(value), 4 if abs(value) < 1 else 2)


def _embedding(record: RoundRecord) -> dict[str, float]:
    """Return the measures of the embedding and of what it is compared with, "embedding/same_patient" and so on."""
    measured: Any = record.signals.get(QUALITY, {})
    return {
        f"embedding/{measure}" + ("" if of == OWN else f" of {of}"): value
        for of, known in measured.items()
        for measure, value in known.items()
    }


def _scored(name: str) -> str:
    if name.startswith("dice_"):
        return f"classes/{name}"
    return f"volumes/{name}" if name.startswith("empty_") else name


def final_metrics(records: Sequence[RoundRecord]) -> dict[str, float]:
    """Return the AUBC of Dice of a complete run."""
    dice = [record.summary.get(DICE.name) for record in records]
    if any(value is None for value in dice):
        return {}
    area = aubc([record.labelled for record in records], [value for value in dice if value is not None])
    return {AUBC_DICE: rounded(area)} if np.isfinite(area) else {}


def _safe(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in name)
