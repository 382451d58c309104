"""A trainer that rests: what a run of a very large study does in place of training.

A study names it ``scale.resting:Rests``, as one names any trainer from outside the package, so that the workers of a
cluster load it as they load a user's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from alseg_core.registry import component
from alseg_core.training import Trainer
from alseg_core.training.batches import TrainingSet
from alseg_core.training.member import Member
from alseg_core.training.model import Model

ABSENT = 1e3
"""Feature of a class that nobody has labelled yet."""


class Nearest:
    """The class whose labelled pixels have the nearest mean features."""

    window = None

    def __init__(self, means: Tensor) -> None:
        self.means = means

    def __call__(self, images: Tensor) -> Tensor:
        """Return scores (B, K, H, W) of images (B, C, H, W)."""
        apart = features(images)[:, None] - self.means[None, :, :, None, None].to(images)
        return -apart.square().sum(2)

    def state_dict(self) -> dict[str, Any]:
        """Return the means (K, 2)."""
        return {"means": self.means}


def features(images: Tensor) -> Tensor:
    """Return intensity and distance from the centre, (B, 2, H, W), of the pixels of images (B, C, H, W)."""
    rows, columns = (torch.linspace(-1, 1, size, device=images.device) for size in images.shape[2:])
    distance = (rows[:, None].square() + columns.square()).sqrt()
    return torch.stack([images.mean(1), distance.expand(len(images), -1, -1)], 1)


@component
class Rests(Trainer):
    """Rests, then takes the mean features of each class: a model for next to no work, with scores of its own."""

    seconds: Annotated[float, Field(ge=0)] = 1.0
    """How long a training rests, in seconds."""

    def iterations(self, labelled: int, share: float) -> int:
        """Return 1: all slices are seen at once."""
        return 1

    def fit(
        self,
        data: TrainingSet,
        classes: int,
        steps: int,
        fill: int,
        validate: Callable[[Model], float] | None,
        rng: np.random.Generator,
        progress: Callable[[int], None],
    ) -> Member:
        """See :class:`Trainer`."""
        time.sleep(self.seconds)
        pixels, labels = features(data.images.cpu()).movedim(1, -1), data.labels.cpu()
        found = [pixels[labels == number] for number in range(classes)]
        model = Nearest(torch.stack([own.mean(0) if len(own) else torch.full((2,), ABSENT) for own in found]))
        progress(steps)
        return Member(model, None if validate is None else validate(model), steps)

    def restore(self, state: Mapping[str, Any], channels: int, classes: int, device: str) -> Nearest:
        """See :class:`Trainer`."""
        return Nearest(state["means"])
