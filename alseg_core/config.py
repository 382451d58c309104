"""RunConfig: one experiment, validated down to the last field before any compute."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, PlainValidator

from alseg_core.class_names import ClassNames
from alseg_core.data.prepare import Prepare
from alseg_core.data.readers import READERS, Reader
from alseg_core.data.splits import SPLITS, Splitter, of_run
from alseg_core.embed import EMBEDDERS, Embedder, Pixels
from alseg_core.errors import ConfigError, shown
from alseg_core.evaluate import Evaluation
from alseg_core.oracles import ORACLES, Oracle, drawn, waits
from alseg_core.oracles.minutes import Minutes
from alseg_core.quantities import MOST_SLICES, SMALLEST_SHARE, Seed
from alseg_core.registry import OMIT_DEFAULT, Name, component, construct, describe, nested, path_part
from alseg_core.store import digest
from alseg_core.strategies import STRATEGIES, Strategy
from alseg_core.strategies.random import Random
from alseg_core.training import TRAINERS, NetworkTrainer, Trainer
from alseg_core.validation import Amount
from alseg_core.vocabulary import REFERENCE_PREFIX, reads_ground_truth
from alseg_core.yaml_reader import read_yaml

LONGEST_KEY = 240
"""Most bytes in the name of a run folder; file systems take 255, some of it for suffixes."""


@component
class Dataset:
    """Origin of the scans, their preparation and the split of the patients."""

    name: Name
    """Name in tables and run folders."""
    reader: Annotated[Reader, PlainValidator(READERS.build)]
    """Reader of the raw scans."""
    classes: ClassNames
    """Names of the classes in the order of their numbers, background first."""
    prepare: Annotated[Prepare, nested(Prepare, "prepare")]
    """Preparation of native scans as network slices."""
    split: Annotated[Splitter, PlainValidator(SPLITS.build)]
    """Split into training, validation and test patients."""
    root: str | None = None
    """Folder of the raw scans; null for generated data."""
    returned: str | None = dataclasses.field(default=None, metadata=OMIT_DEFAULT)
    """Folder of the labels that annotators give, slice by slice; null where labels come with the data."""

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.reader.labels):
            raise ConfigError(
                f"dataset {self.name!r}: its reader gives {len(self.reader.labels)} labels, "
                f"classes names {len(self.classes)}: {', '.join(self.classes)}."
            )


@component
class Recipe:
    """A method as a recipe of parts: a query strategy and, if it works on vectors, the embedding that it uses."""

    name: Name
    """Name in tables and run folders; oracle_... for a strategy that reads ground truth, and only then."""
    strategy: Annotated[Strategy, PlainValidator(STRATEGIES.build)]
    """Query strategy."""
    embed: Annotated[Embedder, PlainValidator(EMBEDDERS.build)] | None = None
    """Embedding, for the strategies that need one."""

    def __post_init__(self) -> None:
        wants, has = self.strategy.needs_embedding, self.embed is not None
        if wants != has:
            raise ConfigError(
                f"recipe {self.name!r}: strategy {type(self.strategy).__name__} "
                + (
                    f"works on an embedding; add embed, one of {', '.join(EMBEDDERS)}."
                    if wants
                    else "uses no embedding; remove embed."
                )
            )
        if self.strategy.reads_ground_truth != reads_ground_truth(self.name):
            raise ConfigError(
                f"recipe {self.name!r}: names starting with {REFERENCE_PREFIX!r} are for strategies that read ground "
                "truth, and only for those."
            )

    @property
    def needs_model(self) -> bool:
        """Whether the strategy or its embedder uses the models of the round before."""
        return self.strategy.needs_model or (self.embed is not None and self.embed.needs_model)

    @property
    def starts_at_random(self) -> bool:
        """Whether the first round selects the slices of the random baseline, having no model to select others with."""
        return self.needs_model or isinstance(self.strategy, Random)


@component
class RunConfig:
    """One experiment: dataset x recipe x annotation x budgets x seed."""

    dataset: Annotated[Dataset, nested(Dataset, "dataset")]
    """Dataset with its preparation and split."""
    recipe: Annotated[Recipe, nested(Recipe, "recipe")]
    """Recipe that selects the slices."""
    annotation: Annotated[Oracle, PlainValidator(ORACLES.build)]
    """Kind of annotation."""
    budgets: Annotated[tuple[int | float, ...], Field(min_length=1, max_length=1000)]
    """Increasing cumulative budget of each round: a share of the training slices in (0, 1], or a number of slices."""
    train: Annotated[Trainer, PlainValidator(TRAINERS.build)]
    """Training of one network; alseg list fields trainer has the fields."""
    schedule: Name = "default"
    """Name of the budgets in tables."""
    seed: Seed = 0
    """Root seed of all random numbers of the run."""
    members: Annotated[int, Field(ge=1, le=100)] = 1
    """Networks trained per round; the one with the best validation Dice is evaluated, without validation the first."""
    validation: Amount = dataclasses.field(default="all", metadata=OMIT_DEFAULT)
    """Slices of the validation volumes that are labelled, at the cost of full masks: "all", a number of slices, drawn
    at random and spread over the volumes, or "none", which keeps the last weights of each training."""
    minutes: Annotated[Minutes, nested(Minutes, "minutes")] = dataclasses.field(
        default=Minutes(), metadata=OMIT_DEFAULT
    )
    """Model of the time that annotation takes; it changes nothing but the minutes that are recorded."""
    evaluate: Annotated[Evaluation, nested(Evaluation, "evaluate")] = Evaluation()
    """Evaluation of whole volumes."""
    cover: Annotated[Embedder, PlainValidator(EMBEDDERS.build)] = Pixels()
    """Reference embedding in which the cover radius of every recipe is logged."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$")] = "auto"
    """Device: "auto", "cpu", "cuda" or "cuda:N"."""
    threads: Annotated[int, Field(ge=1, le=4096)] = 1
    """CPU threads of the run; results are repeatable for the same number of threads."""
    keep_network: bool = False
    """Keep the best network of the last round in the run folder."""

    def __post_init__(self) -> None:
        self._check_budgets()
        if len(self._key("0" * 8).encode()) > LONGEST_KEY:
            raise ConfigError(
                f"the name of the run folder, {self._key('...')}, has more than {LONGEST_KEY} bytes; shorten the names "
                "of dataset, recipe, annotation or schedule."
            )
        drawn(self.annotation)  # what its minutes are measured by
        self.train.check_size(self.dataset.prepare.size)
        if not self.train.gives_networks and self._needs_networks:
            raise ConfigError(
                f"recipe {self.recipe.name!r} uses dropout passes or features of a torch network, and "
                f"{self.train.title} trains none; use another recipe or trainer."
            )
        if not self.train.drops and self.recipe.strategy.needs_dropout(self.members):
            raise ConfigError(
                f"recipe {self.recipe.name!r} compares dropout passes, and {self.train.title} has no dropout, so that "
                "all are alike; set its dropout rates, or use another recipe."
            )
        if self.keep_network and not isinstance(self.train, NetworkTrainer):
            raise ConfigError(f"keep_network keeps the network of trainer 'network', not of {self.train.title}.")
        if self.evaluate.part == "val" and self.validation != "all":
            raise ConfigError(
                f"evaluate.part val scores whole validation volumes, and validation is {self.validation!r}: use all."
            )
        if self.waits and self.dataset.returned is None:
            raise ConfigError(
                "annotation: source annotators waits for labels that people give, and dataset.returned names no folder "
                "for them; alseg project sets it."
            )
        if self.waits and self.recipe.strategy.reads_ground_truth:
            raise ConfigError(
                f"recipe {self.recipe.name!r} reads ground truth, and there is none before annotators give it; use "
                "another recipe."
            )
        if self.cover.needs_model:
            raise ConfigError(
                "cover: the reference embedding must not depend on a trained network; use pixels or contrastive."
            )

    def _check_budgets(self) -> None:
        for budget in self.budgets:
            least, most = (SMALLEST_SHARE, 1) if isinstance(budget, float) else (1, MOST_SLICES)
            if not least <= budget <= most:
                raise ConfigError(
                    f"budgets: a share in (0, 1] or a number of slices, at least 1 and at most {MOST_SLICES}, was "
                    f"wanted, got {budget!r}."
                )
        for before, budget in itertools.pairwise(self.budgets):
            if type(before) is type(budget) and budget <= before:  # a share and a number need the pool to compare
                raise ConfigError(f"budgets must grow: {budget} comes after {before} in {shown(list(self.budgets))}.")

    @property
    def _needs_networks(self) -> bool:
        embed = self.recipe.embed
        return self.recipe.strategy.needs_network(self.members) or (embed is not None and embed.needs_model)

    @classmethod
    def load(cls, raw: Any) -> RunConfig:
        """Build a configuration from plain data, as YAML gives it. Raises ConfigError naming every wrong field."""
        if not isinstance(raw, Mapping):
            raise ConfigError(f"a run is a mapping of settings, got {shown(raw)}.")
        config: RunConfig = construct(cls, raw, "run")
        return config

    @classmethod
    def read(cls, path: Path) -> RunConfig:
        """Build a configuration from a YAML file. Raises ConfigError as :meth:`load` and ``read_yaml`` do."""
        return cls.load(read_yaml(path))

    @property
    def starts_at_random(self) -> bool:
        """Whether the first round selects the slices of the random baseline (:attr:`Recipe.starts_at_random`)."""
        return self.recipe.starts_at_random

    @property
    def waits(self) -> bool:
        """Whether people give the labels, so that the run stops in each round until they have."""
        return waits(self.annotation)

    @property
    def split(self) -> Splitter:
        """Splitter of the run, its seed filled in where it is the run's."""
        return of_run(self.dataset.split, self.seed)

    @property
    def annotation_name(self) -> str:
        """Name of the kind of annotation."""
        return str(type(self.annotation).name)  # type: ignore[attr-defined]

    def describe(self) -> dict[str, Any]:
        """Return plain data from which :meth:`load` builds an equal configuration."""
        described: dict[str, Any] = describe(self)
        return described

    @property
    def training(self) -> dict[str, Any]:
        """Plain settings of the training; a file of weights is identified by its content, not by its path."""
        return self.train.settings()

    @property
    def fingerprint(self) -> str:
        """Identity of the experiment: all settings but device, folders and keep_network, and what they mean by now.

        Where people give the labels, budgets are settled round by round, and do not belong to it either.
        """
        formats = {"strategy": self.recipe.strategy.format, "train": self.train.format}
        described = {**self.describe(), "train": self.training, "formats": formats}
        del described["device"], described["keep_network"], described["dataset"]["root"]
        described["dataset"].pop("returned", None)
        if self.waits:
            del described["budgets"]
        return digest(described)

    @property
    def key(self) -> str:
        """Name of the run folder."""
        return self._key(self.fingerprint[:8])

    def _key(self, fingerprint: str) -> str:
        parts = (
            self.dataset.name,
            self.recipe.name,
            path_part(self.annotation_name),
            self.schedule,
            f"s{self.seed}",
            fingerprint,
        )
        return "-".join(parts)

    def counts(self, pool: int) -> tuple[int, ...]:
        """Return the cumulative labelled slices of each round for a pool of ``pool`` slices.

        Raises ConfigError when a budget is zero slices, not larger than the one before, or larger than the pool.
        """
        counts = tuple(int(pool * b) if isinstance(b, float) else b for b in self.budgets)
        for budget, count, before in zip(self.budgets, counts, (0, *counts), strict=False):
            if count > pool:
                raise ConfigError(
                    f"budget {budget} is {count} slices, more than the {pool} training slices of {self.dataset.name}; "
                    "lower it."
                )
            if count <= before:
                raise ConfigError(
                    f"budgets must grow: {budget} of {pool} training slices is {count}, after {before}. "
                    f"Got {list(self.budgets)} = {list(counts)} slices."
                )
        return counts

    def steps(self, pool: int) -> tuple[int, ...]:
        """Return the training steps of each round for a pool of ``pool`` slices. Raises ConfigError as :meth:`counts`.

        A budget that is a share counts as this share, whatever the number of slices that it is rounded to.
        """
        shares = (budget if isinstance(budget, float) else budget / pool for budget in self.budgets)
        return tuple(itertools.starmap(self.train.iterations, zip(self.counts(pool), shares, strict=True)))

    def check(self) -> None:
        """Raise ConfigError when weights that a network or an encoder starts from are not available."""
        self.train.start()
        self.cover.check()
        if self.recipe.embed is not None:
            self.recipe.embed.check()

    def resolve_device(self) -> str:
        """Return the device, "auto" resolved. Raises ConfigError when the CUDA device does not exist."""
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        count = torch.cuda.device_count()
        if self.device.startswith("cuda") and int(self.device.partition(":")[2] or 0) >= count:
            raise ConfigError(
                f"device {self.device!r} was asked for, but this machine has {count} CUDA devices; use auto or cpu."
            )
        return self.device
