"""Features of an encoder trained on photographs, without further training."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from alseg_core import seeding
from alseg_core.embed.embedder import EmbedContext, Embedding, store_key
from alseg_core.embed.kept import kept
from alseg_core.embed.photographs import AsPhotograph, mean_and_deviation
from alseg_core.geometry.clusters import unit_length
from alseg_core.metric_learning.encode import encode
from alseg_core.models.resnet import ResNetEncoder, load_imagenet
from alseg_core.quantities import LARGEST_SIDE
from alseg_core.registry import component


@component
class ImageNet:
    """Features of a ResNet-18 trained on ImageNet.

    Grey slices are repeated in all three colour channels. Intensities are scaled to mean 0 and standard deviation 1
    over the pool, as the photographs were.
    """

    needs_model: ClassVar[bool] = False
    paper: ClassVar[str] = "He et al., CVPR 2016; Deng et al., CVPR 2009"

    init: str = "imagenet"
    """Weights: "imagenet" (downloaded once), "random", or the path of a ResNet-18 ``.pth`` file."""
    if_missing: Literal["error", "random"] = "error"
    """What to do if the weights are unavailable: "error", or "random" to go on with random ones."""
    image_size: Annotated[int, Field(ge=32, le=LARGEST_SIDE)] = 224
    """Rows and columns that slices are resized to, in pixels."""
    normalise: bool = False
    """Scale the features of every slice to length 1, so that distances compare directions."""

    def check(self) -> None:
        """Raise ConfigError if the weights are unavailable; downloads them once per machine if needed."""
        load_imagenet(ResNetEncoder(channels=3), self.init, self.if_missing)

    def embed(self, context: EmbedContext) -> Embedding:
        """Return features h, (N, 512), of length 1 if ``normalise``, from the store if there is one.

        facts: init, the weights actually used; with a store also :data:`~alseg_core.embed.embedder.CPU_SECONDS`.

        Random weights come from the seed of the run. An entry made with if_missing "random" is kept even if the weights
        become available later.
        """
        key = store_key(self, context.slices, context.data_key, context.seed)
        return kept(context.store, key, lambda: self._encode(context))

    def untrained(self, context: EmbedContext) -> NDArray[np.float32]:
        """Return the features (N, 512) with random weights of the seed of the run, to compare with."""
        return replace(self, init="random").embed(context).features

    def _encode(self, context: EmbedContext) -> Embedding:
        with seeding.torch_seeded(seeding.derive(context.seed, "encoder")):
            encoder = ResNetEncoder(channels=3)
        used = load_imagenet(encoder, self.init, self.if_missing)
        photograph = nn.Sequential(AsPhotograph(context.slices.channels, *mean_and_deviation(context.slices)), encoder)
        features = encode(photograph, context.slices, self.image_size, context.device, progress=context.progress)
        return Embedding(unit_length(features) if self.normalise else features, {"init": used})
