"""Data of the benchmarks: generated volumes, or a folder of prepared ones."""

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
from alseg_core.signals import Signals
from alseg_core.store import Store
from alseg_core.strategies.synthetic_view import SyntheticView
from alseg_core.training.inference import Ensemble
from alseg_core.vocabulary import IGNORE, IntArray
from measure import Bench

POOL = 1454
"""Number of slices in the paper's pool (ACDC)."""
MARKED = 660
"""Number of pixels that a published scribble of ACDC marks at native size, background and foreground."""


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
        """Return the slices of the first ``cases`` volumes that have a mask."""
        return self.prepared.slices(self.names(cases))

    def names(self, cases: int) -> list[str]:
        """Return the names of the first ``cases`` volumes that have a mask."""
        return [case.case for case in self.prepared.cases if case.has_mask][:cases]

    def view(self, slices: Slices, count: int, ensemble: Ensemble, device: str) -> Signals:
        """Return the view of an ensemble trained on the first of ``slices``, with the next ``count`` to score."""
        return Signals(
            slices=slices,
            labelled=np.arange(1),
            unlabelled=np.arange(1, 1 + count),
            classes=self.classes,
            round=1,
            rounds=2,
            device=device,
            ensemble=ensemble,
        )

    def masks(self, slices: Slices) -> np.ndarray:
        """Return the masks of slices, (N, H, W) uint8."""
        return self.vault.masks(slices.rows, "perf", "training labels")


def volumes(bench: Bench, patients: int, size: int) -> Volumes:
    """Return generated patients with two volumes each at size x size pixels, or the prepared folder of ``bench``."""
    folder = bench.data or prepare(
        Phantom(patients=patients, size=max(48, size)), None, Prepare(size=size), Store(bench.scratch / "store")
    )
    prepared = Prepared.open(folder)
    return Volumes(prepared, Vault(Path(folder), prepared))


def table(count: int, depth: int = 9) -> SliceTable:
    """Return a table of ``count`` slices in volumes of ``depth`` slices, two volumes per patient."""
    number = -(-count // depth)
    return SliceTable(
        cases=tuple(f"case{i}" for i in range(number)),
        patients=tuple(f"patient{i // 2}" for i in range(number)),
        volume=(np.arange(count) // depth).astype(np.int64),
        z=(np.arange(count) % depth).astype(np.int64),
    )


def scribbles(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return (count, size, size) uint8 labels that mark as many pixels as a published scribble does."""
    labels = np.full((count, size * size), IGNORE, np.uint8)
    marked = max(4, MARKED * size**2 // 256**2)
    for row in labels:
        row[rng.choice(size * size, marked, replace=False)] = rng.integers(0, 4, marked)
    return labels.reshape(count, size, size)


def smooth(
    count: int, size: int, dimensions: int, rng: np.random.Generator, groups: int = 40
) -> tuple[np.ndarray, np.ndarray]:
    """Return (count, 1, size, size) float32 images in 0..1 and their (count, dimensions) features, in groups.

    An image is the smooth pattern of its group, brighter or darker, under noise, so that distances vary as scans' do.
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
    """Return images, scribble labels and features of a pool as large as the paper's, or of all prepared slices."""
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
    """Return (count, dimensions) float32 features in groups, like those of an encoder."""
    centres = rng.normal(size=(groups, dimensions)).astype(np.float32)
    noise = rng.standard_normal((count, dimensions), dtype=np.float32)
    noise *= 0.3
    noise += centres[rng.integers(groups, size=count)]
    return noise


def view_of(
    features: np.ndarray, images: np.ndarray, labels: np.ndarray, labelled: IntArray, device: str = "cpu"
) -> SyntheticView:
    """Return a pool of these slices, some of them labelled, without predictions."""
    nothing = np.zeros((1, len(features), 1, 1, 1), np.float32)
    return SyntheticView(
        table(len(features)),
        labelled,
        images,
        features,
        nothing,
        nothing,
        nothing,
        nothing[0],
        labels,
        4,
        round=int(len(labelled) > 0),
        device=device,
    )
