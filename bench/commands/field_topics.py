"""What ``alseg list fields`` can describe: parts of a study, the YAML files, and every registered component."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from alseg_core.errors import ConfigError, unknown_name
from alseg_core.fields import FieldDoc, field_docs
from alseg_core.outside import check_protocol, is_outside, load_component
from alseg_core.registry import Registry

ALIASES = {"train": "trainer"}
"""Other names of topics: the keys under which their fields are set."""


@dataclass(frozen=True)
class Topic:
    """A component class whose fields can be listed."""

    name: str
    """Name to ask for."""
    kind: str
    """Kind of component, such as "strategy", or "part" or "file"; topics of one kind are listed together."""
    cls: type
    """Class with the fields."""
    place: str
    """Where its fields are set, as part of a sentence."""
    prefix: str = ""
    """Prefix of a field's name in that place, with a dot at the end."""

    def fields(self) -> list[FieldDoc]:
        """Return the fields, each under the key that ``--set`` or the YAML file takes."""
        return field_docs(self.cls, self.prefix)


def topics() -> list[Topic]:
    """Return everything that can be listed, in the order in which it is shown."""
    return [*_parts(), *_files(), *_components()]


def find_topics(name: str) -> list[Topic]:
    """Return the topics of that name: one, or one of each kind that has the name.

    A component of the user's own goes by ``module:Class``. Raises ConfigError: unknown name, or no such component.
    """
    if is_outside(name):
        return [_outside(name)]
    wanted = ALIASES.get(name, name)
    for topic in itertools.chain(_files(), _parts()):  # these names are unique, and files need the fewest imports
        if topic.name == wanted:
            return [topic]
    if found := [topic for topic in _components() if topic.name == wanted]:
        return found
    raise ConfigError(unknown_name("component", name, {topic.name for topic in topics()}))


def _parts() -> Iterator[Topic]:
    from alseg_core.data.prepare import Prepare
    from alseg_core.evaluate import Evaluation
    from alseg_core.oracles.annotator import Annotator
    from alseg_core.oracles.minutes import Minutes
    from alseg_core.training import NetworkTrainer
    from alseg_core.training.augment import Augment
    from bench.datasets.archive import Archive
    from bench.study import Controls, Primary, Resources

    study = "in a study file, or with --set of alseg bench"
    yield Topic("trainer", "part", NetworkTrainer, f"{study}; KIND is mask or scribble", "train.KIND.")
    yield Topic("augment", "part", Augment, f"{study}; KIND is mask or scribble", "train.KIND.augment.")
    yield Topic("evaluate", "part", Evaluation, study, "evaluate.")
    yield Topic("minutes", "part", Minutes, study, "minutes.")
    place = "in a study file as annotations: [{name: KIND, annotator: {FIELD: VALUE}}]; KIND is mask or scribble"
    yield Topic("annotator", "part", Annotator, place)
    yield Topic("controls", "part", Controls, study, "controls.")
    yield Topic("primary", "part", Primary, study, "primary.")
    yield Topic("resources", "part", Resources, study, "resources.")
    yield Topic("prepare", "part", Prepare, "in a dataset file", "prepare.NAME.")
    yield Topic("fetch", "part", Archive, "in a dataset file", "fetch.")


def _files() -> Iterator[Topic]:
    from bench.study import Study
    from bench.study.dataset_file import DatasetFields, PresetFields
    from bench.study.recipe_file import RecipeFields

    yield Topic("study", "file", Study, "in a study file, or with --set of alseg bench")
    yield Topic("dataset", "file", DatasetFields, "in a dataset file")
    yield Topic("preset", "file", PresetFields, "in a dataset file", "presets.NAME.")
    yield Topic("recipe", "file", RecipeFields, "in a recipe file")
    from bench.tuning.spec import Tuning

    yield Topic("tuning", "file", Tuning, "in a tuning file, or with --set of alseg tune")
    from alseg_core.config import RunConfig

    yield Topic("run", "file", RunConfig, "in the file of a single run (alseg run)")


def _registries() -> Iterator[tuple[Registry[Any], str, str]]:
    """Yield every registry with the place of its components' fields and their prefix; NAME is the component's."""
    from alseg_core.data.readers import READERS
    from alseg_core.data.splits import SPLITS
    from alseg_core.embed import EMBEDDERS
    from alseg_core.losses import LOSSES
    from alseg_core.metrics import SCORERS
    from alseg_core.models import NETWORKS
    from alseg_core.oracles import ORACLES
    from alseg_core.strategies import STRATEGIES
    from alseg_core.training import TRAINERS
    from bench.tuning.parameters import PARAMETERS

    study = "in a study file, or with --set of alseg bench"
    yield STRATEGIES, f"{study}; in a recipe file under strategy", "components.NAME."
    yield EMBEDDERS, f"{study}; in a recipe file under embed", "components.NAME."
    yield TRAINERS, f"{study}, where the trainer is NAME; KIND is mask or scribble", "train.KIND."
    yield NETWORKS, f"{study}, where the network is NAME; KIND is mask or scribble", "train.KIND.network."
    yield LOSSES, f"{study}, where the loss is NAME; KIND is mask or scribble", "train.KIND.loss."
    yield SCORERS, "in a study file under evaluate, as metrics: [{name: NAME, FIELD: VALUE}]", ""
    yield ORACLES, "in a study file as annotations: [{name: NAME, FIELD: VALUE}]", ""
    yield READERS, "in a dataset file", "reader."
    yield SPLITS, "in a dataset file", "splits.NAME."
    yield PARAMETERS, "in a tuning file, with kind: NAME", "space.SETTING."


def _components() -> Iterator[Topic]:
    for registry, place, prefix in _registries():
        for name, cls in registry.items():
            yield _component(name, cls, registry, place, prefix)


def _component(name: str, cls: type, registry: Registry[Any], place: str, prefix: str) -> Topic:
    keyed = prefix if registry.kind == "split" else prefix.replace("NAME", name)  # a split has a name of its own
    return Topic(name, registry.kind, cls, place.replace("NAME", name), keyed)


def _outside(name: str) -> Topic:
    """Return the topic of a component from a module outside the program, of the first kind that it can be."""
    cls = load_component(name, "component")
    for registry, place, prefix in _registries():
        with suppress(ConfigError):
            check_protocol(cls, registry.protocol, name)
            return _component(name, cls, registry, place, prefix)
    return Topic(name, "component", cls, "where the component is named")
