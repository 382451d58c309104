"""Pictures and curves of a trial, kept as artifacts of Optuna's, which optuna-dashboard shows beside the trial."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from alseg_core.errors import ResultsError
from alseg_core.metrics.metric import DICE
from alseg_core.results import RunFolder
from alseg_core.vocabulary import RoundRecord
from bench.tracking.pictures import EXAMPLES, sheet
from bench.tuning.trial import TrialFolder

if TYPE_CHECKING:
    from optuna import Trial

ARTIFACTS = "optuna-artifacts"
"""Folder of the artifacts below OUT, for ``optuna-dashboard --artifact-dir``."""


def attach(trial: Trial, folder: Path, store: Path) -> None:
    """Attach pictures of a trial's runs to the trial, those that it lacks; a full disk costs no more than them.

    Optuna takes them only before the end of the trial is recorded.

    Args:
        trial: Optuna's trial.
        folder: folder of the trial.
        store: folder of the artifacts.
    """
    from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact

    known = {artifact.filename for artifact in get_all_artifact_meta(trial)}
    with suppress(OSError), tempfile.TemporaryDirectory() as temporary:
        store.mkdir(parents=True, exist_ok=True)
        draw(TrialFolder(folder), Path(temporary))
        for path in sorted(Path(temporary).iterdir()):
            if path.name not in known:
                upload_artifact(
                    artifact_store=FileSystemArtifactStore(store), file_path=str(path), study_or_trial=trial
                )


def draw(trial: TrialFolder, target: Path) -> None:
    """Write ``curves.png``, and for each seed whose run has kept slices ``seed_<n>.png`` with predictions."""
    curves: dict[int, Sequence[RoundRecord]] = {}
    for job in trial.jobs():
        run, seed = RunFolder(job.folder), job.identity.seed
        try:
            records = run.records()
        except ResultsError:  # the outcome of the trial tells it
            continue
        if records:
            curves[seed] = records
            if (run.path / EXAMPLES).is_file() and run.fault(EXAMPLES, records) is None:
                sheet(run.path / EXAMPLES, target / f"seed_{seed}.png")
    if curves:
        _curves(curves, target / "curves.png")


def _curves(curves: Mapping[int, Sequence[RoundRecord]], path: Path) -> None:
    """Plot validation Dice over labelled slices, a line for each seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    for seed, records in curves.items():
        dice = [record.summary.get(DICE.name) for record in records]
        defined = [math.nan if value is None else value for value in dice]
        axis.plot([record.labelled for record in records], defined, marker="o", label=f"seed {seed}")
    axis.set_xlabel("labelled slices")
    axis.set_ylabel("validation Dice")
    axis.legend(fontsize=8)
    figure.savefig(path, dpi=120)
