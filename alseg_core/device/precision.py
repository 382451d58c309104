"""The arithmetic of networks in training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
"""Weights, losses and optimisers are float32 with all of them. "auto": bfloat16 on a GPU that computes in it,
else float32."""


def computed(precision: str, device: str, supported: Callable[[], bool] = lambda: True) -> str:
    """Return what ``precision`` comes to on a device: "float32" or "bfloat16".

    device: "cpu" or "cuda[:n]". supported: whether this GPU computes in bfloat16; of a GPU that cannot be asked, as
    in a report of earlier runs, it is assumed.
    """
    if precision != "auto":
        return precision
    return "bfloat16" if device.startswith("cuda") and supported() else "float32"


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Return a context in which networks on the device compute in that precision."""
    half = computed(precision, device.type, lambda: torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.autocast(device.type, torch.bfloat16, enabled=half == "bfloat16")
