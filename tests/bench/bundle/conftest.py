"""One small honest study on generated patients, packed once for all tests."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.bundle.manifest import FORMAT, SCHEMA, Manifest
from bench.bundle.opened import Bundle
from bench.bundle.pack import pack
from bench.launchers.launcher import Policy
from bench.launchers.local import LocalLauncher
from bench.report.runs.run import Run
from bench.study import Study
from bench.study.annotation_title import annotation_title
from bench.study.job import Job
from tests.bench.conftest import write_study
from tests.conftest import TINY

SETTINGS = (
    "recipes=random entropy",
    "seeds=3",
    "schedules.low=[3,6]",
    "train.scribble.iterations_full=30",
    "retries=0",
)


@pytest.fixture(scope="session")
def honest_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished study of two recipes with three seeds and two budgets; only read."""
    return finished_study(tmp_path_factory.mktemp("honest"), SETTINGS)


def finished_study(place: Path, settings: Sequence[str], dataset: Mapping[str, Any] | None = None) -> Path:
    """Run a tiny study with settings as of ``--set``, and return its folder. dataset: changes of the phantom's file."""
    tiny: dict[str, Any] = copy.deepcopy(TINY)
    tiny["dataset"] |= dataset or {}
    study = Study.find(str(write_study(place, tiny)), settings)
    folder = place / "runs" / study.name
    jobs = [Job.of(config, folder) for config in study.runs()]
    folder.mkdir(parents=True)
    index = [
        {
            "key": job.key,
            "dataset": job.identity.dataset,
            "annotation": annotation_title(job.raw["annotation"]),
            "schedule": job.identity.schedule,
            "recipe": job.identity.recipe,
            "seed": job.identity.seed,
            "budgets": list(job.identity.budgets),
        }
        for job in jobs
    ]
    command = f"alseg bench {place / 'small.yaml'} --out {place / 'runs'} --set seeds={{seeds}}"
    (folder / "study.json").write_text(json.dumps({"name": study.name, "runs": index, "command": command}))
    LocalLauncher().run(jobs, Policy(folder, place / "runs" / "store"), lambda key, event: None)
    assert all(job.finished() for job in jobs)
    return folder


def bundle_of(runs: Sequence[Run]) -> Bundle:
    """A bundle of these runs that says nothing else, for checks of runs alone."""
    fields: dict[str, Any] = {"format": FORMAT, "schema": SCHEMA, "alseg": "0", "names": "hidden", "files": {}}
    manifest = Manifest(**fields, runs={}, tunings=None, facts={})
    return Bundle(Path("a.zip"), Path("study"), manifest, tuple(runs))


@pytest.fixture(scope="session")
def honest(honest_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its bundle, which declares that nothing was tuned; only read."""
    return pack(honest_study, tmp_path_factory.mktemp("bundle") / "honest.alseg.zip", tunings=[]).path
