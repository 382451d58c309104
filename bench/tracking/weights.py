"""A kept network as a logged model of MLflow: plain tensors and settings, so loading it executes no code.

Where a run folder holds ``network.pt`` (``keep_network: true``), the run gets a logged model, which
``mlflow.search_logged_models`` finds by the run's scores on its dataset, parameters and tags. It is loaded by
:func:`alseg_core.checkpoint.load` of the downloaded folder, or by ``mlflow.pyfunc.load_model`` where alseg is
installed: its ``MLmodel`` names this module, which MLflow asks for the model.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric, Run

    from alseg_core.models import SegmentationModule

NAME, FILE = "network", "network.pt"
"""Name of the logged models, and of their file in the run folder."""
KIND = "segmentation"
"""Type of the logged models."""
SOURCE = "alseg.run"
"""Tag of a logged model: id of its run, as not every server can search by the run itself."""


def log(
    client: MlflowClient,
    run: Run,
    folder: Path,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    scores: Sequence[Metric],
) -> None:
    """Log the network of a run folder as a model of its run, unless MLflow has it already.

    Args:
        client: MLflow's client.
        run: the run in MLflow, with its dataset among its inputs.
        folder: run folder, with a network.
        tags, params: what the model is found by.
        scores: metrics of the run in the round that the network is of.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

    experiment, run_id = run.info.experiment_id, run.info.run_id
    before = _models(client, experiment, run_id)
    if any(model.status == LoggedModelStatus.READY for model in before):
        return
    for model in before:  # sent in part
        client.delete_logged_model(model.model_id)
    tags = {**tags, SOURCE: run_id}
    model = client.create_logged_model(experiment, NAME, run_id, tags, dict(params), KIND)
    with tempfile.TemporaryDirectory() as temporary:
        _pack(folder, Path(temporary), model)
        client.log_model_artifacts(model.model_id, temporary)
    data = next((entry.dataset for entry in run.inputs.dataset_inputs), None)
    on = {} if data is None else {"dataset_name": data.name, "dataset_digest": data.digest}
    linked = [Metric(s.key, s.value, s.timestamp, s.step, model_id=model.model_id, **on) for s in scores]
    client.log_batch(run_id, metrics=linked)  # the run has them, with the same time and step
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=max((s.step for s in scores), default=0))])
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def delete(client: MlflowClient, experiment: str, run: str) -> None:
    """Delete the logged models of a run. experiment, run: their ids in MLflow."""
    for model in _models(client, experiment, run):
        client.delete_logged_model(model.model_id)


def _models(client: MlflowClient, experiment: str, run: str) -> list[LoggedModel]:
    found: list[LoggedModel] = client.search_logged_models([experiment], f"tags.`{SOURCE}` = '{run}'")
    return found


def _pack(run_folder: Path, target: Path, logged: LoggedModel) -> None:
    """Write the files of a logged model into a folder."""
    from mlflow import pyfunc
    from mlflow.models import Model

    for name in (FILE, "config.json"):
        shutil.copyfile(run_folder / name, target / name)
    model = Model(logged.artifact_location, logged.source_run_id, model_uuid=logged.model_id, model_id=logged.model_id)
    pyfunc.add_to_model(model, loader_module=__name__, data=".")
    model.save(str(target / "MLmodel"))


@dataclass(eq=False)
class Served:
    """A network behind MLflow's ``predict``."""

    network: SegmentationModule

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (B, K, H, W) float32 of prepared slices (B, C, H, W) float32."""
        import torch

        with torch.inference_mode():
            return np.asarray(self.network(torch.as_tensor(images)).numpy())


def _load_pyfunc(path: str) -> Served:
    from alseg_core.checkpoint import load

    return Served(load(Path(path)))
