"""A tuning: the recipe, the search space and how trials are judged, from one YAML file."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PlainValidator

from alseg_core.errors import ConfigError, FieldError, shown, unknown_name
from alseg_core.quantities import Count, Seed
from alseg_core.registry import component, construct, describe, nested
from bench.study import Study, experiments, find, overlay, parse_setting, read_yaml
from bench.study.catalogue import user_path
from bench.study.reserved import FolderName
from bench.study.shorthand import Folder
from bench.tuning.edges import edges
from bench.tuning.parameters import PARAMETERS, Parameter
from bench.tuning.places import get, home

if TYPE_CHECKING:
    from pathlib import Path

    from optuna import Trial
    from optuna.trial import FixedTrial

    from alseg_core.config import RunConfig


def _parameters(value: Any) -> Any:
    """Build parameters from ``{kind: float, ...}``. Raises ConfigError naming the setting."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"expected a mapping of settings to ranges or choices, got {shown(value)}")
    return {path: _parameter(str(path), fields) for path, fields in value.items()}


def _parameter(path: str, fields: Any) -> Any:
    try:
        if not isinstance(fields, Mapping):
            raise ConfigError(f"a mapping such as {{kind: float, low: 0, high: 1}} was wanted, got {shown(fields)}.")
        if "kind" not in fields:
            raise ConfigError(f"kind is missing, one of {', '.join(PARAMETERS)}.")
        if "name" in fields:
            raise ConfigError(unknown_name("field", "name", ["kind"]))
        return PARAMETERS.build({"name" if key == "kind" else key: value for key, value in fields.items()})
    except ConfigError as error:
        raise ConfigError(f"space {path}: {error}") from None


Few = Annotated[int, Field(ge=1, le=1000)]


@component
class Proxy:
    """The cheap score of every trial: AUBC of validation Dice, averaged over seeds 0, 1, ..."""

    seeds: Few = 2
    """Most seeds per trial, run one after another."""
    budgets: Few = 2
    """Number of budgets to run, the lowest ones."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the preset's training steps of each network."""
    reduction: Annotated[int, Field(ge=2, le=1000)] = 2
    """After 1, r, r * r, ... seeds, one trial in r continues: the best of those that got as far."""


@component
class Full:
    """The final score, by the preset's own loop: the best trials beside the recipe as it is."""

    top: Few = 2
    """Number of best trials to run."""
    seeds: Few = 3
    """Number of seeds, none of which the proxy uses."""
    budgets: Few | None = None
    """Number of budgets to run, the lowest ones; null = all of the preset."""


@component
class Tuning:
    """Content of a tuning file."""

    name: FolderName
    """Name of the tuning; its results go to the folder tune-NAME-DATASET in OUT."""
    recipe: str
    """Recipe to tune, by name or path of a YAML file."""
    space: Annotated[dict[str, Parameter], PlainValidator(_parameters)]
    """Setting -> range or choices, such as embed.w_patient, strategy.start or train.lr; see alseg list fields float."""
    dataset: str = "phantom"
    """Dataset to tune on, by name or path of a YAML file."""
    data: Folder = None
    """Folder of the raw scans."""
    study: str = "quick"
    """Study whose preset, annotation, components and resources apply."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings laid over those of the study."""
    trials: Count = 40
    """Number of trials in total, including those of earlier launches."""
    seed: Seed = 0
    """Seed of Optuna's proposals."""
    startup: Count = 6
    """Number of trials drawn at random before Optuna's model proposes."""
    proxy: Annotated[Proxy, nested(Proxy, "proxy")] = Proxy()
    """The cheap score of every trial."""
    full: Annotated[Full, nested(Full, "full")] = Full()
    """The final score of the best trials."""

    @classmethod
    def find(cls, name: str, settings: Iterable[str] = ()) -> Tuning:
        """Load the tuning of that name or path, with ``key=value`` settings laid over it."""
        known = tunings()
        if name.endswith((".yaml", ".yml")):
            merged: Any = read_yaml(user_path(name))
        elif name in known:
            merged = read_yaml(known[name])
        else:
            raise ConfigError(unknown_name("tuning", name, known) + " The path of a .yaml file works too.")
        return cls.load(merged, settings)

    @classmethod
    def load(cls, raw: Mapping[str, Any], settings: Iterable[str] = ()) -> Tuning:
        """Build a tuning from plain data with ``key=value`` settings laid over it.

        Raises ConfigError naming every wrong field.
        """
        merged: Any = dict(raw)
        for setting in settings:
            for key, value in parse_setting(setting).items():
                merged[key] = overlay(merged.get(key), value)
        tuning: Tuning = construct(cls, merged, "tuning")
        return tuning

    def base(self) -> Study:
        """Return the study with the settings of the tuning, for its recipe and dataset alone."""
        compared = ("name", "schedules", "controls", "primary")  # about several recipes or budgets
        base: Any = {key: value for key, value in find("study", self.study).items() if key not in compared}
        ours = {"name": self.name, "datasets": [self.dataset], "recipes": [self.recipe], "seeds": 1, "data": self.data}
        return Study.load({**overlay(base, self.settings), **ours})

    def run(self) -> dict[str, Any]:
        """Return the recipe's run without tuning, as plain data; it scores validation volumes only.

        Raises ConfigError when the study has several annotations or schedules, when each seed has a split of its own,
        or when the recipe reads ground truth.
        """
        from alseg_core.data.splits import per_run

        runs = self.base().runs()
        if len(runs) != 1:
            kinds = ", ".join(sorted({f"{run.annotation_name}/{run.schedule}" for run in runs}))
            raise ConfigError(
                f"a tuning is for one kind of annotation and one schedule, study {self.study} has {kinds}; choose one: "
                "--set settings.annotations=scribble"
            )
        if runs[0].recipe.strategy.reads_ground_truth:
            raise ConfigError(f"recipe {self.recipe} reads ground truth, which no tuning may.")
        if per_run(runs[0].dataset.split):  # the patients that one seed tests on would tune the others
            raise ConfigError(
                "a tuning needs one split for all seeds, and split.seed is 'run'; give a number: --set "
                "settings.split.seed=0"
            )
        raw = runs[0].describe()
        raw["evaluate"] = {**raw["evaluate"], "part": "val", "surface": False}
        return raw

    def default(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return Optuna's parameters for the recipe as it is. raw: :meth:`run`.

        Raises ConfigError when the recipe lacks a setting of the space, or its own value is outside the space.
        """
        point: dict[str, Any] = {}
        for path, parameter in self.space.items():
            point |= parameter.point(path, get(raw, path))
        return point

    def check(self, raw: Mapping[str, Any]) -> None:
        """Raise ConfigError when the space lacks the recipe's own values or holds a value that the setting cannot have.

        raw: :meth:`run`.
        """
        self.default(raw)
        for path, parameter in self.space.items():
            for value in edges(parameter, path, get(raw, path)):
                try:
                    _configured(raw, {path: value}, 0, None, 1.0)
                except FieldError as error:
                    whole = " Use kind int for whole numbers." if isinstance(value, float) else ""
                    raise ConfigError(f"space {path}: the value {shown(value)} is impossible: {error}{whole}") from None

    def own(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return the recipe's own settings, setting -> value. raw: :meth:`run`."""
        return {path: get(raw, path) for path in self.space}

    def described_space(self) -> dict[str, Any]:
        """Return the search space as plain data."""
        return {path: describe(parameter) for path, parameter in self.space.items()}

    def suggest(self, trial: Trial | FixedTrial, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return a trial's settings, setting -> value as plain data. raw: :meth:`run`."""
        return {path: parameter.suggest(trial, path, get(raw, path)) for path, parameter in self.space.items()}

    def settings_of(self, params: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that :meth:`suggest` gave for these parameters of Optuna's."""
        import optuna

        return self.suggest(optuna.trial.FixedTrial(dict(params)), raw)

    def trial_runs(self, raw: Mapping[str, Any], values: Mapping[str, Any]) -> list[RunConfig]:
        """Return the proxy's runs of these settings, one per seed. Raises ConfigError for invalid settings."""
        proxy = self.proxy
        return [_configured(raw, values, seed, proxy.budgets, proxy.share) for seed in range(proxy.seeds)]

    def full_runs(self, raw: Mapping[str, Any], values: Mapping[str, Any]) -> list[RunConfig]:
        """Return the full loop's runs of these settings, one per seed."""
        seeds = range(self.proxy.seeds, self.proxy.seeds + self.full.seeds)
        return [_configured(raw, values, seed, self.full.budgets, 1.0) for seed in seeds]


def _configured(
    raw: Mapping[str, Any], values: Mapping[str, Any], seed: int, budgets: int | None, share: float
) -> RunConfig:
    from alseg_core.config import RunConfig

    changed: Any = copy.deepcopy(dict(raw))
    for path, value in values.items():
        home(changed, path)[path.rpartition(".")[2]] = value
    changed |= {"seed": seed, "budgets": list(changed["budgets"])[:budgets]}
    if share < 1:
        train = changed["train"]
        fields = ("iterations_full", "iterations_least") if train.get("epochs") is None else ("epochs",)
        train |= {field: max(1, round(train[field] * share)) for field in fields if field in train}
    return RunConfig.load(changed)


def tunings() -> dict[str, Path]:
    """Return name -> file of the tunings that come with the program."""
    return {path.stem: path for path in sorted((experiments() / "tuning").glob("*.yaml"))}
