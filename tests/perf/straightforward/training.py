"""Training of a segmentation network with a Dataset, a DataLoader and eager steps in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

IGNORE = 255
SMOOTH = 1e-5
WORKERS = 2

PlainLoss = Callable[[tuple[Tensor, ...], Tensor], Tensor]
"""Function from the logits of every head and labels (B, H, W) int64 to the loss."""


def augmented(
    image: np.ndarray, label: np.ndarray, fill: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rotate by k x 90 degrees and flip (1 in 2), or rotate by up to 20 degrees (1 in 4), or change nothing."""
    if rng.random() < 0.5:
        turns, axis = int(rng.integers(4)), int(rng.integers(2))
        return np.flip(np.rot90(image, turns), axis).copy(), np.flip(np.rot90(label, turns), axis).copy()
    if rng.random() < 0.5:
        angle = rng.uniform(-20, 20)
        turned = ndimage.rotate(image, angle, order=0, reshape=False)
        return turned, ndimage.rotate(label, angle, order=0, reshape=False, cval=fill)
    return image, label


class SliceDataset(Dataset):
    """Slices (n, H, W) and their labels, augmented one by one when they are read."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, fill: int) -> None:
        self.images, self.labels, self.fill = images, labels, fill

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(int(torch.randint(2**31, ())))  # torch seeds every worker differently
        image, label = augmented(self.images[index], self.labels[index], self.fill, rng)
        return torch.from_numpy(image)[None].float(), torch.from_numpy(label).long()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over the labelled pixels."""
    return functional.cross_entropy(logits, labels, ignore_index=IGNORE)


def soft_dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return 1 - mean over classes of the soft Dice with squared denominators."""
    probabilities = torch.softmax(logits, dim=1)
    marked = (labels != IGNORE).float()
    total = torch.zeros((), device=logits.device)
    for label in range(logits.shape[1]):
        p, t = probabilities[:, label] * marked, (labels == label).float()
        total = total + (2 * (p * t).sum() + SMOOTH) / ((p * p).sum() + (t * t).sum() + SMOOTH)
    return 1 - total / logits.shape[1]


def full_loss(outputs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """Return half the cross-entropy plus half the Dice loss."""
    return 0.5 * (cross_entropy(outputs[0], labels) + soft_dice_loss(outputs[0], labels))


def scribble_loss(outputs: tuple[Tensor, ...], labels: Tensor, beta: float | None = None) -> Tensor:
    """Return DMPLS (Luo et al., MICCAI 2022): cross-entropy and Dice of both heads, Dice to the argmax of their mix."""
    main, aux = outputs
    beta = float(np.random.random()) if beta is None else beta
    mixed = beta * torch.softmax(main.detach(), dim=1) + (1 - beta) * torch.softmax(aux.detach(), dim=1)
    pseudo = torch.argmax(mixed, dim=1)
    marked = 0.5 * (cross_entropy(main, labels) + cross_entropy(aux, labels))
    return marked + 0.5 * 0.5 * (soft_dice_loss(main, pseudo) + soft_dice_loss(aux, pseudo))


def train(
    network: nn.Module,
    loss: PlainLoss,
    dataset: Dataset,
    epochs: int,
    device: str,
    planned: int = 60000,
    batch: int = 6,
    lr: float = 0.01,
) -> list[float]:
    """Train for ``epochs`` epochs of a schedule of ``planned`` steps; return the loss of every step."""
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
    losses: list[float] = []
    network.train()
    for _ in range(epochs):
        for images, labels in DataLoader(
            dataset, batch, shuffle=True, num_workers=WORKERS, multiprocessing_context="fork"
        ):
            value = loss(network(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] = lr * (1 - len(losses) / planned) ** 0.9
            losses.append(value.item())
    return losses


def volume_dice(prediction: np.ndarray, truth: np.ndarray, classes: int) -> list[float]:
    """Return the Dice of every foreground class of one volume; NaN where a class is in neither."""
    scores = []
    for label in range(1, classes):
        ours, theirs = prediction == label, truth == label
        size = ours.sum() + theirs.sum()
        scores.append(float(2 * (ours & theirs).sum() / size) if size else float("nan"))
    return scores


@torch.no_grad()
def predicted(network: nn.Module, images: np.ndarray, device: str) -> np.ndarray:
    """Predict the labels (D, H, W) of a volume (D, H, W), slice by slice."""
    network.eval()
    out = np.zeros(images.shape, np.uint8)
    for z, image in enumerate(images):
        logits = network(torch.from_numpy(image.copy())[None, None].to(device))[0]
        out[z] = torch.argmax(torch.softmax(logits, dim=1), dim=1)[0].cpu().numpy()
    return out


def validate(network: nn.Module, volumes: Sequence[tuple[np.ndarray, np.ndarray]], classes: int, device: str) -> float:
    """Return the mean over volumes of the mean Dice over classes; volumes: images and masks, (D, H, W) each."""
    scores = [volume_dice(predicted(network, images, device), masks, classes) for images, masks in volumes]
    means = [np.nanmean(score) for score in scores if not np.isnan(score).all()]
    return float(np.mean(means)) if means else 0.0
