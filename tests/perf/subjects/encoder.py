"""Contrastive training of the slice encoder."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch

import needs
from alseg_core.data.slices import Slices, SliceTable
from alseg_core.metric_learning.fit import ContrastiveTraining
from alseg_core.metric_learning.sampler import epoch_batches
from alseg_core.models.resnet import ProjectionHead, ResNetEncoder
from material import POOL
from measure import Bench, Row
from straightforward import encoder as plain

WEIGHTS = (1.0, 0.05, 0.35)
"""Weights of NT-Xent, patient and volume in the paper's training for ACDC."""
BATCH = 9
EPOCHS = 100
TARGET_MIN = 3.0


def rows(bench: Bench) -> Iterator[Row]:
    """Time a step of 9 slices and their two views, at the paper's size and a small one."""
    for size in bench.sizes or (64, 256):
        yield _step(bench, size)


def _pool(depth: int, size: int) -> Slices:
    """Return slices of three patients with two volumes each, a number for which all batches are full."""
    table = SliceTable(
        cases=tuple(f"case{i}" for i in range(6)),
        patients=tuple(f"patient{i // 2}" for i in range(6)),
        volume=np.repeat(np.arange(6), depth).astype(np.int64),
        z=np.tile(np.arange(depth), 6).astype(np.int64),
    )
    base = np.random.default_rng(0).random((6 * depth, 1, size, size), dtype=np.float32)
    return Slices(table, base, np.arange(6 * depth))


def _step(bench: Bench, size: int) -> Row:
    slices = _pool(40 if bench.cuda else 2, size)
    epochs = 4 if bench.cuda else 2
    training = ContrastiveTraining(
        w_ntxent=WEIGHTS[0],
        w_patient=WEIGHTS[1],
        w_volume=WEIGHTS[2],
        image_size=size,
        epochs=epochs,
        patience=epochs,
        init="random",
        lr=1e-6,  # so that training never stops early
    )
    batches = epoch_batches(slices.table, training.weights.groups, training.batch, np.random.default_rng(0))
    rounds = len(slices) * 3 / BATCH  # every slice is an anchor once, with two other slices
    network, head = ResNetEncoder(1).to(bench.device), ProjectionHead().to(bench.device)
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=3e-4, weight_decay=1e-6)
    table = slices.table
    few = batches[:12]

    def ours() -> float:
        marks: list[float] = []

        def progress(_: float) -> None:
            bench.finish()
            marks.append(time.perf_counter())

        training.fit(slices, np.random.default_rng(0), bench.device, progress)
        return float(np.median(np.diff(marks))) / rounds

    def baseline(chosen: list[np.ndarray] = few) -> float:
        seconds = bench.seconds(
            lambda: plain.train_epoch(
                network, head, optimizer, slices.base, table.patient, table.volume, chosen, WEIGHTS, bench.device
            )
        )
        return seconds / (sum(len(batch) for batch in chosen) / BATCH)

    baseline(batches[:1])  # a warm step
    mine, theirs = bench.both(ours, baseline)
    minutes = POOL * 3 / BATCH * EPOCHS * mine / 60
    target = f"{EPOCHS} epochs <= {TARGET_MIN:g} min" if bench.cuda and size == 256 else ""
    return Row(
        name="encoder",
        size=f"{size}^2",
        what=f"a step of {BATCH} slices x 2 views",
        ours=mine,
        baseline=theirs,
        floor=bench.ceilings.floor(operations=needs.of_views(BATCH, size), half=True),
        target=target,
        met=minutes <= TARGET_MIN if target else None,
        note=f"{EPOCHS} epochs over {POOL} slices: {minutes:.3g} min",
    )
