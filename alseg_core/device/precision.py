"""The arithmetic of networks in training."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
"""Weights, losses and optimisers are float32 with all of them. "auto": bfloat16 on a GPU, float32 on a CPU."""


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """While it is open networks on the device compute in that precision."""
    half = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16, enabled=half)
