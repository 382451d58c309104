"""What a run's embedding knows, beside pixels and an untrained encoder: measured once, and kept in the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.embed.contrastive import Contrastive
from alseg_core.embed.embedder import EmbedContext, Embedder, Embedding, Encoder, pool_key
from alseg_core.embed.pixels import Pixels
from alseg_core.embed.quality import OWN, PIXELS, UNTRAINED, Quality, quality


def appraise(embedder: Embedder, embedding: Embedding, context: EmbedContext) -> dict[str, Quality]:
    """Return name -> quality of what ``embedder`` gave, of pixels and, if the run trains it, of an untrained encoder.

    The untrained encoder has the architecture and the seed of the trained one, and random weights. No labels are read.
    """
    keys: dict[str, dict[str, Any]] = {OWN: {"features": _digest(embedding.features)}}
    if isinstance(embedder, Contrastive):
        seed, size = embedder.seed_of(context.seed), embedder.image_size
        keys[UNTRAINED] = {"of": UNTRAINED, "seed": seed, "image_size": size, "normalise": embedder.normalise}
    if not isinstance(embedder, Pixels):
        keys[PIXELS] = {"of": PIXELS}
    return {
        name: _kept(key, partial(features_of, name, embedder, embedding, context), context)
        for name, key in keys.items()
    }


def features_of(name: str, embedder: Embedder, embedding: Embedding, context: EmbedContext) -> NDArray[np.float32]:
    """Return the features (N, D) that :func:`appraise` measures under a name."""
    if name == UNTRAINED and isinstance(embedder, Encoder):
        return embedder.untrained(context)
    return Pixels().embed(context).features if name == PIXELS else embedding.features


def _kept(key: dict[str, Any], features: Callable[[], NDArray[np.float32]], context: EmbedContext) -> Quality:
    """Return the quality of ``features()``, from the store if it has been measured before."""
    table = context.slices.table

    def save(folder: Path) -> None:
        measured = quality(features(), table, context.device)
        (folder / "quality.json").write_text(json.dumps(asdict(measured)))

    if context.store is None:
        return quality(features(), table, context.device)
    entry = context.store.fetch("quality", {**pool_key(context.slices, context.data_key), **key}, save)
    return Quality(**json.loads((entry / "quality.json").read_text()))


def _digest(features: NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()[:16]
