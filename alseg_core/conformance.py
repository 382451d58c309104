"""Tools of all conformance suites: complaints, random states and pickling."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def demand(condition: bool, component: object, complaint: str) -> None:
    """Raise AssertionError with the component's class and the complaint unless the condition holds."""
    if not condition:
        raise AssertionError(f"{type(component).__name__} {complaint}")


def pickled(component: T) -> T:
    """Return a copy as a worker process gets it. Raises AssertionError when the component cannot be pickled."""
    try:
        copied: T = pickle.loads(pickle.dumps(component))
    except Exception as error:
        raise AssertionError(f"{type(component).__name__} cannot be pickled, as workers need it: {error}") from error
    return copied


@contextmanager
def global_seeds(seed: int, component: object, where: str = "") -> Iterator[None]:
    """Run the block with the global generators of Python, NumPy and torch started from ``seed``, then restore them.

    where: end of the message. Raises AssertionError if the block changes one of the generators.
    """
    import torch

    kept = _states()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = _states()
        yield
        for name, state in _states().items():
            same = pickle.dumps(state) == pickle.dumps(before[name])
            demand(same, component, f"changes the global random state of {name}{where}; draw from a generator.")
    finally:
        random.setstate(kept["python"])
        np.random.set_state(kept["numpy"])
        torch.set_rng_state(torch.from_numpy(kept["torch"]))


def _states() -> dict[str, Any]:
    import torch

    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state().numpy().copy()}
