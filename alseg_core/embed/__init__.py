"""Embedders, which turn slices into vectors: one file each, registered here by an import and a line."""

from __future__ import annotations

from alseg_core.embed.contrastive import Contrastive
from alseg_core.embed.embedder import EmbedContext, Embedder, Embedding
from alseg_core.embed.imagenet import ImageNet
from alseg_core.embed.pixels import Pixels
from alseg_core.embed.task_net import TaskNet
from alseg_core.embed.timm_features import Timm
from alseg_core.registry import Registry

EMBEDDERS: Registry[Embedder] = Registry(
    "embedder",
    {"pixels": Pixels, "contrastive": Contrastive, "imagenet": ImageNet, "timm": Timm, "task_net": TaskNet},
    Embedder,
)

__all__ = ["EMBEDDERS", "EmbedContext", "Embedder", "Embedding", "Pixels"]
