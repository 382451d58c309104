"""Training of a 3D network with MONAI's transforms, Dataset and DataLoader, and eager steps in float32."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, EnsureTyped, RandFlipd, RandRotate90d, RandRotated, RandSpatialCropd
from torch import Tensor, nn

from straightforward.training import WORKERS, cross_entropy, soft_dice_loss


def dataset(images: Sequence[np.ndarray], labels: Sequence[np.ndarray], window: int, fill: int) -> Dataset:
    """Return volumes (D, H, W) of at least ``window`` slices, cropped and moved in the plane when they are read."""
    keys = ["image", "label"]
    steps = [
        EnsureTyped(keys),
        RandSpatialCropd(keys, (window, -1, -1), random_size=False),
        RandRotate90d(keys, prob=0.5, max_k=3, spatial_axes=(1, 2)),
        RandFlipd(keys, prob=0.25, spatial_axis=1),
        RandRotated("image", range_x=math.radians(20), prob=0.25, mode="nearest", padding_mode="zeros"),
        RandRotated("label", range_x=math.radians(20), prob=0.25, mode="nearest", padding_mode="zeros"),
    ]
    items = [{"image": i[None], "label": m[None].astype(np.float32)} for i, m in zip(images, labels, strict=True)]
    return Dataset(items, Compose(steps))


def loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return half the cross-entropy plus half the Dice loss of volumes, weighted by 1, 1/2, ... over the resolutions.

    outputs: (B, K, D, H, W), or (B, S, K, D, H, W) with S resolutions. labels: (B, D, H, W) int64.
    """
    scales = torch.unbind(outputs, dim=1) if outputs.ndim == 6 else (outputs,)
    weights = [0.5**i for i in range(len(scales))]
    total = torch.zeros((), device=outputs.device)
    for weight, logits in zip(weights, scales, strict=True):
        dice = [soft_dice_loss(logits[b : b + 1], labels[b : b + 1]) for b in range(len(logits))]
        total = total + weight * 0.5 * (cross_entropy(logits, labels) + torch.stack(dice).mean())
    return total / sum(weights)


def train(network: nn.Module, volumes: Dataset, epochs: int, device: str, batch: int, lr: float = 0.01) -> list[float]:
    """Train for ``epochs`` epochs; return the loss of every step."""
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
    losses: list[float] = []
    network.train()
    for _ in range(epochs):
        loader = DataLoader(
            volumes, batch_size=batch, shuffle=True, num_workers=WORKERS, multiprocessing_context="fork"
        )
        for item in loader:
            value = loss(network(item["image"].to(device)), item["label"][:, 0].long().to(device))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            losses.append(value.item())
    return losses
