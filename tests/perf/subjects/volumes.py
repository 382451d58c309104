"""Training of 3D networks on whole volumes."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from alseg_core.losses.dice import CrossEntropyDice
from alseg_core.models import Network
from alseg_core.models.dynunet import DynUNet
from alseg_core.models.unet3d import UNet3D
from alseg_core.models.volume_unet import VolumeUNet
from alseg_core.training import NetworkTrainer
from alseg_core.training.batches import TrainingSet
from measure import Bench, Row
from straightforward import volumes as plain

BATCH = 2
CLASSES = 4
SPACING_MM = (5.0, 1.5, 1.5)
SKIP = {True: 10, False: 1}
"""Number of warm-up steps, on a GPU or not."""
STEPS = {True: 60, False: 3}
"""Number of timed steps, on a GPU or not."""


def networks(size: int, window: int, small: bool) -> dict[str, Network]:
    """Return the components that are timed, small ones for a CPU; without dropout, as the baseline has none."""
    widths = (8, 16, 32, 64) if small else (32, 64, 128, 256, 320)
    dyn = DynUNet(width=8 if small else 32, cap=64 if small else 320, window=window, dropout=0.0)
    return {
        "unet3d": UNet3D(widths=widths, window=window, dropout=0.0),
        "dynunet": dyn.for_volumes(SPACING_MM, (window, size, size)),
    }


def rows(bench: Bench) -> Iterator[Row]:
    """Time a step of two volumes, one labelled slice in four, with and without deep supervision."""
    size, window = (bench.sizes or (256 if bench.cuda else 64,))[0], 32 if bench.cuda else 16
    rng = np.random.default_rng(0)
    count = 20 if bench.cuda else 4
    images = rng.random((count, window, size, size), dtype=np.float32)
    labels = rng.integers(0, CLASSES, images.shape).astype(np.uint8)
    labels[:, np.arange(window) % 4 != 0] = 255
    for name, network in networks(size, window, not bench.cuda).items():
        yield _loop(bench, name, network, images, labels)


def _loop(bench: Bench, name: str, network: Network, images: np.ndarray, labels: np.ndarray) -> Row:
    count, window, size = images.shape[:3]
    trainer = NetworkTrainer(network=network, loss=CrossEntropyDice(), batch=BATCH, validate_every=10**8)
    data = TrainingSet.of(
        images.reshape(-1, 1, size, size),
        labels.reshape(-1, size, size),
        np.repeat(np.arange(count), window),
        np.tile(np.arange(window), count),
        bench.device,
    )
    module = network.build(1, CLASSES)
    assert isinstance(module, VolumeUNet)
    theirs = copy.deepcopy(module.net).to(bench.device)
    dataset = plain.dataset(list(images), list(labels), window, 0)
    epochs = max(1, STEPS[bench.cuda] * BATCH // count)

    def ours() -> float:
        marks: list[tuple[int, float]] = []
        last = SKIP[bench.cuda] + STEPS[bench.cuda]

        def progress(done: int) -> None:
            if done in (SKIP[bench.cuda], last):
                bench.finish()
                marks.append((done, time.perf_counter()))

        # the last step is followed by a validation
        trainer.fit(data, CLASSES, last + 1, 0, lambda _: 0.0, np.random.default_rng(0), progress)
        (first, start), (last, end) = marks
        return (end - start) / (last - first)

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
        floor=bench.ceilings.floor(0.0, _operations(network, window, size), half=True),
        note=f"{BATCH * window * size**2 / mine:.3g} voxels/s",
    )


def _operations(network: Network, window: int, size: int) -> float:
    """Return the operations of the convolutions of one step."""
    with torch.device("meta"):
        module = network.build(1, CLASSES).train()
        images = torch.empty(window, 1, size, size)
    with FlopCounterMode(display=False) as counter:
        torch.stack([output.sum() for heads in module.scales(images) for output in heads]).sum().backward()
    return float(BATCH * counter.get_total_flops())
