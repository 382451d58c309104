"""Training of 3D networks on whole volumes."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np

import needs
from alseg_core.losses.dice import CrossEntropyDice
from alseg_core.models import Network
from alseg_core.models.volume_unet import VolumeUNet
from alseg_core.training import NetworkTrainer
from loops import NEVER, seconds_a_step
from measure import Bench, Row
from straightforward import volumes as plain
from volumetric import BATCH, CLASSES, networks, stacks, training_set

SKIP = {True: 10, False: 1}
"""Number of warm-up steps, on a GPU or not."""
STEPS = {True: 60, False: 3}
"""Number of timed steps, on a GPU or not."""


def rows(bench: Bench) -> Iterator[Row]:
    """Time a step of two volumes, one labelled slice in four, with and without deep supervision."""
    size, window = (bench.sizes or (256 if bench.cuda else 64,))[0], 32 if bench.cuda else 16
    images, labels = stacks(20 if bench.cuda else 4, window, size)
    for name, network in networks(size, window, not bench.cuda).items():
        yield _loop(bench, name, network, images, labels)


def _loop(bench: Bench, name: str, network: Network, images: np.ndarray, labels: np.ndarray) -> Row:
    count, window, size = images.shape[:3]
    trainer = NetworkTrainer(network=network, loss=CrossEntropyDice(), batch=BATCH, validate_every=NEVER)
    data = training_set(images, labels, bench.device)
    module = network.build(1, CLASSES)
    assert isinstance(module, VolumeUNet)
    theirs = copy.deepcopy(module.net).to(bench.device)
    dataset = plain.dataset(list(images), list(labels), window, 0)
    epochs = max(1, STEPS[bench.cuda] * BATCH // count)

    def ours() -> float:
        return seconds_a_step(bench, trainer, data, CLASSES, 0, SKIP[bench.cuda], STEPS[bench.cuda])

    def baseline() -> float:
        seconds = bench.seconds(lambda: plain.train(theirs, dataset, epochs, bench.device, BATCH))
        return seconds / (epochs * count / BATCH)

    baseline()  # a warm epoch
    mine, other = bench.both(ours, baseline)
    return Row(
        name=f"{name} loop",
        size=f"{window} x {size}^2, pool {count}",
        what=f"a step of {BATCH} volumes",
        ours=mine,
        baseline=other,
        floor=bench.ceilings.floor(0.0, needs.of_volumes(network, BATCH, CLASSES, window, size), half=True),
        note=f"{BATCH * window * size**2 / mine:.3g} voxels/s",
    )
