"""Raw pixels as vectors."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch.nn import functional as F

from alseg_core.embed.embedder import EmbedContext, Embedding
from alseg_core.registry import component


@component
class Pixels:
    """The pixels of the slice itself, optionally averaged down to size x size.

    size: pixels a side, None = as they are.
    """

    needs_model: ClassVar[bool] = False
    paper: ClassVar[str] = "the plain Coreset baseline of Vepa et al., NeurIPS 2024"

    size: Annotated[int, Field(gt=0)] | None = None

    def check(self) -> None:
        """Nothing from outside is needed."""

    def embed(self, context: EmbedContext) -> Embedding:
        """(N, C * H * W), or (N, C * size * size): each pixel the mean of the area it covers."""
        images = context.slices.images()
        if self.size is not None:
            images = F.adaptive_avg_pool2d(torch.from_numpy(images), self.size).numpy()
        return Embedding(images.reshape(len(images), -1))
