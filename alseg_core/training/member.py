"""A trained network and what it is worth, and how it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from alseg_core.models import Network, SegmentationModule
from alseg_core.store import Store


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
        module = network.build(channels, classes).placed(device)
        module.load_state_dict(state["weights"])
        return cls(module.eval(), state["validation_dice"], state["iterations"])


def shared_state(store: Store, key: Mapping[str, Any], train: Callable[[], Member]) -> tuple[dict[str, Any], bool]:
    """State of the training ``key``: one process trains, all others read what it left. Second: it was there already."""
    mine = False

    def make(folder: Path) -> None:
        nonlocal mine
        mine = True
        torch.save(train().state(), folder / "member.pt")

    entry = store.fetch("training", key, make)
    state: dict[str, Any] = torch.load(entry / "member.pt", map_location="cpu", weights_only=True)
    return state, not mine
