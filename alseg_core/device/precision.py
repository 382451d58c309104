"""The arithmetic of networks in training."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
"""Weights, losses and optimisers are float32 with all of them. "auto": bfloat16 on a GPU that computes in it,
else float32."""


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """While it is open networks on the device compute in that precision."""
    half = precision == "bfloat16"
    if precision == "auto" and device.type == "cuda":
        half = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=half)
