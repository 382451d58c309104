"""Contrastive training of the slice encoder, image by image and pair by pair."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

TEMPERATURE = 0.5


def view(image: Tensor) -> Tensor:
    """Return a random view of an image (C, H, W): crop, flip, affine map, blur and erasing, one after another."""
    _, rows, columns = image.shape
    area, ratio = np.random.uniform(0.8, 1.0), math.exp(np.random.uniform(math.log(3 / 4), math.log(4 / 3)))
    height = min(rows, round(math.sqrt(area / ratio) * rows))
    width = min(columns, round(math.sqrt(area * ratio) * columns))
    top, left = np.random.randint(rows - height + 1), np.random.randint(columns - width + 1)
    cut = image[None, :, top : top + height, left : left + width]
    image = functional.interpolate(cut, size=(rows, columns), mode="bilinear", align_corners=False)
    if np.random.random() < 0.5:
        image = torch.flip(image, dims=[3])
    image = _moved(image)
    image = _blurred(image, np.random.uniform(0.1, 2.0))
    if np.random.random() < 0.2:
        image = _erased(image)
    return image[0]


def _moved(image: Tensor) -> Tensor:
    angle, shear = math.radians(np.random.uniform(-15, 15)), math.radians(np.random.uniform(-10, 10))
    zoom, shift = np.random.uniform(0.8, 1.2), np.random.uniform(-0.4, 0.4, 2)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    inverse = np.linalg.inv(zoom * turn @ np.array([[1, math.tan(shear)], [0, 1]]))
    theta = torch.tensor(np.column_stack([inverse, -inverse @ shift]), dtype=torch.float32)[None]
    grid = functional.affine_grid(theta, list(image.shape), align_corners=False)
    return functional.grid_sample(image, grid, align_corners=False)


def _blurred(image: Tensor, sigma: float) -> Tensor:
    x = torch.arange(-2.0, 3.0)
    line = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = torch.outer(line, line)
    kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, 5, 5)
    return functional.conv2d(functional.pad(image, (2, 2, 2, 2), mode="reflect"), kernel, groups=image.shape[1])


def _erased(image: Tensor) -> Tensor:
    rows, columns = image.shape[2:]
    area = np.random.uniform(0.02, 0.33) * rows * columns
    ratio = math.exp(np.random.uniform(math.log(0.3), math.log(3.3)))
    height, width = min(rows, round(math.sqrt(area * ratio))), min(columns, round(math.sqrt(area / ratio)))
    top, left = np.random.randint(rows - height + 1), np.random.randint(columns - width + 1)
    image = image.clone()
    image[:, :, top : top + height, left : left + width] = 0
    return image


def loss(z: Tensor, patient: Sequence[int], volume: Sequence[int], weights: tuple[float, float, float]) -> Tensor:
    """Return w_ntxent NT-Xent + w_patient and w_volume group losses (Eq. 4) of z (2B, d), by loops over all pairs.

    weights: (w_ntxent, w_patient, w_volume). patient, volume: (B,).
    """
    count = len(z)
    half = count // 2
    similar = functional.cosine_similarity(z[:, None], z[None], dim=2) / TEMPERATURE
    total = z.new_zeros(())
    for i in range(count):
        others = [k for k in range(count) if k != i]
        total = total + weights[0] / count * _one_positive(similar[i], (i + half) % count, others)
    for weight, group in ((weights[1], patient), (weights[2], volume)):
        if weight == 0:
            continue
        for i in range(count):
            mine, owner = group[i % half], patient[i % half]
            positives = [j for j in range(count) if j != i and (group[j % half] == mine or j % half == i % half)]
            strangers = [k for k in range(count) if patient[k % half] != owner]
            for j in positives:
                pair = _one_positive(similar[i], j, positives + strangers)
                total = total + weight / count / len(positives) * pair
    return total


def _one_positive(similar: Tensor, positive: int, compared: list[int]) -> Tensor:
    """Return -log of the softmax of one pair among the pairs it is compared with."""
    return torch.log(torch.exp(similar[compared]).sum()) - similar[positive]


def train_epoch(
    encoder: nn.Module,
    head: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: np.ndarray,
    patient: np.ndarray,
    volume: np.ndarray,
    batches: Sequence[np.ndarray],
    weights: tuple[float, float, float],
    device: str,
) -> float:
    """Train on every batch of positions in ``images`` (N, C, H, W); return the mean loss."""
    encoder.train()
    total = 0.0
    for batch in batches:
        first = [view(torch.from_numpy(images[i])) for i in batch]
        second = [view(torch.from_numpy(images[i])) for i in batch]
        z = head(encoder(torch.stack(first + second).to(device)))
        value = loss(z, patient[batch].tolist(), volume[batch].tolist(), weights)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        total += value.item()
    return total / len(batches)
