"""Features of an encoder trained on photographs, without further training."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from alseg_core import seeding
from alseg_core.data.slices import Slices
from alseg_core.embed.embedder import CPU_SECONDS, EmbedContext, Embedding, store_key
from alseg_core.geometry.clusters import unit_length
from alseg_core.metric_learning.encode import CHUNK, encode
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

        facts: init, the weights actually used; with a store also :data:`CPU_SECONDS`.

        Random weights come from the seed of the run. An entry made with if_missing "random" is kept even if the weights
        become available later.
        """
        if context.store is None:
            return self._encode(context)
        key = store_key(self, context.slices, context.data_key, context.seed)
        entry = context.store.fetch("features", key, lambda folder: self._save(context, folder))
        return Embedding(np.load(entry / "features.npy"), json.loads((entry / "facts.json").read_text()))

    def _encode(self, context: EmbedContext) -> Embedding:
        with seeding.torch_seeded(seeding.derive(context.seed, "encoder")):
            encoder = ResNetEncoder(channels=3)
        used = load_imagenet(encoder, self.init, self.if_missing)
        photograph = nn.Sequential(_AsPhotograph(context.slices.channels, *_intensities(context.slices)), encoder)
        features = encode(photograph, context.slices, self.image_size, context.device, progress=context.progress)
        return Embedding(unit_length(features) if self.normalise else features, {"init": used})

    def _save(self, context: EmbedContext, folder: Path) -> None:
        start = time.process_time()
        embedding = self._encode(context)
        facts = {**embedding.facts, CPU_SECONDS: round(time.process_time() - start, 3)}
        np.save(folder / "features.npy", embedding.features)
        (folder / "facts.json").write_text(json.dumps(facts))


class _AsPhotograph(nn.Module):
    """Slices (B, channels, H, W) -> (B, 3, H, W), scaled by the mean and standard deviation of the pool.

    Three channels are taken as colour; any other number is averaged to grey.
    """

    def __init__(self, channels: int, mean: float, deviation: float) -> None:
        super().__init__()
        self.channels, self.mean, self.deviation = channels, mean, deviation

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 3, H, W)."""
        images = (images - self.mean) / self.deviation
        return images if self.channels == 3 else images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)


def _intensities(slices: Slices) -> tuple[float, float]:
    """Mean and standard deviation over all pixels of the pool, read in chunks; 1 if the deviation is 0."""
    total = squares = 0.0
    for start in range(0, len(slices), CHUNK):
        images = slices.images(np.arange(start, min(start + CHUNK, len(slices)))).astype(np.float64)
        total, squares = total + images.sum(), squares + np.square(images).sum()
    pixels = len(slices) * slices.channels * slices.size[0] * slices.size[1]
    variance = squares / pixels - (total / pixels) ** 2
    return total / pixels, float(np.sqrt(variance)) if variance > 1e-12 else 1.0
