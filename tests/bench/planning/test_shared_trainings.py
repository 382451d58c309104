"""A forecast promises exactly the shared first rounds that then happen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from alseg_core.material import plan
from alseg_core.results import RunFolder
from alseg_core.store import KEY, Store
from alseg_core.training.member import ANNOTATION
from bench.launchers.launcher import Policy
from bench.launchers.local import LocalLauncher
from bench.planning.forecast import forecast
from bench.planning.stopwatch import Relative
from bench.study import Study
from bench.study.job import Job


def promised_and_found(study_file: Path, folder: Path, *settings: str) -> tuple[int, int]:
    """Shared trainings in the forecast of a study and in its runs, all of whose studies share one store."""
    kind = "mask" if "annotations=mask" in settings else "scribble"
    common = ("recipes=random entropy", "schedules.one=[3]", f"train.{kind}.epochs=4")  # as many steps in any pool
    configs = Study.find(str(study_file), [*common, *settings]).runs()
    store = folder / "store"
    plans = {config.key: plan(config, Store(store)) for config in configs}
    expected = forecast(configs, plans, dict.fromkeys(plans, 0), Store(store), Relative(), 1)
    jobs = [Job.of(config, folder / "study") for config in configs]
    LocalLauncher().run(jobs, Policy(store.parent, store), lambda key, event: None)
    records = [RunFolder(job.folder).records()[0] for job in jobs]
    return expected.total("shared_trainings"), sum(r.signals["training"] == "shared" for r in records)


def resplit(study_file: Path, seed: int) -> None:
    """Give the study's dataset another seed of its split."""
    path = study_file.with_name("tiny.yaml")
    dataset: dict[str, Any] = yaml.safe_load(path.read_text())
    dataset["presets"]["quick"]["split"]["seed"] = seed
    path.write_text(yaml.safe_dump(dataset))


@pytest.fixture
def ran(study_file: Path, tmp_path: Path) -> Path:
    """The study file, once its runs are in the store."""
    assert promised_and_found(study_file, tmp_path) == (1, 1)
    return study_file


def test_another_split_shares_nothing_with_the_store(ran: Path, tmp_path: Path) -> None:
    resplit(ran, 2)
    assert promised_and_found(ran, tmp_path, "recipes=random") == (0, 0)
    assert promised_and_found(ran, tmp_path, "recipes=entropy") == (1, 1)


def test_another_seed_that_splits_alike_shares_everything(ran: Path, tmp_path: Path) -> None:
    resplit(ran, 1)  # draws the patients that seed 0 draws
    assert promised_and_found(ran, tmp_path) == (2, 2)


def test_the_same_split_seed_shares_everything(ran: Path, tmp_path: Path) -> None:
    assert promised_and_found(ran, tmp_path, "recipes=bald margin") == (2, 2)
    assert promised_and_found(ran, tmp_path, "recipes=least_confidence", "seeds=[0, 1]") == (1, 1)


def test_other_strokes_share_nothing_with_the_store(ran: Path, tmp_path: Path) -> None:
    other = "annotations=[{name: scribble, length: 0.5}]"
    assert promised_and_found(ran, tmp_path, other) == (1, 1)
    assert promised_and_found(ran, tmp_path, other, "recipes=bald margin") == (2, 2)


def test_kinds_of_strokes_in_one_study_are_told_apart(study_file: Path, tmp_path: Path) -> None:
    kinds = "annotations=[{name: scribble}, {name: scribble, length: 0.5}]"
    assert promised_and_found(study_file, tmp_path, kinds) == (2, 2)


def test_masks_of_other_slices_share_nothing(study_file: Path, tmp_path: Path) -> None:
    masks = ("annotations=mask", "train.mask={network: {widths: [4, 8], dropouts: [0.1, 0.2]}}")
    assert promised_and_found(study_file, tmp_path, *masks) == (1, 1)
    assert promised_and_found(study_file, tmp_path, *masks, "recipes=bald") == (1, 1)
    assert promised_and_found(study_file, tmp_path, *masks, "recipes=margin", "schedules.one=[4]") == (0, 0)


def test_a_store_that_an_earlier_version_wrote(ran: Path, tmp_path: Path) -> None:
    entries = [path.parent for path in (tmp_path / "store" / "training").glob(f"*/{KEY}")]
    for entry in entries:  # it kept no settings of the annotation
        (entry / ANNOTATION).unlink()
        content = json.loads((entry / KEY).read_text())
        del content["files"][ANNOTATION]
        (entry / KEY).write_text(json.dumps(content))
    assert entries
    assert promised_and_found(ran, tmp_path, "recipes=bald margin") == (2, 2)
