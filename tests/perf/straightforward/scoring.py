"""Uncertainty of slices, one forward pass of one slice at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

Measure = Callable[[Sequence[np.ndarray]], float]
"""Function from the probabilities (K, H, W) of each member or pass to the score of a slice."""


def entropy_of(p: np.ndarray) -> np.ndarray:
    """Return the entropy of every pixel in nats, p (K, H, W)."""
    pixels: np.ndarray = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=0)
    return pixels


def entropy(predictions: Sequence[np.ndarray]) -> float:
    """Return the mean entropy of the mean prediction."""
    return float(entropy_of(np.mean(predictions, axis=0)).mean())


def variance_ratio(predictions: Sequence[np.ndarray]) -> float:
    """Return the mean share of votes against the most common class."""
    votes = np.stack([p.argmax(axis=0) for p in predictions])
    most = np.stack([(votes == label).sum(axis=0) for label in range(len(predictions[0]))]).max(axis=0)
    return float((1 - most / len(predictions)).mean())


def bald(predictions: Sequence[np.ndarray]) -> float:
    """Return the mean of H(mean p) - mean H(p)."""
    inner = np.mean([entropy_of(p) for p in predictions], axis=0)
    return float(np.maximum(entropy_of(np.mean(predictions, axis=0)) - inner, 0).mean())


@torch.no_grad()
def probabilities(network: nn.Module, image: np.ndarray, device: str) -> np.ndarray:
    """Return the class probabilities (K, H, W) of one slice (H, W)."""
    logits = network(torch.from_numpy(image.copy())[None, None].to(device))[0]
    return torch.softmax(logits, dim=1)[0].cpu().numpy()


def members_score(measure: Measure, members: Sequence[nn.Module], image: np.ndarray, device: str) -> float:
    """Return the score of a slice from the members of an ensemble."""
    return measure([probabilities(member.eval(), image, device) for member in members])


def dropout_score(measure: Measure, network: nn.Module, image: np.ndarray, passes: int, device: str) -> float:
    """Return the score of a slice from dropout passes of one network."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    return measure([probabilities(network, image, device) for _ in range(passes)])
