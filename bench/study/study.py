"""A study: datasets x recipes x annotations x budget schedules x seeds, from one YAML file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from alseg_core.errors import ConfigError
from alseg_core.registry import Name, component, construct, nested
from bench.study.assemble import assemble, check_trained
from bench.study.catalogue import find
from bench.study.controls import Controls
from bench.study.dataset_file import STUDY_HINT, UNCITED, DatasetFile
from bench.study.meant import check_key
from bench.study.primary import Primary, resolve
from bench.study.recipe_file import find_recipe
from bench.study.reserved import FolderName
from bench.study.settings import overlay, parse_setting
from bench.study.shorthand import Annotations, Folders, Names, Recipes, Seeds, Settings, annotation_names, with_written

if TYPE_CHECKING:
    from alseg_core.config import RunConfig

LEAST_SHARE = 0.01
"""Smallest share of a GPU that a run may have."""


@component
class Resources:
    """CPU cores and GPUs of one run."""

    cpus: Annotated[int, Field(ge=1, le=4096)] = 1
    """CPU cores of one run; it computes with as many threads."""
    gpus: Annotated[float, Field(ge=0, le=1024)] = 0
    """GPUs of one run; a share such as 0.5 runs two on one GPU."""

    def __post_init__(self) -> None:
        if self.gpus != int(self.gpus) and not LEAST_SHARE <= self.gpus < 1:
            raise ConfigError(
                f"resources.gpus: 0, a share below 1 or a whole number of GPUs was wanted, got {self.gpus:g}; the "
                f"smallest share is {LEAST_SHARE}."
            )


@component
class Study:
    """Content of a study file.

    A setting of the study takes precedence over the dataset's preset, and the preset over the program's defaults. A
    recipe with an ``annotation`` of its own runs with that one only, and its ``train`` and ``tuned`` settings take
    precedence over all others.
    """

    name: FolderName
    """Name of the study; its results go to the folder of this name in OUT."""
    datasets: Names
    """Datasets by name (alseg list datasets), or paths of YAML files."""
    recipes: Recipes
    """Recipes by name (alseg list recipes), paths of YAML files, or mappings: {name: mine, like: random, train: {...}};
    "all" is the whole catalogue but recipes that need an extra."""
    preset: str = "quick"
    """Preset of the datasets to use: "quick", "paper" or one of your own."""
    data: Folders = None
    """Folder of the raw scans, or dataset -> folder; null = data/DATASET, to which open data are downloaded."""
    split: str | dict[str, Any] | None = None
    """Name of a split in the dataset file, in place of the preset's, or settings laid over that: {seed: run}."""
    prepare: str | None = None
    """Name of a preparation in the dataset file, in place of the preset's."""
    annotations: Annotations = ({"name": "scribble"},)
    """Kinds of labels to compare: scribble, mask, or {name: scribble, FIELD: VALUE}; see alseg list fields scribble."""
    schedules: Annotated[dict[Name, tuple[int | float, ...]], Field(min_length=1)] | None = None
    """Name -> cumulative budgets, in shares of the pool (0.1) or slices (40); null = the preset's, named "default"."""
    seeds: Seeds = (0,)
    """A number n for seeds 0..n-1, or a list of seeds."""
    controls: Annotated[Controls, nested(Controls, "controls")] | None = None
    """Recipes whose place against random is known; the report says whether the study finds it. See ``Controls``."""
    primary: Annotated[Primary, nested(Primary, "primary")] | None = None
    """Comparison whose tests are planned; null = AUBC against random where the study has random. See ``Primary``."""
    members: Annotated[int, Field(ge=1, le=100)] = 1
    """Networks trained per round; the one with the best validation Dice is evaluated, without validation the first."""
    validation: int | str = "all"
    """Labelled slices of the validation volumes: "all", a number, or "none", which keeps the last weights."""
    train: Settings = Field(default_factory=dict)
    """Annotation -> settings of its training, such as train.scribble.lr; alseg list fields trainer has the fields."""
    components: Settings = Field(default_factory=dict)
    """Strategy or embedder -> settings for every recipe that uses it, such as components.bald.passes."""
    cover: str | dict[str, Any] = "pixels"
    """Embedding in which the cover radius of every recipe is logged."""
    minutes: dict[str, Any] = Field(default_factory=dict)
    """Time that annotation takes, such as minutes.per_cm; alseg list fields minutes has the fields."""
    evaluate: dict[str, Any] = Field(default_factory=dict)
    """Settings of the evaluation, such as evaluate.surface; alseg list fields evaluate has the fields."""
    device: str = "auto"
    """Device of every run: "auto", "cpu", "cuda" or "cuda:N"; "auto" is the CPU where resources.gpus is 0."""
    resources: Annotated[Resources, nested(Resources, "resources")] = Resources()
    """CPU cores and GPUs of one run."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Most runs at once; null = as many as fit."""
    retries: Annotated[int, Field(ge=0, le=1000)] = 1
    """Further attempts after a run fails."""
    stalled_after: Annotated[float, Field(ge=0.001, le=525_600)] | None = 120.0
    """Minutes without progress after which a run is stopped and counts as failed; null = never."""
    keep_network: bool = False
    """Keep the best network of every run's last round, in its folder and in MLflow."""

    @classmethod
    def load(cls, raw: Mapping[str, Any], settings: Iterable[str] = ()) -> Study:
        """Build a study from plain data with ``key=value`` settings laid over it.

        Raises ConfigError naming every wrong field, or where ``settings`` are about a training that no run has.
        """
        merged: Any = dict(raw)
        trained: set[str] = set()
        settings = list(settings)
        for setting in settings:
            for key, value in parse_setting(setting).items():  # field by field: the study's name is no component's
                merged[key] = overlay(merged.get(key), value)
                if key == "recipes":  # it may name those that the file writes out
                    merged[key] = with_written(merged[key], raw.get(key))
                trained |= set(value) if key == "train" and isinstance(value, Mapping) else set()
        kinds = annotation_names(merged.get("annotations", "scribble"))
        for key, _, value in (setting.partition("=") for setting in settings):
            check_key(key, value, [*cls.__dataclass_fields__, "budgets"], kinds)
        if "budgets" in merged:
            raise ConfigError(
                "the budgets of a study are named schedules: --set schedules.mine=[0.1,0.2] (shares of the pool) or "
                "[10,20,40] (slices, cumulative); they replace the preset's."
            )
        study: Study = construct(cls, merged, "study")
        if trained:
            check_trained(study, sorted(trained))
        return study

    @classmethod
    def find(cls, name: str, settings: Iterable[str] = ()) -> Study:
        """Load the study of that name or path, with ``key=value`` settings laid over it."""
        return cls.load(find("study", name), settings)

    def runs(self) -> list[RunConfig]:
        """Return every run of the study, those of one seed together. Raises ConfigError when any of them is invalid."""
        return assemble(self)

    def planned(self) -> Primary | None:
        """Return the primary comparison, by default AUBC against random; None without it and without random.

        Raises ConfigError when it names no recipe of the study, or one that reads ground truth.
        """
        return resolve(self.primary, [str(find_recipe(name)["name"]) for name in self.recipes])

    def summaries(self) -> dict[str, str]:
        """Return recipe -> what it does in a line, as its file says."""
        contents = [find_recipe(name) for name in self.recipes]
        return {str(content["name"]): str(content.get("summary", "")) for content in contents}

    def sources(self) -> dict[str, str]:
        """Return what to cite: name of a dataset or recipe -> its source, for those that need a citation."""
        from alseg_core.oracles import ORACLES

        datasets = {file.name: file.citation() for file in self.files()}
        contents = [find_recipe(name) for name in self.recipes]
        recipes = {str(content["name"]): str(content.get("paper", "")) for content in contents}
        cited = {name: text for name, text in {**datasets, **recipes}.items() if text and text not in UNCITED}
        for kind in self.annotations:
            cited.update(ORACLES.resolve(kind["name"]).cites)
        return cited

    def files(self) -> list[DatasetFile]:
        """Return the files of the datasets, without a preset."""
        return [DatasetFile(name, find("dataset", name)) for name in self.datasets]

    def check_folders(self, coming: Collection[str] = ()) -> None:
        """Raise ConfigError where a folder holds no raw scans; the message explains how to get them.

        coming: names of datasets whose scans are still to be downloaded.
        """
        files = self.files()
        if self.data is not None and all(file.generated for file in files):
            raise ConfigError(f"data={self.data} was given, and {', '.join(self.datasets)} needs none. Which DATASET?")
        for file in files:
            if file.name not in coming:
                file.check_folder(self.data, STUDY_HINT)
