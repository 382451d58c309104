"""Features of a published image model, without further training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from alseg_core import seeding
from alseg_core.device.precision import resolved
from alseg_core.embed.embedder import EmbedContext, Embedding, pool_key
from alseg_core.embed.kept import kept
from alseg_core.embed.photographs import AsPhotograph, least_and_range
from alseg_core.geometry.clusters import unit_length
from alseg_core.metric_learning.encode import CHUNK, encode
from alseg_core.models import timm_encoder
from alseg_core.models.timm_encoder import RANDOM, Layer, TimmEncoder
from alseg_core.models.weights import content
from alseg_core.quantities import LARGEST_SIDE
from alseg_core.registry import component

PIXELS = 64 * 224 * 224
"""Pixels of a batch on a GPU. A vision transformer of 300 million weights then takes about 1 GB beside them."""


@component
class Timm:
    """Features of any image model that timm knows, by default DINOv2, which was trained on photographs without labels.

    The least intensity of the pool becomes 0 and the largest 1, then the model's own mean and standard deviation are
    applied. Outliers are thus for the preparation to clip (``clip_percentile``), and for CT it is the preparation that
    chooses the window (``window_hu``): what it makes equal, no model can tell apart. Grey slices are repeated in all
    three colour channels, three channels are taken as colour, and any other number is averaged to grey.

    The weights have licences of their own; those of DINOv2 are Apache-2.0. Needs the extra ``vision``.
    """

    needs_model: ClassVar[bool] = False
    paper: ClassVar[str] = "Oquab et al., TMLR 2024, arXiv 2304.07193 (DINOv2); Wightman, PyTorch Image Models, 2019"

    model: str = "vit_small_patch14_dinov2.lvd142m"
    """Name in timm: an architecture, or after a dot also which of its published weights."""
    weights: str = "auto"
    """"auto" for the published weights (downloaded once), "random", or the path of a ``.safetensors``, ``.pth`` or
    ``.bin`` file."""
    image_size: Annotated[int, Field(ge=32, le=LARGEST_SIDE)] = 224
    """Rows and columns that slices are resized to, in pixels; a multiple of the patches of a vision transformer."""
    layer: Layer = "pool"
    """Vector of a slice: "pool", the model's own pooled features before its classifier, which for DINOv2 are the class
    token too, or "cls", the class token of a model that has one."""
    normalise: bool = False
    """Scale the features of every slice to length 1, so that distances compare directions."""

    def check(self) -> None:
        """Raise ConfigError if model, size, layer and weights do not go together, MissingPackageError without timm.

        Published weights are downloaded once per machine.
        """
        with seeding.torch_seeded(0):
            timm_encoder.build(self.model, self.image_size, self.layer, self._file())

    def embed(self, context: EmbedContext) -> Embedding:
        """Return features (N, D), of length 1 if ``normalise``, from the store if there is one.

        Networks compute in bfloat16 on a GPU that supports it, and in float32 elsewhere. Features of the same weights
        are kept once, for all seeds that share the pool and whatever the file is called.

        facts: model; weights, "random" or the SHA-256 of their file; licence of published ones; precision; timm, its
        version; with a store also :data:`~alseg_core.embed.embedder.CPU_SECONDS`. Random weights come from the seed of
        the run.
        """
        timm_encoder.check_name(self.model)
        file = self._file()
        facts = self._facts(file, context.device)
        drawn = {"seed": context.seed} if file is None else {}
        settings = {"image_size": self.image_size, "layer": self.layer}
        key = {**pool_key(context.slices, context.data_key), "embedder": "timm", **facts, **settings, **drawn}
        found = kept(context.store, key, lambda: Embedding(self._encode(context, file), facts))
        licence = timm_encoder.licence(self.model) if self.weights == timm_encoder.AUTO else None
        features = unit_length(found.features) if self.normalise else found.features
        return Embedding(features, {**found.facts, **({} if licence is None else {"licence": licence})})

    def untrained(self, context: EmbedContext) -> NDArray[np.float32]:
        """Return the features (N, D) with random weights of the seed of the run, to compare with."""
        return replace(self, weights=RANDOM).embed(context).features

    def _file(self) -> Path | None:
        if self.weights == RANDOM:
            return None
        timm_encoder.check_name(self.model)
        return timm_encoder.file_of(self.model, self.weights)

    def _facts(self, file: Path | None, device: str) -> dict[str, Any]:
        return {
            "model": self.model,
            "weights": RANDOM if file is None else content(file),
            "precision": resolved("auto", torch.device(device)),
            "timm": timm_encoder.version(),
        }

    def _encode(self, context: EmbedContext, file: Path | None) -> NDArray[np.float32]:
        slices, size = context.slices, self.image_size
        with seeding.torch_seeded(seeding.derive(context.seed, "encoder")):
            encoder: TimmEncoder = timm_encoder.build(self.model, size, self.layer, file)
        photograph = nn.Sequential(AsPhotograph(slices.channels, *least_and_range(slices)), encoder)
        on_gpu = torch.device(context.device).type == "cuda"
        batch = max(1, PIXELS // size**2) if on_gpu else CHUNK
        return encode(photograph, slices, size, context.device, batch, context.progress, "auto")
