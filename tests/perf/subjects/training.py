"""Training of the segmentation networks, and its validation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

import needs
from alseg_core.losses import Loss
from alseg_core.losses.dice import CrossEntropyDice
from alseg_core.losses.dmpls import Dmpls
from alseg_core.models.unet import UNet, UNetDual
from alseg_core.training import NetworkTrainer
from alseg_core.training.batches import TrainingSet
from alseg_core.validation import Validation
from loops import NEVER, pool_of, seconds_a_step
from material import Volumes, volumes
from measure import Bench, Row
from straightforward import training as plain
from straightforward.networks import PlainUNet

BATCH = 6
EVERY = 200
"""Steps between validations, as in the paper's protocol."""
VALIDATED = 360
"""Approximate number of slices in ACDC's 40 validation volumes."""
SKIP = {True: 20, False: 1}
"""Number of warm-up steps, on a GPU or not: a GPU chooses kernels and captures the step in them."""
STEPS = {True: 400, False: 4}
"""Number of timed steps, on a GPU or not."""
TARGET_MS = {"ce_dice": 1.3, "dmpls": 2.0}
TARGET_RATIO = {72: 1.7, 14: 2.5}
SHARE = 0.15

NETWORKS: dict[str, UNet] = {"ce_dice": UNet(), "dmpls": UNetDual()}
LOSSES: dict[str, Loss] = {"ce_dice": CrossEntropyDice(), "dmpls": Dmpls()}


def rows(bench: Bench) -> Iterator[Row]:
    """Time the loop with full masks and with scribbles, at two sizes of slices and pools, and one validation."""
    for size in bench.sizes or (96, 256):
        data = volumes(bench, 20 if bench.cuda else 6, size)
        step: dict[str, float] = {}
        for loss in NETWORKS:
            for pool in TARGET_RATIO:
                row = _loop(bench, data, loss, pool)
                step[loss] = row.ours
                yield row
        yield from _validation(bench, data, step)


def _loop(bench: Bench, data: Volumes, loss: str, pool: int) -> Row:
    images, labels, fill = pool_of(data, marked=loss == "dmpls", count=pool)
    classes, zeros, size = data.classes, np.zeros(pool, np.int64), images.shape[-1]
    trainer = NetworkTrainer(network=NETWORKS[loss], loss=LOSSES[loss], batch=BATCH, validate_every=NEVER)
    ours_set = TrainingSet.of(images, labels, zeros, np.arange(pool), bench.device)
    network = PlainUNet(classes, dual=loss == "dmpls").to(bench.device)
    dataset = plain.SliceDataset(images[:, 0], labels, fill)
    loss_of = plain.full_loss if loss == "ce_dice" else plain.scribble_loss
    epochs = max(1, round(40 * BATCH / pool)) if bench.cuda else 1

    def ours() -> float:
        return seconds_a_step(bench, trainer, ours_set, classes, fill, SKIP[bench.cuda], STEPS[bench.cuda])

    def baseline() -> float:
        """Return the seconds per ``BATCH`` slices: the last step of an epoch has fewer."""
        seconds = bench.seconds(lambda: plain.train(network, loss_of, dataset, epochs, bench.device))
        return seconds / (epochs * pool / BATCH)

    plain.train(network, loss_of, torch.utils.data.Subset(dataset, range(BATCH)), 1, bench.device)  # a warm step
    mine, theirs = bench.both(ours, baseline)
    traffic, operations = needs.of_slices(NETWORKS[loss], BATCH, classes, size, 2 if bench.cuda else 4)
    paper = size == 256
    if bench.cuda:
        target, met = f"<= {TARGET_MS[loss]} ms a step", mine <= TARGET_MS[loss] / 1e3
    else:
        target, met = f">= {TARGET_RATIO[pool]}x", theirs / mine >= TARGET_RATIO[pool]
    return Row(
        name=f"{loss} loop",
        size=f"{size}^2, pool {pool}",
        what=f"a step of {BATCH} slices",
        ours=mine,
        baseline=theirs,
        floor=bench.ceilings.floor(traffic, operations, half=True),
        target=target if paper else "",
        met=met if paper else None,
        note=f"{1 / mine:.3g} steps/s; {60000 * 5 / 60 * mine:.3g} min for 300,000 steps" if paper else "",
    )


def _validation(bench: Bench, data: Volumes, step: dict[str, float]) -> Iterator[Row]:
    """Time one pass over the validation volumes, as a share of ``EVERY`` steps."""
    names = data.names(40 if bench.cuda else 3)
    slices = data.prepared.slices(names)
    size, count = slices.size[0], len(slices)
    validation = Validation.load(data.prepared, names, data.vault, data.classes, bench.device, 0.0)
    network = UNet().build(1, data.classes).placed(bench.device).eval()
    other = PlainUNet(data.classes, dual=False).to(bench.device)
    images, masks = slices.images()[:, 0], data.masks(slices)
    parts = [slices.table.of_volume(i) for i in range(len(names))]
    whole = [(images[part], masks[part]) for part in parts]
    validation(network)  # a warm pass
    mine, theirs = bench.both(
        lambda: bench.seconds(lambda: validation(network)),
        lambda: bench.seconds(lambda: plain.validate(other, whole, data.classes, bench.device)),
    )
    for loss, seconds in step.items():
        share = mine / count * VALIDATED / (EVERY * seconds)
        yield Row(
            name=f"validation beside {loss}",
            size=f"{size}^2, {count} slices",
            what="one pass",
            ours=mine,
            baseline=theirs,
            target=f"<= {SHARE:.0%} on top" if size == 256 else "",
            met=share <= SHARE if size == 256 else None,
            note=f"{share:.1%} on top of the steps with {VALIDATED} slices every {EVERY} steps",
        )
