"""A training step on slices, with scribbles and with full masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import needs
from gpu_check.answer import Answer, Target
from gpu_check.parts.equality import eager
from gpu_check.setting import BATCH, Setting, flat_set
from loops import pool_of, seconds_a_step

TARGETS = {True: 2e-3, False: 1.3e-3}
"""Most seconds of a step with scribbles, or with full masks, on an H100."""


def answers(setting: Setting) -> Iterator[Answer]:
    """Time a step, replayed as usual on a GPU and call by call."""
    data, scale, bench = setting.volumes(), setting.scale, setting.bench
    for marked, name in ((True, "DMPLS step"), (False, "full step")):
        images, labels, fill = pool_of(data, marked, scale.pool)
        side = images.shape[-1]
        network = scale.dmpls() if marked else scale.full()
        bytes_, operations = needs.of_slices(network, BATCH, data.classes, side, 2 if bench.cuda else 4)
        floor = bench.ceilings.floor(bytes_, operations, half=True).seconds
        for calls in (False, True) if bench.cuda else (True,):
            with setting.peak() as peak, eager() if calls and bench.cuda else nullcontext():
                given = flat_set(images, labels, setting.device)
                seconds = seconds_a_step(
                    bench, setting.trainer(marked), given, data.classes, fill, scale.skip, scale.steps
                )
                memory = peak()
            way = ", eager" if calls and bench.cuda else ""
            target = Target(TARGETS[marked]) if side == 256 and not way else None
            yield Answer(f"{name}{way}", f"{BATCH} x {side}^2", seconds, floor=floor, memory=memory, target=target)
