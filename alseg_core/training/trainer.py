"""What a trainer is: the component that makes a model from the slices annotated so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from alseg_core.registry import describe
from alseg_core.training.batches import TrainingSet
from alseg_core.training.member import Member
from alseg_core.training.model import Model

RANDOM = "random"
"""Value of :meth:`Trainer.start` for models that start from no file."""


class Trainer(Protocol):
    """Trains one model from scratch on the slices annotated so far.

    A trainer extends this class and defines ``iterations``, ``fit`` and ``restore``; the other members have defaults
    for a trainer of single slices that reads no file.
    """

    format: ClassVar[int] = 1
    """Raise it with every change after which the same settings train another model: trainings kept under an older
    number are ignored."""
    gives_networks: ClassVar[bool] = False
    """Whether models are SegmentationModules: for dropout passes, features of slices and pixels, and kept networks."""

    def iterations(self, labelled: int, share: float) -> int:
        """Return the steps of a training on ``labelled`` slices, at least 1.

        share: nominal share of the pool, in (0, 1]; a budget of 1 % is 0.01, though it be 14 of 1454 slices.
        """
        ...

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
        """Train ``steps`` steps; a training of fewer steps takes less time.

        classes: number of classes, background included. fill: label of pixels that augmentation brings in from outside
        a slice. validate: mean Dice of a model on the validation labels; None where the run has none: the member
        is then the model with its last weights, and its validation_dice is None. progress: called with the steps done.
        Raises AlsegError when the training fails.
        """
        ...

    def restore(self, state: Mapping[str, Any], channels: int, classes: int, device: str) -> Model:
        """Return the model that gave ``state`` (:meth:`Model.state_dict`), its tensors being on the CPU."""
        ...

    @property
    def title(self) -> str:
        """The trainer in messages."""
        return f"trainer {describe(self)['name']!r}"

    @property
    def drops(self) -> bool:
        """Whether dropout passes of the models may differ; False where it is known that there is no dropout."""
        return True

    @property
    def volumetric(self) -> bool:
        """Whether models take whole volumes: they are trained on all slices of volumes with a labelled slice."""
        return False

    def for_volumes(self, spacing_mm: tuple[float, float, float], shape: tuple[int, int, int]) -> Self:
        """Return this trainer for volumes of such a geometry; a run calls it once, with that of its pool.

        spacing_mm: median spacing (z, y, x) in mm of the network's grid. shape: median number of slices, rows and
        columns. ``fit``, ``restore`` and ``state_bytes`` are those of what it returns; everything else, and the
        fingerprint of a run, is that of the settings.
        """
        return self

    def check_size(self, size: int) -> None:
        """Raise ConfigError when slices of ``size`` x ``size`` pixels do not fit the models."""

    def start(self) -> str:
        """Return :data:`RANDOM`, or the file and digest that models start from. Raises ConfigError: no such file."""
        return RANDOM

    def settings(self) -> dict[str, Any]:
        """Return the plain settings that identify the training; a file is identified by its content, not its path."""
        described: dict[str, Any] = describe(self)
        return described

    def step_shape(self, depth: int) -> tuple[int, int]:
        """Return the volumes of one step and the slices of each for volumes of ``depth`` slices; for forecasts of time.

        A slice on its own counts as a volume of one.
        """
        return 1, 1

    def validations(self, steps: int) -> int:
        """Return how often a training of ``steps`` steps is validated; for forecasts of time."""
        return 1

    def unvalidated(self, steps: int) -> Self:
        """Return this trainer, validating only at the end of ``steps`` steps where it can, so that a step is timed."""
        return self

    def state_bytes(self, channels: int, classes: int) -> int:
        """Return the bytes of one model on disk, 0 where they are not known before; for forecasts of disk space."""
        return 0
