"""A tuning: which recipe, over which space, judged how; from one YAML file."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PlainValidator

from alseg_core.errors import ConfigError, unknown_name
from alseg_core.registry import Name, component, construct, describe, nested
from bench.study import Study, experiments, find, overlay, parse_setting, read_yaml
from bench.tuning.parameters import PARAMETERS, Parameter

if TYPE_CHECKING:
    from pathlib import Path

    from optuna import Trial
    from optuna.trial import FixedTrial

    from alseg_core.config import RunConfig

TUNED = ("strategy", "embed", "train")
"""Parts of a run that a space can name."""


def _parameters(value: Any) -> Any:
    """``{kind: float, ...}`` to components; what is wrong says of which setting."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"a mapping of settings to ranges or choices was wanted, got {value!r}")
    return {path: _parameter(str(path), fields) for path, fields in value.items()}


def _parameter(path: str, fields: Any) -> Any:
    if isinstance(fields, Mapping) and "kind" in fields:
        fields = {"name": fields["kind"], **{key: value for key, value in fields.items() if key != "kind"}}
    elif isinstance(fields, Mapping):
        raise ConfigError(f"space {path}: kind is missing, one of {', '.join(PARAMETERS)}.")
    try:
        return PARAMETERS.build(fields)
    except ConfigError as error:
        raise ConfigError(f"space {path}: {error}") from None


@component
class Proxy:
    """The cheap judgement of every trial: AUBC of validation Dice, averaged over seeds 0, 1, ...

    seeds: at most, one after another; a trial that is poor among those that came as far is not taken to the next
    power of ``reduction``. budgets: how many of the lowest budgets are run. share: of the training steps of a network.
    """

    seeds: Annotated[int, Field(ge=1)] = 2
    budgets: Annotated[int, Field(ge=1)] = 2
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    reduction: Annotated[int, Field(ge=2)] = 2


@component
class Full:
    """The last judgement, by the preset's own loop: the best ``top`` trials beside the recipe as it is.

    seeds: how many, none of them used by the proxy. budgets: the lowest ones, None = all of the preset.
    """

    top: Annotated[int, Field(ge=1)] = 2
    seeds: Annotated[int, Field(ge=1)] = 3
    budgets: Annotated[int, Field(ge=1)] | None = None


@component
class Tuning:
    """Everything a tuning file says.

    recipe: name of the catalogue or path of a YAML file. dataset, data: the dataset and the folder of its raw scans.
    study: whose preset, annotation, components and resources hold; settings: laid over it.
    trials: in total, those of earlier launches among them. seed: of what Optuna proposes; startup: trials that are
    drawn at random before its model is asked. space: setting -> range or choices, with dots as in ``embed.w_patient``,
    ``strategy.start`` or ``train.lr``.
    """

    name: Name
    recipe: str
    space: Annotated[dict[str, Parameter], PlainValidator(_parameters)]
    dataset: str = "phantom"
    data: str | None = None
    study: str = "quick"
    settings: dict[str, Any] = Field(default_factory=dict)
    trials: Annotated[int, Field(ge=1)] = 40
    seed: Annotated[int, Field(ge=0)] = 0
    startup: Annotated[int, Field(ge=1)] = 6
    proxy: Annotated[Proxy, nested(Proxy, "proxy")] = Proxy()
    full: Annotated[Full, nested(Full, "full")] = Full()

    @classmethod
    def find(cls, name: str, settings: Iterable[str] = ()) -> Tuning:
        """The tuning of that name or path, with ``key=value`` settings laid over it."""
        from pathlib import Path

        known = tunings()
        if name.endswith((".yaml", ".yml")):
            merged: Any = read_yaml(Path(name).expanduser())
        elif name in known:
            merged = read_yaml(known[name])
        else:
            raise ConfigError(unknown_name("tuning", name, known) + " A path of a .yaml file works too.")
        for setting in settings:
            for key, value in parse_setting(setting).items():
                merged[key] = overlay(merged.get(key), value)
        tuning: Tuning = construct(cls, merged, "tuning")
        return tuning

    def base(self) -> Study:
        """The study that lends the tuning its settings, with the recipe on the dataset."""
        lent: Any = {key: value for key, value in find("study", self.study).items() if key not in ("name", "schedules")}
        ours = {"name": self.name, "datasets": [self.dataset], "recipes": [self.recipe], "seeds": 1, "data": self.data}
        return Study.load({**overlay(lent, self.settings), **ours})

    def run(self) -> dict[str, Any]:
        """The recipe's run without tuning, as plain data; it scores validation volumes and nothing else.

        Raises ConfigError for anything that is wrong with the tuning: a setting that the recipe does not have, an own
        value that is outside the space, a study of several annotations, a recipe that reads ground truth.
        """
        runs = self.base().runs()
        if len(runs) != 1:
            kinds = ", ".join(sorted({f"{run.annotation_name}/{run.schedule}" for run in runs}))
            raise ConfigError(
                f"a tuning is for one kind of annotation and one schedule, study {self.study} has {kinds}; choose one: "
                "--set settings.annotations=scribble"
            )
        if runs[0].recipe.strategy.reads_ground_truth:
            raise ConfigError(f"recipe {self.recipe} reads ground truth, so there is nothing honest to tune.")
        raw = runs[0].describe()
        raw["evaluate"] = {**raw["evaluate"], "part": "val", "surface": False}
        return raw

    def default(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Optuna's parameters that stand for the recipe as it is. raw: :meth:`run`."""
        point: dict[str, Any] = {}
        for path, parameter in self.space.items():
            point |= parameter.point(path, get(raw, path))
        return point

    def own(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The recipe's own settings, setting -> value. raw: :meth:`run`."""
        return {path: get(raw, path) for path in self.space}

    def described_space(self) -> dict[str, Any]:
        """The search space as plain data."""
        return {path: describe(parameter) for path, parameter in self.space.items()}

    def suggest(self, trial: Trial | FixedTrial, raw: Mapping[str, Any]) -> dict[str, Any]:
        """A trial's settings, setting -> value as plain data. raw: :meth:`run`."""
        return {path: parameter.suggest(trial, path, get(raw, path)) for path, parameter in self.space.items()}

    def settings_of(self, params: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that :meth:`suggest` gave to a trial with these of Optuna's parameters."""
        import optuna

        return self.suggest(optuna.trial.FixedTrial(dict(params)), raw)

    def trial_runs(self, raw: Mapping[str, Any], values: Mapping[str, Any]) -> list[RunConfig]:
        """The proxy's runs of these settings, seed by seed. Raises ConfigError when they do not go together."""
        proxy = self.proxy
        return [_configured(raw, values, seed, proxy.budgets, proxy.share) for seed in range(proxy.seeds)]

    def full_runs(self, raw: Mapping[str, Any], values: Mapping[str, Any]) -> list[RunConfig]:
        """The last judgement's runs of these settings, seed by seed."""
        seeds = range(self.proxy.seeds, self.proxy.seeds + self.full.seeds)
        return [_configured(raw, values, seed, self.full.budgets, 1.0) for seed in seeds]


def _configured(
    raw: Mapping[str, Any], values: Mapping[str, Any], seed: int, budgets: int | None, share: float
) -> RunConfig:
    from alseg_core.config import RunConfig

    changed: Any = copy.deepcopy(dict(raw))
    for path, value in values.items():
        _home(changed, path)[path.rpartition(".")[2]] = value
    changed |= {"seed": seed, "budgets": list(changed["budgets"])[:budgets]}
    if share < 1:
        train = changed["train"]
        field = "iterations_full" if train.get("epochs") is None else "epochs"
        train[field] = max(1, round(train[field] * share))
    return RunConfig.load(changed)


def get(raw: Mapping[str, Any], path: str) -> Any:
    """Value of a setting in a run's plain data. Raises ConfigError with the nearest name for one that is not there."""
    return _home(raw, path)[path.rpartition(".")[2]]


def _home(raw: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The mapping that holds the setting."""
    roots = {part: found for part in TUNED if (found := (raw if part == "train" else raw["recipe"]).get(part))}
    home: Any = roots
    *parts, last = path.split(".")
    for part in parts:
        home = home.get(part) if isinstance(home, Mapping) else None
    if not isinstance(home, dict) or last not in home or not parts or last == "name":
        raise ConfigError(unknown_name("setting in space", path, sorted(_paths(roots))))
    return home


def _paths(raw: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every setting below, mappings among them."""
    found = []
    for key, value in raw.items():
        if key != "name":
            found += [f"{prefix}{key}"] if prefix else []
            found += _paths(value, f"{prefix}{key}.") if isinstance(value, Mapping) else []
    return found


def tunings() -> dict[str, Path]:
    """Name -> file of the tunings that come with the program."""
    return {path.stem: path for path in sorted((experiments() / "tuning").glob("*.yaml"))}
