"""Training of a round's models, or finding them where another run has trained the same first round."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from alseg_core import seeding
from alseg_core.config import RunConfig
from alseg_core.first_round import FirstTraining
from alseg_core.material import Material
from alseg_core.oracles import Vault
from alseg_core.pool import Pool
from alseg_core.registry import describe
from alseg_core.store import Store
from alseg_core.training.batches import TrainingSet, whole_volumes
from alseg_core.training.inference import Ensemble
from alseg_core.training.member import Member, kept_training
from alseg_core.validation import Validation, names
from alseg_core.vocabulary import LabelArray


@dataclass(frozen=True, eq=False)
class Trained:
    """The models of a round."""

    ensemble: Ensemble
    """The trained models."""
    shared: bool | None = None
    """Whether another run trained them; None for a round that no other run shares."""
    seconds_elsewhere: float = 0.0
    """Time that other runs spent on trainings found in the store, less the time of finding or waiting for them."""
    bought: LabelArray | None = None
    """Validation masks (B, H, W) that the round bought, those of ``material.validated``; None where it bought none."""


@dataclass(frozen=True, eq=False)
class RoundTraining:
    """Trains the models of one round, each from scratch on everything that is labelled."""

    config: RunConfig
    material: Material
    pool: Pool
    store: Store
    device: str
    number: int
    """Number of the round, from 0."""
    steps: int
    """Training steps of one model."""
    progress: Callable[[float], None]
    """Called with the share of the round's training that is done."""

    def run(self, vault: Vault, share: bool) -> Trained:
        """Train, or find, every member.

        share: whether the round is the first and has the slices of the random baseline. Recipes that start with these
        slices train the same models, so that one of them does it for all.
        """
        validation = self._validation(vault)
        data = self._data()
        trained = self._shared(data, validation) if share else self._own(data, validation)
        if validation is None or self.number > 0:
            return trained
        return replace(trained, bought=validation.masks.cpu().numpy())

    def identity(self) -> FirstTraining:
        """Return the identity of the training as one of a first round."""
        material, (positions, _) = self.material, self.pool.labels()
        prepared, table = material.prepared, material.slices.table
        known = names(material.validation, prepared.slices(material.split.val).table, material.validated)
        return FirstTraining.of(
            self.config, material.trainer, prepared.key, table, positions, known, self.steps, self.device
        )

    def _validation(self, vault: Vault) -> Validation | None:
        """Return what scores the networks; its masks are read every round and billed once."""
        material = self.material
        if material.validation == "none":
            return None
        return Validation.load(
            material.prepared,
            material.split.val,
            vault,
            len(self.config.dataset.classes),
            self.device,
            cost_each=1.0 if self.number == 0 else 0.0,
            chosen=None if material.validation == "all" else material.validated,
            volumetric=self.config.train.volumetric,
        )

    def _data(self) -> TrainingSet:
        slices, bought = self.material.slices, self.pool.labels()
        table = slices.table
        positions, labels = whole_volumes(table, *bought) if self.config.train.volumetric else bought
        images = slices.images(positions)
        return TrainingSet.of(images, labels, table.volume[positions], table.z[positions], self.device)

    def _fit(self, data: TrainingSet, validation: Validation | None, member: int) -> Member:
        config, count = self.config, self.config.members
        return self.material.trainer.fit(
            data,
            len(config.dataset.classes),
            self.steps,
            config.annotation.fill,
            validation,
            seeding.stream(config.seed, "train", self.number, member),
            lambda step: self.progress((member + step / self.steps) / count),
        )

    def _own(self, data: TrainingSet, validation: Validation | None) -> Trained:
        members = [self._fit(data, validation, member) for member in range(self.config.members)]
        return Trained(Ensemble(members, self.device))

    def _shared(self, data: TrainingSet, validation: Validation | None) -> Trained:
        """Train each member unless the store has it."""
        config, channels = self.config, self.material.slices.channels
        own, identity, annotation = config.fingerprint, self.identity(), describe(config.annotation)
        labels = self.pool.labels()[1]
        members, makers, elsewhere = [], set(), 0.0

        for member in range(config.members):

            def train(member: int = member) -> Member:
                return self._fit(data, validation, member)

            begun = time.perf_counter()
            kept = kept_training(self.store, identity.key(member, labels), annotation, own, train)
            elsewhere += kept.seconds - (time.perf_counter() - begun)
            classes = len(config.dataset.classes)
            members.append(Member.restore(kept.state, self.material.trainer, channels, classes, self.device))
            makers.add(kept.maker)
        # an interrupted run may find what it has trained itself
        return Trained(Ensemble(members, self.device), own not in makers, elsewhere)
