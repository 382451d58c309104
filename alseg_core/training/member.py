"""A trained model with its validation score, and trainings kept in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import torch

from alseg_core.store import Store
from alseg_core.training.model import Model

ANNOTATION = "annotation.json"
"""File of a training in the store that holds the settings of its annotation, which decide the labels in its key."""


class Restorer(Protocol):
    """Turns the state of a model back into the model; every trainer does."""

    def restore(self, state: Mapping[str, Any], channels: int, classes: int, device: str) -> Model:
        """Return the model that gave ``state``."""
        ...


@dataclass(frozen=True, eq=False)
class Member:
    """A trained model and how good it is."""

    network: Model
    """The model with its best weights, without validation its last ones, in evaluation mode."""
    validation_dice: float | None
    """Mean Dice on the validation labels, 0..1; None where a run has none."""
    iterations: int
    """Steps it was trained for."""

    def state(self) -> dict[str, Any]:
        """Return plain data and tensors that :meth:`restore` turns back into the member."""
        return {
            "weights": self.network.state_dict(),
            "validation_dice": self.validation_dice,
            "iterations": self.iterations,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], by: Restorer, channels: int, classes: int, device: str) -> Self:
        """Return the member that gave ``state``, its model restored ``by`` the trainer."""
        model = by.restore(state["weights"], channels, classes, device)
        return cls(model, state["validation_dice"], state["iterations"])


@dataclass(frozen=True, eq=False)
class KeptTraining:
    """A training in the store."""

    state: dict[str, Any]
    """State of its member."""
    seconds: float
    """Time that the training took."""
    maker: str
    """Fingerprint of the run that trained."""


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
