"""Settings of a run by their place, as the search space of a tuning names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alseg_core.errors import ConfigError, unknown_name

TUNED = ("strategy", "embed", "train")
"""Parts of a run whose settings can be tuned."""


def get(raw: Mapping[str, Any], path: str) -> Any:
    """Return a setting of a run's plain data. Raises ConfigError with the nearest name when it does not exist."""
    return home(raw, path)[path.rpartition(".")[2]]


def home(raw: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the mapping that holds the setting. Raises ConfigError as :func:`get`."""
    roots = {part: found for part in TUNED if (found := (raw if part == "train" else raw["recipe"]).get(part))}
    at: Any = roots
    *parts, last = path.split(".")
    for part in parts:
        at = at.get(part) if isinstance(at, Mapping) else None
    if not isinstance(at, dict) or last not in at or not parts or last == "name":
        raise ConfigError(unknown_name("setting in space", path, sorted(_paths(roots))))
    return at


def _paths(raw: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the path of every setting below, including mappings."""
    found = []
    for key, value in raw.items():
        if key != "name":
            found += [f"{prefix}{key}"] if prefix else []
            found += _paths(value, f"{prefix}{key}.") if isinstance(value, Mapping) else []
    return found
