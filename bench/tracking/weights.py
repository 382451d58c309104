"""A kept network as an MLflow model: plain tensors and settings, so loading it executes no code.

Where a run folder holds ``network.pt`` (``keep_network: true``), the run gets the artifact folder ``network/``. It is
loaded by :func:`alseg_core.checkpoint.load` of the downloaded folder, or by ``mlflow.pyfunc.load_model`` where alseg is
installed: its ``MLmodel`` names this module, which MLflow asks for the model.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from alseg_core.models import SegmentationModule

FOLDER, FILE = "network", "network.pt"


def pack(run_folder: Path, target: Path, run: str) -> None:
    """Write ``target``/network if the run folder has a network. run: id of the run in MLflow."""
    if not (run_folder / FILE).exists():
        return
    from mlflow import pyfunc
    from mlflow.models import Model

    folder = target / FOLDER
    folder.mkdir()
    for name in (FILE, "config.json"):
        shutil.copyfile(run_folder / name, folder / name)
    model = Model(artifact_path=FOLDER, run_id=run)
    pyfunc.add_to_model(model, loader_module=__name__, data=".")
    model.save(str(folder / "MLmodel"))


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
