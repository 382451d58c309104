"""A study: datasets x recipes x annotations x budget schedules x seeds, from one YAML file to a list of runs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

import bench
from alseg_core.errors import ConfigError, DataError, unknown_name
from alseg_core.registry import Name, component, construct, nested

if TYPE_CHECKING:
    from alseg_core.config import RunConfig

TRAIN: dict[str, dict[str, Any]] = {
    "scribble": {"network": {"name": "unet_dual"}, "loss": {"name": "dmpls"}},
    "mask": {"network": {"name": "unet"}, "loss": {"name": "ce_dice"}},
}
"""Published training of each kind of annotation (Vepa et al., NeurIPS 2024); the rest are the Trainer's defaults."""

UNCITED = ("reference every comparison needs", "reference, no method")
"""Sources of recipes that need no citation."""


def experiments() -> Path:
    """Folder of the datasets, recipes and studies that come with the program."""
    return Path(bench.__file__).parent.parent / "experiments"


def catalogue(kind: str) -> dict[str, Path]:
    """Name -> file of the ``kind`` ("dataset", "recipe", "study") that come with the program."""
    folder = {"dataset": "datasets", "recipe": "recipes", "study": "studies"}[kind]
    return {path.stem: path for path in sorted((experiments() / folder).glob("*.yaml"))}


def read_yaml(path: Path) -> dict[str, Any]:
    """Mapping in a YAML file. Raises ConfigError: not readable, no YAML, no mapping."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping of settings, got {type(content).__name__}.")
    return content


def find(kind: str, name: str) -> dict[str, Any]:
    """Content of a catalogue entry, or of the YAML file at that path. Raises ConfigError with the nearest name."""
    if name.endswith((".yaml", ".yml")):
        return read_yaml(Path(name).expanduser())
    known = catalogue(kind)
    if name not in known:
        raise ConfigError(unknown_name(kind, name, known) + " A path of a .yaml file works too.")
    return read_yaml(known[name])


def overlay(base: Any, top: Any) -> Any:
    """``top`` laid over ``base``: mappings are merged field by field, anything else is replaced.

    A bare component name counts as ``{"name": ...}``; another name replaces the component with all its fields.
    """
    if isinstance(base, str) and isinstance(top, Mapping):
        base = {"name": base}
    if not isinstance(base, Mapping) or not isinstance(top, Mapping):
        return top
    if "name" in base and "name" in top and base["name"] != top["name"]:
        return dict(top)
    return {**base, **{key: overlay(base.get(key), value) for key, value in top.items()}}


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
    annotation of its own is run with that one alone, and what it says under train goes before all else.
    resources: of one run. concurrency: runs at once, None = as many as fit. retries: further tries of a failed run.
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

    @classmethod
    def load(cls, raw: Mapping[str, Any], settings: Iterable[str] = ()) -> Study:
        """From plain data with ``key=value`` settings laid over it. Raises ConfigError naming every wrong field."""
        merged: Any = dict(raw)
        for setting in settings:
            for key, value in parse_setting(setting).items():  # a study's own name is no component's
                merged[key] = overlay(merged.get(key), value)
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
        """What to cite: name of every dataset and recipe -> its source, without references that need no citation."""
        datasets = [(name, find("dataset", name)) for name in self.datasets]
        recipes = [(name, find("recipe", name)) for name in self.recipes]
        cited = [(Path(name).stem, content.get("citation")) for name, content in datasets]
        cited += [(Path(name).stem, content.get("paper")) for name, content in recipes]
        return {name: str(text) for name, text in cited if text and str(text) not in UNCITED}

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
            if name not in STRATEGIES and name not in EMBEDDERS:
                raise ConfigError(unknown_name("component in components", name, [*STRATEGIES, *EMBEDDERS]))
        for kind in [*self.train, *(str(a.get("name")) for a in self.annotations)]:
            if kind not in ORACLES:
                raise ConfigError(unknown_name("annotation", kind, ORACLES))
        if isinstance(self.data, dict):
            for name in self.data:
                if name not in [Path(d).stem for d in self.datasets]:
                    raise ConfigError(unknown_name("dataset in data", name, self.datasets))

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

        parts = {key: settle(recipe[key]) for key in ("strategy", "embed") if recipe.get(key) is not None}
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
        }


class DatasetFile:
    """A dataset's YAML, with one of its presets chosen where a study needs one."""

    FIELDS = ("split", "prepare", "budgets", "train", "components", "evaluate")

    def __init__(
        self, entry: str, content: dict[str, Any], preset: str | None = None, chosen: Mapping[str, str] | None = None
    ) -> None:
        self.entry, self.content = entry, content
        self.name = str(content.get("name", Path(entry).stem))
        self.preset: dict[str, Any] = {}
        if preset is not None:
            self._choose(preset)
        self.preset = {**self.preset, **(chosen or {})}
        self.components: Settings = self.preset.get("components") or {}

    def _choose(self, preset: str) -> None:
        presets = self.content.get("presets") or {}
        if preset not in presets:
            raise ConfigError(unknown_name(f"preset of dataset {self.name!r}", preset, presets))
        self.preset = presets[preset]
        for field in self.preset:
            if field not in self.FIELDS:
                where = f"dataset {self.name!r}, preset {preset!r}: "
                raise ConfigError(where + unknown_name("field", field, self.FIELDS))

    def train(self, kind: str) -> dict[str, Any]:
        """Trainer settings of the preset for one kind of annotation: those for all, then those under its name."""
        train = self.preset.get("train") or {}
        common = {key: value for key, value in train.items() if key not in TRAIN}
        merged: dict[str, Any] = overlay(common, train.get(kind) or {})
        return merged

    def budgets(self) -> Sequence[int | float]:
        """Cumulative budgets of the preset."""
        if "budgets" not in self.preset:
            raise ConfigError(f"dataset {self.name!r}: its preset has no budgets; give the study schedules.")
        return list(self.preset["budgets"])

    def _part(self, field: str, named: Mapping[str, Any]) -> Any:
        """The preset's split or preparation: written out in the preset, or by its name in the dataset's file."""
        chosen = self.preset.get(field)
        if isinstance(chosen, str):
            if chosen not in named:
                raise ConfigError(unknown_name(f"{field} of dataset {self.name!r}", chosen, named))
            return named[chosen]
        return {} if chosen is None and field == "prepare" else chosen

    def spec(self, data: str | Mapping[str, str] | None) -> dict[str, Any]:
        """The run's dataset. Raises ConfigError when the raw scans are needed and no folder was given."""
        return {
            "name": self.name,
            "reader": self.content.get("reader"),
            "classes": self.content.get("classes"),
            "prepare": self._part("prepare", self.content.get("prepare") or {}),
            "split": self._part("split", self.content.get("splits") or {}),
            "root": self.root(data),
        }

    def root(self, data: str | Mapping[str, str] | None) -> str | None:
        """Folder of the raw scans, None for generated data. Raises ConfigError when it is needed and was not given."""
        from alseg_core.data.readers import READERS

        try:
            READERS.build(self.content.get("reader")).scan(None)
        except DataError as error:
            given = data.get(self.name) if isinstance(data, Mapping) else data
            if given is None:
                fetch = f"\nThis program downloads it: alseg data fetch {self.entry}" if "fetch" in self.content else ""
                raise ConfigError(
                    f"{error}{fetch}\n"
                    f"Then give its folder: --set data=FOLDER (--set data.{self.name}=FOLDER where several "
                    f"datasets need one), or make bench DATASET={self.name} DATA=FOLDER"
                ) from None
            return str(Path(given).expanduser().absolute())
        return None


def parse_setting(setting: str) -> dict[str, Any]:
    """``"a.b=value"`` -> ``{"a": {"b": value}}``, the value read as YAML. Raises ConfigError for anything else."""
    key, equals, text = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set wants key=value with dots between keys, for example seeds=3, got {setting!r}.")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {setting}: the value is no valid YAML: {error}") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value
