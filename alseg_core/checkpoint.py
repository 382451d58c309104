"""The best network of a run's last round, kept when ``keep_network`` is set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from alseg_core.atomic import replacing
from alseg_core.errors import ResultsError
from alseg_core.models import NETWORKS, Network, SegmentationModule
from alseg_core.registry import describe
from alseg_core.results import RunFolder
from alseg_core.training.member import Member
from alseg_core.training.network_trainer import restored_network, without_weights

FILE = "network.pt"
"""Name of the file in the run folder."""


def save(folder: Path, member: Member, network: Network, channels: int, classes: Sequence[str]) -> None:
    """Write ``network.pt``, which holds plain data and tensors only, enough to rebuild the network."""
    spec = describe(without_weights(network))
    content = {"network": spec, "channels": channels, "classes": list(classes), "member": member.state()}
    with replacing(folder / FILE) as file:
        torch.save(content, file)


def load(folder: Path, device: str = "cpu") -> SegmentationModule:
    """Load the network that :func:`save` wrote to a run folder, in evaluation mode.

    It maps prepared slices (B, C, H, W) to logits (B, classes, H, W). Raises ResultsError when the folder has none, or
    one that is damaged or was changed since.
    """
    path, run = folder / FILE, RunFolder(folder)
    if not path.exists():
        raise ResultsError(
            f"{path} is missing: networks are kept where a study says keep_network: true before the run is finished."
        )
    if fault := run.fault(FILE, run.records()):
        raise ResultsError(f"{folder}: {fault}; delete the run folder and run it again to have the network.")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    network: Network = NETWORKS.build(content["network"])
    weights = content["member"]["weights"]
    return restored_network(network, weights, content["channels"], len(content["classes"]), device)
