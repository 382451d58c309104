"""What the benchmarks work on: generated volumes, or a folder of prepared ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import zoom

from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers.phantom import Phantom
from alseg_core.data.slices import Slices, SliceTable
from alseg_core.oracles import Vault
from alseg_core.store import Store
from alseg_core.vocabulary import IGNORE
from measure import Bench

POOL = 1454
"""Slices of the paper's pool (ACDC)."""
MARKED = 660
"""Marked pixels of a published scribble at ACDC's native size, background and foreground."""


@dataclass(frozen=True, eq=False)
class Volumes:
    """Prepared volumes with masks."""

    prepared: Prepared
    vault: Vault

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return self.vault.classes

    def slices(self, cases: int) -> Slices:
        """Slices of the first volumes that have a mask."""
        return self.prepared.slices(self.names(cases))

    def names(self, cases: int) -> list[str]:
        """Names of the first volumes that have a mask."""
        return [case.case for case in self.prepared.cases if case.has_mask][:cases]

    def masks(self, slices: Slices) -> np.ndarray:
        """(N, H, W) uint8 masks of slices."""
        return self.vault.masks(slices.rows, "perf", "training labels")


def volumes(bench: Bench, patients: int, size: int) -> Volumes:
    """Generated patients with two volumes each at size x size pixels; the prepared folder where one is given."""
    folder = bench.data or prepare(
        Phantom(patients=patients, size=max(48, size)), None, Prepare(size=size), Store(bench.scratch / "store")
    )
    prepared = Prepared.open(folder)
    return Volumes(prepared, Vault(Path(folder), prepared))


def table(count: int, depth: int = 9) -> SliceTable:
    """Places of ``count`` slices in volumes of ``depth``, two volumes to a patient."""
    number = -(-count // depth)
    return SliceTable(
        cases=tuple(f"case{i}" for i in range(number)),
        patients=tuple(f"patient{i // 2}" for i in range(number)),
        volume=(np.arange(count) // depth).astype(np.int64),
        z=(np.arange(count) % depth).astype(np.int64),
    )


def scribbles(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """(count, size, size) uint8 labels with as many marked pixels as a published scribble has, elsewhere unmarked."""
    labels = np.full((count, size * size), IGNORE, np.uint8)
    marked = max(4, MARKED * size**2 // 256**2)
    for row in labels:
        row[rng.choice(size * size, marked, replace=False)] = rng.integers(0, 4, marked)
    return labels.reshape(count, size, size)


def smooth(
    count: int, size: int, dimensions: int, rng: np.random.Generator, groups: int = 40
) -> tuple[np.ndarray, np.ndarray]:
    """(count, 1, size, size) float32 images in 0..1 and their features (count, dimensions), in groups.

    An image is the smooth pattern of its group, brighter or darker, under noise: distances differ as those of scans do.
    """
    patterns = [zoom(rng.random((8, 8)), size / 8, order=1).astype(np.float32) for _ in range(groups)]
    group = rng.integers(groups, size=count)
    images = rng.random((count, 1, size, size), dtype=np.float32)
    images *= 0.1
    for image, g, gain in zip(images, group, rng.uniform(0.5, 0.9, count).astype(np.float32), strict=True):
        image += gain * patterns[g]
    noise = rng.standard_normal((count, dimensions), dtype=np.float32)
    return images, 0.3 * noise + rng.normal(size=(groups, dimensions)).astype(np.float32)[group]


def pool(bench: Bench, size: int, dimensions: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Images, labels with a scribble's marks, and features of as many slices as the paper's pool, or as there are."""
    if bench.data is None:
        images, features = smooth(POOL, size, dimensions, rng)
        return images, scribbles(POOL, size, rng), features
    prepared = Prepared.open(bench.data)
    given = [case.case for case in prepared.cases if case.has_scribble]
    slices = prepared.slices(given or [case.case for case in prepared.cases])
    rows = slices.rows[:POOL]
    labels = Vault(bench.data, prepared).scribbles(rows, "perf", "training labels") if given else None
    marks = scribbles(len(rows), slices.size[0], rng) if labels is None else labels
    return prepared.base[rows], marks, clustered(len(rows), dimensions, rng)


def clustered(count: int, dimensions: int, rng: np.random.Generator, groups: int = 40) -> np.ndarray:
    """(count, dimensions) float32 features in groups, as those of an encoder are."""
    centres = rng.normal(size=(groups, dimensions)).astype(np.float32)
    noise = rng.standard_normal((count, dimensions), dtype=np.float32)
    noise *= 0.3
    noise += centres[rng.integers(groups, size=count)]
    return noise
