"""Features of the segmentation network of the previous round."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from alseg_core.embed.embedder import EmbedContext, Embedding
from alseg_core.errors import ConfigError
from alseg_core.registry import component
from alseg_core.training.parts import parts


@runtime_checkable
class FeatureModel(Protocol):
    """A trained network that gives one vector per slice."""

    def features(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> (B, D)."""

    @property
    def window(self) -> int | None:
        """None for a network of single slices; a volumetric one gets the slices of one volume in order of z."""


@component
class TaskNet:
    """Features of the segmentation network trained in the last round."""

    needs_model: ClassVar[bool] = True
    paper: ClassVar[str] = "Sener & Savarese, ICLR 2018"

    def check(self) -> None:
        """Do nothing: it needs no files."""

    @torch.no_grad()
    def embed(self, context: EmbedContext) -> Embedding:
        """Return (N, D), D as given by the network. Raises ConfigError if there is no network with features.

        A volumetric network takes one whole volume after another.
        """
        model = context.model
        if not isinstance(model, FeatureModel):
            got = "none has been trained yet" if model is None else f"{type(model).__name__} has no features(images)"
            raise ConfigError(f"embedder 'task_net' needs a trained network: {got}. Start with a labelled first round.")
        table = context.slices.table
        order = np.arange(len(table)) if model.window is None else np.lexsort((table.z, table.volume))
        found = [
            part.rows_of(model.features(part.images.to(context.device)))
            for part in parts(context.slices, order, model.window, context.device)
        ]
        return Embedding(torch.cat(found).float().cpu().numpy()[np.argsort(order)])
