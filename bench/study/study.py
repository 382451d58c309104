"""A study: datasets x recipes x annotations x budget schedules x seeds, from one YAML file to a list of runs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from alseg_core.errors import ConfigError, unknown_name
from alseg_core.outside import is_outside, load_component
from alseg_core.registry import Name, component, construct, nested
from bench.study.catalogue import catalogue, find
from bench.study.dataset_file import BENCH_HINT, TRAIN, UNCITED, DatasetFile
from bench.study.settings import overlay, parse_setting

if TYPE_CHECKING:
    from alseg_core.config import RunConfig


def _listed(value: Any) -> Any:
    """A bare string is a list separated by blanks or commas; one thing alone is a list of one."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    return [value] if isinstance(value, Mapping) else value


def _recipes(value: Any) -> Any:
    """``all`` in a list of recipes is the whole catalogue, those that read ground truth last."""
    known = sorted(catalogue("recipe"), key=lambda name: name.startswith("oracle_"))
    listed = _listed(value)
    if not isinstance(listed, Sequence) or "all" not in listed:
        return listed
    at = list(listed).index("all")
    return [*listed[:at], *known, *listed[at + 1 :]]


def _named(value: Any) -> Any:
    if not isinstance(value, Sequence):
        return value
    return [{"name": item} if isinstance(item, str) else item for item in value]


def _seeds(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return list(range(value))
    return _listed(value)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("at least one is needed")
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice")
    return values


def _path(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) else value  # a folder named 2024 is a number in YAML


Names = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_distinct)]
Settings = dict[str, dict[str, Any]]


@component
class Resources:
    """What one run gets: CPU cores (they are also its threads) and GPUs (a share such as 0.5 packs two runs on one)."""

    cpus: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0


@component
class Study:
    """Everything a study file says.

    preset: which of the datasets' presets to use: "quick" or "paper". datasets, recipes: names of the catalogue or
    paths of YAML files; recipes "all" stands for the whole catalogue, those that read ground truth last.
    data: folder of the raw scans, one for the only dataset that needs one, or dataset -> folder.
    split, prepare: names of one of the datasets' splits and preparations, in place of the preset's.
    annotations: kinds of labels with their settings. schedules: name -> cumulative budgets; None = the preset's, called
    "default". seeds: n for 0..n-1, or a list. members: networks a round. train: annotation -> settings of the trainer.
    components: component -> settings, laid over every recipe that uses it. cover: embedding of the logged cover radius.
    What a study says goes before the dataset's preset, and that before the program's defaults. A recipe that names an
    annotation of its own is run with that one alone, and what it says under train or tuned goes before all else.
    keep_network: leave the best network of every run in its folder and in MLflow.
    resources: of one run. concurrency: runs at once, None = as many as fit. retries: further tries of a failed run.
    stalled_after: minutes without a word from a run after which it is ended and counts as failed, None = never.
    """

    name: Name
    datasets: Names
    recipes: Annotated[tuple[str, ...], BeforeValidator(_recipes), AfterValidator(_distinct)]
    preset: str = "quick"
    data: Annotated[str | dict[str, str] | None, BeforeValidator(_path)] = None
    split: str | None = None
    prepare: str | None = None
    annotations: Annotated[
        tuple[dict[str, Any], ...],
        BeforeValidator(lambda value: _named(_listed(value))),
        AfterValidator(_distinct),
    ] = ({"name": "scribble"},)
    schedules: Annotated[dict[Name, tuple[int | float, ...]], Field(min_length=1)] | None = None
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_seeds), AfterValidator(_distinct)] = (0,)
    members: Annotated[int, Field(ge=1)] = 1
    train: Settings = Field(default_factory=dict)
    components: Settings = Field(default_factory=dict)
    cover: str | dict[str, Any] = "pixels"
    evaluate: dict[str, Any] = Field(default_factory=dict)
    device: str = "auto"
    resources: Annotated[Resources, nested(Resources, "resources")] = Resources()
    concurrency: Annotated[int, Field(ge=1)] | None = None
    retries: Annotated[int, Field(ge=0)] = 1
    stalled_after: Annotated[float, Field(gt=0)] | None = 120.0
    keep_network: bool = False

    @classmethod
    def load(cls, raw: Mapping[str, Any], settings: Iterable[str] = ()) -> Study:
        """From plain data with ``key=value`` settings laid over it. Raises ConfigError naming every wrong field."""
        merged: Any = dict(raw)
        for setting in settings:
            for key, value in parse_setting(setting).items():  # a study's own name is no component's
                merged[key] = overlay(merged.get(key), value)
        if "budgets" in merged:
            raise ConfigError(
                "a study calls budgets schedules, by a name of yours: --set schedules.mine=[0.1,0.2] (shares of the "
                "pool) or [10,20,40] (slices, cumulative); they take the place of the preset's."
            )
        study: Study = construct(cls, merged, "study")
        return study

    @classmethod
    def find(cls, name: str, settings: Iterable[str] = ()) -> Study:
        """The study of that name or path."""
        return cls.load(find("study", name), settings)

    def runs(self) -> list[RunConfig]:
        """Every run of the study, those of one seed together so that a study cut short has whole comparisons.

        Raises ConfigError for anything that is wrong with any of them.
        """
        from alseg_core.config import RunConfig

        self._check_names()
        chosen = {field: name for field, name in (("split", self.split), ("prepare", self.prepare)) if name}
        datasets = [DatasetFile(name, find("dataset", name), self.preset, chosen) for name in self.datasets]
        recipes = [find("recipe", name) for name in self.recipes]
        for kind, names in (("dataset", [d.name for d in datasets]), ("recipe", [str(r.get("name")) for r in recipes])):
            twice = [name for name in names if names.count(name) > 1]
            if twice:  # a report would take them for one
                raise ConfigError(f"two {kind} files hold the name {twice[0]!r}; give one of them another.")
        runs = [
            RunConfig.load(self._run(dataset, recipe, annotation, schedule, budgets, seed))
            for dataset in datasets
            for kind in self.annotations
            for schedule, budgets in self._schedules(dataset)
            for seed, recipe in itertools.product(self.seeds, recipes)
            if (annotation := self._annotation(recipe, kind)) is not None
        ]
        for group, key in itertools.groupby(sorted(run.key for run in runs)):
            if len(list(key)) > 1:
                raise ConfigError(f"run {group} is there twice; datasets, recipes and annotations must differ.")
        return runs

    def sources(self) -> dict[str, str]:
        """What to cite: name of every dataset and recipe -> its source, without those that need no citation."""
        files = [DatasetFile(name, find("dataset", name)) for name in self.datasets]
        datasets = {file.name: file.citation() for file in files}
        contents = [(name, find("recipe", name)) for name in self.recipes]
        recipes = {
            str(content.get("name", Path(name).stem)): str(content.get("paper", "")) for name, content in contents
        }
        cited = {name: text for name, text in {**datasets, **recipes}.items() if text and text not in UNCITED}
        if any(kind["name"] == "scribble" for kind in self.annotations):
            cited["training from scribbles"] = "DMPLS: Luo et al., MICCAI 2022"
        return cited

    def check_folders(self) -> None:
        """Raise ConfigError where a folder of raw scans is absent or empty, saying how to get them."""
        files = [DatasetFile(name, find("dataset", name)) for name in self.datasets]
        folders = [file.root(self.data) for file in files]
        if self.data is not None and not any(folders):
            raise ConfigError(f"data={self.data} was given, and {', '.join(self.datasets)} needs none. Which DATASET?")
        for file, folder in zip(files, folders, strict=True):
            if folder is not None and not (Path(folder).is_dir() and any(Path(folder).iterdir())):
                what = "nothing is in the folder" if Path(folder).is_dir() else "there is no folder"
                raise ConfigError(file.absent(f"{what} {folder}", BENCH_HINT))

    def _annotation(self, recipe: Mapping[str, Any], kind: dict[str, Any]) -> dict[str, Any] | None:
        """What the recipe is run with when the study's turn is at ``kind``; None when it has its own, at another turn.

        The turn of a recipe's own annotation is where the study has it too, with the study's settings, else the first.
        """
        if recipe.get("annotation") is None:
            return kind
        own = recipe["annotation"]
        own = {"name": own} if isinstance(own, str) else own
        if not isinstance(own, Mapping) or "name" not in own:
            raise ConfigError(f"recipe {recipe.get('name')!r}: annotation must be a name or a mapping with 'name'.")
        turns = [turn for turn in self.annotations if turn.get("name") == own["name"]]
        if kind is not (turns or self.annotations)[0]:
            return None
        return {**own, **kind} if turns else dict(own)

    def _schedules(self, dataset: DatasetFile) -> Iterator[tuple[str, Sequence[int | float]]]:
        if self.schedules is None:
            yield "default", dataset.budgets()
        else:
            yield from self.schedules.items()

    def _check_names(self) -> None:
        from alseg_core.embed import EMBEDDERS
        from alseg_core.oracles import ORACLES
        from alseg_core.strategies import STRATEGIES

        for name in self.components:
            if is_outside(name):
                load_component(name, "component in components")
            elif name not in STRATEGIES and name not in EMBEDDERS:
                raise ConfigError(unknown_name("component in components", name, [*STRATEGIES, *EMBEDDERS]))
        for kind in [*self.train, *(str(a.get("name")) for a in self.annotations)]:
            ORACLES.resolve(kind)
        if isinstance(self.data, dict):
            known = [DatasetFile(entry, find("dataset", entry)).name for entry in self.datasets]
            for name in self.data:
                if name not in known:
                    raise ConfigError(unknown_name("dataset in data", name, known))

    def _run(
        self,
        dataset: DatasetFile,
        recipe: Mapping[str, Any],
        annotation: Mapping[str, Any],
        schedule: str,
        budgets: Sequence[int | float],
        seed: int,
    ) -> dict[str, Any]:
        components = overlay(dataset.components, self.components)

        def settle(spec: Any) -> Any:
            spec = {"name": spec} if isinstance(spec, str) else spec
            named = isinstance(spec, Mapping) and "name" in spec
            return overlay(spec, components.get(spec["name"], {})) if named else spec

        tuned = recipe.get("tuned") or {}
        parts = {
            key: overlay(settle(recipe[key]), tuned.get(key, {}))
            for key in ("strategy", "embed")
            if recipe.get(key) is not None
        }
        kind = annotation["name"]
        layers = (dataset.train(kind), self.train.get(kind, {}), recipe.get("train") or {})
        train = functools.reduce(overlay, layers, TRAIN.get(kind, {}))
        return {
            "dataset": dataset.spec(self.data),
            "recipe": {"name": recipe.get("name"), **parts},
            "annotation": dict(annotation),
            "budgets": list(budgets),
            "schedule": schedule,
            "seed": seed,
            "members": self.members,
            "train": train,
            "evaluate": overlay(dataset.preset.get("evaluate", {}), self.evaluate),
            "cover": settle(self.cover),
            # a run without a share of a GPU leaves it to those that have one
            "device": "cpu" if self.device == "auto" and self.resources.gpus == 0 else self.device,
            "threads": self.resources.cpus,
            "keep_network": self.keep_network,
        }
