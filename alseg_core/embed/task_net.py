"""Features of the segmentation network of the previous round."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from alseg_core.embed.embedder import EmbedContext, Embedding
from alseg_core.errors import ConfigError
from alseg_core.registry import component
from alseg_core.training.inference import chunk_size


@runtime_checkable
class FeatureModel(Protocol):
    """A trained network that gives one vector per slice."""

    def features(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> (B, D)."""


@component
class TaskNet:
    """Features of the segmentation network trained in the last round."""

    needs_model: ClassVar[bool] = True
    paper: ClassVar[str] = "Sener & Savarese, ICLR 2018"

    def check(self) -> None:
        """Do nothing: it needs no files."""

    @torch.no_grad()
    def embed(self, context: EmbedContext) -> Embedding:
        """Return (N, D), D as given by the network. Raises ConfigError if there is no network with features."""
        model = context.model
        if not isinstance(model, FeatureModel):
            got = "none has been trained yet" if model is None else f"{type(model).__name__} has no features(images)"
            raise ConfigError(f"embedder 'task_net' needs a trained network: {got}. Start with a labelled first round.")
        count, each = len(context.slices), chunk_size(context.slices.size, context.device)
        chunks = np.array_split(np.arange(count), -(-count // each))
        parts = [model.features(torch.from_numpy(context.slices.images(p)).to(context.device)) for p in chunks]
        return Embedding(torch.cat(parts).float().cpu().numpy())
