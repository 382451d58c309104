"""Settings of two runs beside one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differing(ours: Any, theirs: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted path and both values of every setting that differs; None where a setting is not there."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in {**ours, **theirs}:
            yield from differing(ours.get(key), theirs.get(key), f"{place}.{key}" if place else str(key))
    elif ours != theirs:
        yield place, ours, theirs
