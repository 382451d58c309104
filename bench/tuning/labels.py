"""Names of trials: the settings that differ from the recipe's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.tuning.parameters import USED

OWN_SETTINGS = "the recipe's own settings"
SUFFIX = USED.format("")


def label(params: Mapping[str, Any], own: Mapping[str, Any], most: int | None = None) -> str:
    """Return the settings of a trial that differ from the recipe's own, such as ``w_patient=0.5 lr=0.01``.

    Args:
        params: Optuna's parameters of the trial.
        own: Optuna's parameters of the recipe as it is.
        most: number of settings to name; the others are counted. None = all.
    """
    names = _short([*own, *params])
    told = []
    for name in dict.fromkeys([*own, *params]):  # in the order of the search space, which a storage does not keep
        if name not in params or own.get(name) == params[name]:
            continue
        value = params[name]
        if not name.endswith(SUFFIX):
            told.append(f"{names[name]}={value:.3g}" if isinstance(value, float) else f"{names[name]}={value}")
        elif not value:
            told.append(f"no {names[name.removesuffix(SUFFIX)]}")
    if most is not None and len(told) > most:
        told[most:] = [f"and {len(told) - most} more"]
    return " ".join(told) or OWN_SETTINGS


def _short(parameters: Iterable[str]) -> dict[str, str]:
    """Return the last word of each setting, or its whole path where two settings end alike."""
    paths = list(dict.fromkeys(name.removesuffix(SUFFIX) for name in parameters))
    last = [path.rpartition(".")[2] for path in paths]
    return {path: word if last.count(word) == 1 else path for path, word in zip(paths, last, strict=True)}
