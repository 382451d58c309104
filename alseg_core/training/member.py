"""A trained network and what it is worth, and how it is kept."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from alseg_core.models import Network, SegmentationModule
from alseg_core.store import Store

ANNOTATION = "annotation.json"
"""File of a training in the store that holds the settings of its annotation, which decide the labels in its key."""


@dataclass(frozen=True, eq=False)
class Member:
    """A trained network with its best weights, its validation Dice (0..1) and the steps it was trained for."""

    network: SegmentationModule
    validation_dice: float
    iterations: int

    def state(self) -> dict[str, Any]:
        """Plain data and tensors that :meth:`restore` turns back into the member."""
        return {
            "weights": self.network.state_dict(),
            "validation_dice": self.validation_dice,
            "iterations": self.iterations,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], network: Network, channels: int, classes: int, device: str) -> Self:
        """The member that gave ``state``, in evaluation mode."""
        if hasattr(network, "weights"):  # what it started from; the member's own weights replace it
            network = dataclasses.replace(network, weights=None)  # type: ignore[type-var]
        module = network.build(channels, classes).placed(device)
        module.load_state_dict(state["weights"])
        return cls(module.eval(), state["validation_dice"], state["iterations"])


@dataclass(frozen=True, eq=False)
class KeptTraining:
    """A training in the store. state: of its member. seconds: it took. maker: fingerprint of the run that trained."""

    state: dict[str, Any]
    seconds: float
    maker: str


def kept_training(
    store: Store, key: Mapping[str, Any], annotation: Any, maker: str, train: Callable[[], Member]
) -> KeptTraining:
    """Return the training ``key``: one process trains, all others read what it left.

    annotation: settings of the annotation, recorded beside the training. maker: fingerprint of the run that asks.
    """

    def make(folder: Path) -> None:
        start = time.perf_counter()
        state = train().state()
        facts = {"state": state, "seconds": time.perf_counter() - start, "maker": maker}
        torch.save(facts, folder / "member.pt")
        (folder / ANNOTATION).write_text(json.dumps(annotation))

    entry = store.fetch("training", key, make)
    return KeptTraining(**torch.load(entry / "member.pt", map_location="cpu", weights_only=True))
