"""Settings of a stranger as this version loads them, as far as it can without code from elsewhere that they name."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from alseg_core.config import Dataset, Recipe, RunConfig
from alseg_core.errors import AlsegError, unknown_name
from alseg_core.field_errors import sentences
from alseg_core.oracles import Oracle
from alseg_core.outside import PATTERN
from alseg_core.vocabulary import BASELINE

SPARE = {
    "recipe": {"name": BASELINE, "strategy": BASELINE},
    "annotation": "mask",
    "evaluate": {},
    "cover": "pixels",
}
"""Settings that do not decide how long networks are trained -> what takes the place of code from elsewhere."""


@dataclass(frozen=True)
class Loaded:
    """What this version makes of the settings of a run."""

    config: RunConfig | None = None
    """All of them; None where they name code from elsewhere or are no settings of this version."""
    recipe: Recipe | None = None
    """The recipe, known even where others cannot be loaded; None as above."""
    dataset: Dataset | None = None
    """The dataset, as the recipe."""
    annotation: Oracle | None = None
    """The annotation, as the recipe."""
    planned: RunConfig | None = None
    """All settings, with :data:`SPARE` for those that name code from elsewhere, to tell the steps of each training;
    None where the training or the dataset does, or as above."""
    outside: Mapping[str, str] = field(default_factory=dict)
    """Setting -> code from elsewhere that it names, ``module:Class``."""
    fault: str | None = None
    """Why they are no settings of this version, code from elsewhere aside; None where they are."""


def load(plain: Mapping[str, Any]) -> Loaded:
    """Load settings, or else each by itself; what names code from elsewhere is left alone, as it would be run."""
    outside = {name: code for name, value in plain.items() if (code := next(_outside(value), None))}
    fault = None
    if not outside:
        try:
            config = RunConfig.load(plain)
        except AlsegError as error:
            fault = str(error)
        else:
            return Loaded(config, config.recipe, config.dataset, config.annotation, config)
    made, faults = _one_by_one(plain, outside)
    return Loaded(
        recipe=made.get("recipe"),
        dataset=made.get("dataset"),
        annotation=made.get("annotation"),
        planned=_planned(plain, outside),
        outside=outside,
        fault=fault or " ".join(faults) or None,
    )


def _planned(plain: Mapping[str, Any], outside: Mapping[str, str]) -> RunConfig | None:
    """Return the settings without code from elsewhere; None where they cannot do without, or do not load."""
    if not set(outside) <= set(SPARE):
        return None
    try:
        return RunConfig.load({**plain, **{name: SPARE[name] for name in outside}})
    except AlsegError:
        return None


def _one_by_one(plain: Mapping[str, Any], outside: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that can be loaded, and what is wrong with others that name no code from elsewhere."""
    types = typing.get_type_hints(RunConfig, include_extras=True)
    made, faults = {}, []
    for name, value in plain.items():
        if name not in types:
            faults.append(unknown_name("field", name, types))
        elif name not in outside:
            try:
                made[name] = TypeAdapter(types[name]).validate_python(value)
            except ValidationError as error:
                faults += [f"{name}: {sentence}" for sentence in sentences(error)]
            except AlsegError as error:
                faults.append(str(error))
    return made, faults


def _outside(value: Any) -> Iterator[str]:
    """Yield every text in plain data that would be imported where a component is wanted."""
    if isinstance(value, str):
        if PATTERN.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _outside(str(key))
            yield from _outside(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _outside(inner)
