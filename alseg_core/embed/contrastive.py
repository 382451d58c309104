"""Features of the contrastive encoder, which is trained once per pool, seed and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from alseg_core import seeding
from alseg_core.embed.embedder import EmbedContext, Embedding, store_key
from alseg_core.metric_learning.encode import encode
from alseg_core.metric_learning.fit import ContrastiveTraining, FittedEncoder
from alseg_core.models.resnet import ResNetEncoder, load_imagenet
from alseg_core.registry import component


@component
class Contrastive(ContrastiveTraining):
    """Features of a ResNet-18 trained without labels by group-based contrastive learning.

    The fields are those of :class:`ContrastiveTraining`. With w_patient = w_volume = w_slice = 0 it is SimCLR.
    """

    needs_model: ClassVar[bool] = False
    paper: ClassVar[str] = "Vepa et al., NeurIPS 2024, arXiv 2411.15763"

    def check(self) -> None:
        """Raise ConfigError if the initial weights are unavailable; downloads them once per machine if needed."""
        load_imagenet(ResNetEncoder(channels=3), self.init, self.if_missing)

    def embed(self, context: EmbedContext) -> Embedding:
        """Return features h, (N, 512). With a store, one process trains and all others read the entry.

        facts: those of :class:`FittedEncoder`; with a store also encoder, the name of the entry, and encoder_seconds,
        the time of its training in whichever run. An entry made with if_missing "random" is kept even if the weights
        become available later, so that a continued run keeps its encoder; facts record what was used.
        """
        if context.store is None:
            return self._train(context)[1]
        key = store_key(self, context.slices, context.data_key, context.seed)
        entry = context.store.fetch("encoder", key, lambda folder: self._save(context, folder))
        facts = json.loads((entry / "facts.json").read_text())
        return Embedding(np.load(entry / "features.npy"), {**facts, "encoder": entry.name})

    def _train(self, context: EmbedContext) -> tuple[FittedEncoder, Embedding]:
        rng = seeding.stream(context.seed, "encoder")
        fitted = self.fit(context.slices, rng, context.device, context.progress)
        features = encode(fitted.encoder(), context.slices, self.image_size, context.device)
        return fitted, Embedding(features, {name: fact for name, fact in fitted.facts.items() if name != "seconds"})

    def _save(self, context: EmbedContext, folder: Path) -> None:
        fitted, embedding = self._train(context)
        torch.save(fitted.state, folder / "encoder.pt")
        np.save(folder / "features.npy", embedding.features)
        facts = {**embedding.facts, "encoder_seconds": fitted.facts["seconds"]}
        (folder / "facts.json").write_text(json.dumps(facts))
