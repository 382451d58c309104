"""Uncertainty of unlabelled slices, and the evaluation of test volumes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from alseg_core.evaluate import Evaluation
from alseg_core.metrics.uncertainty import Measure
from alseg_core.models.unet import UNet
from alseg_core.signals import Signals
from alseg_core.strategies.scores import Score
from alseg_core.training.inference import Ensemble
from alseg_core.training.member import Member
from material import Volumes, volumes
from measure import Bench, Row
from straightforward import scoring as plain
from straightforward import training as plain_training
from straightforward.networks import PlainUNet, copy_weights

MEMBERS = 5
PASSES = 40


def rows(bench: Bench) -> Iterator[Row]:
    """Time entropy and variance ratio of an ensemble, BALD of dropout passes, and the evaluation of volumes."""
    for size in bench.sizes or (96, 256):
        data = volumes(bench, 6, size)
        networks = [UNet().build(1, data.classes).placed(bench.device).eval() for _ in range(MEMBERS)]
        ensemble = Ensemble([Member(network, 0.5, 1) for network in networks], bench.device)
        others = [copy_weights(PlainUNet(data.classes, dual=False), n).to(bench.device).eval() for n in networks]
        yield from _scores(bench, data, ensemble, others)
        yield from _volumes(bench, data, ensemble, others)


def _scores(bench: Bench, data: Volumes, ensemble: Ensemble, others: list[PlainUNet]) -> Iterator[Row]:
    slices = data.slices(12)
    size = slices.size[0]

    def view(count: int) -> Signals:
        return data.view(slices, count, ensemble, bench.device)

    def images(count: int) -> np.ndarray:
        return slices.images(np.arange(1, 1 + count))[:, 0]

    many = 64 if bench.cuda or size < 256 else 16
    measures: tuple[tuple[Measure, plain.Measure], ...] = (
        ("entropy", plain.entropy),
        ("variance_ratio", plain.variance_ratio),
    )
    for name, measure in measures:
        score = Score(name=name)
        mine, theirs = bench.both(
            lambda: bench.seconds(lambda: score.of(view(many), np.random.default_rng(0))) / many,  # noqa: B023
            lambda: (
                bench.seconds(lambda: [plain.members_score(measure, others, i, bench.device) for i in images(4)])  # noqa: B023
                / 4
            ),
        )
        yield Row(name, f"{size}^2, {MEMBERS} members", "a slice", mine, theirs)
    few, score = (16, Score(name="bald", source="dropout", passes=PASSES))
    few = few if bench.cuda or size < 256 else 4
    mine, theirs = bench.both(
        lambda: bench.seconds(lambda: score.of(view(few), np.random.default_rng(0))) / few,
        lambda: bench.seconds(lambda: plain.dropout_score(plain.bald, others[0], images(1)[0], PASSES, bench.device)),
        repeats=1 if size == 256 and not bench.cuda else None,
    )
    yield Row("bald", f"{size}^2, T={PASSES}", "a slice", mine, theirs)
    others[0].eval()


def _volumes(bench: Bench, data: Volumes, ensemble: Ensemble, others: list[PlainUNet]) -> Iterator[Row]:
    names = data.names(10 if bench.cuda else 2)
    classes = [str(i) for i in range(data.classes)]
    size = data.prepared.base.shape[2]
    network = ensemble.members[0].network

    def ours(surface: bool) -> float:
        evaluation = Evaluation(surface=surface)
        given = (network, data.prepared, names, data.vault, classes, bench.device, lambda _: None)
        return bench.seconds(lambda: evaluation.volumes(*given)) / len(names)

    def baseline() -> float:
        def work() -> None:
            for name in names:
                images = data.prepared.slices([name]).images()[:, 0]
                labels = plain_training.predicted(others[0], images, bench.device)
                native = data.prepared.info(name).to_native(labels)
                truth = data.vault.native_mask(name, "perf", "test masks")
                plain_training.volume_dice(native, truth, data.classes)

        return bench.seconds(work) / len(names)

    mine, theirs = bench.both(lambda: ours(surface=False), baseline)
    yield Row("evaluation, Dice", f"{size}^2", "a volume", mine, theirs)
    if size == 96:
        try:
            import monai.metrics.utils  # noqa: F401  # loaded once, before the time is taken
        except ImportError:
            return
        yield Row("evaluation with surfaces", f"{size}^2", "a volume", ours(surface=True))
