"""Dropout passes of a trained network, with fast masks that depend only on a seed."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from alseg_core.models import SegmentationModule

LEVELS = 2**16
"""Resolution of the dropout probability on the CPU, which is rounded to multiples of 1 / LEVELS."""


class Masks:
    """Draws dropout masks. Torch's own draws on a CPU take as long as the convolutions of a small network."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._draws: np.random.Generator | torch.Generator
        if device.type == "cpu":
            self._draws = np.random.Generator(np.random.SFC64(seed))
        else:
            self._draws = torch.Generator(device).manual_seed(seed)

    def drop(self, x: Tensor, p: float) -> Tensor:
        """Return ``x`` with each number set to 0 with probability p, 0 <= p < 1, else multiplied by 1 / (1 - p)."""
        kept = torch.empty_like(x)
        if isinstance(self._draws, torch.Generator):
            return kept.bernoulli_(1 - p, generator=self._draws).div_(1 - p).mul_(x)
        dropped = min(round(p * LEVELS), LEVELS - 1)
        words = self._draws.integers(0, 2**64, -(-x.numel() // 4), dtype=np.uint64)  # four draws in one
        draws = torch.from_numpy(words.view(np.int16))[: x.numel()]
        # draws in the order of memory, whatever its format
        stays = draws.as_strided(kept.shape, kept.stride()) >= dropped - LEVELS // 2
        return kept.copy_(stays).mul_(LEVELS / (LEVELS - dropped)).mul_(x)


class DropoutOf(nn.Module):
    """Dropout with masks from :attr:`masks`, active in every mode of the network."""

    masks: Masks

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with dropout."""
        return self.masks.drop(x, self.p) if self.p else x


class Dropping:
    """A network in evaluation mode except for its dropout, which is active.

    The given network is left as it is; the copy with dropout shares its weights.
    """

    def __init__(self, network: SegmentationModule) -> None:
        weights = {id(tensor): tensor for tensor in [*network.parameters(), *network.buffers()]}
        self._network = copy.deepcopy(network, weights)
        self._network.blends = False
        self._dropouts = []
        for name, module in list(self._network.named_modules()):
            if isinstance(module, nn.Dropout):
                self._dropouts.append(DropoutOf(module.p))
                self._network.set_submodule(name, self._dropouts[-1])

    def __call__(self, images: Tensor, masks: Masks) -> Tensor:
        """Return logits (B, K, H, W) of images (B, C, H, W) under the next masks."""
        for dropout in self._dropouts:
            dropout.masks = masks
        logits: Tensor = self._network(images)
        return logits
