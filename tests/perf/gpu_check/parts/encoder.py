"""Contrastive training of the slice encoder."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

import needs
from alseg_core import seeding
from alseg_core.metric_learning.encode import encode
from alseg_core.metric_learning.fit import ContrastiveTraining
from gpu_check.answer import Answer, Target
from gpu_check.setting import Setting
from material import POOL

EPOCHS = 3
"""Epochs that are run, of which the first captures the steps."""
WHOLE = 100
"""Epochs of the paper's encoder."""
TARGET_SECONDS = 3 * 60.0
"""Most seconds that they take for ACDC on an H100."""
HOW = "an epoch by its steps, so with the making of batches"
BATCH = 9
"""Slices of a step with two group losses."""


def answers(setting: Setting) -> Iterator[Answer]:
    """Time an epoch over all slices, and with it a step; then the features of all slices."""
    data, side = setting.volumes(), setting.scale.encoder_side
    slices = data.slices(setting.scale.encoder_cases)
    count = len(slices)
    training = ContrastiveTraining(image_size=side, epochs=EPOCHS, patience=EPOCHS, init="random")
    marks: list[float] = []

    def progress(_: float) -> None:
        setting.bench.finish()
        marks.append(time.perf_counter())

    with setting.peak() as peak:
        fitted = training.fit(slices, seeding.stream(0, "gpu-check"), setting.device, progress)
        memory = peak()
    epoch = float(np.min(np.diff(marks)))
    anchors = count * 3 / BATCH  # every slice is an anchor once, with two others
    floor = setting.bench.ceilings.floor(operations=needs.of_views(BATCH, side), half=True).seconds
    size = f"{side}^2"
    yield Answer("encoder step", f"{BATCH} x 2 x {size}", epoch / anchors, floor=floor, memory=memory, note=HOW)
    yield Answer("encoder epoch", f"{count} x {size}", epoch)
    target = Target(TARGET_SECONDS) if side == 256 else None
    yield Answer(f"{WHOLE} epochs of {POOL} slices, from these", size, epoch / count * POOL * WHOLE, target=target)
    encoder = fitted.encoder()
    encode(encoder, slices, side, setting.device)  # a warm pass
    seconds = setting.bench.seconds(lambda: encode(encoder, slices, side, setting.device)) / count
    yield Answer("features, a slice", size, seconds)
