"""Conformance suite of embedders, for those of this package and for your own.

Each function in :data:`CHECKS` takes an embedder and raises AssertionError with a description of the first fault; with
pytest:

    @pytest.mark.parametrize("check", CHECKS)
    def test_mine(check):
        check(Mine())

Give an embedder that trains an encoder small settings (``Mine(epochs=1)``): the suite calls it about 30 times, on pools
of 9 slices of 32 x 32 pixels. :data:`POINTWISE` holds a further check for embedders whose vector of a slice does not
depend on the order of the pool, which the training of an encoder may.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alseg_core.conformance import demand, global_seeds, pickled
from alseg_core.data.slices import Slices, SliceTable
from alseg_core.embed.embedder import EmbedContext, Embedder, Embedding
from alseg_core.models.unet import UNet
from alseg_core.seeding import torch_seeded
from alseg_core.store import Store

SIZE = 32
"""Rows and columns of a slice, in pixels."""


def pool(depths: tuple[int, ...] = (4, 1, 4), channels: int = 1, equal: bool = False) -> Slices:
    """Make a pool of random images in shuffled order, two volumes per patient; all images the same if ``equal``."""
    rng = np.random.default_rng(len(depths) + channels)
    count = sum(depths)
    shuffle = rng.permutation(count)
    table = SliceTable(
        cases=tuple(f"case{i}" for i in range(len(depths))),
        patients=tuple(f"patient{i // 2}" for i in range(len(depths))),
        volume=np.repeat(np.arange(len(depths)), depths)[shuffle].astype(np.int64),
        z=np.concatenate([np.arange(depth) for depth in depths])[shuffle].astype(np.int64),
    )
    base = rng.random((count + 3, channels, SIZE, SIZE), dtype=np.float32)
    if equal:
        base[:] = base[0]
    return Slices(table, base, rng.permutation(count + 3)[:count])


POOLS: dict[str, Slices] = {
    "a shuffled pool of unequal volumes": pool(),
    "colour images": pool((5, 4), channels=3),
    "volumes of a single slice": pool((1,) * 9),
    "slices with the same image": pool((5, 4), equal=True),
}
"""Pools that an embedder must cope with."""

PLAIN = "a shuffled pool of unequal volumes"


def context(embedder: Embedder, slices: Slices, store: Store | None = None, seed: int = 3) -> EmbedContext:
    """Return what a run would give this embedder; a network only if it sets ``needs_model``."""
    model = None
    if embedder.needs_model:
        with torch_seeded(0):
            model = UNet(widths=(4, 8), dropouts=(0.0, 0.0)).build(slices.channels, 3).eval()
    return EmbedContext(slices, "conformance", seed, "cpu", store, model)


def _embed(embedder: Embedder, where: EmbedContext, what: str) -> NDArray[np.float32]:
    """Call the embedder and check what every answer must satisfy."""
    try:
        embedding = embedder.embed(where)
    except Exception as error:
        if isinstance(error, ValueError) and "read-only" in str(error):
            raise AssertionError(f"{type(embedder).__name__} writes into the images of the pool; copy them.") from error
        raise AssertionError(f"{type(embedder).__name__} failed on {what}: {type(error).__name__}: {error}") from error
    demand(isinstance(embedding, Embedding), embedder, f"gave no Embedding on {what}: {type(embedding).__name__}.")
    features, count = embedding.features, len(where.slices)
    demand(isinstance(features, np.ndarray), embedder, f"gave features that are no array on {what}.")
    demand(features.dtype == np.float32, embedder, f"gave features of type {features.dtype} on {what}; use float32.")
    fine = features.ndim == 2 and features.shape[0] == count and features.shape[1] > 0
    demand(fine, embedder, f"gave features of shape {features.shape} on {what}; ({count}, D) was wanted.")
    demand(bool(np.isfinite(features).all()), embedder, f"gave features that are not finite on {what}.")
    try:
        json.dumps(embedding.facts)
    except TypeError as error:
        raise AssertionError(f"{type(embedder).__name__} gave facts that are no plain data: {error}") from error
    return features


def one_finite_vector_a_slice(embedder: Embedder) -> None:
    """It passes its own check and gives (N, D) finite float32 features and plain facts, in every pool."""
    embedder.check()
    for what, slices in POOLS.items():
        _embed(embedder, context(embedder, slices), what)


def repeatable(embedder: Embedder) -> None:
    """It gives the same features for the same pool and seed, whatever it was called on before."""
    first = {what: _embed(embedder, context(embedder, slices), what).copy() for what, slices in POOLS.items()}
    for what, slices in reversed(POOLS.items()):
        again = _embed(embedder, context(embedder, slices), what)
        demand(np.array_equal(first[what], again), embedder, f"gives other features when called again, on {what}.")


def random_by_the_seed_alone(embedder: Embedder) -> None:
    """It neither uses nor changes the global generators of Python, NumPy and torch."""
    found = []
    for seed in (1, 2):
        where = context(embedder, POOLS[PLAIN])
        with global_seeds(seed, embedder):
            found.append(_embed(embedder, where, PLAIN))
    demand(
        np.array_equal(found[0], found[1]),
        embedder,
        "depends on a global random state; draw from the seed of the context.",
    )


def same_from_the_store(embedder: Embedder) -> None:
    """It gives the same features with a store, at the first call and from the store, as without one."""
    plain = _embed(embedder, context(embedder, POOLS[PLAIN]), PLAIN)
    with tempfile.TemporaryDirectory() as folder:
        for turn in ("a fresh", "a filled"):
            store = Store(Path(folder))
            stored = _embed(embedder, context(embedder, POOLS[PLAIN], store), PLAIN)
            demand(np.array_equal(plain, stored), embedder, f"returns different features with {turn} store.")


def tells_pools_apart_in_the_store(embedder: Embedder) -> None:
    """It takes no features of another pool from a shared store."""
    slices = POOLS[PLAIN]
    other = replace(slices, rows=slices.rows[::-1].copy())
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        first = _embed(embedder, context(embedder, slices, store), PLAIN).copy()
        where = replace(context(embedder, other, store), data_key="other data")
        demand(
            not np.array_equal(first, _embed(embedder, where, PLAIN)),
            embedder,
            "gives the features of another pool from the store; alseg_core.embed.embedder.store_key makes its key.",
        )


def survives_pickling(embedder: Embedder) -> None:
    """A pickled copy, as a worker process gets it, gives the same features."""
    copied = pickled(embedder)
    first, other = (_embed(e, context(e, POOLS[PLAIN]), PLAIN) for e in (embedder, copied))
    demand(np.array_equal(first, other), embedder, "gives other features after pickling.")


def leaves_the_pool_alone(embedder: Embedder) -> None:
    """It writes to no image of the pool; all runs of a process share them."""
    for what, slices in POOLS.items():
        before = slices.base.copy()
        slices.base.flags.writeable = False
        try:
            _embed(embedder, context(embedder, slices), what)
        finally:
            slices.base.flags.writeable = True
        same = np.array_equal(slices.base, before)
        slices.base[:] = before
        demand(same, embedder, f"writes into the images of the pool, on {what}; copy them.")


def rows_follow_positions(embedder: Embedder) -> None:
    """If positions are renumbered, the rows of the features move along, up to rounding."""
    slices = POOLS[PLAIN]
    order = np.random.default_rng(0).permutation(len(slices))
    table = replace(slices.table, volume=slices.table.volume[order], z=slices.table.z[order])
    other = replace(slices, table=table, rows=slices.rows[order])
    expected = _embed(embedder, context(embedder, slices), PLAIN)[order]
    found = _embed(embedder, context(embedder, other), PLAIN + ", numbered otherwise")
    close = expected.shape == found.shape and np.allclose(
        expected, found, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )
    demand(close, embedder, "gives a slice another vector when positions are numbered otherwise; row = position.")


Check = Callable[[Embedder], None]

CHECKS: tuple[Check, ...] = (
    one_finite_vector_a_slice,
    repeatable,
    random_by_the_seed_alone,
    same_from_the_store,
    tells_pools_apart_in_the_store,
    survives_pickling,
    leaves_the_pool_alone,
)
"""Checks of every embedder."""

POINTWISE: tuple[Check, ...] = (rows_follow_positions,)
"""Checks of embedders that give a slice its vector regardless of the order of the pool."""


def check(embedder: Embedder, pointwise: bool = False) -> None:
    """Run all checks, those of :data:`POINTWISE` on request. Raises AssertionError for the first fault."""
    for one in (*CHECKS, *(POINTWISE if pointwise else ())):
        one(embedder)
