"""RunConfig: one experiment, validated down to the last field before any compute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import yaml
from pydantic import Field, PlainValidator

from alseg_core.data.prepare import Prepare
from alseg_core.data.readers import READERS, Reader
from alseg_core.data.splits import SPLITS, Splitter
from alseg_core.embed import EMBEDDERS, Embedder, Pixels
from alseg_core.errors import ConfigError
from alseg_core.evaluate import Evaluation
from alseg_core.oracles import ORACLES, Oracle
from alseg_core.registry import Name, component, construct, describe, nested, path_part
from alseg_core.store import digest
from alseg_core.strategies import STRATEGIES, Strategy
from alseg_core.strategies.random import Random
from alseg_core.training import TRAINERS, NetworkTrainer, Trainer
from alseg_core.vocabulary import REFERENCE_PREFIX, reads_ground_truth


@component
class Dataset:
    """Where the scans come from, how they are prepared and how the patients are split.

    root: folder of the raw data, None for generated data. classes: names in order of their number, background first.
    """

    name: Name
    reader: Annotated[Reader, PlainValidator(READERS.build)]
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=200)]
    prepare: Annotated[Prepare, nested(Prepare, "prepare")]
    split: Annotated[Splitter, PlainValidator(SPLITS.build)]
    root: str | None = None

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.reader.labels):
            raise ConfigError(
                f"dataset {self.name!r}: its reader gives {len(self.reader.labels)} labels, "
                f"classes names {len(self.classes)}: {', '.join(self.classes)}."
            )


@component
class Recipe:
    """A published method as a recipe of parts: a strategy and, where it works on vectors, the embedding it sees."""

    name: Name
    strategy: Annotated[Strategy, PlainValidator(STRATEGIES.build)]
    embed: Annotated[Embedder, PlainValidator(EMBEDDERS.build)] | None = None

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
        """The strategy or its embedding uses the networks of the round before."""
        return self.strategy.needs_model or (self.embed is not None and self.embed.needs_model)


@component
class RunConfig:
    """dataset x recipe x annotation x budgets x seed.

    budgets: cumulative annotation budget of each round, increasing: a share of the training slices (float in (0, 1];
    int(N * share) slices) or a number of slices (int >= 1). schedule: name of these budgets in tables.
    train: how one network is trained. members: networks trained a round; the one with the best validation Dice is
    evaluated. cover: reference embedding in which the cover radius of every recipe is logged.
    keep_network: leave the best network of the last round in the run folder.
    device: "auto", "cpu" or "cuda[:n]". threads: CPU threads of this run; it is part of what makes results repeatable.
    """

    dataset: Annotated[Dataset, nested(Dataset, "dataset")]
    recipe: Annotated[Recipe, nested(Recipe, "recipe")]
    annotation: Annotated[Oracle, PlainValidator(ORACLES.build)]
    budgets: Annotated[tuple[int | float, ...], Field(min_length=1)]
    train: Annotated[Trainer, PlainValidator(TRAINERS.build)]
    schedule: Name = "default"
    seed: Annotated[int, Field(ge=0)] = 0
    members: Annotated[int, Field(ge=1)] = 1
    evaluate: Annotated[Evaluation, nested(Evaluation, "evaluate")] = Evaluation()
    cover: Annotated[Embedder, PlainValidator(EMBEDDERS.build)] = Pixels()
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1)] = 1
    keep_network: bool = False

    def __post_init__(self) -> None:
        for budget in self.budgets:
            if (isinstance(budget, float) and not 0 < budget <= 1) or budget <= 0:
                raise ConfigError(f"budgets: a share in (0, 1] or a number of slices >= 1 was wanted, got {budget!r}.")
        self.train.check_size(self.dataset.prepare.size)
        if self.train.volumetric and self.recipe.needs_model:
            raise ConfigError(
                f"recipe {self.recipe.name!r} looks at single slices through the trained network, and "
                f"{self.train.title} takes whole volumes; use another network or strategy."
            )
        if not self.train.gives_networks and self._needs_networks:
            raise ConfigError(
                f"recipe {self.recipe.name!r} uses dropout passes or features of a torch network, and "
                f"{self.train.title} trains none; use another recipe or trainer."
            )
        if self.keep_network and not isinstance(self.train, NetworkTrainer):
            raise ConfigError(f"keep_network keeps the network of trainer 'network', not of {self.train.title}.")
        if self.cover.needs_model:
            raise ConfigError(
                "cover: the reference embedding must not depend on a trained network; use pixels or contrastive."
            )

    @property
    def _needs_networks(self) -> bool:
        embed = self.recipe.embed
        return self.recipe.strategy.needs_network(self.members) or (embed is not None and embed.needs_model)

    @classmethod
    def load(cls, raw: Any) -> RunConfig:
        """From plain data (as YAML gives it). Raises ConfigError naming every wrong field."""
        if not isinstance(raw, Mapping):
            raise ConfigError(f"a run is a mapping of settings, got {type(raw).__name__}.")
        config: RunConfig = construct(cls, raw, "run")
        return config

    @classmethod
    def read(cls, path: Path) -> RunConfig:
        """From a YAML file."""
        try:
            return cls.load(yaml.safe_load(path.read_text()))
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is no valid YAML: {error}") from None

    @property
    def starts_at_random(self) -> bool:
        """The first round's slices are those of the random baseline: there is no network to choose others by."""
        return self.recipe.needs_model or isinstance(self.recipe.strategy, Random)

    @property
    def annotation_name(self) -> str:
        """Name of the kind of annotation."""
        return str(type(self.annotation).name)  # type: ignore[attr-defined]

    def describe(self) -> dict[str, Any]:
        """Plain data from which :meth:`load` makes an equal configuration."""
        described: dict[str, Any] = describe(self)
        return described

    @property
    def training(self) -> dict[str, Any]:
        """Plain settings of the training; a file of weights by what it holds, not by where it lies."""
        return self.train.settings()

    @property
    def fingerprint(self) -> str:
        """Identity of the experiment: everything but what is kept and where it runs (device, folders)."""
        described = {**self.describe(), "train": self.training}
        del described["device"], described["keep_network"], described["dataset"]["root"]
        return digest(described)

    @property
    def key(self) -> str:
        """Name of the run folder."""
        parts = (
            self.dataset.name,
            self.recipe.name,
            path_part(self.annotation_name),
            self.schedule,
            f"s{self.seed}",
            self.fingerprint[:8],
        )
        return "-".join(parts)

    def counts(self, pool: int) -> tuple[int, ...]:
        """Cumulative labelled slices of each round for a pool of that many slices.

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

    def check(self) -> None:
        """Raise ConfigError for what cannot be had: weights to start a network or an encoder from."""
        self.train.start()
        self.cover.check()
        if self.recipe.embed is not None:
            self.recipe.embed.check()

    def resolve_device(self) -> str:
        """The device that "auto" stands for. Raises ConfigError when CUDA is asked for and not there."""
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        there = torch.cuda.device_count()
        if self.device.startswith("cuda") and int(self.device.partition(":")[2] or 0) >= there:
            raise ConfigError(f"device {self.device!r} was asked for, {there} CUDA devices are there; use auto or cpu.")
        return self.device
