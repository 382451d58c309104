"""From a study to its runs: which combinations run, and how the settings of each lay over one another."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alseg_core.errors import ConfigError, unknown_name
from alseg_core.outside import is_outside, load_component
from bench.study.catalogue import find
from bench.study.controls import check_controls
from bench.study.dataset_file import DatasetFile
from bench.study.recipe_file import find_recipe
from bench.study.settings import overlay

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from bench.study.study import Study


@dataclass(frozen=True)
class Combination:
    """What one run of a study combines; budgets are cumulative and belong to the schedule."""

    dataset: DatasetFile
    recipe: Mapping[str, Any]
    annotation: Mapping[str, Any]
    schedule: str
    budgets: Sequence[int | float]
    seed: int


def assemble(study: Study) -> list[RunConfig]:
    """Return every run of a study, those of one seed together.

    Raises ConfigError when a name is unknown, two files share a name, two runs are equal, or a run is invalid.
    """
    from alseg_core.config import RunConfig

    check_names(study)
    check_controls(study.controls, [str(find_recipe(name)["name"]) for name in study.recipes])
    study.planned()
    runs = [RunConfig.load(describe_run(study, combination)) for combination in combinations(study)]
    for key, equal in itertools.groupby(sorted(run.key for run in runs)):
        if len(list(equal)) > 1:
            raise ConfigError(f"the study holds run {key} twice; datasets, recipes and annotations must differ.")
    return runs


def check_trained(study: Study, kinds: Iterable[str]) -> None:
    """Raise ConfigError when no run of the study has one of the annotations ``kinds``, whose training is set."""
    from alseg_core.oracles import ORACLES

    names = list(dict.fromkeys(str(combination.annotation["name"]) for combination in combinations(study)))
    used = {ORACLES.resolve(name) for name in names}
    for kind in kinds:
        if ORACLES.resolve(kind) not in used:
            raise ConfigError(
                f"train.{kind} is set, and no run is annotated so; runs of this study have {', '.join(names)}. Set "
                f"train.{names[0]}, or annotations={kind}."
            )


def check_names(study: Study) -> None:
    """Raise ConfigError when the study names a component, an annotation or a dataset that does not exist."""
    from alseg_core.embed import EMBEDDERS
    from alseg_core.oracles import ORACLES
    from alseg_core.strategies import STRATEGIES

    files = [DatasetFile(entry, find("dataset", entry), study.preset) for entry in study.datasets]
    places = {"components": study.components}
    places |= {f"components of dataset {file.name!r}": file.components for file in files}
    for place, names in places.items():
        for name in names:
            if is_outside(name):
                load_component(name, f"component in {place}")
            elif name not in STRATEGIES and name not in EMBEDDERS:
                raise ConfigError(unknown_name(f"component in {place}", name, [*STRATEGIES, *EMBEDDERS]))
    for kind in [*study.train, *(str(annotation.get("name")) for annotation in study.annotations)]:
        ORACLES.resolve(kind)
    if isinstance(study.data, dict):
        known = [file.name for file in files]
        for name in study.data:
            if name not in known:
                raise ConfigError(unknown_name("dataset in data", name, known))


def combinations(study: Study) -> Iterator[Combination]:
    """Yield the runs of a study by dataset, annotation, schedule, seed and recipe, in this order.

    Seeds come before recipes, so that a study cut short has whole comparisons. Raises ConfigError when two files share
    a name.
    """
    chosen = {field: name for field, name in (("split", study.split), ("prepare", study.prepare)) if name}
    datasets = [DatasetFile(name, find("dataset", name), study.preset, chosen) for name in study.datasets]
    recipes = [find_recipe(name) for name in study.recipes]
    _check_distinct("dataset", [dataset.name for dataset in datasets])
    _check_distinct("recipe", [str(recipe["name"]) for recipe in recipes])
    for dataset, kind in itertools.product(datasets, study.annotations):
        schedules = {"default": dataset.budgets()} if study.schedules is None else study.schedules
        for (schedule, budgets), seed, recipe in itertools.product(schedules.items(), study.seeds, recipes):
            annotation = annotation_of(recipe, kind, study.annotations)
            if annotation is not None:
                yield Combination(dataset, recipe, annotation, schedule, budgets, seed)


def _check_distinct(kind: str, names: Sequence[str]) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:  # a report would take them for one
        raise ConfigError(f"two {kind} files hold the name {repeated[0]!r}; give one of them another.")


def annotation_of(
    recipe: Mapping[str, Any], kind: dict[str, Any], annotations: Sequence[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the annotation to run ``recipe`` with in the pass over ``kind``, or None to skip it.

    A recipe with an annotation of its own runs once: in the pass over that annotation, with the study's settings, or
    else in the first pass.
    """
    if recipe.get("annotation") is None:
        return kind
    own = recipe["annotation"]
    own = {"name": own} if isinstance(own, str) else own
    same = [annotation for annotation in annotations if annotation.get("name") == own["name"]]
    if kind is not (same or annotations)[0]:
        return None
    return {**own, **kind} if same else dict(own)


def describe_run(study: Study, combination: Combination) -> dict[str, Any]:
    """Return a run as plain data for :meth:`alseg_core.config.RunConfig.load`.

    The strategy and the embedding are those of the recipe, under the preset's components, the study's components and
    the recipe's ``tuned``. Training starts from the published settings of the annotation, under the preset's, the
    study's and the recipe's ``train``.
    """
    from alseg_core.oracles import ORACLES

    dataset, recipe = combination.dataset, combination.recipe
    components = overlay(dataset.components, study.components)
    tuned = recipe.get("tuned") or {}
    parts = {
        part: overlay(_configured(recipe[part], components), tuned.get(part, {}))
        for part in ("strategy", "embed")
        if recipe.get(part) is not None
    }
    kind = combination.annotation["name"]
    layers = (dataset.train(kind), study.train.get(kind, {}), recipe.get("train") or {})
    return {
        "dataset": dataset.spec(study.data),
        "recipe": {"name": recipe.get("name"), **parts},
        "annotation": dict(combination.annotation),
        "budgets": list(combination.budgets),
        "schedule": combination.schedule,
        "seed": combination.seed,
        "members": study.members,
        "validation": study.validation,
        "train": _training([ORACLES.resolve(kind).training, *layers]),
        "minutes": study.minutes,
        "evaluate": overlay(dataset.preset.get("evaluate", {}), study.evaluate),
        "cover": _configured(study.cover, components),
        # a run without a share of a GPU leaves it to the runs that have one
        "device": "cpu" if study.device == "auto" and study.resources.gpus == 0 else study.device,
        "threads": study.resources.cpus,
        "keep_network": study.keep_network,
    }


def _training(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lay the settings of a training over one another; the name of another trainer replaces all before it."""
    from alseg_core.training import TRAINERS

    unnamed = {"name": TRAINERS.default}
    merged: dict[str, Any] = functools.reduce(overlay, layers, unnamed)
    return {key: value for key, value in merged.items() if (key, value) != ("name", TRAINERS.default)}


def _configured(spec: Any, components: Mapping[str, Any]) -> Any:
    """Lay the settings that ``components`` holds for a component over it."""
    spec = {"name": spec} if isinstance(spec, str) else spec
    named = isinstance(spec, Mapping) and "name" in spec
    return overlay(spec, components.get(spec["name"], {})) if named else spec
