"""Uncertainty of slices, and evaluation of volumes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from alseg_core import seeding
from alseg_core.evaluate import Evaluation
from alseg_core.strategies.scores import Score
from alseg_core.training.inference import Ensemble
from alseg_core.training.member import Member
from gpu_check.answer import Answer
from gpu_check.setting import Setting

MEMBERS = 5
PASSES = 40
VOLUMES = 10


def answers(setting: Setting) -> Iterator[Answer]:
    """Time entropy of members and BALD of dropout passes a slice, and evaluation a volume and a slice."""
    data, bench = setting.volumes(), setting.bench
    with seeding.torch_seeded(0):
        networks = [setting.scale.full().build(1, data.classes) for _ in range(MEMBERS)]
    ensemble = Ensemble([Member(n.placed(setting.device).eval(), 0.5, 1) for n in networks], setting.device)
    slices = data.slices(12)
    count = min(setting.scale.scored, len(slices) - 1)
    view = data.view(slices, count, ensemble, setting.device)
    side = slices.size[0]
    for name, score, size in (
        ("entropy, a slice", Score(name="entropy"), f"{side}^2, {MEMBERS} members"),
        ("BALD, a slice", Score(name="bald", source="dropout", passes=PASSES), f"{side}^2, {PASSES} passes"),
    ):
        score.of(view, np.random.default_rng(0))  # a warm pass
        with setting.peak() as peak:
            seconds = bench.seconds(partial(score.of, view, np.random.default_rng(0))) / count
            memory = peak()
        yield Answer(name, size, seconds, memory=memory)
    names = data.names(VOLUMES if bench.cuda else 2)
    depth = len(data.prepared.slices(names)) / len(names)
    classes = [str(label) for label in range(data.classes)]
    network = ensemble.members[0].network
    for surface in (False, True):  # the latter needs monai
        evaluation = Evaluation(surface=surface)
        given = (network, data.prepared, names, data.vault, classes, setting.device, lambda _: None)
        evaluation.volumes(*given)  # a warm pass
        with setting.peak() as peak:
            seconds = bench.seconds(partial(evaluation.volumes, *given)) / len(names)
            memory = peak()
        what = "evaluation with surfaces" if surface else "evaluation, Dice"
        yield Answer(f"{what}, a volume", f"{depth:.0f} x {side}^2", seconds, memory=memory)
        yield Answer(f"{what}, a slice", f"{side}^2", seconds / depth)
