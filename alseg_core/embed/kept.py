"""Features that are made once per key of the store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alseg_core.embed.embedder import CPU_SECONDS, Embedding
from alseg_core.store import Store


def kept(store: Store | None, key: Mapping[str, Any], make: Callable[[], Embedding]) -> Embedding:
    """Return what ``make`` gives, or the store's entry of this key, whose facts also have :data:`CPU_SECONDS`."""
    if store is None:
        return make()
    entry = store.fetch("features", key, lambda folder: _save(make, folder))
    return Embedding(np.load(entry / "features.npy"), json.loads((entry / "facts.json").read_text()))


def _save(make: Callable[[], Embedding], folder: Path) -> None:
    start = time.process_time()
    embedding = make()
    facts = {**embedding.facts, CPU_SECONDS: round(time.process_time() - start, 3)}
    np.save(folder / "features.npy", embedding.features)
    (folder / "facts.json").write_text(json.dumps(facts))
