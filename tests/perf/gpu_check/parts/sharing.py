"""Several trainings on one device: three runs, and the members of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from alseg_core import seeding
from alseg_core.vocabulary import IGNORE
from gpu_check.answer import Answer
from gpu_check.setting import Setting, flat_set
from gpu_check.together import Timed, at_once
from loops import pool_of

RUNS = 3
MEMBERS = 5
CONTEXT = 1e9
"""Bytes that a process takes on a GPU beside torch's tensors, about."""
WARM = 10
"""Steps of the training that comes before the timed one."""


def runs(setting: Setting) -> Iterator[Answer]:
    """Time three trainings at once beside one that has the device for itself."""
    alone = at_once(1, lambda: _trainings(setting, 1))
    several = at_once(RUNS, lambda: _trainings(setting, 1))
    size = _size(setting)
    yield Answer("one training alone", size, alone.seconds, memory=_memory(alone))
    gain = RUNS * alone.seconds / several.seconds
    yield Answer(
        f"{RUNS} runs at once", size, several.seconds, memory=_memory(several), note=f"{gain:.2f}x the work of one"
    )


def members(setting: Setting) -> Iterator[Answer]:
    """Time five trainings one after another, and at once where the memory suffices."""
    size = _size(setting)
    turns = at_once(1, lambda: _trainings(setting, MEMBERS))
    yield Answer(f"{MEMBERS} members in turn", size, turns.seconds, memory=_memory(turns))
    memory, free = _memory(turns), turns.results[0][1]
    if memory is not None and free is not None and MEMBERS * (memory + CONTEXT) > free:
        wanted = f"{MEMBERS} processes want {MEMBERS * (memory + CONTEXT) / 1e9:.0f} GB of {free / 1e9:.0f} GB"
        yield Answer(f"{MEMBERS} members at once", size, note=f"left out: {wanted}")
        return
    several = at_once(MEMBERS, lambda: _trainings(setting, 1))
    gain = turns.seconds / several.seconds
    note = f"pays: {gain:.2f}x as fast" if gain > 1 else f"does not pay: {gain:.2f}x as fast"
    yield Answer(f"{MEMBERS} members at once", size, several.seconds, memory=_memory(several), note=note)


def _size(setting: Setting) -> str:
    return f"{setting.scale.together} steps each"


def _memory(timed: Timed) -> float | None:
    """Return the largest peak of a process."""
    known = [memory for memory, _ in timed.results if memory is not None]
    return max(known, default=None)


def _trainings(setting: Setting, number: int) -> Callable[[], tuple[float | None, float | None]]:
    """Return a function that trains ``number`` networks with scribbles; it returns peak and free memory in bytes."""
    data = setting.volumes()
    images, labels, fill = pool_of(data, True, setting.scale.pool)
    assert fill == IGNORE
    trainer = setting.trainer(marked=True)
    given = flat_set(images, labels, setting.device)

    def fit(steps: int, member: int) -> None:
        trainer.fit(given, data.classes, steps, fill, None, seeding.stream(0, "gpu-check", member), lambda _: None)
        setting.bench.finish()

    fit(min(WARM, setting.scale.together), 0)

    def work() -> tuple[float | None, float | None]:
        with setting.peak() as peak:
            for member in range(number):
                fit(setting.scale.together, member)
            memory = peak()
        return memory, float(torch.cuda.mem_get_info()[0]) if setting.bench.cuda else None

    return work
