"""A training with validation, as a round of a run has it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from alseg_core import seeding
from alseg_core.training.batches import TrainingSet
from alseg_core.validation import Validation
from alseg_core.vocabulary import IGNORE
from gpu_check.answer import Answer, Target
from gpu_check.setting import Setting, flat_set
from material import Volumes, scribbles

RUN = 300_000
"""Steps of a whole run of the paper's protocol."""
TARGET_SECONDS = 12 * 60.0
"""Most seconds of such a run on an H100."""
VALIDATED = 40
"""Most volumes to validate on."""


def answers(setting: Setting) -> Iterator[Answer]:
    """Train the dual U-Net on scribbles; half of the volumes are for validation."""
    data, scale = setting.volumes(), setting.scale
    with setting.peak() as peak:
        train, validation = split(setting, data, marked=True)
        trainer = setting.trainer(marked=True, every=scale.every)
        waited = 0.0

        def validate(network: object) -> float:
            nonlocal waited
            setting.bench.finish()
            start = time.perf_counter()
            score = validation(network)  # type: ignore[arg-type]  # a Model
            waited += time.perf_counter() - start
            return score

        setting.bench.finish()
        start = time.perf_counter()
        member = trainer.fit(
            train, data.classes, scale.long, IGNORE, validate, seeding.stream(0, "gpu-check"), lambda _: None
        )
        setting.bench.finish()
        seconds = time.perf_counter() - start
        memory = peak()
    side = train.images.shape[-1]
    size = f"{side}^2, {len(validation.images)} slices every {scale.every}"
    best = f"best validation Dice {member.validation_dice:.3f}; {waited / seconds:.0%} of the time is validation"
    yield Answer(f"{scale.long} steps with validation", size, seconds, memory=memory, note=best)
    whole = seconds / scale.long * RUN
    target = Target(TARGET_SECONDS) if side == 256 else None
    yield Answer(f"{RUN:,} such steps, from these", size, whole, target=target)


def split(setting: Setting, data: Volumes, marked: bool) -> tuple[TrainingSet, Validation]:
    """Return slices to train on, with few pixels of their masks if ``marked``, and volumes to validate on."""
    names = data.names(2 * VALIDATED)
    first, second = names[: len(names) // 2], names[len(names) // 2 :]
    slices = data.prepared.slices(first)
    chosen = np.linspace(0, len(slices) - 1, min(setting.scale.pool, len(slices))).astype(np.int64)
    labels = data.masks(slices)[chosen]
    if marked:
        labels[scribbles(len(chosen), slices.size[0], np.random.default_rng(0)) == IGNORE] = IGNORE
    train = flat_set(slices.images(chosen), labels, setting.device)
    return train, Validation.load(data.prepared, second, data.vault, data.classes, setting.device, 0.0)
