"""3D networks that are timed, and the volumes they are trained on."""

from __future__ import annotations

import numpy as np

from alseg_core.models import Network
from alseg_core.models.dynunet import DynUNet
from alseg_core.models.unet3d import UNet3D
from alseg_core.training.batches import TrainingSet
from alseg_core.vocabulary import IGNORE

BATCH = 2
CLASSES = 4
SPACING_MM = (5.0, 1.5, 1.5)


def networks(size: int, window: int, small: bool) -> dict[str, Network]:
    """Return the components that are timed, small ones for a CPU; without dropout, as the baseline has none."""
    widths = (8, 16, 32, 64) if small else (32, 64, 128, 256, 320)
    dyn = DynUNet(width=8 if small else 32, cap=64 if small else 320, window=window, dropout=0.0)
    return {
        "unet3d": UNet3D(widths=widths, window=window, dropout=0.0),
        "dynunet": dyn.for_volumes(SPACING_MM, (window, size, size)),
    }


def stacks(count: int, window: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels (count, window, size, size) of volumes, one labelled slice in four."""
    rng = np.random.default_rng(0)
    images = rng.random((count, window, size, size), dtype=np.float32)
    labels = rng.integers(0, CLASSES, images.shape).astype(np.uint8)
    labels[:, np.arange(window) % 4 != 0] = IGNORE
    return images, labels


def training_set(images: np.ndarray, labels: np.ndarray, device: str) -> TrainingSet:
    """Return the volumes of :func:`stacks` as a training takes them."""
    count, window, size = images.shape[:3]
    return TrainingSet.of(
        images.reshape(-1, 1, size, size),
        labels.reshape(-1, size, size),
        np.repeat(np.arange(count), window),
        np.tile(np.arange(window), count),
        device,
    )
