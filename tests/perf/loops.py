"""Training loops that are timed: what they train on, and the seconds of a step."""

from __future__ import annotations

import time

import numpy as np

from alseg_core.training import NetworkTrainer
from alseg_core.training.batches import TrainingSet
from alseg_core.vocabulary import IGNORE
from material import Volumes, scribbles
from measure import Bench

NEVER = 10**8
"""Steps between validations of a training that is timed without them."""


def pool_of(data: Volumes, marked: bool, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return ``count`` images (count, C, H, W) with masks, or with scribbles if ``marked``, and the label of no label.

    Volumes that have fewer slices are repeated.
    """
    slices = data.slices(20)
    images = np.resize(slices.images(), (count, *slices.images().shape[1:]))
    if marked:
        return images, scribbles(count, slices.size[0], np.random.default_rng(0)), IGNORE
    return images, np.resize(data.masks(slices), (count, *slices.size)), 0


def seconds_a_step(
    bench: Bench, trainer: NetworkTrainer, data: TrainingSet, classes: int, fill: int, skip: int, steps: int
) -> float:
    """Return the mean seconds of ``steps`` training steps after ``skip`` others, from a trainer that never validates.

    The skipped ones choose kernels and capture the step.
    """
    marks: list[float] = []

    def progress(done: int) -> None:
        if done in (skip, skip + steps):
            bench.finish()
            marks.append(time.perf_counter())

    # the last step is followed by a validation
    trainer.fit(data, classes, skip + steps + 1, fill, lambda _: 0.0, np.random.default_rng(0), progress)
    start, end = marks
    return (end - start) / steps
