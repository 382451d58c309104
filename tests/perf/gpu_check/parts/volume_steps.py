"""A training step of the 3D networks."""

from __future__ import annotations

from collections.abc import Iterator

import needs
from alseg_core.losses.dice import CrossEntropyDice
from alseg_core.training import NetworkTrainer
from gpu_check.answer import Answer
from gpu_check.setting import Setting
from loops import NEVER, seconds_a_step
from volumetric import BATCH, CLASSES, networks, stacks, training_set

VOLUMES = {True: 20, False: 2}
"""Volumes that are trained on, on a GPU or not."""


def answers(setting: Setting) -> Iterator[Answer]:
    """Time a step of two volumes, one labelled slice in four."""
    scale, bench = setting.scale, setting.bench
    window, side = scale.window, scale.volume_side
    images, labels = stacks(VOLUMES[bench.cuda], window, side)
    for name, network in networks(side, window, scale.small).items():
        trainer = NetworkTrainer(network=network, loss=CrossEntropyDice(), batch=BATCH, validate_every=NEVER)
        floor = bench.ceilings.floor(0.0, needs.of_volumes(network, BATCH, CLASSES, window, side), half=True).seconds
        with setting.peak() as peak:
            given = training_set(images, labels, setting.device)
            seconds = seconds_a_step(bench, trainer, given, CLASSES, 0, min(scale.skip, 10), min(scale.steps, 40))
            memory = peak()
        yield Answer(f"3D step, {name}", f"{BATCH} x {window} x {side}^2", seconds, floor=floor, memory=memory)
