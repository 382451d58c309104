"""Features of the contrastive encoder, which is trained once per pool, seed and settings of the training."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from alseg_core import seeding
from alseg_core.data.slices import Slices
from alseg_core.embed.embedder import CPU_SECONDS, EmbedContext, Embedding, store_key
from alseg_core.geometry.clusters import unit_length
from alseg_core.metric_learning.encode import encode
from alseg_core.metric_learning.fit import ContrastiveTraining, FittedEncoder
from alseg_core.models.resnet import ResNetEncoder, load_imagenet
from alseg_core.quantities import Seed
from alseg_core.registry import component
from alseg_core.store import Store


@component
class Contrastive(ContrastiveTraining):
    """Features of a ResNet-18 trained without labels by group-based contrastive learning.

    Its further fields are those of :class:`ContrastiveTraining`. With w_patient = w_volume = w_slice = 0 it is SimCLR.
    """

    needs_model: ClassVar[bool] = False
    paper: ClassVar[str] = "Vepa et al., NeurIPS 2024, arXiv 2411.15763"

    normalise: bool = False
    """Scale the features of every slice to length 1, so that distances compare directions; the paper does not."""
    encoder_seed: Seed | None = None
    """Seed of the encoder, which all runs with the same pool then share; null = the seed of the run. Spreads over the
    seeds of a study then do not contain the spread between encoders."""

    def check(self) -> None:
        """Raise ConfigError if the initial weights are unavailable; downloads them once per machine if needed."""
        load_imagenet(ResNetEncoder(channels=3), self.init, self.if_missing)

    def seed_of(self, run: int) -> int:
        """Return the seed of the encoder in a run with seed ``run``."""
        return run if self.encoder_seed is None else self.encoder_seed

    def store_key(self, slices: Slices, data_key: str, run: int) -> dict[str, Any]:
        """Return the key of the encoder in the store: what its training depends on, and nothing else."""
        key = store_key(self, slices, data_key, self.seed_of(run))
        settings = {name: value for name, value in key["settings"].items() if name not in ("normalise", "encoder_seed")}
        return {**key, "settings": settings}

    def embed(self, context: EmbedContext) -> Embedding:
        """Return features h, (N, 512), of length 1 if ``normalise``. With a store, one process trains, others read it.

        facts: those of :class:`FittedEncoder`, and encoder_seed if it is set; with a store also encoder, the name of
        the entry, encoder_seconds, the time of its training in whichever run, and :data:`CPU_SECONDS`. An entry made
        with if_missing "random" is kept even if the weights become available later, so that a continued run keeps its
        encoder; facts record what was used.
        """
        found = self._train(context)[1] if context.store is None else self._fetch(context, context.store)
        features = unit_length(found.features) if self.normalise else found.features
        fixed = {} if self.encoder_seed is None else {"encoder_seed": self.encoder_seed}
        return Embedding(features, {**found.facts, **fixed})

    def untrained(self, context: EmbedContext) -> NDArray[np.float32]:
        """Return the features (N, 512) of an encoder with the random weights of this seed, to compare with."""
        rng = seeding.stream(self.seed_of(context.seed), "encoder")
        with seeding.torch_seeded(seeding.child(rng)):
            encoder = ResNetEncoder(context.slices.channels)
        features = encode(encoder, context.slices, self.image_size, context.device)
        return unit_length(features) if self.normalise else features

    def _fetch(self, context: EmbedContext, store: Store) -> Embedding:
        key = self.store_key(context.slices, context.data_key, context.seed)
        entry = store.fetch("encoder", key, lambda folder: self._save(context, folder))
        facts = json.loads((entry / "facts.json").read_text())
        return Embedding(np.load(entry / "features.npy"), {**facts, "encoder": entry.name})

    def _train(self, context: EmbedContext) -> tuple[FittedEncoder, Embedding]:
        rng = seeding.stream(self.seed_of(context.seed), "encoder")
        fitted = self.fit(context.slices, rng, context.device, context.progress)
        features = encode(fitted.encoder(), context.slices, self.image_size, context.device)
        return fitted, Embedding(features, {name: fact for name, fact in fitted.facts.items() if name != "seconds"})

    def _save(self, context: EmbedContext, folder: Path) -> None:
        start = time.process_time()
        fitted, embedding = self._train(context)
        spent = round(time.process_time() - start, 3)
        torch.save(fitted.state, folder / "encoder.pt")
        np.save(folder / "features.npy", embedding.features)
        facts = {**embedding.facts, "encoder_seconds": fitted.facts["seconds"], CPU_SECONDS: spent}
        (folder / "facts.json").write_text(json.dumps(facts))
